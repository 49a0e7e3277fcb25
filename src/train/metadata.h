/* metadata.h - the texts beside a net's tensors. Private to the train room. */
#ifndef REP_TRAIN_METADATA_H
#define REP_TRAIN_METADATA_H

#include "repopt/tensors.h"
#include "train/task.h"

/* Stands in the files of folded nets, and in no other. */
#define REP_METADATA_FOLDED "folded"
/* Beside it in those of nets in whole numbers, with how their ranges were found. */
#define REP_METADATA_INT8 "int8"
#define REP_METADATA_CALIBRATION "int8.calibration"
#define REP_METADATA_PERCENTILE "int8.percentile"
#define REP_METADATA_PICTURES "int8.pictures"

enum { REP_METADATA_MOST = 24, REP_METADATA_NUMBER_BYTES = 40 };
typedef struct rep_metadata {
    rep_metadata_pair pairs[REP_METADATA_MOST];
    size_t count;
    char numbers[REP_METADATA_MOST][REP_METADATA_NUMBER_BYTES];
    char *yaml, *names, *categories;
} rep_metadata;
/* What every file of a net says: "format", "repopt" (the version), "mode", "class_names" (one per
 * line, where the task knows them), "categories" (a detector's) and "config", all settings. Not to
 * be copied. REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_metadata_init(rep_metadata *out, const rep_task *task,
                                           const rep_config *config);
/* One more pair; key and value are borrowed. */
void rep_metadata_add(rep_metadata *metadata, const char *key, const char *value);
void rep_metadata_add_number(rep_metadata *metadata, const char *key, uint64_t value);
/* The shortest text that reads back as `value`. */
void rep_metadata_add_real(rep_metadata *metadata, const char *key, double value);
void rep_metadata_add_folded(rep_metadata *metadata);
/* What the numbers are; an .onnx may have its weights as uint8. */
void rep_metadata_add_int8(rep_metadata *metadata, bool has_uint8_weights);
/* The same of an int8 net's file, and how its ranges were found; borrows of it. */
void rep_metadata_copy_int8(rep_metadata *metadata, const rep_tensors *file,
                            bool has_uint8_weights);
void rep_metadata_clear(rep_metadata *metadata);

#endif
