/* scales.h - how rows of scales are kept; shared by the files that make them. */
#ifndef REP_NN_SCALES_H
#define REP_NN_SCALES_H

#include "nn/nn.h"

struct rep_scales {
    rep_scale_row *rows;
    float **values; /* per row: s, t, u of `channels` values each, owned */
    size_t count, capacity;
};

REP_NODISCARD rep_status rep_scales_create(rep_scales **out, size_t capacity);
/* Adds a zeroed row; *values is its s, then t, then u. */
REP_NODISCARD rep_status rep_scales_add(rep_scales *scales, const char *name, int32_t channels,
                                        bool is_triple, float **values);

#endif
