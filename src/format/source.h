/* source.h - tensors that are about to be written, whatever the file's format; private to the
 * format room. */
#ifndef REP_FORMAT_SOURCE_H
#define REP_FORMAT_SOURCE_H

#include "format/format.h"

/* A file to write, as rep_safetensors_write and rep_torch_write are given it. */
typedef struct rep_sources {
    const char *path;
    const rep_tensor_source *tensors;
    size_t tensor_count;
    const rep_metadata_pair *metadata;
    size_t metadata_count;
} rep_sources;

/* No two names alike, every shape possible. REP_ERR_ARGUMENT, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_sources_check(const rep_sources *sources);
/* Bytes of a checked tensor, and elements. */
size_t rep_source_bytes(const rep_tensor_source *tensor);
size_t rep_source_count(const rep_tensor_source *tensor);
/* A block that the largest tensor fits in; rep_aligned_free it. */
REP_NODISCARD rep_status rep_sources_buffer(const rep_sources *sources, void **out);

#endif
