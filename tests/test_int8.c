/* test_int8 - int8: whole nets against a slow integer reference, a trained classifier before and
 * after, and what is refused. */
#include <math.h>

#include "nn/nn.h"
#include "repopt/export.h"
#include "repopt/quantize.h"
#include "train_case.h"

/* ---- values ---------------------------------------------------------------------------------
 */

static void test_weights(void **state) {
    (void)state;
    const float weight[] = {1.27f, -0.635f, 0.004f, 0, 0, 0}, bias[] = {0.1f, -3};
    float q[6], b[2], s[2];
    rep_int8_values v = {.weight = q, .bias = b, .weight_scale = s};
    rep_int8_quantize(&v, weight, bias, 2, 3, -1, 1.55); /* 2.55 / 255 = 0.01 */
    assert_float_equal(v.input_scale, 0.01f, 1e-9f);
    assert_true(v.input_zero == 100);
    assert_float_equal(s[0], 0.01f, 1e-9f);
    assert_true(s[1] == 1);                        /* nothing there */
    const float wanted[] = {127, -64, 0, 0, 0, 0}; /* 63.5 goes to the even 64 */
    for (int i = 0; i < 6; i++) { assert_true(fabsf(q[i] - wanted[i]) <= (i == 1 ? 1 : 0)); }
    assert_true(b[0] == 1000 && b[1] == -300);
    /* 155 * 127 upwards; 100 * 127 and 155 * 64 downwards. */
    const float row[] = {127, -64};
    assert_true(rep_int8_sum_bound(row, b, 1, 2, 100) == 155 * 127 + 100 * 64 + 1000);
    const float broken[] = {127, NAN, 5, 5};
    assert_true(isnan(rep_int8_sum_bound(broken, NULL, 2, 2, 100)));
}

/* Pixels k / 255 by a mean of 0.5 and a deviation of 0.25 lie in -2 .. 2: 255 steps and 0 in the
 * middle of one. Both ends are whole numbers, no pixel lies between two, and rounding costs what it
 * costs evenly spread values, a twelfth of a step squared (of ties a fourth). */
static void test_symmetric_range(void **state) {
    (void)state;
    const float weight[] = {1};
    float q[1], s[1];
    double sum = 0;
    rep_int8_values v = {.weight = q, .weight_scale = s};
    rep_int8_quantize(&v, weight, NULL, 1, 1, -2, 2);
    assert_true(v.input_zero == 128);
    assert_float_equal(v.input_scale, 2.0f / 127, 1e-9f);
    for (int k = 0; k < 256; k++) {
        const double at = ((double)k / 255 - 0.5) / 0.25 / (double)v.input_scale;
        const double off = fabs(at - nearbyint(at));
        assert_true(off < 0.499);
        assert_true(at > -128.5 && at < 127.5);
        assert_true(off < 1e-6 || (k != 0 && k != 255));
        sum += off * off;
    }
    assert_true(sum / 256 < 0.09);
    /* One-sided ranges keep their 255 steps, nothing at all the scale 1. */
    rep_int8_quantize(&v, weight, NULL, 1, 1, 0, 5.1);
    assert_true(v.input_zero == 0 && v.input_scale == (float)(5.1 / 255));
    rep_int8_quantize(&v, weight, NULL, 1, 1, -5.1, 0);
    assert_true(v.input_zero == 255 && v.input_scale == (float)(5.1 / 255));
    rep_int8_quantize(&v, weight, NULL, 1, 1, 0, 0);
    assert_true(v.input_zero == 0 && v.input_scale == 1);
    rep_int8_quantize(&v, (const float[]){1e-40f}, NULL, 1, 1, 0, 1e-40);
    assert_true(s[0] == 1 && q[0] == 0 && v.input_scale == 1);
}

/* ---- nets against integers ---------------------------------------------------------------------
 */

typedef struct layer {
    const char *name;
    int c_in, c_out, kernel, stride, groups;
    rep_act act;
    float input_scale, top; /* top: weights are -top .. top, all top where it is below 0 */
    int zero;
    float shift; /* of the biases, so that what follows saturates on both sides */
} layer;

