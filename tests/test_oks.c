/* test_oks.c - the keypoint loss of object keypoint similarity, from the annotations to the loss:
 * against pycocotools' formula in pixels, and in training. */
#include "coded_set.h"
#include "devices.h"
#include "repopt/train.h"

enum { LEVELS = 2, CHANNELS = 2 * CODED_POINTS };
static const double sigmas[CODED_POINTS] = {0.026, 0.05, 0.107};

/* Categories of three points get the sigmas above. */
static rep_detection_set *open_set(bool has_sigmas) {
    const rep_detection_set_options options = {
        .kind = "coco",
        .root = temp_path("coded"),
        .images = "images",
        .annotations = "a.json",
        .annotation = {.sigmas = has_sigmas ? sigmas : NULL, .sigma_count = CODED_POINTS}};
    rep_detection_set *set = NULL;
    CHECK_OK(rep_detection_set_open(&set, &options));
    return set;
}

/* Everything that moves an object. */
static rep_detection_loader_options moving(int32_t batch) {
    static const rep_fcos_level levels[LEVELS] = {{.stride = 8, .least = -1, .most = 24},
                                                  {.stride = 16, .least = 24, .most = 1e8f}};
    rep_detection_loader_options options = coded_options(batch, true);
    options.augment.colour.flip_probability = 0.5f;
    options.augment.vertical_flip_probability = 0.5f;
    options.augment.zoom = 1.6f;
    options.augment.zoom_probability = 0.7f;
    options.targets = (rep_detection_target_options){
        .levels = levels, .level_count = LEVELS, .radius = 1.5f, .is_oks = true};
    return options;
}

/* ---- weights ---------------------------------------------------------------------------------
 */

/* Index of the object whose box a cell's targets are the distances to, by trying all. */
static size_t owner_of(const rep_detection_batch *b, const rep_detection_picture *p,
                       const float distances[4], const double place[2]) {
    for (size_t i = p->first; i < p->first + p->count; i++) {
        const float *box = b->boxes + 4 * i;
        double off = fabs(place[0] - (double)distances[0] - (double)box[0]);
        off = fmax(off, fabs(place[1] - (double)distances[1] - (double)box[1]));
        off = fmax(off, fabs(place[0] + (double)distances[2] - (double)box[2]));
        off = fmax(off, fabs(place[1] + (double)distances[3] - (double)box[3]));
        if (off < 1e-3) { return i; }
    }
    fail_msg("no object has the box of the cell at %g, %g", place[0], place[1]);
    return 0;
}

/* e = d^2 / vars / area / 2 of a point one stride off, in pixels: pycocotools' own steps. */
static double slow_weight(double stride, double area, double sigma) {
    const double vars = pow(sigma * 2, 2);
    return stride * stride / vars / area / 2;
}

typedef struct tally {
    size_t visible, moved; /* points; objects whose area shows that it was scaled */
} tally;

static void check_cell(tally *sum, const rep_detection_batch *b, const rep_detection_level *level,
                       size_t row, size_t cell) {
    const rep_detection_picture *picture = &b->pictures[row];
    const size_t width = (size_t)level->width, inside = cell % (width * (size_t)level->height);
    const float *weights = level->keypoint_weights + CHANNELS * cell;
    const double place[2] = {(double)(inside % width) * level->stride + level->stride / 2,
                             (double)(inside / width) * level->stride + level->stride / 2};
    if (level->labels[cell] == 0) {
        for (int k = 0; k < CHANNELS; k++) { assert_true(weights[k] == 0); }
        return;
    }
    const size_t i = owner_of(b, picture, level->box_targets + 4 * cell, place);
    for (size_t k = 0; k < CODED_POINTS; k++) {
        const bool is_seen = b->keypoints[3 * (CODED_POINTS * i + k) + 2] > 0;
        const double wanted =
            is_seen ? slow_weight(level->stride, (double)b->areas[i], sigmas[k]) : 0;
        /* One rounding to float, and the reciprocal order's few of double. */
        assert_true(fabs((double)weights[2 * k] - wanted) <= 1e-7 * wanted);
        assert_true(weights[2 * k] == weights[2 * k + 1]);
        sum->visible += is_seen;
    }
}

/* Where a box is not cut, its sides say how its object was scaled. */
static void check_areas(tally *sum, const rep_detection_batch *b, const rep_annotations *all) {
    for (size_t i = 0; i < b->object_count; i++) {
        const rep_object *o = &all->objects[b->sources[i]];
        const float *box = b->boxes + 4 * i;
        const double across = (double)(box[2] - box[0]) / (o->w - 1);
        const double down = (double)(box[3] - box[1]) / (o->h - 1);
        const double by_box = o->area * across * down;
        /* Cutting makes a box smaller, and not the area. */
        assert_true((double)b->areas[i] >= by_box * (1 - 1e-4));
        sum->moved += fabs((double)b->areas[i] - by_box) < 1e-4 * by_box;
    }
}

