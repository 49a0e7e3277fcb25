/* vk_grid.c - the grid rules that ops.def names: how many workgroups a node takes, in how many
 * passes, with how much scratch (docs/shaders.md, Grids).
 *
 * Everything follows from shapes and from what kind of device it is, never from timing, so one
 * device gives the same bits on every run.
 */
#include "device/vk_dispatch.h"

typedef rep_status (*grid_rule)(rep_vk_grid *out, const rep_vk_work *work);

static uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
static uint64_t at_most(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t at_least(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t rows_of(rep_shape s) { return (uint64_t)s.n * (uint64_t)s.h * (uint64_t)s.w; }

/* Pass `pass` of the grid; loops in the shaders take what is above the device's limit on x. */
static void set_pass(rep_vk_grid *out, uint32_t pass, const rep_vk_work *work, uint64_t x,
                     uint64_t y, uint64_t z) {
    out->groups[pass].x = (uint32_t)at_most(x, work->caps->max_groups);
    out->groups[pass].y = (uint32_t)y;
    out->groups[pass].z = (uint32_t)z;
    out->pass_count = pass + 1;
}

/* Enough workgroups to fill the device: a software driver has few cores and pays for each. */
static uint64_t wanted_groups(const rep_vk_work *work) {
    return rep_vk_is_like_gpu(work->caps) ? 512 : 8;
}

/* Mesa's software driver ends an invocation's loops, silently, after 65,535 rounds in all, those of
 * inner loops counted: work is cut so that none comes near. */
enum { MOST_ROUNDS = 1024 };

/* An invocation per element, grid stride. */
static void set_elements(rep_vk_grid *out, uint32_t pass, const rep_vk_work *work, uint64_t count) {
    const uint64_t groups = ceil_div(count, out->group_size);
    /* Long loops let a software driver read once what elements share. */
    const uint64_t most = rep_vk_is_like_gpu(work->caps)
                              ? work->caps->max_groups
                              : at_least(64, ceil_div(groups, MOST_ROUNDS));
    set_pass(out, pass, work, at_most(groups, most), 1, 1);
}

static rep_status grid_element(rep_vk_grid *out, const rep_vk_work *work) {
    set_elements(out, 0, work, rep_shape_count(work->y));
    return REP_OK;
}

static rep_status grid_row(rep_vk_grid *out, const rep_vk_work *work) {
    set_pass(out, 0, work, (uint64_t)work->y.n, 1, 1);
    return REP_OK;
}

/* As the group normalisations have them: groups of channels of every picture. */
static rep_status grid_group(rep_vk_grid *out, const rep_vk_work *work) {
    const rep_norm_params *norm = work->params;
    set_pass(out, 0, work, (uint64_t)work->y.n * norm->groups, 1, 1);
    return REP_OK;
}

static rep_status grid_rows(rep_vk_grid *out, const rep_vk_work *work) {
    set_pass(out, 0, work, ceil_div(rows_of(work->y), REP_VK_GROUP_SIZE), 1, 1);
    return REP_OK;
}

/* Cuts `count` rows or elements into chunks of at least `least` and at most `largest`, and, where
 * that allows it, into at most `most` of them. */
static void set_chunks(rep_vk_grid *out, uint64_t count, uint64_t least, uint64_t most,
                       uint64_t largest) {
    const uint64_t wanted = at_least(1, at_most(count / least, most));
    const uint64_t chunks = at_least(wanted, ceil_div(count, largest));
    out->chunk = (uint32_t)ceil_div(count, chunks);
    out->chunks = (uint32_t)ceil_div(count, out->chunk);
}

static rep_status grid_channel(rep_vk_grid *out, const rep_vk_work *work) {
    enum { WIDE = 32, LEAST_ROWS = 128, MOST_CHUNKS = 128 };
    const uint64_t channels = (uint64_t)work->x.c, tiles = ceil_div(channels, WIDE);
    const uint64_t most = at_most(MOST_CHUNKS, at_least(1, wanted_groups(work) / tiles));
    set_chunks(out, rows_of(work->x), LEAST_ROWS, most, 4 * MOST_ROUNDS);
    set_pass(out, 0, work, tiles, out->chunks, 1);
    set_pass(out, 1, work, ceil_div(channels, REP_VK_GROUP_SIZE), 1, 1);
    out->scratch_bytes = (size_t)(out->chunks * 2 * channels * sizeof(float));
    return REP_OK;
}

static rep_status grid_scalar(rep_vk_grid *out, const rep_vk_work *work) {
    enum { LEAST_ELEMENTS = 4096, MOST_CHUNKS = 1024 };
    set_chunks(out, rep_shape_count(work->x), LEAST_ELEMENTS,
               at_most(MOST_CHUNKS, wanted_groups(work)), MOST_ROUNDS * REP_VK_GROUP_SIZE);
    set_pass(out, 0, work, out->chunks, 1, 1);
    set_pass(out, 1, work, 1, 1, 1);
    out->scratch_bytes = out->chunks * 2 * sizeof(float);
    return REP_OK;
}

/* The words a convolution's parameter blocks begin with. */
typedef struct conv_words {
    uint32_t stride, pad, groups, algo;
} conv_words;
enum { ALGO_DIRECT = 1, ALGO_WINOGRAD = 2 };

static rep_status check_tiles(const rep_vk_grid *out, const rep_vk_work *work) {
    if (out->groups[0].y <= work->caps->max_groups && out->groups[0].z <= work->caps->max_groups) {
        return REP_OK;
    }
    return rep_fail(REP_ERR_DEVICE,
                    "%s: a convolution takes %u x %u workgroups, it allows %u; use fewer channels",
                    work->caps->name, out->groups[0].y, out->groups[0].z, work->caps->max_groups);
}

bool rep_vk_is_like_gpu(const rep_vk_caps *caps) {
    return caps->type != VK_PHYSICAL_DEVICE_TYPE_CPU || rep_vk_options()->is_like_gpu;
}

/* Drivers that compute on a processor, with a subgroup to a vector of 8, take tiles in registers
 * (shaders/common/tile_registers.glsl). */
static bool set_vector(rep_vk_grid *out, const rep_vk_work *work, uint64_t rows, uint64_t columns,
                       bool is_kernel) {
    const rep_vk_caps *caps = work->caps;
    if (rep_vk_is_like_gpu(caps) || caps->subgroup_lanes != 8 || !caps->has_shuffle ||
        !rep_vk_may(caps, ".vector")) {
        return false;
    }
    out->variant = ".vector";
    out->group_size = caps->subgroup_lanes;
    rep_vk_tile_vector(out->tile, (uint32_t)rows, (uint32_t)columns, is_kernel);
    return true;
}

/* Half precision on matrix units, where device and build have them; very few channels would leave
 * most of a unit idle. */
static bool suits_matrix(const rep_vk_work *work, uint64_t columns) {
    return work->has_matrix && columns >= 8;
}

static void set_matrix(rep_vk_grid *out, const rep_vk_work *work, uint64_t columns) {
    const rep_vk_caps *caps = work->caps;
    if (!suits_matrix(work, columns)) { return; }
    out->variant = ".coop";
    out->group_size = REP_VK_MATRIX_SUBGROUPS * caps->subgroup_lanes;
    out->matrix[0] = caps->matrix_m;
    out->matrix[1] = caps->matrix_n;
    out->matrix[2] = caps->matrix_k;
}

/* The rule's tile. */
static void rule_tile(rep_vk_grid *out, const rep_vk_work *work, uint64_t rows, uint64_t columns,
                      uint64_t depth) {
    if (out->matrix[0]) {
        rep_vk_matrix_tile(out->tile, work->caps, (uint32_t)columns);
    } else {
        rep_vk_tile_choose(out->tile, (uint32_t)rows, (uint32_t)columns, (uint32_t)depth);
    }
}

/* Sums of many terms are made in runs (shaders/common/tile_run.glsl): one of K terms has a squared
 * error of some 3.1e-16 K, these of as many as a run has terms and as there are runs. Shallow ones
 * gain little and would pay with registers. */
static void set_run(rep_vk_grid *out, uint64_t depth) {
    enum { RUN = 256, LONG = 512 };
    out->run = depth > LONG ? RUN : 0;
}

/* The tile that was asked for, if one was. */
static void take_tile(rep_vk_grid *out, const rep_vk_work *work) {
    for (int i = 0; i < 3 && work->tile; i++) { out->tile[i] = work->tile[i]; }
}

/* ---- Winograd: shaders/common/winograd.glsl -------------------------------------------------- */

enum { POINTS = 36, CELL_SIDE = 4 }; /* points of a tile of 4 x 4 output pixels */

/* Whether a shape that fits gains. Measured on lavapipe and SwiftShader: from 16 channels on, when
 * the transformed kernels serve 32 tiles. A GPU needs more channels to pay for the traffic of the
 * points; 64 is by arithmetic. Edges must leave half of the multiplications saved, and tiny layers
 * gain nothing worth the larger rounding error (src/kernels/winograd.h). */
static bool gains(const rep_vk_work *work, uint64_t tiles) {
    enum { LEAST_TILES = 32, LEAST_PRODUCTS = 1 << 18 };
    const int32_t least_channels = rep_vk_is_like_gpu(work->caps) ? 64 : 16;
    const uint64_t pixels = rows_of(work->y), batch = (uint64_t)work->y.n;
    const uint64_t products = 9 * (uint64_t)work->x.c * (uint64_t)work->y.c;
    return work->x.c >= least_channels && work->y.c >= least_channels && tiles >= LEAST_TILES &&
           2 * POINTS * tiles <= 9 * pixels && pixels / batch * products >= LEAST_PRODUCTS;
}

/* The algo word: never, where it fits, or where it gains. Shapes decide, never timing: that could
 * give other bits on another day. */
static bool wants_winograd(const rep_vk_work *work, uint64_t tiles) {
    const conv_words *words = work->params;
    const bool fits = words->stride == 1 && words->pad == 1 && words->groups == 1 &&
                      work->w.h == 3 && work->w.w == 3;
    return fits && rep_vk_may(work->caps, ".winograd") && words->algo != ALGO_DIRECT &&
           (words->algo == ALGO_WINOGRAD || gains(work, tiles));
}

/* Three passes: points of kernels and tiles, a product per point, pixels. False, and nothing set,
 * where the direct shader serves: also where the points would take too much memory. */
static bool set_winograd(rep_vk_grid *out, const rep_vk_work *work) {
    const rep_vk_caps *caps = work->caps;
    const uint64_t depth = ceil_div((uint64_t)work->x.c, 4) * 4;
    const uint64_t width = ceil_div((uint64_t)work->y.c, 4) * 4;
    const uint64_t tiles = (uint64_t)work->y.n * ceil_div((uint64_t)work->y.h, CELL_SIDE) *
                           ceil_div((uint64_t)work->y.w, CELL_SIDE);
    const uint64_t floats = POINTS * (depth * width + tiles * (depth + width));
    const uint64_t most_bytes = at_most(caps->max_range_bytes, caps->memory_bytes / 16);
    if (!wants_winograd(work, tiles) || floats * sizeof(float) > most_bytes) { return false; }
    if (set_vector(out, work, tiles, width, false)) {
        out->part[1] = out->variant;
    } else {
        rule_tile(out, work, POINTS * tiles, width, depth);
        take_tile(out, work);
    }
    if (!work->is_half) { set_run(out, depth); }
    out->variant = ".winograd";
    out->scratch_bytes = (size_t)(floats * sizeof(float));
    set_elements(out, 0, work, depth * at_least(tiles, width));
    set_pass(out, 1, work, ceil_div(tiles, out->tile[0]), ceil_div(width, out->tile[1]), POINTS);
    set_elements(out, 2, work, tiles * (uint64_t)work->y.c);
    return true;
}

/* ---- tiles of convolutions ------------------------------------------------------------------- */

/* Forward and the gradient of x: inputs (x or dy, w). */
static rep_status grid_pixel_tile(rep_vk_grid *out, const rep_vk_work *work) {
    const conv_words *words = work->params;
    const uint32_t groups = words->groups;
    const uint64_t rows = rows_of(work->y), columns = (uint64_t)work->y.c / groups;
    if (work->w.c == 1 && (uint32_t)work->w.n == groups && groups > 1) {
        out->variant = ".depthwise";
        return grid_element(out, work);
    }
    if (!suits_matrix(work, columns) && set_winograd(out, work)) { return REP_OK; }
    const uint64_t depth = (uint64_t)work->x.c / groups * (uint64_t)(work->w.h * work->w.w);
    if (!set_vector(out, work, rows, columns, false)) {
        set_matrix(out, work, columns);
        rule_tile(out, work, rows, columns, depth);
        take_tile(out, work);
    }
    /* Half precision's own rounding is larger than any sum's here. */
    if (!work->is_half) { set_run(out, depth); }
    set_pass(out, 0, work, ceil_div(rows, out->tile[0]), ceil_div(columns, out->tile[1]), groups);
    return check_tiles(out, work);
}

/* The gradient of w: inputs (x, dy); pixels are cut into chunks that pass 2 joins in order. How
 * many follows from the rule's tile, so that another tile does not change the sums. */
static void set_pixel_chunks(rep_vk_grid *out, const rep_vk_work *work, uint64_t tiles) {
    enum { LEAST_PIXELS = 256, MOST_CHUNKS = 64, LARGEST = 2 * MOST_ROUNDS };
    const uint64_t weights = rep_shape_count(work->y);
    const uint64_t room = at_least(1, work->caps->max_range_bytes / (weights * sizeof(float)));
    const uint64_t most = at_most(at_most(MOST_CHUNKS, room), wanted_groups(work) / tiles);
    set_chunks(out, rows_of(work->w), LEAST_PIXELS, most,
               at_least(LARGEST, ceil_div(rows_of(work->w), room)));
    out->scratch_bytes = (size_t)(out->chunks * weights * sizeof(float));
}

static rep_status grid_kernel_tile(rep_vk_grid *out, const rep_vk_work *work) {
    const conv_words *words = work->params;
    const uint64_t groups = words->groups, weights = rep_shape_count(work->y);
    const uint64_t rows = (uint64_t)work->y.n / groups;
    const uint64_t columns = (uint64_t)(work->y.c * work->y.h * work->y.w);
    const uint64_t flat = ceil_div(weights, REP_VK_GROUP_SIZE);
    if (work->y.c == 1 && (uint64_t)work->y.n == groups && groups > 1) {
        out->variant = ".depthwise";
        set_pixel_chunks(out, work, flat);
        set_pass(out, 0, work, flat, out->chunks, 1);
    } else {
        const bool is_vector = set_vector(out, work, rows, columns, true);
        if (!is_vector) {
            set_matrix(out, work, rows);
            rule_tile(out, work, rows, columns, rows_of(work->w));
        }
        set_pixel_chunks(out, work,
                         ceil_div(rows, out->tile[0]) * ceil_div(columns, out->tile[1]) * groups);
        if (!is_vector) { take_tile(out, work); }
        set_run(out, out->chunk);
        set_pass(out, 0, work, ceil_div(rows, out->tile[0]), ceil_div(columns, out->tile[1]),
                 groups * out->chunks);
        REP_TRY(check_tiles(out, work));
    }
    set_pass(out, 1, work, flat, 1, 1);
    return REP_OK;
}

static const grid_rule rules[REP_OP_COUNT] = {
#define REP_OP(name, NAME, min_in, max_in, out, params, spec, shape, grid, mode, grad)             \
    [REP_OP_##NAME] = grid_##grid,
#include "repopt/ops.def"
#undef REP_OP
};

rep_status rep_vk_grid_get(rep_vk_grid *out, rep_op op, const rep_vk_work *work) {
    *out = (rep_vk_grid){.variant = "", .group_size = REP_VK_GROUP_SIZE};
    return rules[op](out, work);
}
