/* levels.c - the levels of a feature pyramid: what those who assign and those who decode share. */
#include <inttypes.h>

#include "base/base.h"

rep_status rep_fcos_levels_check(const rep_fcos_level *levels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const rep_fcos_level *level = &levels[i];
        if (level->stride > 0 && level->height > 0 && level->width > 0) { continue; }
        return rep_fail(REP_ERR_ARGUMENT,
                        "feature level %zu: stride %" PRId32 ", %" PRId32 " x %" PRId32
                        " cells, wanted all above 0",
                        i, level->stride, level->height, level->width);
    }
    return REP_OK;
}

size_t rep_fcos_location_count(const rep_fcos_level *levels, size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (size_t)levels[i].height * (size_t)levels[i].width;
    }
    return sum;
}

void rep_fcos_place(float out[2], const rep_fcos_level *level, size_t location) {
    const size_t width = (size_t)level->width, stride = (size_t)level->stride;
    out[0] = (float)(location % width * stride + stride / 2);
    out[1] = (float)(location / width * stride + stride / 2);
}
