/* format.h - foreign bytes: safetensors files, TensorBoard event files.
 *
 * A safetensors file is an 8-byte little-endian header length, a JSON header and raw little-endian
 * data (https://github.com/huggingface/safetensors, "Format"). Names, shapes and element order are
 * the file's; permuting convolution weights is the caller's.
 */
#ifndef REP_FORMAT_FORMAT_H
#define REP_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum { REP_TENSOR_MAX_RANK = 8 };

/* Every element type that is read: name in the file, bytes. F32, I32 and I64 are written. */
#define REP_TENSOR_TYPES(X)                                                                        \
    X(F32, 4)                                                                                      \
    X(F16, 2)                                                                                      \
    X(BF16, 2)                                                                                     \
    X(F64, 8)                                                                                      \
    X(I32, 4)                                                                                      \
    X(I64, 8)
typedef enum rep_tensor_type {
#define REP_TENSOR_TYPE_ENUM(name, bytes) REP_TENSOR_##name,
    REP_TENSOR_TYPES(REP_TENSOR_TYPE_ENUM)
#undef REP_TENSOR_TYPE_ENUM
} rep_tensor_type;
/* By rep_tensor_type: the name in a file's header and the bytes of one element. */
static const struct {
    const char *name;
    size_t bytes;
} rep_tensor_types[] = {
#define REP_TENSOR_TYPE_ROW(name, bytes) {#name, bytes},
    REP_TENSOR_TYPES(REP_TENSOR_TYPE_ROW)
#undef REP_TENSOR_TYPE_ROW
};

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct rep_safetensors rep_safetensors;

typedef struct rep_tensor_info {
    const char *name; /* borrowed from the file */
    rep_tensor_type type;
    int32_t rank; /* 0: a scalar */
    int64_t shape[REP_TENSOR_MAX_RANK];
    size_t count;      /* elements */
    const void *bytes; /* raw, as in the file, perhaps not aligned */
} rep_tensor_info;

/* Maps the file and checks every entry. REP_ERR_IO when it cannot be read, REP_ERR_DATA when it is
 * no safetensors file or a damaged one; the message names the file, the tensor and the fault. */
REP_NODISCARD rep_status rep_safetensors_open(rep_safetensors **out, const char *path);
/* The same for bytes at hand, which must outlive *out; `name` is used in messages. */
REP_NODISCARD rep_status rep_safetensors_parse(rep_safetensors **out, const char *name,
                                               const void *bytes, size_t count);
void rep_safetensors_close(rep_safetensors *file);
/* What it was opened as. */
const char *rep_safetensors_name(const rep_safetensors *file);
/* Tensors in the order of their data. */
size_t rep_safetensors_count(const rep_safetensors *file);
const rep_tensor_info *rep_safetensors_get(const rep_safetensors *file, size_t index);
/* NULL when there is none of that name. */
const rep_tensor_info *rep_safetensors_find(const rep_safetensors *file, const char *name);
/* A string of __metadata__, or NULL. */
const char *rep_safetensors_metadata(const rep_safetensors *file, const char *key);
/* The pairs of __metadata__ in file order; false beyond the last. */
bool rep_safetensors_metadata_at(const rep_safetensors *file, size_t index, const char **key,
                                 const char **value);

/* Converts all info->count elements, file order, rounding to nearest where needed. */
void rep_tensor_read_f32(const rep_tensor_info *info, float *out);
void rep_tensor_read_f64(const rep_tensor_info *info, double *out);
/* For I32 and I64; REP_ERR_DATA for other types. */
REP_NODISCARD rep_status rep_tensor_read_i64(const rep_tensor_info *info, int64_t *out);

/* ---- writing --------------------------------------------------------------------------------- */

/* One tensor to write. `fill` writes count elements of `type` to `elements`; it is called once, in
 * order, when the bytes are due, so that a checkpoint never holds more than one tensor beside the
 * program's own state. */
typedef struct rep_tensor_source {
    const char *name;
    rep_tensor_type type; /* F32, I32 or I64 */
    int32_t rank;
    int64_t shape[REP_TENSOR_MAX_RANK];
    rep_status (*fill)(void *context, void *elements, size_t count);
    void *context;
} rep_tensor_source;

typedef struct rep_metadata_pair {
    const char *key, *value; /* UTF-8 */
} rep_metadata_pair;

/* Writes the file whole or not at all (rep_file_replace). */
REP_NODISCARD rep_status rep_safetensors_write(const char *path, const rep_tensor_source *tensors,
                                               size_t tensor_count,
                                               const rep_metadata_pair *metadata,
                                               size_t metadata_count);
/* A `fill` that copies from memory: context is the first element. */
rep_status rep_tensor_fill_f32(void *context, void *elements, size_t count);
rep_status rep_tensor_fill_i64(void *context, void *elements, size_t count);

/* ---- TensorBoard event files ----------------------------------------------------------------- */

typedef struct rep_events rep_events;

typedef struct rep_event_value {
    const char *tag; /* "train/loss" */
    float value;
} rep_event_value;

/* Makes a new file `<folder>/events.out.tfevents.<seconds>.repopt`, later by name than those that
 * are there: TensorBoard reads all files of a folder, in order. With purge_step >= 0 it drops what
 * earlier files say about that step and later ones (a resumed run). The folder must exist. */
REP_NODISCARD rep_status rep_events_create(rep_events **out, const char *folder,
                                           int64_t purge_step);
/* Appends one row of scalars at `step` and flushes it to the file. */
REP_NODISCARD rep_status rep_events_append(rep_events *events, int64_t step, double wall_time_s,
                                           const rep_event_value *values, size_t count);
/* Closes; NULL is fine. */
void rep_events_close(rep_events *events);
const char *rep_events_path(const rep_events *events);

#endif
