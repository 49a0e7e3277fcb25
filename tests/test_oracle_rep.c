/* test_oracle_rep.c - the method against PyTorch: re-initialised kernels, gradient masks, and the
 * trajectories of a CSLA block under an ordinary optimizer beside one kernel under RepOptimizer.
 *
 * The blocks are built from ops here (merge, convolution, update), each trajectory its own graph:
 *   y = conv(x, W),  loss = mean((y - target)^2),  dloss/dy = 2 (y - target) / numel
 * Kernels are {c_out, c_in, k, k}. The loss is formed on the host; everything else runs on the
 * device.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_update.h"

/* ---- re-initialised kernels and masks ------------------------------------------------------- */

/* A constant tensor of a graph: what the case gives, or the same value everywhere. */
static rep_id constant(oracle_net *net, const char *name, rep_shape shape) {
    return rep_graph_tensor(net->graph, name, REP_F32, shape, REP_STATE);
}

static void fill(oracle_net *net, rep_id id, double value) {
    const size_t count = rep_shape_count(rep_graph_shape(net->graph, id));
    double *values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++) { values[i] = value; }
    oracle_ok(net->c, rep_program_write_f64(net->program, id, values, count));
    free(values);
}

/* The merge op as re-initialisation: s*W + pad(t*W1) [+ pad(diag(u))]. `u` NULL: a pair; u_value
 * takes the place of its values when it is not NAN. */
static void check_merge(oracle_case *c, const oracle_target *target, const char *name,
                        const oracle_tensor *u, double u_value) {
    const oracle_tensor *w = oracle_need(c, "in.kernel"), *s = oracle_need(c, "in.scale_conv");
    const oracle_tensor *w1 = oracle_get(c, "in.kernel_1x1"), *t = oracle_get(c, "in.scale_1x1");
    const rep_shape shape = oracle_shape(w), vector = {1, shape.n, 1, 1};
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id in[] = {constant(&net, "W", shape),
                         constant(&net, "W1", (rep_shape){shape.n, shape.c, 1, 1}),
                         constant(&net, "s", vector), constant(&net, "t", vector),
                         u ? constant(&net, "u", vector) : 0};
    const rep_id merged = rep_graph_append(net.graph, REP_OP_MERGE, NULL, in, u ? 5 : 4, NULL);
    oracle_ok(c, rep_graph_check(net.graph));
    rep_graph_keep(net.graph, merged);
    oracle_ok(c, rep_program_create(&net.program, target->device, net.graph, NULL, NULL));
    oracle_write(c, net.program, in[0], w);
    oracle_write(c, net.program, in[2], s);
    if (w1) { oracle_write(c, net.program, in[1], w1); }
    if (t) { oracle_write(c, net.program, in[3], t); }
    if (u && isnan(u_value)) { oracle_write(c, net.program, in[4], u); }
    if (u && !isnan(u_value)) { fill(&net, in[4], u_value); }
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
    oracle_check(c, net.graph, net.program, merged, name);
    oracle_net_close(&net);
}

/* The mask as the update ops form it: what a gradient of ones leaves in the (first) moment. */
static void check_mask(oracle_case *c, const oracle_target *target, const char *name,
                       const oracle_update_spec *spec, const oracle_update_row *masked) {
    oracle_tensor *expected = oracle_get(c, "%s", name);
    if (!expected) { return; }
    oracle_net net;
    oracle_net_open(&net, c, target);
    oracle_update u;
    oracle_update_row row = *masked;
    row.lr_factor = 1;
    row.param = rep_graph_param(net.graph, "W", oracle_shape(expected), 4, REP_KIND_WEIGHT);
    oracle_update_append(&u, &net, spec, &row, 1);
    oracle_ok(c, rep_program_create(&net.program, target->device, net.graph, NULL, NULL));
    oracle_update_upload(&u);
    fill(&net, u.grads, 1);
    oracle_update_step(&u, 0);
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_UPDATE));
    double *mask = oracle_update_read(&u, u.moments, 0);
    oracle_compare(c, name, mask);
    free(mask);
    oracle_net_close(&net);
}