/* Thin, strided with a remainder, grouped, and one whose sums come within 1 per cent of 2^24. */
static const layer net[] = {
    {"thin", 3, 20, 3, 1, 1, REP_ACT_RELU, 0.021f, 90, 117, 0},
    {"strided", 20, 57, 3, 2, 1, REP_ACT_RELU6, 0.037f, 127, 0, 60000},
    {"full", 57, 24, 3, 1, 1, REP_ACT_RELU, 0.0235294f, -127, 0, 0},
    {"grouped", 24, 33, 3, 1, 3, REP_ACT_NONE, 130.0f, 127, 0, 0},
    {"signed", 33, 7, 1, 1, 1, REP_ACT_NONE, 25.0f, 127, 131, 0},
};
enum { LAYERS = sizeof net / sizeof *net, SIDE = 9, PICTURES = 2 };

typedef struct whole_net {
    rep_graph *graph;
    rep_id image, output, grids[LAYERS]; /* inputs of the layers in whole numbers */
    float *weight[LAYERS], *bias[LAYERS], *scale[LAYERS];
    float *picture;
} whole_net;

static void part_name(char name[64], const layer *l, const char *part) {
    snprintf(name, 64, "%s.%s", l->name, part);
}

static size_t weight_count(const layer *l) {
    return (size_t)(l->c_out * l->c_in / l->groups * l->kernel * l->kernel);
}

static void build(whole_net *w) {
    CHECK_OK(rep_graph_create(&w->graph));
    w->image =
        rep_graph_tensor(w->graph, "image", REP_F32, (rep_shape){PICTURES, 3, SIDE, SIDE}, REP_IO);
    rep_id x = w->image;
    for (int i = 0; i < LAYERS; i++) {
        const rep_conv_spec spec = {.c_out = net[i].c_out,
                                    .kernel = net[i].kernel,
                                    .stride = net[i].stride,
                                    .groups = net[i].groups,
                                    .has_bias = true,
                                    .act = net[i].act};
        x = rep_nn_conv(w->graph, net[i].name, &spec, x);
    }
    rep_graph_keep(w->graph, x);
    w->output = x;
    CHECK_OK(rep_int8_rewrite(w->graph, NULL));
    size_t count = 0;
    for (uint32_t n = 0; n < w->graph->node_count; n++) {
        if (w->graph->nodes[n].op != REP_OP_QUANTIZE) { continue; }
        assert_true(count < LAYERS);
        w->grids[count++] = w->graph->nodes[n].out[0];
        rep_graph_keep(w->graph, w->graph->nodes[n].out[0]);
    }
    assert_int_equal(count, LAYERS);
}

static void draw(whole_net *w) {
    rep_rng rng;
    rep_rng_init(&rng, 5, 0);
    const size_t pixels = (size_t)PICTURES * SIDE * SIDE * 3;
    w->picture = malloc(pixels * sizeof *w->picture);
    for (size_t i = 0; i < pixels; i++) { w->picture[i] = 1.5f * rep_rng_normal(&rng); }
    for (int i = 0; i < LAYERS; i++) {
        const layer *l = &net[i];
        w->weight[i] = malloc(weight_count(l) * sizeof(float));
        w->bias[i] = malloc((size_t)l->c_out * sizeof(float));
        w->scale[i] = malloc((size_t)l->c_out * sizeof(float));
        for (size_t k = 0; k < weight_count(l); k++) {
            const float q = rintf((2 * rep_rng_uniform(&rng) - 1) * l->top);
            w->weight[i][k] = l->top < 0 ? -l->top : q;
        }
        for (int c = 0; c < l->c_out; c++) {
            w->bias[i][c] = rintf(20000 * rep_rng_normal(&rng)) + l->shift;
            w->scale[i][c] = 0.001f + 0.002f * rep_rng_uniform(&rng);
        }
    }
}

static void write_net(const whole_net *w, rep_program *program) {
    for (int i = 0; i < LAYERS; i++) {
        const layer *l = &net[i];
        const float zero = (float)l->zero;
        const struct {
            const char *part;
            const float *values;
            size_t count;
        } parts[] = {{"weight", w->weight[i], weight_count(l)},
                     {"bias", w->bias[i], (size_t)l->c_out},
                     {"weight_scale", w->scale[i], (size_t)l->c_out},
                     {"input_scale", &l->input_scale, 1},
                     {"input_zero_point", &zero, 1}};
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            char name[64];
            part_name(name, l, parts[p].part);
            const rep_id id = rep_graph_find(w->graph, name);
            assert_true(id != 0);
            CHECK_OK(rep_program_write(program, id, parts[p].values, parts[p].count));
        }
    }
    CHECK_OK(rep_program_write(program, w->image, w->picture, (size_t)PICTURES * SIDE * SIDE * 3));
}

