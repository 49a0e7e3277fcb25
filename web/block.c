/* block.c - lesson 1: a block's three branches beside one convolution with the merged kernel.
 *
 * One graph on one picture, c channels in and out, so that all three branches exist:
 *
 *   conv = s * conv_k(x), one = t * conv_1(x), identity = u * x, sum = conv + one + identity
 *   merged = conv_W(x), W = s*W_k + pad(t*W_1) + pad(diag(u))
 */
#include <math.h>
#include <stdlib.h>

#include "web.h"

/* What a run leaves to be read, in this order. */
typedef enum block_array {
    BLOCK_CONV,
    BLOCK_ONE,
    BLOCK_IDENTITY,
    BLOCK_SUM,
    BLOCK_MERGED,
    BLOCK_MERGED_KERNEL,
    BLOCK_CONV_KERNEL,
    BLOCK_ONE_KERNEL,
    BLOCK_ARRAY_COUNT
} block_array;

typedef struct web_block {
    rep_graph *graph;
    rep_program *program;
    rep_id image, kernel, point, s, t, u;
    rep_id arrays[BLOCK_ARRAY_COUNT];
    size_t picture_count; /* values of one picture */
} web_block;

static void destroy(void *object) {
    web_block *b = object;
    rep_program_destroy(b->program);
    rep_graph_destroy(b->graph);
    free(b);
}

static rep_id convolve(rep_graph *graph, rep_id x, rep_id kernel, int32_t size) {
    /* Direct, so that the branches and the merged kernel round alike. */
    const rep_conv2d_params params = {
        .stride = 1, .pad = (rep_uint)size / 2, .groups = 1, .algo = 1};
    return REP_APPEND(graph, CONV2D, &params, x, kernel);
}

static rep_status build(web_block *b, int32_t size, int32_t channels, int32_t height,
                        int32_t width) {
    REP_TRY(rep_graph_create(&b->graph));
    rep_graph *g = b->graph;
    const rep_shape picture = {1, channels, height, width}, vector = {1, channels, 1, 1};
    const rep_shape kernel = {channels, channels, size, size}, point = {channels, channels, 1, 1};
    b->picture_count = rep_shape_count(picture);
    b->image = rep_graph_tensor(g, "image", REP_F32, picture, REP_IO);
    b->kernel = rep_graph_tensor(g, "kernel", REP_F32, kernel, REP_STATE);
    b->point = rep_graph_tensor(g, "point", REP_F32, point, REP_STATE);
    b->s = rep_graph_tensor(g, "s", REP_F32, vector, REP_STATE);
    b->t = rep_graph_tensor(g, "t", REP_F32, vector, REP_STATE);
    b->u = rep_graph_tensor(g, "u", REP_F32, vector, REP_STATE);
    rep_id *a = b->arrays;
    a[BLOCK_CONV] = REP_APPEND(g, SCALE, NULL, convolve(g, b->image, b->kernel, size), b->s);
    a[BLOCK_ONE] = REP_APPEND(g, SCALE, NULL, convolve(g, b->image, b->point, 1), b->t);
    a[BLOCK_IDENTITY] = REP_APPEND(g, SCALE, NULL, b->image, b->u);
    a[BLOCK_SUM] = REP_APPEND(g, ADD, NULL, REP_APPEND(g, ADD, NULL, a[BLOCK_CONV], a[BLOCK_ONE]),
                              a[BLOCK_IDENTITY]);
    a[BLOCK_MERGED_KERNEL] = REP_APPEND(g, MERGE, NULL, b->kernel, b->point, b->s, b->t, b->u);
    a[BLOCK_MERGED] = convolve(g, b->image, a[BLOCK_MERGED_KERNEL], size);
    REP_TRY(rep_graph_check(g));
    for (int i = 0; i <= BLOCK_MERGED_KERNEL; i++) { rep_graph_keep(g, a[i]); }
    a[BLOCK_CONV_KERNEL] = b->kernel;
    a[BLOCK_ONE_KERNEL] = b->point;
    return REP_OK;
}

static rep_status copy(web_block *to, rep_id target, rep_program *from, rep_id source,
                       size_t count) {
    float *values = malloc(count * sizeof *values);
    if (values == NULL) { return rep_fail(REP_ERR_MEMORY, "block: no memory"); }
    rep_status status = rep_program_read(from, source, values, count);
    if (status == REP_OK) { status = rep_program_write(to->program, target, values, count); }
    free(values);
    return status;
}

static rep_status copy_start(web_block *b, const rep_graph *graph, const rep_model *model,
                             rep_device *device, uint64_t seed) {
    rep_program *program = NULL;
    const rep_block *block = rep_model_block(model, 0);
    REP_TRY(rep_program_create(&program, device, graph, NULL, NULL));
    rep_status status = rep_model_init(model, graph, program, seed);
    const struct {
        rep_id from, to;
    } pairs[] = {{block->weight, b->kernel},
                 {block->weight_1x1, b->point},
                 {block->s, b->s},
                 {block->t, b->t},
                 {block->u, b->u}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && status == REP_OK; i++) {
        const size_t count = rep_shape_count(rep_graph_shape(graph, pairs[i].from));
        status = copy(b, pairs[i].to, program, pairs[i].from, count);
    }
    rep_program_destroy(program);
    return status;
}

