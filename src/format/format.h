/* format.h - foreign bytes: files of tensors (the public noun, rep_tensors, and its safetensors
 * part), TensorBoard event files.
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
#include "repopt/tensors.h"

/* ---- safetensors
 * --------------------------------------------------------------------------------- */

typedef struct rep_safetensors rep_safetensors;

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

/* Converts all info->count elements at info->bytes, file order, rounding to nearest where needed.
 */
void rep_tensor_read_f32(const rep_tensor_info *info, float *out);
void rep_tensor_read_f64(const rep_tensor_info *info, double *out);
/* For whole numbers; REP_ERR_DATA for other types. */
REP_NODISCARD rep_status rep_tensor_read_i64(const rep_tensor_info *info, int64_t *out);

/* Control characters, C0's and C1's: a terminal acts on either. */
static inline bool rep_code_is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code <= 0x9F);
}

/* ---- writing --------------------------------------------------------------------------------- */

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