/* One sum in 64 bits; pixels outside are the zero point, which counts for nothing. */
static int64_t sum_of(const whole_net *w, int i, const int *x, int side, int n, int o, int y,
                      int z) {
    const layer *l = &net[i];
    const int depth = l->c_in / l->groups, group = o / (l->c_out / l->groups);
    int64_t sum = (int64_t)w->bias[i][o];
    for (int r = 0; r < l->kernel; r++) {
        for (int s = 0; s < l->kernel; s++) {
            const int a = y * l->stride + r - l->kernel / 2, b = z * l->stride + s - l->kernel / 2;
            if (a < 0 || b < 0 || a >= side || b >= side) { continue; }
            const int *pixel = x + ((size_t)(n * side + a) * (size_t)side + (size_t)b) * l->c_in;
            for (int c = 0; c < depth; c++) {
                const size_t at = (((size_t)o * l->kernel + r) * l->kernel + s) * depth + c;
                sum += (int64_t)pixel[group * depth + c] * (int64_t)w->weight[i][at];
            }
        }
    }
    return sum;
}

static int clamp(double v, int zero) {
    const double low = -zero, high = 255 - zero;
    return (int)nearbyint(fmin(fmax(v, low), high));
}

/* What the grid of layer i + 1 gets of a sum: QuantizeLinear as ONNX Runtime requantises. */
static int requantise(const whole_net *w, int i, int64_t sum, int o, bool is_wide) {
    const float s = w->scale[i][o], x = net[i].input_scale, y = net[i + 1].input_scale;
    if (is_wide) {
        return clamp((double)sum * ((double)x * (double)s / (double)y), net[i + 1].zero);
    }
    const float factor = x * s / y;
    return clamp((double)((float)sum * factor), net[i + 1].zero);
}

typedef struct tally {
    size_t values, different, saturated;
    int64_t largest;
} tally;

static void compare_grid(tally *t, const whole_net *w, rep_program *program, int i, const int *x,
                         int side) {
    const size_t count = (size_t)(PICTURES * side * side * net[i].c_in);
    float *got = malloc(count * sizeof *got);
    CHECK_OK(rep_program_read(program, w->grids[i], got, count));
    for (size_t k = 0; k < count; k++) {
        t->values++;
        t->different += got[k] != (float)x[k];
        t->saturated += x[k] == -net[i].zero || x[k] == 255 - net[i].zero;
    }
    free(got);
}

static void compare_values(tally *t, const whole_net *w, rep_program *program, const int64_t *sums,
                           size_t count, bool is_wide) {
    const layer *l = &net[LAYERS - 1];
    float *got = malloc(count * sizeof *got);
    CHECK_OK(rep_program_read(program, w->output, got, count));
    for (size_t k = 0; k < count; k++) {
        const float s = w->scale[LAYERS - 1][k % (size_t)l->c_out];
        const float narrow = (float)sums[k] * l->input_scale * s;
        const float wide = (float)((double)sums[k] * (double)l->input_scale * (double)s);
        t->values++;
        t->different += got[k] != (is_wide ? wide : narrow);
    }
    free(got);
}

