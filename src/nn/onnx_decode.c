/* onnx_decode.c - rep_fcos_decode as nodes of an ONNX file: candidates, boxes, suppression.
 *
 *   score[n,c,l] = sqrt(sigmoid(class) * sigmoid(centerness)), 0 where the class's probability
 *                  alone is not above the threshold, or the level has enough better ones
 *   box[n,l]     = place of the cell -+ distances, cut to the picture
 *   chosen       = NonMaxSuppression per class, then the best `most` of a picture
 *
 * c over classes, l over the cells of all levels. Outputs have a fixed size, so that a batch is one
 * tensor: what was not chosen has score 0 and stands last. NonMaxSuppression knows no "+ 1" of
 * sides; boxes whose right and lower edges are moved by one pixel have the same overlaps.
 */
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"

#define NODE(net, op, output, ...)                                                                 \
    (REP_ONNX_NODE(net, op, output, __VA_ARGS__), rep_onnx_node_end(net))

typedef struct decode {
    rep_onnx *net;
    const rep_fcos_decoder *decoder;
    int64_t classes, cells, most; /* cells of all levels; detections of a picture */
    int64_t points;               /* coordinates of keypoints: 2K */
} decode;

/* Constants that several nodes take. */
static const char zero[] = "decode.zero", axis_2[] = "decode.axis_2";

static void whole(rep_onnx *net, const char *name, int64_t value, int32_t rank) {
    rep_onnx_whole(net, name, &value, &(int64_t){1}, rank);
}

/* `to` = `from` in another shape, of which 0 is the batch. The shape becomes "<to>.shape". */
static void reshape(rep_onnx *net, const char *to, const char *from, const int64_t *shape,
                    int64_t rank) {
    char name[REP_NAME_BYTES];
    (void)rep_nn_name(name, to, "shape");
    rep_onnx_whole(net, name, shape, &rank, 1);
    NODE(net, "Reshape", to, from, name);
}

static void transpose(rep_onnx *net, const char *to, const char *from) {
    REP_ONNX_NODE(net, "Transpose", to, from);
    rep_onnx_node_ints(net, "perm", (const int64_t[]){0, 2, 1}, 3);
    rep_onnx_node_end(net);
}

/* The best `count` along the last axis. */
static void top(rep_onnx *net, const char *values, const char *places, const char *from,
                int64_t count) {
    char name[REP_NAME_BYTES];
    (void)rep_nn_name(name, values, "count");
    whole(net, name, count, 1);
    REP_ONNX_NODE(net, "TopK", values, from, name);
    rep_onnx_node_output(net, places);
    rep_onnx_node_int(net, "axis", -1);
    rep_onnx_node_end(net);
}

/* "P3.<part>" */
static const char *level_name(char out[REP_NAME_BYTES], size_t level, const char *part) {
    char prefix[] = {'P', (char)('3' + level), '\0'};
    (void)rep_nn_name(out, prefix, part);
    return out;
}

/* ---- candidates --------------------------------------------------------------------------------
 */

/* Leaves a level's best: what is less than the last of them becomes 0. Equal ones may be more. */
static void trim(const decode *d, size_t level, const char *to, const char *from, int64_t cells) {
    rep_onnx *net = d->net;
    char flat[REP_NAME_BYTES], best[REP_NAME_BYTES], place[REP_NAME_BYTES], last[REP_NAME_BYTES],
        less[REP_NAME_BYTES];
    char index[REP_NAME_BYTES];
    const int64_t most = (int64_t)d->decoder->level_most;
    reshape(net, level_name(flat, level, "score_row"), from, (int64_t[]){0, d->classes * cells}, 2);
    top(net, level_name(best, level, "best"), level_name(place, level, "best_place"), flat, most);
    whole(net, level_name(index, level, "best_last"), most - 1, 1);
    REP_ONNX_NODE(net, "Gather", level_name(last, level, "least"), best, index);
    rep_onnx_node_int(net, "axis", 1);
    rep_onnx_node_end(net);
    NODE(net, "Unsqueeze", level_name(flat, level, "least_score"), last, axis_2);
    NODE(net, "Less", level_name(less, level, "is_less"), from, flat);
    NODE(net, "Where", to, less, zero, from);
}

/* {n,c,h,w} -> {n,c,cells} */
static const char *flatten(const decode *d, char out[REP_NAME_BYTES], size_t level,
                           const char *part, int64_t channels, int64_t cells) {
    char from[REP_NAME_BYTES], name[REP_NAME_BYTES];
    snprintf(name, sizeof name, "%.16s_row", part);
    reshape(d->net, level_name(out, level, name), level_name(from, level, part),
            (int64_t[]){0, channels, cells}, 3);
    return out;
}