static void run_init_mask(oracle_case *c, const oracle_target *target) {
    const oracle_tensor *u = oracle_get(c, "in.scale_identity");
    if (!u) { u = oracle_get(c, "in.scale_fusion"); }
    if (oracle_get(c, "out.reinit")) { check_merge(c, target, "out.reinit", NULL, NAN); }
    if (u) {
        check_merge(c, target, "out.reinit_identity_scales", u, NAN);
        check_merge(c, target, "out.reinit_plain_identity", u, 1);
    }
    const oracle_tensor *t = oracle_get(c, "in.scale_1x1");
    const oracle_update_row row = {.s = oracle_need(c, "in.scale_conv")->values,
                                   .t = t ? t->values : NULL,
                                   .has_identity = u != NULL};
    oracle_update_row constant_identity = row;
    constant_identity.has_identity = false;
    const oracle_update_spec sgd = {.sgd = {.momentum = 0.9f}};
    oracle_update_spec adamw = {.is_adamw = true,
                                .adamw = {.beta1 = 0, .beta2 = 0.999f, .eps = 1e-8f, .mask = 1}};
    check_mask(c, target, "out.mask_sgd", &sgd, &row);
    check_mask(c, target, "out.mask_sgd_constant_identity", &sgd, &constant_identity);
    check_mask(c, target, "out.mask_adamw", &adamw, &row);
    check_mask(c, target, "out.mask_adamw_constant_identity", &adamw, &constant_identity);
    adamw.adamw.mask = 2;
    check_mask(c, target, "out.mask_adamw_abs", &adamw, &row);
}

/* ---- trajectories --------------------------------------------------------------------------- */

/* How a case treats the identity branch. */
typedef enum identity { NO_IDENTITY, TRAINED, TRAINED_FULL, CONSTANT, UNKNOWN } identity;

static identity identity_of(const oracle_case *c) {
    static const char *const names[] = {"none", "trainable-1x1", "trainable-full-1x1", "constant"};
    int i = 0;
    while (i < UNKNOWN && strcmp(names[i], oracle_text(c, "identity")) != 0) { i++; }
    return (identity)i;
}

typedef struct trajectory {
    oracle_net net;
    oracle_update update;
    rep_id x, y, dy;
    rep_id kernel; /* what the convolution uses */
    rep_id params[3];
    size_t param_count;
} trajectory;

static void start(trajectory *run, oracle_case *c, const oracle_target *target) {
    memset(run, 0, sizeof *run);
    oracle_net_open(&run->net, c, target);
    const oracle_tensor x = oracle_step(oracle_need(c, "in.x"), 0);
    run->x = rep_graph_tensor(run->net.graph, "x", REP_F32, oracle_shape(&x), REP_IO);
}

static rep_id add_param(trajectory *run, const char *name, rep_shape shape, rep_kind kind) {
    const rep_id id = rep_graph_param(run->net.graph, name, shape, 4, kind);
    run->params[run->param_count++] = id;
    return id;
}

/* Convolution, its gradients, the update of all parameters: rows[0] for the first. */
static void complete(trajectory *run, const oracle_update_spec *spec,
                     const oracle_update_row *first) {
    rep_graph *graph = run->net.graph;
    const oracle_case *c = run->net.c;
    const rep_conv2d_params params = {.stride = (rep_uint)oracle_number(c, "stride", 1),
                                      .pad = (rep_uint)oracle_number(c, "padding", 0),
                                      .groups = 1};
    run->y = REP_APPEND(graph, CONV2D, &params, run->x, run->kernel);
    rep_graph_keep(graph, run->kernel);
    rep_graph_keep(graph, run->y);
    run->dy = rep_graph_tensor(graph, "dy", REP_F32, rep_graph_shape(graph, run->y), REP_IO);
    oracle_ok(c, rep_graph_backward(graph, run->y, run->dy));
    oracle_update_row rows[3] = {*first};
    for (size_t i = 0; i < run->param_count; i++) {
        rows[i].param = run->params[i];
        rows[i].weight_decay = oracle_number(c, "weight_decay", 0);
        rows[i].lr_factor = 1;
    }
    oracle_update_append(&run->update, &run->net, spec, rows, run->param_count);
    oracle_ok(c, rep_program_create(&run->net.program, run->net.target->device, graph, NULL, NULL));
    oracle_update_upload(&run->update);
}