/* The whole net in integers, every grid compared on the way. */
static tally compare(const whole_net *w, rep_program *program, bool is_wide) {
    tally t = {0};
    int side = SIDE;
    int *x = malloc((size_t)PICTURES * SIDE * SIDE * 64 * sizeof *x);
    int *next = malloc((size_t)PICTURES * SIDE * SIDE * 64 * sizeof *x);
    int64_t *sums = malloc((size_t)PICTURES * SIDE * SIDE * 64 * sizeof *sums);
    for (size_t k = 0; k < (size_t)PICTURES * SIDE * SIDE * 3; k++) {
        const double v = is_wide ? (double)w->picture[k] / (double)net[0].input_scale
                                 : (double)(w->picture[k] / net[0].input_scale);
        x[k] = clamp(v, net[0].zero);
    }
    for (int i = 0; i < LAYERS; i++) {
        const int out = (side - 1) / net[i].stride + 1;
        size_t k = 0;
        compare_grid(&t, w, program, i, x, side);
        for (int n = 0; n < PICTURES; n++) {
            for (int p = 0; p < out * out; p++) {
                for (int o = 0; o < net[i].c_out; o++, k++) {
                    sums[k] = sum_of(w, i, x, side, n, o, p / out, p % out);
                    if (llabs(sums[k]) > t.largest) { t.largest = llabs(sums[k]); }
                    if (i + 1 < LAYERS) { next[k] = requantise(w, i, sums[k], o, is_wide); }
                }
            }
        }
        if (i + 1 == LAYERS) { compare_values(&t, w, program, sums, k, is_wide); }
        int *swap = x;
        x = next, next = swap, side = out;
    }
    free(sums);
    free(next);
    free(x);
    return t;
}

static void clear(whole_net *w) {
    for (int i = 0; i < LAYERS; i++) {
        free(w->weight[i]);
        free(w->bias[i]);
        free(w->scale[i]);
    }
    free(w->picture);
    rep_graph_destroy(w->graph);
}

static void test_integers(void **state) {
    (void)state;
    static const char *const devices[] = {"cpu:baseline", "cpu:avx2", "cpu:avx512", "cpu:float64"};
    whole_net w = {0};
    size_t opened = 0;
    build(&w);
    draw(&w);
    for (size_t d = 0; d < sizeof devices / sizeof *devices; d++) {
        rep_device *device = NULL;
        rep_program *program = NULL;
        const bool is_wide = strstr(devices[d], "float64") != NULL;
        if (rep_device_open(&device, devices[d], 2) != REP_OK) { continue; }
        CHECK_OK(rep_program_create(&program, device, w.graph, NULL, NULL));
        write_net(&w, program);
        CHECK_OK(rep_int8_check_sums(w.graph, program, is_wide));
        CHECK_OK(rep_program_run(program, REP_FORWARD, REP_FORWARD));
        const tally t = compare(&w, program, is_wide);
        if (t.different > 0) {
            fail_msg("%s: %zu of %zu values are not the integers'", devices[d], t.different,
                     t.values);
        }
        assert_true(t.saturated > 100 && t.saturated < t.values / 2);
        assert_true(t.largest > 1 << 22); /* beyond what products alone would test */
        rep_program_destroy(program);
        rep_device_close(device);
        opened++;
    }
    assert_true(opened >= 2);
    clear(&w);
}

/* One more weight, and float32 might round: the sum's bound is 57 * 9 * 255 * 127 and the bias. */
static void test_sums_are_bounded(void **state) {
    (void)state;
    whole_net w = {0};
    rep_device *device = NULL;
    rep_program *program = NULL;
    build(&w);
    draw(&w);
    CHECK_OK(rep_device_open(&device, "cpu", 1));
    CHECK_OK(rep_program_create(&program, device, w.graph, NULL, NULL));
    w.bias[2][3] = 16777216.0f - 57 * 9 * 255 * 127; /* as much as there is room for */
    write_net(&w, program);
    CHECK_OK(rep_int8_check_sums(w.graph, program, false));
    w.bias[2][3] += 1;
    write_net(&w, program);
    CHECK_FAILS(rep_int8_check_sums(w.graph, program, false), REP_ERR_NUMERIC,
                "full: its sums may come to 16777217");
    CHECK_OK(rep_int8_check_sums(w.graph, program, true));
    rep_program_destroy(program);
    rep_device_close(device);
    clear(&w);
}

/* ---- a trained classifier ----------------------------------------------------------------------
 */

typedef struct trained {
    char root[64], weights[600], folded[200], path[200];
    train_case c;
} trained;

