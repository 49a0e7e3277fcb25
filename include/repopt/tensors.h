/* tensors.h - a file of named tensors, whoever wrote it: safetensors, or what PyTorch's torch.save
 * leaves (.pth, .pt: a state_dict, a checkpoint around one, a whole model), told by its content.
 *
 * Nothing a file says is executed, and nothing is copied before it is asked for: elements are read
 * from the mapped file. Names, shapes and element order are the file's; permuting convolution
 * weights is the caller's. One thread per file at a time.
 *
 *     rep_tensors *file = NULL;
 *     REP_TRY(rep_tensors_open(&file, "model.pth"));
 *     const rep_tensor_info *info = rep_tensors_find(file, "stage0.conv.weight");
 *     if (info) { REP_TRY(rep_tensors_read_f32(file, info, values)); }
 *     rep_tensors_close(file);
 */
#ifndef REPOPT_TENSORS_H
#define REPOPT_TENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { REP_TENSOR_MAX_RANK = 8 };

/* Every element type, all read and written: name in a safetensors file, bytes. */
#define REP_TENSOR_TYPES(X)                                                                        \
    X(F32, 4)                                                                                      \
    X(F16, 2)                                                                                      \
    X(BF16, 2)                                                                                     \
    X(F64, 8)                                                                                      \
    X(I32, 4)                                                                                      \
    X(I64, 8)                                                                                      \
    X(I16, 2)                                                                                      \
    X(I8, 1)                                                                                       \
    X(U8, 1)                                                                                       \
    X(BOOL, 1)
typedef enum rep_tensor_type {
#define REP_TENSOR_TYPE_ENUM(name, bytes) REP_TENSOR_##name,
    REP_TENSOR_TYPES(REP_TENSOR_TYPE_ENUM)
#undef REP_TENSOR_TYPE_ENUM
        REP_TENSOR_TYPE_COUNT
} rep_tensor_type;
/* "F32", and the bytes of one element. */
const char *rep_tensor_type_name(rep_tensor_type type);
size_t rep_tensor_type_bytes(rep_tensor_type type);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct rep_tensors rep_tensors;

typedef struct rep_tensor_info {
    const char *name; /* borrowed from the file */
    rep_tensor_type type;
    int32_t rank; /* 0: a scalar */
    int64_t shape[REP_TENSOR_MAX_RANK];
    size_t count; /* elements */
    /* The raw elements where they lie in the file one behind the other, perhaps not aligned; NULL
     * where they must be gathered or inflated first. rep_tensors_read_* read both. */
    const void *bytes;
    size_t container; /* the rep_tensors_container it is of */
} rep_tensor_info;

/* Tensors that belong together: a net, its moving average, an optimizer's state. */
typedef struct rep_tensors_container {
    const char *prefix; /* of its tensors' names: "" for the net itself, "ema.", "optimizer." ... */
    const char *kind;   /* "state_dict", "whole model layers.common.TinyDetector", "tensors" */
    size_t count;       /* tensors */
    bool is_stripped;   /* all their names began with "module.", which was taken away */
} rep_tensors_container;

/* Something that is in the file and is no tensor or text, or a tensor that is not read. */
typedef struct rep_tensors_skip {
    const char *path, *reason;
} rep_tensors_skip;

/* Opens a file and checks all it says; element bytes stay where they are. Names of the first
 * container are a state_dict's; the other containers' begin with their prefix. Errors: REP_ERR_IO
 * when it cannot be read; REP_ERR_DATA when it is none of these files, a damaged or hostile one, or
 * one without a tensor: one sentence with the file, the place, the fault and the remedy.
 * REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_tensors_open(rep_tensors **out, const char *path);
/* The same for `count` bytes at hand, which must outlive *out; `name` is used in messages. */
REP_NODISCARD rep_status rep_tensors_parse(rep_tensors **out, const char *name, const void *bytes,
                                           size_t count);
/* Frees the file; NULL is fine. */
void rep_tensors_close(rep_tensors *file);
/* What it was opened as; "safetensors", "PyTorch zip" or "PyTorch stream". */
const char *rep_tensors_name(const rep_tensors *file);
const char *rep_tensors_format(const rep_tensors *file);