static void write_identity(trajectory *run, rep_id u) {
    if (!u) { return; }
    if (oracle_flag(run->net.c, "use_identity_scales", true)) {
        oracle_write(run->net.c, run->net.program, u,
                     oracle_need(run->net.c, "param.scale_identity"));
    } else {
        fill(&run->net, u, 1);
    }
}

/* diag(u) as a full {c, c, 1, 1} kernel. */
static void write_full_identity(trajectory *run, rep_id full) {
    const oracle_tensor *u = oracle_need(run->net.c, "param.scale_identity");
    double *values = calloc(u->count * u->count, sizeof *values);
    for (size_t i = 0; i < u->count; i++) { values[i * u->count + i] = u->values[i]; }
    oracle_ok(run->net.c,
              rep_program_write_f64(run->net.program, full, values, u->count * u->count));
    free(values);
}

/* The block with constant s and t under the ordinary optimizer. */
static void start_csla(trajectory *run, oracle_case *c, const oracle_target *target,
                       const oracle_update_spec *spec) {
    start(run, c, target);
    rep_graph *graph = run->net.graph;
    const identity kind = identity_of(c);
    const rep_shape shape = oracle_shape(oracle_need(c, "param.conv"));
    const rep_shape point = {shape.n, shape.c, 1, 1}, vector = {1, shape.n, 1, 1};
    const rep_id w = add_param(run, "conv", shape, REP_KIND_WEIGHT);
    const rep_id w1 = add_param(run, "conv_1x1", point, REP_KIND_WEIGHT);
    const rep_id s = constant(&run->net, "s", vector), t = constant(&run->net, "t", vector);
    const rep_id ones = constant(&run->net, "ones", vector);
    rep_id u = 0, full = 0;
    if (kind == TRAINED) { u = add_param(run, "u", vector, REP_KIND_IDENTITY); }
    if (kind == CONSTANT) { u = constant(&run->net, "u", vector); }
    if (kind == TRAINED_FULL) { full = add_param(run, "full", point, REP_KIND_WEIGHT); }
    run->kernel = REP_APPEND(graph, MERGE, NULL, w, w1, s, t, u);
    if (full) { run->kernel = REP_APPEND(graph, MERGE, NULL, run->kernel, full, ones, ones); }
    complete(run, spec, &(oracle_update_row){.param = 0});
    oracle_write(c, run->net.program, w, oracle_need(c, "param.conv"));
    oracle_write(c, run->net.program, w1, oracle_need(c, "param.conv_1x1"));
    oracle_write(c, run->net.program, s, oracle_need(c, "param.scale_conv"));
    oracle_write(c, run->net.program, t, oracle_need(c, "param.scale_1x1"));
    fill(&run->net, ones, 1);
    write_identity(run, u);
    if (full) { write_full_identity(run, full); }
}

/* The mask of the target's kernel. A fully trained identity adds one to every centre tap; the
 * update knows that only as part of t: t'^2 = t^2 + 1 for SGD, t' = |t| + 1 for AdamW. */
static oracle_update_row mask_of(const oracle_case *c, const oracle_update_spec *spec, double *t) {
    const oracle_tensor *given = oracle_need(c, "param.scale_1x1");
    const bool is_full = identity_of(c) == TRAINED_FULL;
    for (size_t i = 0; i < given->count; i++) {
        const double value = given->values[i],
                     full = spec->is_adamw ? fabs(value) + 1 : hypot(value, 1);
        t[i] = is_full ? full : value;
    }
    return (oracle_update_row){.s = oracle_need(c, "param.scale_conv")->values,
                               .t = t,
                               .has_identity = identity_of(c) == TRAINED};
}