/* Kernels and scales start as those of a net of one such block. */
static rep_status draw(web_block *b, rep_device *device, int32_t size, int32_t channels,
                       uint64_t seed) {
    const rep_vgg_spec spec = {.in_channels = channels,
                               .num_classes = 2,
                               .stage0_width = channels,
                               .widths = {channels, channels, channels, channels},
                               .strides = {1, 1, 1, 1, 1},
                               .kernel_size = size,
                               .act = REP_ACT_RELU,
                               .bn_eps = 1e-5f,
                               .bn_momentum = 0.1f};
    rep_graph *graph = NULL;
    rep_model *model = NULL;
    REP_TRY(rep_graph_create(&graph));
    rep_status status =
        rep_model_build(&model, graph, &spec, REP_MODE_HYPER_SEARCH, false, 1, size, size, -1.0f);
    if (status == REP_OK) { status = rep_graph_check(graph); }
    if (status == REP_OK) { status = copy_start(b, graph, model, device, seed); }
    rep_model_destroy(model);
    rep_graph_destroy(graph);
    return status;
}

static rep_status check(int kernel, int channels, int height, int width) {
    if (kernel != 1 && kernel != 3 && kernel != 5) {
        return rep_fail(REP_ERR_ARGUMENT, "block: a kernel of %d, wanted 1, 3 or 5", kernel);
    }
    if (channels < 1 || channels > 64 || height < 1 || width < 1 || height > 4096 || width > 4096) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "block: %d channels of %d x %d pixels, wanted 1 to 64 of 1 to 4096",
                        channels, width, height);
    }
    return REP_OK;
}

WEB_EXPORT int web_block_create(int kernel, int channels, int height, int width, unsigned seed) {
    rep_device *device = NULL;
    REP_TRY(check(kernel, channels, height, width));
    REP_TRY(web_device(&device));
    web_block *b = calloc(1, sizeof *b);
    if (b == NULL) { return rep_fail(REP_ERR_MEMORY, "block: no memory"); }
    rep_status status = build(b, kernel, channels, height, width);
    if (status == REP_OK) {
        status = rep_program_create(&b->program, device, b->graph, NULL, NULL);
    }
    if (status == REP_OK) { status = draw(b, device, kernel, channels, seed); }
    if (status != REP_OK) {
        destroy(b);
        return status;
    }
    return web_handle_add(WEB_BLOCK, b, destroy);
}

/* Either may be NULL. `count` values of the kernel, `point_count` of the 1x1 one. */
WEB_EXPORT int web_block_kernels(int handle, const float *kernel, size_t count, const float *point,
                                 size_t point_count) {
    web_block *b = web_handle_get(WEB_BLOCK, handle);
    if (b == NULL) { return REP_ERR_ARGUMENT; }
    if (kernel != NULL) { REP_TRY(rep_program_write(b->program, b->kernel, kernel, count)); }
    if (point != NULL) { REP_TRY(rep_program_write(b->program, b->point, point, point_count)); }
    return REP_OK;
}

/* `count` values of each, one per channel. */
WEB_EXPORT int web_block_scales(int handle, const float *s, const float *t, const float *u,
                                size_t count) {
    web_block *b = web_handle_get(WEB_BLOCK, handle);
    if (b == NULL) { return REP_ERR_ARGUMENT; }
    REP_TRY(rep_program_write(b->program, b->s, s, count));
    REP_TRY(rep_program_write(b->program, b->t, t, count));
    return rep_program_write(b->program, b->u, u, count);
}

/* image[count] is stored h, w, c. */
WEB_EXPORT int web_block_run(int handle, const float *image, size_t count) {
    web_block *b = web_handle_get(WEB_BLOCK, handle);
    if (b == NULL) { return REP_ERR_ARGUMENT; }
    REP_TRY(rep_program_write(b->program, b->image, image, count));
    return rep_program_run(b->program, REP_FORWARD, REP_FORWARD);
}

/* How many values array `which` (block_array) has; 0 with an error where there is none. */
WEB_EXPORT size_t web_block_count(int handle, int which) {
    const web_block *b = web_handle_get(WEB_BLOCK, handle);
    if (b == NULL || which < 0 || which >= BLOCK_ARRAY_COUNT) { return 0; }
    return rep_shape_count(rep_graph_shape(b->graph, b->arrays[which]));
}

WEB_EXPORT int web_block_read(int handle, int which, float *out, size_t count) {
    const web_block *b = web_handle_get(WEB_BLOCK, handle);
    if (b == NULL || which < 0 || which >= BLOCK_ARRAY_COUNT) { return REP_ERR_ARGUMENT; }
    return rep_program_read(b->program, b->arrays[which], out, count);
}

/* The largest difference of the branches' sum from the merged convolution, of `count` values;
 * infinite where one is not a number. */
WEB_EXPORT double web_block_difference(const float *sum, const float *merged, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs((double)sum[i] - (double)merged[i]);
        if (!(d <= largest)) { largest = isnan(d) ? (double)INFINITY : d; }
    }
    return largest;
}