/* Tensors in the file's order. */
size_t rep_tensors_count(const rep_tensors *file);
const rep_tensor_info *rep_tensors_get(const rep_tensors *file, size_t index);
/* NULL when there is none of that name. */
const rep_tensor_info *rep_tensors_find(const rep_tensors *file, const char *name);
size_t rep_tensors_container_count(const rep_tensors *file);
const rep_tensors_container *rep_tensors_container_get(const rep_tensors *file, size_t index);
size_t rep_tensors_skip_count(const rep_tensors *file);
const rep_tensors_skip *rep_tensors_skip_get(const rep_tensors *file, size_t index);
/* Texts of the file by key: a safetensors file's __metadata__; of a PyTorch checkpoint the plain
 * numbers, booleans and texts beside its tensors. NULL when there is no such key. */
const char *rep_tensors_metadata(const rep_tensors *file, const char *key);
/* The pairs in file order; false beyond the last. */
bool rep_tensors_metadata_at(const rep_tensors *file, size_t index, const char **key,
                             const char **value);

/* Reads all info->count elements, in C order, into out[count]; `info` is of `file`. f32 rounds to
 * nearest where needed. i64 is for whole numbers: REP_ERR_DATA for F types. raw copies
 * count * rep_tensor_type_bytes bytes. Errors: REP_ERR_DATA for elements that do not inflate,
 * REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_tensors_read_f32(const rep_tensors *file, const rep_tensor_info *info,
                                              float *out);
REP_NODISCARD rep_status rep_tensors_read_i64(const rep_tensors *file, const rep_tensor_info *info,
                                              int64_t *out);
REP_NODISCARD rep_status rep_tensors_read_raw(const rep_tensors *file, const rep_tensor_info *info,
                                              void *out);

/* How many bytes of a tensor's name say what it is of: "ema.", "scales.", "optimizer.momentum." and
 * so on; 0 for a tensor of the net itself. */
size_t rep_tensor_prefix(const char *name);

/* ---- writing --------------------------------------------------------------------------------- */

/* One tensor to write. `fill` writes count elements of `type` to `elements`; it is called once, in
 * order, when the bytes are due, so that a checkpoint never holds more than one tensor beside the
 * program's own state. */
typedef struct rep_tensor_source {
    const char *name;
    rep_tensor_type type;
    int32_t rank;
    int64_t shape[REP_TENSOR_MAX_RANK];
    rep_status (*fill)(void *context, void *elements, size_t count);
    void *context;
} rep_tensor_source;

typedef struct rep_metadata_pair {
    const char *key, *value; /* UTF-8 */
} rep_metadata_pair;

/* Writes a safetensors file, whole or not at all. Errors: REP_ERR_ARGUMENT for two tensors of one
 * name or an impossible shape; REP_ERR_IO; what `fill` returns. */
REP_NODISCARD rep_status rep_safetensors_write(const char *path, const rep_tensor_source *tensors,
                                               size_t tensor_count,
                                               const rep_metadata_pair *metadata,
                                               size_t metadata_count);
/* The same as a zip file with a state_dict, for torch.load(path, weights_only=True). Metadata is
 * the dictionary `metadata` among the state_dict's attributes. Also REP_ERR_ARGUMENT: 4 GiB or
 * 65,000 tensors and more, which the plain zip format does not hold. */
REP_NODISCARD rep_status rep_torch_write(const char *path, const rep_tensor_source *tensors,
                                         size_t tensor_count, const rep_metadata_pair *metadata,
                                         size_t metadata_count);
typedef rep_status (*rep_tensors_writer)(const char *path, const rep_tensor_source *tensors,
                                         size_t tensor_count, const rep_metadata_pair *metadata,
                                         size_t metadata_count);
/* Which of the two a file's name asks for, by .safetensors, .pth or .pt; NULL for other endings. */
rep_tensors_writer rep_tensors_writer_of(const char *path);

#ifdef __cplusplus
}
#endif
#endif