static void score_level(const decode *d, size_t level, char out[REP_NAME_BYTES]) {
    rep_onnx *net = d->net;
    const int64_t cells = (int64_t)rep_fcos_location_count(&d->decoder->levels[level], 1);
    char logits[REP_NAME_BYTES], centre[REP_NAME_BYTES], own[REP_NAME_BYTES],
        factor[REP_NAME_BYTES];
    char product[REP_NAME_BYTES], is_above[REP_NAME_BYTES];
    const bool has_many = d->classes * cells > (int64_t)d->decoder->level_most;
    flatten(d, logits, level, "classes", d->classes, cells);
    flatten(d, centre, level, "centerness", 1, cells);
    NODE(net, "Sigmoid", level_name(own, level, "probability"), logits);
    NODE(net, "Sigmoid", level_name(factor, level, "centre"), centre);
    NODE(net, "Mul", level_name(product, level, "product"), own, factor);
    NODE(net, "Greater", level_name(is_above, level, "is_above"), own, "decode.threshold");
    char all[REP_NAME_BYTES];
    level_name(all, level, has_many ? "candidates" : "scores");
    NODE(net, "Where", all, is_above, product, zero);
    level_name(out, level, "scores");
    if (has_many) { trim(d, level, out, all, cells); }
}

/* `to` = parts of all levels side by side, in the order of their cells. */
static void join(const decode *d, const char *to, char (*parts)[REP_NAME_BYTES]) {
    const char *names[REP_DETECTOR_LEVELS];
    for (size_t i = 0; i < d->decoder->level_count; i++) { names[i] = parts[i]; }
    rep_onnx_node(d->net, "Concat", to, names, d->decoder->level_count);
    rep_onnx_node_int(d->net, "axis", 2);
    rep_onnx_node_end(d->net);
}

static void append_scores(const decode *d) {
    char parts[REP_DETECTOR_LEVELS][REP_NAME_BYTES];
    for (size_t i = 0; i < d->decoder->level_count; i++) { score_level(d, i, parts[i]); }
    join(d, "decode.products", parts);
    NODE(d->net, "Sqrt", "decode.scores", "decode.products");
}

/* ---- boxes and keypoints -----------------------------------------------------------------------
 */

/* Constants of {1,rows,cells}: a cell's x and y by turns, and its stride. */
static rep_status append_places(const decode *d, const char *places, const char *strides,
                                int64_t rows) {
    const size_t cells = (size_t)d->cells;
    float *values = malloc(((size_t)rows + 1) * cells * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "ONNX: no memory for places"); }
    float *stride = values + (size_t)rows * cells;
    size_t at = 0;
    for (size_t i = 0; i < d->decoder->level_count; i++) {
        const rep_fcos_level *level = &d->decoder->levels[i];
        for (size_t p = 0; p < rep_fcos_location_count(level, 1); p++, at++) {
            float place[2];
            rep_fcos_place(place, level, p);
            for (size_t r = 0; r < (size_t)rows; r++) { values[r * cells + at] = place[r % 2]; }
            stride[at] = (float)level->stride;
        }
    }
    rep_onnx_floats(d->net, places, values, (const int64_t[]){1, rows, d->cells}, 3);
    if (strides) { rep_onnx_floats(d->net, strides, stride, (int64_t[]){1, 1, d->cells}, 3); }
    free(values);
    return REP_OK;
}

static void join_rows(const decode *d, const char *to, const char *part, int64_t channels) {
    char parts[REP_DETECTOR_LEVELS][REP_NAME_BYTES];
    for (size_t i = 0; i < d->decoder->level_count; i++) {
        const int64_t cells = (int64_t)rep_fcos_location_count(&d->decoder->levels[i], 1);
        flatten(d, parts[i], i, part, channels, cells);
    }
    join(d, to, parts);
}

static rep_status append_boxes(const decode *d, int32_t width, int32_t height) {
    static const float signs[] = {-1, -1, 1, 1};
    const float more = d->decoder->is_iou_plain ? 0 : 1, far[] = {0, 0, more, more};
    const float most[] = {(float)(width - 1), (float)(height - 1), (float)(width - 1),
                          (float)(height - 1)};
    const int64_t column[] = {1, 4, 1};
    rep_onnx *net = d->net;
    REP_TRY(append_places(d, "decode.places", NULL, 4));
    rep_onnx_floats(net, "decode.signs", signs, column, 3);
    rep_onnx_floats(net, "decode.edges", most, column, 3);
    rep_onnx_floats(net, "decode.far_edges", far, (const int64_t[]){1, 1, 4}, 3);
    join_rows(d, "decode.distances", "boxes", 4);
    NODE(net, "Mul", "decode.offsets", "decode.distances", "decode.signs");
    NODE(net, "Add", "decode.uncut", "decode.offsets", "decode.places");
    NODE(net, "Max", "decode.half_cut", "decode.uncut", zero);
    NODE(net, "Min", "decode.cut", "decode.half_cut", "decode.edges");
    transpose(net, "decode.boxes", "decode.cut");
    NODE(net, "Add", "decode.overlapping", "decode.boxes", "decode.far_edges");
    return REP_OK;
}

