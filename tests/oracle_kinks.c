/* oracle_kinks.c - moves a reference's activations to a device's side of their kinks. */
#include "oracle_kinks.h"

#include <math.h>
#include <stdlib.h>

#include "graph/graph.h"

/* Errors of a layer spread about like a normal distribution; kinks that no value crosses by more
 * than this many times their root mean square are crossed by chance. */
#define FAR_SIGMAS 8.0

enum { X, MEAN, INVSTD, WEIGHT, BIAS, INPUTS };

static const rep_norm_params *params_of(const rep_node *node) { return node->params; }

/* Normalisations with a ReLU behind them. */
static bool has_kink(const rep_node *node) {
    return node->op == REP_OP_BATCHNORM && params_of(node)->act != REP_ACT_NONE;
}

void oracle_kinks_keep(rep_graph *graph) {
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        if (!has_kink(node)) { continue; }
        for (int i = 0; i < INPUTS; i++) { rep_graph_keep(graph, node->in[i]); }
        rep_graph_keep(graph, node->out[0]);
    }
}

static double *read_stored(oracle_case *c, const rep_graph *graph, rep_program *program,
                           rep_id id) {
    const size_t count = rep_shape_count(rep_graph_shape(graph, id));
    double *values = calloc(count, sizeof *values);
    oracle_ok(c, rep_program_read_f64(program, id, values, count));
    return values;
}

/* Which straight piece of the activation made y. */
static int piece_of(rep_uint act, double y) {
    return y <= 0 ? 0 : 1 + (act == REP_ACT_RELU6 && y >= 6);
}

/* One normalisation on the reference: its inputs and output, and the device's output. */
typedef struct layer {
    double *in[INPUTS], *y, *got;
    size_t count, channels;
    rep_uint act;
    double rms; /* of the differences of the outputs */
} layer;

/* Element k's value before the activation. */
static double value_at(const layer *l, size_t k) {
    const size_t c = k % l->channels;
    return (l->in[X][k] - l->in[MEAN][c]) * l->in[INVSTD][c] * l->in[WEIGHT][c] + l->in[BIAS][c];
}

/* Moves element k just across the kink between its piece and the device's. */
static void move(layer *l, size_t k, double kink, bool is_up) {
    const size_t c = k % l->channels;
    const double to = kink + (is_up ? 1e-9 : -1e-9);
    l->in[X][k] = l->in[MEAN][c] + (to - l->in[BIAS][c]) / (l->in[INVSTD][c] * l->in[WEIGHT][c]);
}

static size_t move_all(oracle_case *c, const char *name, layer *l) {
    size_t moved = 0;
    for (size_t k = 0; k < l->count; k++) {
        const int from = piece_of(l->act, l->y[k]), to = piece_of(l->act, l->got[k]);
        if (from == to) { continue; }
        const double kink = from + to > 1 ? 6 : 0, away = fabs(value_at(l, k) - kink);
        if (abs(from - to) != 1 || away > FAR_SIGMAS * l->rms) {
            oracle_fail(c, "%s[%zu]: %g is %g away from the kink, and errors are %g", name, k,
                        l->got[k], away, l->rms);
        }
        move(l, k, kink, to > from);
        moved++;
    }
    return moved;
}

static double rms_of(const layer *l) {
    double sum = 0;
    for (size_t k = 0; k < l->count; k++) { sum += (l->got[k] - l->y[k]) * (l->got[k] - l->y[k]); }
    return sqrt(sum / (double)l->count);
}

size_t oracle_kinks_move(oracle_case *c, const rep_graph *graph, rep_program *device,
                         rep_program *reference) {
    size_t moved = 0;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        if (!has_kink(node)) { continue; }
        const rep_shape shape = rep_graph_shape(graph, node->out[0]);
        layer l = {.y = read_stored(c, graph, reference, node->out[0]),
                   .got = read_stored(c, graph, device, node->out[0]),
                   .count = rep_shape_count(shape),
                   .channels = (size_t)shape.c,
                   .act = params_of(node)->act};
        for (int i = 0; i < INPUTS; i++) {
            l.in[i] = read_stored(c, graph, reference, node->in[i]);
        }
        l.rms = rms_of(&l);
        const size_t here = move_all(c, node->name, &l);
        if (here) { oracle_ok(c, rep_program_write_f64(reference, node->in[X], l.in[X], l.count)); }
        moved += here;
        for (int i = 0; i < INPUTS; i++) { free(l.in[i]); }
        free(l.y);
        free(l.got);
    }
    return moved;
}