/* Decay that leaves a constant identity alone: the parameter is the kernel without the identity. */
static rep_id without_identity(trajectory *run, rep_shape shape, rep_id *constants) {
    const rep_shape point = {shape.n, shape.c, 1, 1}, vector = {1, shape.n, 1, 1};
    const rep_id w = add_param(run, "W", shape, REP_KIND_WEIGHT);
    constants[0] = constant(&run->net, "ones", vector);
    constants[1] = constant(&run->net, "u", vector);
    const rep_id zero_kernel = constant(&run->net, "zero kernel", point);
    const rep_id zeros = constant(&run->net, "zeros", vector);
    return REP_APPEND(run->net.graph, MERGE, NULL, w, zero_kernel, constants[0], zeros,
                      constants[1]);
}

/* One kernel under RepOptimizer, starting at `kernel` (file order). */
static void start_target(trajectory *run, oracle_case *c, const oracle_target *target,
                         const oracle_update_spec *spec, const double *kernel) {
    start(run, c, target);
    const rep_shape shape = oracle_shape(oracle_need(c, "param.conv"));
    const size_t count = rep_shape_count(shape);
    const bool is_excluded = oracle_flag(c, "decay_excludes_identity", false);
    rep_id constants[2] = {0};
    run->kernel = is_excluded ? without_identity(run, shape, constants)
                              : add_param(run, "W", shape, REP_KIND_WEIGHT);
    double *t = calloc((size_t)shape.n, sizeof *t), *stored = calloc(count, sizeof *stored);
    const oracle_update_row row = mask_of(c, spec, t);
    complete(run, spec, &row);
    oracle_to_storage(stored, kernel, shape);
    if (is_excluded) {
        const oracle_tensor *u = oracle_need(c, "param.scale_identity");
        const size_t centre = (size_t)(shape.h / 2 * shape.w + shape.w / 2);
        const size_t row_size = count / u->count;
        for (size_t i = 0; i < u->count; i++) {
            stored[i * row_size + centre * (size_t)shape.c + i] -= u->values[i];
        }
        fill(&run->net, constants[0], 1);
        oracle_write(c, run->net.program, constants[1], u);
    }
    oracle_ok(c, rep_program_write_f64(run->net.program, run->params[0], stored, count));
    free(stored);
    free(t);
}

/* Forward, loss and its gradient on the host, backward and update. Returns the loss before it. */
static double train_step(trajectory *run, int step) {
    oracle_case *c = run->net.c;
    rep_program *program = run->net.program;
    const oracle_tensor x = oracle_step(oracle_need(c, "in.x"), step);
    const oracle_tensor *wanted = oracle_need(c, "%s", oracle_text(c, "target"));
    oracle_write(c, program, run->x, &x);
    oracle_ok(c, rep_program_run(program, REP_FORWARD, REP_FORWARD));
    double *y = oracle_read(c, run->net.graph, program, run->y), loss = 0;
    const double count = (double)wanted->count;
    for (size_t i = 0; i < wanted->count; i++) {
        const double difference = y[i] - wanted->values[i];
        loss += difference * difference / count;
        y[i] = 2 * difference / count;
    }
    oracle_tensor dy = *wanted;
    dy.values = y;
    oracle_write(c, program, run->dy, &dy);
    free(y);
    oracle_update_step(&run->update, oracle_number(c, "lr", 0));
    oracle_ok(c, rep_program_run(program, REP_BACKWARD, REP_UPDATE));
    return loss;
}

/* The kernel as it is now; for merged ones the forward pass forms it. To be freed. */
static double *present_kernel(trajectory *run) {
    oracle_ok(run->net.c, rep_program_run(run->net.program, REP_FORWARD, REP_FORWARD));
    return oracle_read(run->net.c, run->net.graph, run->net.program, run->kernel);
}

/* Compares a parameter after `step` steps, where the case holds it. */
static void check_param(trajectory *run, size_t param, const char *name, int step) {
    char full[128];
    snprintf(full, sizeof full, "out.%s@%d", name, step);
    if (param < run->param_count && oracle_get(run->net.c, "%s", full)) {
        oracle_check(run->net.c, run->net.graph, run->net.program, run->params[param], full);
    }
}

