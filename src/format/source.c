/* source.c - checks tensors before anything of them is written. */
#include "format/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static rep_status check_shape(const char *path, const rep_tensor_source *tensor) {
    size_t bytes = rep_tensor_type_bytes(tensor->type);
    if (tensor->rank < 0 || tensor->rank > REP_TENSOR_MAX_RANK) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: tensor \"%.80s\": rank %d, wanted 0 to 8", path,
                        tensor->name, tensor->rank);
    }
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, (size_t)tensor->shape[i], &bytes)) {
            return rep_fail(REP_ERR_ARGUMENT, "%s: tensor \"%.80s\": dimension %d is %" PRId64,
                            path, tensor->name, i, tensor->shape[i]);
        }
    }
    return REP_OK;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two tensors of one name would make a file that no reader accepts. */
static rep_status check_names(const rep_sources *s) {
    const char **names = malloc((s->tensor_count + 1) * sizeof *names);
    if (!names) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", s->path); }
    for (size_t i = 0; i < s->tensor_count; i++) { names[i] = s->tensors[i].name; }
    if (s->tensor_count > 1) { qsort(names, s->tensor_count, sizeof *names, compare_texts); }
    rep_status status = REP_OK;
    for (size_t i = 1; i < s->tensor_count && status == REP_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = rep_fail(REP_ERR_ARGUMENT, "%s: two tensors are named \"%.80s\"", s->path,
                              names[i]);
        }
    }
    free(names);
    return status;
}

rep_status rep_sources_check(const rep_sources *s) {
    for (size_t i = 0; i < s->tensor_count; i++) { REP_TRY(check_shape(s->path, &s->tensors[i])); }
    return check_names(s);
}

size_t rep_source_count(const rep_tensor_source *tensor) {
    size_t count = 1;
    for (int32_t i = 0; i < tensor->rank; i++) { count *= (size_t)tensor->shape[i]; }
    return count;
}

size_t rep_source_bytes(const rep_tensor_source *tensor) {
    return rep_source_count(tensor) * rep_tensor_type_bytes(tensor->type);
}

rep_status rep_sources_buffer(const rep_sources *s, void **out) {
    size_t largest = 1;
    for (size_t i = 0; i < s->tensor_count; i++) {
        const size_t bytes = rep_source_bytes(&s->tensors[i]);
        if (bytes > largest) { largest = bytes; }
    }
    *out = rep_aligned_alloc(largest);
    if (*out) { return REP_OK; }
    return rep_fail(REP_ERR_MEMORY, "%s: no memory for a tensor of %zu bytes", s->path, largest);
}

rep_status rep_tensor_fill_f32(void *context, void *elements, size_t count) {
    if (count > 0) { memcpy(elements, context, count * sizeof(float)); }
    return REP_OK;
}

rep_status rep_tensor_fill_i64(void *context, void *elements, size_t count) {
    if (count > 0) { memcpy(elements, context, count * sizeof(int64_t)); }
    return REP_OK;
}
