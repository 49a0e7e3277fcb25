/* torch.h - what torch.save leaves, as values and as a list of tensors; private to the format room.
 *
 * torch_value.c turns calls into storages and tensors, torch_walk.c and torch_containers.c
 * find the named tensors, torch_file.c opens zip archives and the older streams, tensors.c is the
 * public face of all.
 */
#ifndef REP_FORMAT_TORCH_H
#define REP_FORMAT_TORCH_H

#include "format/format.h"
#include "format/pickle.h"
#include "format/zip.h"

/* Element types by their names in PyTorch: rep_tensor_type, storage class, dtype. */
#define REP_TORCH_TYPES(X)                                                                         \
    X(F32, "FloatStorage", "float32")                                                              \
    X(F16, "HalfStorage", "float16")                                                               \
    X(BF16, "BFloat16Storage", "bfloat16")                                                         \
    X(F64, "DoubleStorage", "float64")                                                             \
    X(I32, "IntStorage", "int32")                                                                  \
    X(I64, "LongStorage", "int64")                                                                 \
    X(I16, "ShortStorage", "int16")                                                                \
    X(I8, "CharStorage", "int8")                                                                   \
    X(U8, "ByteStorage", "uint8")                                                                  \
    X(BOOL, "BoolStorage", "bool")

/* A block of elements that tensors share. */
typedef struct rep_torch_storage {
    rep_text key;       /* names its bytes in the file */
    rep_text type_name; /* "FloatStorage" */
    rep_tensor_type type;
    bool is_known;   /* type is one that is read */
    bool is_untyped; /* counted in bytes; its tensors say their type */
    size_t width;    /* bytes of an element in the file; 0: of a type never heard of */
    uint64_t count;  /* elements that tensors may use */
    uint64_t block;  /* elements in the file: more, where an old file's storage is a view ... */
    uint64_t view;   /* ... that begins behind this many */
    rep_zip_entry *entry; /* of a zip file */
    const uint8_t *bytes; /* first element, where it lies in the file as it is; else NULL */
    struct rep_torch_storage *next;
} rep_torch_storage;

typedef struct rep_torch_tensor {
    rep_torch_storage *storage;
    rep_tensor_type type;
    bool is_known; /* false: not read, because of its type or, where there is one, the fault */
    rep_text type_name;
    const char *fault;
    int32_t rank;
    int64_t shape[REP_TENSOR_MAX_RANK];
    int64_t strides[REP_TENSOR_MAX_RANK]; /* elements */
    uint64_t offset;                      /* elements of the storage before the first */
    uint64_t count;
    bool is_contiguous;
} rep_torch_tensor;

typedef struct rep_torch {
    const char *name; /* of the file, for messages; borrowed */
    rep_pickle_memory memory;
    rep_torch_storage *storages; /* all, last first */
    rep_pickle_value *top;
    rep_zip *zip; /* NULL: a stream */
} rep_torch;

/* The calls of a pickle; context is the rep_torch. */
rep_pickle_calls rep_torch_calls(rep_torch *torch);

/* torch_refused.c: whether a call would do something that no checkpoint needs. */
bool rep_torch_is_refused(const rep_pickle_global *global);
/* Whether a module is the wanted one, or below it; Python 2 calls builtins __builtin__. */
bool rep_torch_module_is(rep_text module, const char *wanted, bool or_below);

/* Opens either kind of file and finds the bytes of every storage; `bytes` are borrowed. */
REP_NODISCARD rep_status rep_torch_open(rep_torch *out, const char *name, const uint8_t *bytes,
                                        size_t count);
void rep_torch_close(rep_torch *torch);

/* ---- the list of a file's tensors, whoever made it ------------------------------------------- */

struct rep_tensors {
    char *name;
    const char *format;
    rep_file_view view; /* of rep_tensors_open; otherwise empty */
    rep_arena texts;
    rep_tensor_info *infos;
    const rep_torch_tensor **places; /* of a PyTorch file, by index */
    size_t count, capacity, place_capacity;
    const rep_tensor_info **by_name;
    rep_tensors_container *containers;
    size_t container_count, container_capacity;
    rep_tensors_skip *skips;
    size_t skip_count, skip_capacity;
    size_t more_skips; /* not listed: there were too many */
    rep_metadata_pair *pairs;
    size_t pair_count, pair_capacity;
    rep_safetensors *safetensors;
    rep_torch torch;
};

/* Fills infos, places, containers, skips and pairs from file->torch.top. REP_ERR_DATA where there
 * is no tensor. */
REP_NODISCARD rep_status rep_torch_walk(rep_tensors *file);
/* REP_ERR_MEMORY; *index is the new row's. */
REP_NODISCARD rep_status rep_tensors_add_container(rep_tensors *file, size_t *index,
                                                   const char *prefix, const char *kind);
REP_NODISCARD rep_status rep_tensors_add_skip(rep_tensors *file, const char *path,
                                              const char *reason);
REP_NODISCARD rep_status rep_tensors_add_pair(rep_tensors *file, const char *key,
                                              const char *value);

#endif