static int train(void **state) {
    static trained t;
    train_case_root(t.root);
    train_case_init(&t.c, t.root, "run");
    static const char *const settings[][2] = {{"DATASETS.DRAWN_COUNT_TRAIN", "4000"},
                                              {"DATASETS.DRAWN_COUNT_TEST", "500"},
                                              {"MODEL.VGG.NUM_BLOCKS", "(1,1,1,1)"},
                                              {"MODEL.VGG.WIDTHS", "(16,16,32,64)"},
                                              {"MODEL.VGG.STRIDES", "(1,2,2,2,2)"},
                                              {"SOLVER.IMS_PER_BATCH", "32"},
                                              {"SOLVER.OPTIMIZER", "adamw"},
                                              {"SOLVER.BASE_LR", "0.005"},
                                              {"SOLVER.MAX_ITER", "800"},
                                              {"SOLVER.WARMUP_ITERS", "60"},
                                              {"INPUT.PAD", "2"},
                                              {"INPUT.FLIP_PROB_TRAIN", "0"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        train_case_set(&t.c, settings[i][0], settings[i][1]);
    }
    const rep_train_result result = train_case_run(&t.c);
    snprintf(t.weights, sizeof t.weights, "%s", result.checkpoint);
    train_case_set(&t.c, "MODEL.WEIGHT", t.weights);
    snprintf(t.folded, sizeof t.folded, "%s/folded.safetensors", t.root);
    snprintf(t.path, sizeof t.path, "%s/int8.safetensors", t.root);
    const rep_export_options folding = {
        .config = t.c.config, .path = t.folded, .is_folded = true, .threads = 1};
    rep_export_result exported;
    CHECK_OK(rep_export(&exported, &folding));
    *state = &t;
    return 0;
}

static int untrain(void **state) {
    trained *t = *state;
    train_case_clear(&t->c);
    train_case_remove(t->root);
    return 0;
}

static rep_quantize_options options_of(const trained *t) {
    return (rep_quantize_options){.config = t->c.config,
                                  .path = t->path,
                                  .picture_count = 100,
                                  .percentile = 99.99,
                                  .device = "cpu",
                                  .threads = 1};
}

static void test_accuracy(void **state) {
    trained *t = *state;
    for (int method = 0; method < REP_CALIBRATION_COUNT; method++) {
        rep_quantize_options options = options_of(t);
        rep_quantize_result r;
        rep_eval_result tested;
        options.method = (rep_calibration)method;
        train_case_set(&t->c, "MODEL.WEIGHT", t->weights);
        CHECK_OK(rep_quantize(&r, &options));
        print_message("%s: top-1 %.3f in float32, %.3f in int8, output error %.2e\n",
                      rep_calibration_name(options.method), r.real.score, r.whole.score,
                      r.output_error);
        assert_true(r.real.score > 0.4); /* there is something to lose */
        assert_true(fabs(r.real.score - r.whole.score) <= 0.02);
        assert_int_equal(r.layer_count, 6);
        assert_true(r.output_error > 1e-9 && r.output_error < 0.05);
        assert_true(r.int8_bytes * 3 < r.weight_bytes);
        for (size_t i = 0; i < r.layer_count; i++) {
            assert_true(r.layers[i].map_error > 0 && r.layers[i].map_error < 0.05);
            assert_true(r.layers[i].output_error > 0);
        }
        /* The file says the same. */
        train_case_set(&t->c, "MODEL.WEIGHT", t->path);
        CHECK_OK(rep_evaluate(&tested, &t->c.options));
        assert_true(tested.top1 == r.whole.top1 && tested.loss == r.whole.loss);
        rep_quantize_result_clear(&r);
    }
    train_case_set(&t->c, "MODEL.WEIGHT", t->weights);
}

static uint64_t file_hash(const char *path) {
    FILE *file = fopen(path, "rb");
    uint64_t hash = HASH_START;
    unsigned char bytes[4096];
    assert_non_null(file);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) {
        hash = hash_bytes(hash, bytes, n);
    }
    fclose(file);
    return hash;
}