static void test_weights_are_pycocotools(void **state) {
    (void)state;
    rep_detection_set *set = open_set(true);
    const rep_detection_loader_options options = moving(3);
    rep_detection_loader *loader = coded_loader(set, &options);
    tally sum = {0};
    size_t objects = 0;
    for (int n = 0; n < 30; n++) {
        const rep_detection_batch *b = coded_next(loader);
        const size_t before = sum.visible;
        check_areas(&sum, b, rep_detection_set_annotations(set));
        objects += b->object_count;
        for (size_t l = 0; l < LEVELS; l++) {
            const rep_detection_level *level = &b->levels[l];
            const size_t count = (size_t)level->height * (size_t)level->width;
            for (size_t c = 0; c < 3 * count; c++) { check_cell(&sum, b, level, c / count, c); }
        }
        assert_true(b->visible == (double)(sum.visible - before));
    }
    assert_true(sum.visible > 100);
    assert_true(2 * sum.moved > objects && sum.moved < objects); /* some were cut */
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

static void test_sigmas_must_be_known(void **state) {
    (void)state;
    rep_detection_set *set = open_set(false);
    rep_detection_loader_options options = moving(3);
    rep_detection_loader *loader = NULL;
    CHECK_FAILS(rep_detection_loader_create(&loader, set, &options), REP_ERR_CONFIG,
                "MODEL.FCOS.KPS_LOSS: oks needs sigmas, and category 'cat'");
    options.targets.is_oks = false;
    loader = coded_loader(set, &options);
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

/* ---- the loss ---------------------------------------------------------------------------------
 */

/* Object keypoint similarity as COCOeval.computeOks has it, in pixels. */
static double oks_of(const double (*found)[2], const double (*truth)[3], double area) {
    double sum = 0;
    int count = 0;
    for (int k = 0; k < CODED_POINTS; k++) {
        if (!(truth[k][2] > 0)) { continue; }
        const double dx = found[k][0] - truth[k][0], dy = found[k][1] - truth[k][1];
        const double vars = pow(2 * sigmas[k], 2);
        sum += exp(-(dx * dx + dy * dy) / vars / (area + 2.220446049250313e-16) / 2);
        count++;
    }
    return sum / count;
}

/* One object of 900 pixels' area seen from the cell at 20, 28 of stride 8; its second point is
 * hidden, its third absent. */
static void test_loss_is_one_minus_oks(void **state) {
    (void)state;
    enum { STRIDE = 8 };
    const double truth[CODED_POINTS][3] = {{12, 31, 2}, {25.5, 20, 1}, {0, 0, 0}};
    const double found[CODED_POINTS][2] = {{13.25, 30.5}, {27, 23}, {90, 4}};
    const double place[2] = {20, 28}, area = 900;
    float pred[CHANNELS], target[CHANNELS] = {0}, weight[CHANNELS] = {0}, loss = 0;
    for (int i = 0; i < CHANNELS; i++) {
        pred[i] = (float)((found[i / 2][i % 2] - place[i % 2]) / STRIDE);
        if (!(truth[i / 2][2] > 0)) { continue; }
        target[i] = (float)((truth[i / 2][i % 2] - place[i % 2]) / STRIDE);
        weight[i] = (float)slow_weight(STRIDE, area, sigmas[i / 2]);
    }
    rep_device *device = NULL;
    rep_graph *graph = NULL;
    rep_program *program = NULL;
    CHECK_OK(rep_device_open(&device, test_device_first(), 1));
    CHECK_OK(rep_graph_create(&graph));
    const rep_shape shape = {1, CHANNELS, 1, 1};
    const rep_id in[] = {rep_graph_tensor(graph, "pred", REP_F32, shape, REP_STATE),
                         rep_graph_tensor(graph, "target", REP_F32, shape, REP_STATE),
                         rep_graph_tensor(graph, "weight", REP_F32, shape, REP_STATE)};
    const rep_id rows = REP_APPEND(graph, OKS, NULL, in[0], in[1], in[2]);
    rep_graph_keep(graph, rows);
    CHECK_OK(rep_program_create(&program, device, graph, NULL, NULL));
    CHECK_OK(rep_program_write(program, in[0], pred, CHANNELS));
    CHECK_OK(rep_program_write(program, in[1], target, CHANNELS));
    CHECK_OK(rep_program_write(program, in[2], weight, CHANNELS));
    CHECK_OK(rep_program_run(program, REP_FORWARD, REP_FORWARD));
    CHECK_OK(rep_program_read(program, rows, &loss, 1));
    /* Two visible points, which the loss is divided by. A similarity of order 1 is off by a few
     * units of 2^-24. */
    const double wanted = 1 - oks_of(found, truth, area);
    assert_true(wanted > 0.1 && wanted < 0.9);
    assert_true(fabs((double)loss / 2 - wanted) < 1e-6);
    rep_program_destroy(program);
    rep_graph_destroy(graph);
    rep_device_close(device);
}

static void test_odd_channels_are_refused(void **state) {
    (void)state;
    rep_graph *graph = NULL;
    CHECK_OK(rep_graph_create(&graph));
    const rep_shape shape = {1, 5, 1, 1};
    const rep_id x = rep_graph_tensor(graph, "x", REP_F32, shape, REP_IO);
    assert_int_equal(REP_APPEND(graph, OKS, NULL, x, x, x), 0);
    CHECK_FAILS(rep_graph_check(graph), REP_ERR_SHAPE, "an even number; got 5 channels");
    rep_graph_destroy(graph);
}

/* ---- training ---------------------------------------------------------------------------------
 */

enum { STEPS = 160, MEAN_OF = 10 };
typedef struct course {
    double losses[STEPS];
    size_t count;
} course;

static void keep_loss(void *context, const rep_progress *now) {
    course *c = context;
    if (!now->is_evaluation && c->count < STEPS) { c->losses[c->count++] = now->loss; }
}

static double mean_of(const double *values) {
    double sum = 0;
    for (int i = 0; i < MEAN_OF; i++) { sum += values[i]; }
    return sum / MEAN_OF;
}

/* The keypoints' loss is the only one that counts, so what a run reports is 1 - similarity. */
static void test_training_lowers_the_loss(void **state) {
    (void)state;
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "TRAINING_MODE: normal\nOUTPUT_DIR: %s\nSEED: 3\n"
                   "MODEL: {KEYPOINT_ON: True, BACKBONE: {CONV_BODY: RepOpt-FPN-YUMIN}, YUMIN: "
                   "{CHANNELS: [8, 8, 16, 16, 24], REPEATS: [1, 1, 1, 1, 1], FPN_CHANNELS: 16}, "
                   "FCOS: {NUM_CLASSES: 4, NUM_CONVS: 1, KPS_LOSS: oks, "
                   "LOSS_WEIGHTS: [0, 0, 0, 1]}}\n"
                   "DATASETS: {NAME: drawn, DRAWN_COUNT_TRAIN: 8, TEST: []}\n"
                   "DATALOADER: {NUM_WORKERS: 1}\nINPUT: {SIZE: [160, 160], PIXEL_MEAN: [102, "
                   "115, 122], PIXEL_STD: [60, 60, 60]}\n"
                   "SOLVER: {IMS_PER_BATCH: 4, MAX_ITER: %d, BASE_LR: 0.05, WARMUP_ITERS: 5, "
                   "CHECKPOINT_PERIOD: 0}\n",
                   temp_path("run"), STEPS);
    course c = {.count = 0};
    rep_config *config = NULL;
    rep_train_result result;
    CHECK_OK(rep_config_create(&config));
    CHECK_OK(rep_config_merge_text(config, "case", text, strlen(text)));
    const rep_train_options options = {.config = config,
                                       .device = test_device_first(),
                                       .threads = 1,
                                       .on_progress = keep_loss,
                                       .context = &c};
    CHECK_OK(rep_train(&result, &options));
    assert_int_equal(c.count, STEPS);
    const double first = mean_of(c.losses), last = mean_of(c.losses + STEPS - MEAN_OF);
    print_message("1 - similarity from %.3f to %.3f\n", first, last);
    assert_true(first > 0 && first < 1);
    assert_true(last < 0.9 * first);
    rep_config_destroy(config);
}

static int make_coded(void **state) {
    if (temp_make(state) != 0) { return -1; }
    coded_write("coded", coded_pairs);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_pycocotools),
        cmocka_unit_test(test_sigmas_must_be_known),
        cmocka_unit_test(test_loss_is_one_minus_oks),
        cmocka_unit_test(test_odd_channels_are_refused),
        cmocka_unit_test(test_training_lowers_the_loss),
    };
    return cmocka_run_group_tests(tests, make_coded, temp_remove);
}