static void check_csla(trajectory *run, int step) {
    check_param(run, 0, "csla_conv", step);
    check_param(run, 1, "csla_conv_1x1", step);
    check_param(run, 2, "csla_scale_identity", step);
    check_param(run, 2, "csla_identity_1x1", step);
}

/* Takes all steps and compares kernels "out.<who>_kernel@n" and losses. `is_twin`: the kernels are
 * those of another optimizer that must come to the same, so only the values are borrowed. */
static void follow(trajectory *run, const char *who, const char *losses, bool is_twin) {
    oracle_case *c = run->net.c;
    const int steps = (int)oracle_number(c, "steps", 0);
    double *all = calloc((size_t)steps + 1, sizeof *all);
    for (int step = 0; step <= steps; step++) {
        if (step > 0) { all[step - 1] = train_step(run, step - 1); }
        const oracle_tensor *expected = oracle_get(c, "out.%s_kernel@%d", who, step);
        if (!is_twin && run->param_count > 1) { check_csla(run, step); }
        if (!expected) { continue; }
        double *kernel = present_kernel(run);
        if (is_twin) {
            oracle_compare_as(c, "the exact form of the kernel", expected, kernel);
        } else {
            oracle_compare(c, expected->name, kernel);
        }
        free(kernel);
    }
    if (!is_twin) { oracle_compare(c, losses, all); }
    free(all);
}

static void run_equivalence(oracle_case *c, const oracle_target *target) {
    oracle_update_spec spec;
    oracle_update_spec_read(&spec, c, oracle_text(c, "optimizer"));
    if (strstr(oracle_text(c, "mask"), "|scale|")) { spec.adamw.mask = 2; }
    trajectory csla, plain;
    start_csla(&csla, c, target, &spec);
    double *kernel = present_kernel(&csla);
    follow(&csla, "csla_equivalent", "out.csla_losses", false);
    oracle_net_close(&csla.net);

    start_target(&plain, c, target, &spec, kernel);
    follow(&plain, "target", "out.target_losses", false);
    oracle_net_close(&plain.net);

    oracle_update_spec probe = spec;
    probe.sgd = (rep_sgd_params){.momentum = 0.9f};
    probe.adamw.beta1 = 0;
    double *t = calloc(oracle_need(c, "param.scale_1x1")->count, sizeof *t);
    const oracle_update_row row = mask_of(c, &spec, t);
    check_mask(c, target, "out.mask", &probe, &row);
    free(t);

    /* The exact AdamW form follows the CSLA block for scales of any sign, where the published one
     * (compared above) does not. Decay of a constant identity is not the optimizer's to undo. */
    const bool is_drifting = identity_of(c) == CONSTANT &&
                             oracle_number(c, "weight_decay", 0) > 0 &&
                             !oracle_flag(c, "decay_excludes_identity", false);
    if (spec.is_adamw && !is_drifting && identity_of(c) != TRAINED_FULL) {
        spec.adamw.mask = 0;
        start_target(&plain, c, target, &spec, kernel);
        follow(&plain, "csla_equivalent", NULL, true);
        oracle_net_close(&plain.net);
    }
    free(kernel);
}

/* A case that only holds inputs for others. */
static void run_nothing(oracle_case *c, const oracle_target *target) {
    (void)c;
    (void)target;
}

static oracle_handler find(const oracle_case *c) {
    if (oracle_get(c, "in.kernel")) { return run_init_mask; }
    if (oracle_get(c, "param.conv") && identity_of(c) != UNKNOWN) { return run_equivalence; }
    for (size_t i = 0; i < c->count; i++) {
        if (c->tensors[i].is_expected) { return NULL; }
    }
    return run_nothing;
}

int main(void) {
    static const char *const groups[] = {"rep/", NULL};
    return oracle_main("rep", &(oracle_share){.groups = groups}, find);
}
