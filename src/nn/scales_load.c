/* scales_load.c - scales from a file of tensors: <block>.scale_conv.weight {c}, .scale_1x1.weight
 * {c} and, for a triple, .scale_identity.weight {c}.
 *
 * The file may be a search's checkpoint, which also holds moments and averages of the same tensors
 * (other containers), or a target net's, which carries its scales below "scales.".
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "nn/scales.h"

static const char conv_suffix[] = "scale_conv.weight";

/* Whether a tensor is a block's scale_conv, not a moment or average of one; *stem is then how many
 * bytes name the block. */
static bool is_scale_conv(const rep_tensor_info *info, size_t *stem) {
    const char *name = info->name;
    const size_t length = strlen(name), tail = sizeof conv_suffix - 1;
    if (length < tail || strcmp(name + length - tail, conv_suffix) != 0 ||
        (info->container > 0 && !rep_text_starts_with(name, "scales."))) {
        return false;
    }
    *stem = length - tail;
    if (*stem == 0) { return true; }
    if (name[*stem - 1] != '.') { return false; }
    *stem -= 1;
    return true;
}

/* "stage1.9" before "stage1.10": runs of digits compare as numbers. */
static int natural_compare(const char *a, const char *b) {
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            while (*a == '0') { a++; }
            while (*b == '0') { b++; }
            const size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
            if (na != nb) { return na < nb ? -1 : 1; }
            const int order = strncmp(a, b, na);
            if (order) { return order; }
            a += na;
            b += nb;
        } else if (*a != *b) {
            return *a < *b ? -1 : 1;
        } else {
            a++, b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

/* One vector of the block whose name is the first `stem` bytes of `name`. */
static rep_status read_vector(const rep_tensors *file, const char *name, size_t stem,
                              const char *tensor, int32_t channels, float *out) {
    char full[256];
    snprintf(full, sizeof full, "%.*s%s%s", (int)stem, name, stem ? "." : "", tensor);
    const rep_tensor_info *info = rep_tensors_find(file, full);
    if (!info || info->rank != 1 || info->shape[0] != channels) {
        return rep_fail(REP_ERR_DATA, "%s: %s must hold %d scales; %s", rep_tensors_name(file),
                        full, channels, info ? "it has another shape" : "there is no such tensor");
    }
    REP_TRY(rep_tensors_read_f32(file, info, out));
    for (int32_t i = 0; i < channels; i++) {
        if (!isfinite(out[i])) {
            return rep_fail(REP_ERR_DATA, "%s: %s[%d] is not finite; search again",
                            rep_tensors_name(file), full, i);
        }
    }
    return REP_OK;
}

static bool has_tensor(const rep_tensors *file, const char *name, size_t stem, const char *tensor) {
    char full[256];
    snprintf(full, sizeof full, "%.*s%s%s", (int)stem, name, stem ? "." : "", tensor);
    return rep_tensors_find(file, full) != NULL;
}

static rep_status add_block(rep_scales *scales, const rep_tensors *file,
                            const rep_tensor_info *info, size_t stem) {
    enum { MOST_CHANNELS = 65536 };
    if (info->rank != 1 || info->shape[0] < 1 || info->shape[0] > MOST_CHANNELS ||
        stem >= REP_NAME_BYTES) {
        return rep_fail(REP_ERR_DATA, "%s: %.120s is no vector of 1 to %d scales",
                        rep_tensors_name(file), info->name, MOST_CHANNELS);
    }
    const int32_t channels = (int32_t)info->shape[0];
    const bool is_triple = has_tensor(file, info->name, stem, "scale_identity.weight");
    char block[REP_NAME_BYTES];
    const size_t skip = rep_text_starts_with(info->name, "scales.") ? strlen("scales.") : 0;
    const size_t length = stem > skip ? stem - skip : 0; /* "scales.scale_conv": a bare block */
    memcpy(block, info->name + skip, length);
    block[length] = '\0';
    float *values = NULL;
    REP_TRY(rep_scales_add(scales, block, channels, is_triple, &values));
    REP_TRY(read_vector(file, info->name, stem, conv_suffix, channels, values));
    REP_TRY(read_vector(file, info->name, stem, "scale_1x1.weight", channels, values + channels));
    if (is_triple) {
        REP_TRY(read_vector(file, info->name, stem, "scale_identity.weight", channels,
                            values + 2 * (size_t)channels));
    }
    return REP_OK;
}

/* Insertion sort of rows and of the memory they point to: at most a few hundred blocks. */
static void sort_rows(rep_scales *scales) {
    for (size_t i = 1; i < scales->count; i++) {
        const rep_scale_row row = scales->rows[i];
        float *values = scales->values[i];
        size_t at = i;
        for (; at > 0 && natural_compare(scales->rows[at - 1].name, row.name) > 0; at--) {
            scales->rows[at] = scales->rows[at - 1];
            scales->values[at] = scales->values[at - 1];
        }
        scales->rows[at] = row;
        scales->values[at] = values;
    }
}

/* A block listed both plainly and below "scales." counts once, plainly. */
static bool is_repeated(const rep_tensors *file, const char *name) {
    return rep_text_starts_with(name, "scales.") &&
           rep_tensors_find(file, name + strlen("scales."));
}

static rep_status load_rows(rep_scales **out, const rep_tensors *file) {
    size_t blocks = 0, stem = 0;
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        blocks += is_scale_conv(rep_tensors_get(file, i), &stem);
    }
    if (!blocks) {
        return rep_fail(REP_ERR_DATA,
                        "%s: no scales in it (tensors named <block>.scale_conv.weight); give the "
                        "checkpoint of a hyper_search run",
                        rep_tensors_name(file));
    }
    REP_TRY(rep_scales_create(out, blocks));
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        if (!is_scale_conv(info, &stem) || is_repeated(file, info->name)) { continue; }
        REP_TRY(add_block(*out, file, info, stem));
    }
    sort_rows(*out);
    return REP_OK;
}

rep_status rep_scales_load(rep_scales **out, const char *path) {
    rep_tensors *file = NULL;
    rep_scales *scales = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    const rep_status status = load_rows(&scales, file);
    rep_tensors_close(file);
    if (status != REP_OK) {
        rep_scales_destroy(scales);
        return status;
    }
    *out = scales;
    return REP_OK;
}