/* Any number of threads, and the net folded before or now, give the same tensors. */
static void test_is_deterministic(void **state) {
    trained *t = *state;
    rep_quantize_options options = options_of(t);
    rep_quantize_result r;
    CHECK_OK(rep_quantize(&r, &options));
    rep_quantize_result_clear(&r);
    const uint64_t first = file_hash(t->path);
    options.threads = 2;
    CHECK_OK(rep_quantize(&r, &options));
    rep_quantize_result_clear(&r);
    assert_true(file_hash(t->path) == first);
    rep_tensors *a = NULL, *b = NULL;
    char other[200];
    snprintf(other, sizeof other, "%s/other.safetensors", t->root);
    options.path = other;
    train_case_set(&t->c, "MODEL.WEIGHT", t->folded);
    CHECK_OK(rep_quantize(&r, &options));
    train_case_set(&t->c, "MODEL.WEIGHT", t->weights);
    rep_quantize_result_clear(&r);
    CHECK_OK(rep_tensors_open(&a, t->path));
    CHECK_OK(rep_tensors_open(&b, other));
    for (size_t i = 0; i < rep_tensors_count(a); i++) {
        const rep_tensor_info *x = rep_tensors_get(a, i), *y = rep_tensors_find(b, x->name);
        assert_non_null(y);
        assert_memory_equal(x->bytes, y->bytes, x->count * rep_tensor_type_bytes(x->type));
    }
    rep_tensors_close(a);
    rep_tensors_close(b);
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

static rep_status copy_times(void *context, void *elements, size_t count) {
    void *const *from = context;
    float *values = elements;
    REP_TRY(rep_tensors_read_f32(from[0], from[1], values));
    for (size_t i = 0; i < count; i++) { values[i] *= *(const float *)from[2]; }
    return REP_OK;
}

/* The folded file with every value times `factor`. */
static void spoil(const trained *t, const char *path, float factor) {
    enum { MOST = 64 };
    rep_tensors *file = NULL;
    rep_tensor_source sources[MOST];
    void *contexts[MOST][3];
    CHECK_OK(rep_tensors_open(&file, t->folded));
    const size_t count = rep_tensors_count(file);
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        contexts[i][0] = file, contexts[i][1] = (void *)info, contexts[i][2] = &factor;
        sources[i] = (rep_tensor_source){.name = info->name,
                                         .type = REP_TENSOR_F32,
                                         .rank = info->rank,
                                         .fill = copy_times,
                                         .context = contexts[i]};
        memcpy(sources[i].shape, info->shape, sizeof info->shape);
    }
    const rep_metadata_pair folded = {"folded", "spoilt"};
    CHECK_OK(rep_safetensors_write(path, sources, count, &folded, 1));
    rep_tensors_close(file);
}

static void test_refused(void **state) {
    trained *t = *state;
    char path[200], bad[200];
    rep_quantize_result r = {0};
    snprintf(path, sizeof path, "%s/none.safetensors", t->root);
    snprintf(bad, sizeof bad, "%s/bad.safetensors", t->root);
    rep_quantize_options options = options_of(t);
    options.path = path;
    options.picture_count = -1;
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_ARGUMENT, "-1 calibration pictures");
    options.picture_count = 4001;
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_ARGUMENT, "the training split has 4000");
    options.picture_count = 10;
    options.percentile = 50;
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_ARGUMENT, "percentile 50");
    options.percentile = 99.9;
    options.path = "int8.pth";
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_ARGUMENT, "ends in .safetensors");
    options.path = t->weights;
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_ARGUMENT, "holds the weights");
    options.path = path;
    train_case_set(&t->c, "MODEL.VGG.WIDTHS", "(16,16,32,72)");
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_DATA, "of another model");
    train_case_set(&t->c, "MODEL.VGG.WIDTHS", "(16,16,32,64)");
    const struct {
        float factor;
        const char *said;
    } cases[] = {{1e12f, "inputs"}, {NAN, "is not finite"}, {INFINITY, "is not finite"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spoil(t, bad, cases[i].factor);
        train_case_set(&t->c, "MODEL.WEIGHT", bad);
        CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_NUMERIC, cases[i].said);
    }
    options.path = t->path;
    train_case_set(&t->c, "MODEL.WEIGHT", t->weights);
    CHECK_OK(rep_quantize(&r, &options));
    rep_quantize_result_clear(&r);
    options.path = path;
    train_case_set(&t->c, "MODEL.WEIGHT", t->path);
    CHECK_FAILS(rep_quantize(&r, &options), REP_ERR_DATA, "is an int8 net already");
    train_case_set(&t->c, "MODEL.WEIGHT", t->weights);
    assert_int_equal(access(path, F_OK), -1);
    assert_null(r.layers);
}

int main(void) {
    const struct CMUnitTest units[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_symmetric_range),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_sums_are_bounded),
    };
    const struct CMUnitTest nets[] = {
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_is_deterministic),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(units, NULL, NULL) + cmocka_run_group_tests(nets, train, untrain);
}