static rep_status append_points(const decode *d) {
    rep_onnx *net = d->net;
    REP_TRY(append_places(d, "decode.point_places", "decode.strides", d->points));
    join_rows(d, "decode.point_offsets", "keypoints", d->points);
    NODE(net, "Mul", "decode.point_pixels", "decode.point_offsets", "decode.strides");
    NODE(net, "Add", "decode.point_columns", "decode.point_pixels", "decode.point_places");
    transpose(net, "decode.points", "decode.point_columns");
    return REP_OK;
}

/* ---- suppression -------------------------------------------------------------------------------
 */

/* Scores of what NonMaxSuppression chose, 0 elsewhere; the best of them in order. */
static void choose(const decode *d) {
    rep_onnx *net = d->net;
    whole(net, "decode.most", d->most, 1);
    rep_onnx_floats(net, "decode.overlap", &d->decoder->nms_threshold, &(int64_t){1}, 1);
    rep_onnx_floats(net, "decode.none", &(float){0}, &(int64_t){1}, 1);
    NODE(net, "NonMaxSuppression", "decode.chosen", "decode.overlapping", "decode.scores",
         "decode.most", "decode.overlap", "decode.none");
    NODE(net, "GatherND", "decode.chosen_scores", "decode.scores", "decode.chosen");
    NODE(net, "Shape", "decode.scores_shape", "decode.scores");
    NODE(net, "ConstantOfShape", "decode.nothing", "decode.scores_shape");
    NODE(net, "ScatterND", "decode.left", "decode.nothing", "decode.chosen",
         "decode.chosen_scores");
    reshape(net, "decode.left_row", "decode.left", (int64_t[]){0, d->classes * d->cells}, 2);
    top(net, "scores", "decode.place", "decode.left_row", d->most);
    whole(net, "decode.cells", d->cells, 1);
    NODE(net, "Div", "classes", "decode.place", "decode.cells");
    NODE(net, "Mod", "decode.cell", "decode.place", "decode.cells");
    NODE(net, "Unsqueeze", "decode.cell_index", "decode.cell", axis_2);
}

/* What is known of the chosen cells: `from` {n,cells,k} -> {n,most,k}. */
static void pick(const decode *d, const char *to, const char *from) {
    REP_ONNX_NODE(d->net, "GatherND", to, from, "decode.cell_index");
    rep_onnx_node_int(d->net, "batch_dims", 1);
    rep_onnx_node_end(d->net);
}

static void declare(const decode *d) {
    const rep_onnx_dim batch = {.name = "batch"}, most = {.size = d->most};
    const rep_onnx_dim boxes[] = {batch, most, {.size = 4}};
    const rep_onnx_dim points[] = {batch, most, {.size = d->points / 2}, {.size = 2}};
    rep_onnx_output(d->net, "boxes", REP_TENSOR_F32, boxes, 3);
    rep_onnx_output(d->net, "scores", REP_TENSOR_F32, boxes, 2);
    rep_onnx_output(d->net, "classes", REP_TENSOR_I64, boxes, 2);
    if (d->points > 0) { rep_onnx_output(d->net, "keypoints", REP_TENSOR_F32, points, 4); }
}

rep_status rep_nn_onnx_decode(rep_onnx *net, const rep_fcos_decoder *decoder, int32_t width,
                              int32_t height) {
    decode d = {.net = net, .decoder = decoder, .classes = decoder->class_count};
    d.cells = (int64_t)rep_fcos_location_count(decoder->levels, decoder->level_count);
    d.points = 2 * (int64_t)decoder->keypoint_count;
    d.most = (int64_t)decoder->most;
    if (d.most > d.classes * d.cells) { d.most = d.classes * d.cells; }
    rep_onnx_floats(net, zero, &(float){0}, NULL, 0);
    whole(net, axis_2, 2, 1);
    rep_onnx_floats(net, "decode.threshold", &decoder->score_threshold, NULL, 0);
    append_scores(&d);
    REP_TRY(append_boxes(&d, width, height));
    choose(&d);
    pick(&d, "boxes", "decode.boxes");
    if (d.points > 0) {
        REP_TRY(append_points(&d));
        pick(&d, "decode.chosen_points", "decode.points");
        reshape(net, "keypoints", "decode.chosen_points", (int64_t[]){0, d.most, d.points / 2, 2},
                4);
    }
    declare(&d);
    return REP_OK;
}
