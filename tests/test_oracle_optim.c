/* test_oracle_optim.c - the update ops and schedules against PyTorch's trajectories. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_update.h"
#include "repopt/train.h"

/* Parameters in the order of the file: names behind "param." (or "in.grad." where none is given).
 */
static size_t list_params(const oracle_case *c, const char *prefix,
                          const char *names[ORACLE_MAX_PARAMS]) {
    size_t count = 0;
    for (size_t i = 0; i < c->count && count < ORACLE_MAX_PARAMS; i++) {
        if (strncmp(c->tensors[i].name, prefix, strlen(prefix)) == 0) {
            names[count++] = c->tensors[i].name + strlen(prefix);
        }
    }
    return count;
}

/* Writes the given gradients of one step (step < 0: tensors without a step dim) as one block. */
static void write_gradients(oracle_update *u, const char *const *names, int step) {
    oracle_case *c = u->net->c;
    double *block = calloc(u->total, sizeof *block);
    for (size_t i = 0; i < u->count; i++) {
        const oracle_tensor *all = oracle_need(c, "in.grad.%s", names[i]);
        const oracle_tensor one = step < 0 ? *all : oracle_step(all, step);
        oracle_to_storage(block + u->offsets[i], one.values, oracle_shape(&one));
    }
    oracle_ok(c, rep_program_write_f64(u->net->program, u->grads, block, u->total));
    free(block);
}

/* What group_lr and decay a parameter has: by group where the case lists groups. */
static oracle_update_row row_of(const oracle_case *c, const char *name, rep_id param) {
    const char *group = oracle_field_text(c, "groups", name);
    oracle_update_row row = {.param = param, .lr_factor = 1};
    if (*group) {
        row.weight_decay = oracle_field(c, "wd", group);
        row.lr_factor = oracle_field(c, "lr_mult", group);
    } else {
        row.weight_decay = oracle_number(c, "weight_decay", 0);
    }
    const oracle_tensor *s = oracle_get(c, "in.scale_conv"), *t = oracle_get(c, "in.scale_1x1");
    row.s = s ? s->values : NULL;
    row.t = t ? t->values : NULL;
    row.has_identity = strcmp(oracle_text(c, "identity"), "trainable-1x1") == 0;
    return row;
}

static void open_update(oracle_net *net, oracle_update *u, oracle_case *c,
                        const oracle_target *target, const oracle_update_spec *spec,
                        const char *const *names, size_t count, const char *prefix) {
    oracle_update_row rows[ORACLE_MAX_PARAMS];
    oracle_net_open(net, c, target);
    for (size_t i = 0; i < count; i++) {
        const oracle_tensor *value = oracle_need(c, "%s%s", prefix, names[i]);
        const rep_id id = rep_graph_param(net->graph, names[i], oracle_shape(value), value->rank,
                                          REP_KIND_WEIGHT);
        rows[i] = row_of(c, names[i], id);
    }
    oracle_update_append(u, net, spec, rows, count);
    oracle_ok(c, rep_program_create(&net->program, target->device, net->graph, NULL, NULL));
    oracle_update_upload(u);
}

/* The mask as the update op forms it: what a gradient of ones leaves in the momentum. */
static void check_mask(oracle_case *c, const oracle_target *target, const oracle_update_spec *spec,
                       const char *const *names) {
    if (!oracle_get(c, "out.mask")) { return; }
    oracle_net net;
    oracle_update u;
    oracle_update_spec probe = *spec;
    probe.adamw.beta1 = 0;
    probe.sgd = (rep_sgd_params){.momentum = 0.9f};
    open_update(&net, &u, c, target, &probe, names, 1, "param.");
    double *ones = calloc(u.total, sizeof *ones);
    for (size_t i = 0; i < u.total; i++) { ones[i] = 1; }
    oracle_ok(c, rep_program_write_f64(net.program, u.grads, ones, u.total));
    oracle_update_step(&u, 0);
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_UPDATE));
    double *mask = oracle_update_read(&u, u.moments, 0);
    oracle_compare(c, "out.mask", mask);
    free(mask);
    free(ones);
    oracle_net_close(&net);
}

static void run_trajectory(oracle_case *c, const oracle_target *target) {
    const char *names[ORACLE_MAX_PARAMS] = {0};
    const size_t count = list_params(c, "param.", names);
    oracle_update_spec spec;
    oracle_update_spec_read(&spec, c, oracle_text(c, "optimizer"));
    oracle_net net;
    oracle_update u;
    open_update(&net, &u, c, target, &spec, names, count, "param.");
    for (size_t i = 0; i < count; i++) {
        oracle_write(c, net.program, u.rows[i].param, oracle_need(c, "param.%s", names[i]));
    }
    const bool varies = strstr(oracle_text(c, "lr_per_step"), "lr_factor") != NULL;
    const int steps = (int)oracle_number(c, "steps", 0);
    for (int step = 0; step < steps; step++) {
        const double factor = varies ? oracle_need(c, "in.lr_factor")->values[step] : 1;
        write_gradients(&u, names, step);
        oracle_update_step(&u, oracle_number(c, "lr", 0) * factor);
        oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_UPDATE));
        for (size_t i = 0; i < count; i++) {
            char name[128];
            snprintf(name, sizeof name, "out.traj.%s", names[i]);
            double *got = oracle_read(c, net.graph, net.program, u.rows[i].param);
            oracle_compare_part(c, name, step, got);
            free(got);
        }
    }
    oracle_net_close(&net);
    check_mask(c, target, &spec, names);
}

/* One plain step of rate -1 from zero leaves the clipped gradient in the parameters. */
static void run_clip(oracle_case *c, const oracle_target *target) {
    const char *names[ORACLE_MAX_PARAMS] = {0};
    const size_t count = list_params(c, "in.grad.", names);
    const oracle_update_spec spec = {.has_clip = true,
                                     .clip = {.max_norm = (float)oracle_number(c, "max_norm", 0)}};
    oracle_net net;
    oracle_update u;
    open_update(&net, &u, c, target, &spec, names, count, "in.grad.");
    write_gradients(&u, names, -1);
    oracle_update_step(&u, -1);
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_UPDATE));
    double clip[2];
    oracle_ok(c, rep_program_read_f64(net.program, u.clip, clip, 2));
    oracle_compare(c, "out.total_norm", &clip[1]);
    for (size_t i = 0; i < count; i++) {
        char name[128];
        snprintf(name, sizeof name, "out.grad.%s", names[i]);
        oracle_check(c, net.graph, net.program, u.rows[i].param, name);
    }
    oracle_net_close(&net);
}

/* Both tensors lie in one block, as a model's do; the average is updated in one pass. */
static void run_ema(oracle_case *c, const oracle_target *target) {
    const oracle_tensor *weights = oracle_need(c, "in.weight");
    const oracle_tensor *means = oracle_need(c, "in.running_mean");
    const size_t weight_count = weights->count / (size_t)weights->dims[0];
    const size_t mean_count = means->count / (size_t)means->dims[0];
    const size_t total = weight_count + mean_count;
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_shape shape = {1, (int32_t)total, 1, 1}, words = {1, REP_STEP_WORDS, 1, 1};
    const rep_id state = rep_graph_tensor(net.graph, "state", REP_F32, shape, REP_STATE);
    const rep_id average = rep_graph_tensor(net.graph, "average", REP_F32, shape, REP_STATE);
    const rep_id step = rep_graph_tensor(net.graph, "step", REP_F32, words, REP_IO);
    rep_graph_set_phase(net.graph, REP_UPDATE);
    const rep_id in[] = {state, step};
    rep_graph_append(net.graph, REP_OP_EMA_STEP, NULL, in, 2, &average);
    oracle_ok(c, rep_graph_check(net.graph));
    oracle_ok(c, rep_program_create(&net.program, target->device, net.graph, NULL, NULL));
    double *block = calloc(total, sizeof *block);
    memcpy(block, oracle_need(c, "param.ema.weight")->values, weight_count * sizeof *block);
    memcpy(block + weight_count, oracle_need(c, "param.ema.running_mean")->values,
           mean_count * sizeof *block);
    oracle_ok(c, rep_program_write_f64(net.program, average, block, total));
    const double before = oracle_number(c, "updates_before", 0);
    const double decay = oracle_number(c, "decay", 0), tau = oracle_number(c, "tau", 2000);
    for (int i = 0; i < weights->dims[0]; i++) {
        double values[REP_STEP_WORDS] = {0};
        values[REP_STEP_APPLY] = 1;
        values[REP_STEP_EMA] = decay * (1 - exp(-(before + i + 1) / tau));
        oracle_compare_part(c, "out.decay", i, &values[REP_STEP_EMA]);
        memcpy(block, oracle_step(weights, i).values, weight_count * sizeof *block);
        memcpy(block + weight_count, oracle_step(means, i).values, mean_count * sizeof *block);
        oracle_ok(c, rep_program_write_f64(net.program, state, block, total));
        oracle_ok(c, rep_program_write_f64(net.program, step, values, REP_STEP_WORDS));
        oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_UPDATE));
        oracle_ok(c, rep_program_read_f64(net.program, average, block, total));
        oracle_compare_part(c, "out.weight", i, block);
        oracle_compare_part(c, "out.running_mean", i, block + weight_count);
    }
    free(block);
    oracle_net_close(&net);
}

enum { MAX_MILESTONES = 16 };

/* The case's attributes as the settings they stand for. */
static void read_schedule(rep_values *v, const oracle_case *c, double *milestones) {
    const char *name = oracle_text(c, "schedule");
    const bool is_shifted = strcmp(name, "cosine_warmup_shifted") == 0;
    v->solver_base_lr = oracle_number(c, "base_lr", oracle_number(c, "lr0", 0));
    v->solver_min_lr = oracle_number(c, "min_lr", 0);
    v->solver_warmup_lr = oracle_number(c, "warmup_lr", 0);
    v->solver_warmup_iters = (int64_t)oracle_number(c, "warmup_iters", 0);
    v->solver_warmup_epochs = 0;
    v->solver_warmup_method = "linear";
    if (strcmp(name, "warmup_multistep") == 0) {
        v->solver_schedule = "multistep";
        v->solver_gamma = oracle_number(c, "gamma", 0);
        v->solver_warmup_factor = oracle_number(c, "warmup_factor", 0);
        v->solver_warmup_method = oracle_text(c, "warmup_method");
        const int count = oracle_item_count(c, "milestones");
        for (int i = 0; i < count && i < MAX_MILESTONES; i++) {
            milestones[i] = oracle_item(c, "milestones", i);
        }
        v->solver_steps = (rep_numbers){milestones, (size_t)count};
    } else if (strcmp(name, "cosine_epochs") == 0) {
        v->solver_schedule = "cosine_epochs";
        v->solver_min_lr = v->solver_base_lr * oracle_number(c, "lrf", 0);
    } else if (strcmp(name, "linear") == 0) {
        v->solver_schedule = "linear";
        v->solver_min_lr = v->solver_base_lr * oracle_number(c, "lr_min_rate", 0);
    } else {
        v->solver_schedule = is_shifted ? "cosine_shifted" : "cosine";
    }
}

static void run_schedule(oracle_case *c, const oracle_target *target) {
    (void)target;
    enum { EPOCH = 7 }; /* iterations; only whole epochs are asked for */
    rep_config *config = NULL;
    double milestones[MAX_MILESTONES];
    oracle_ok(c, rep_config_create(&config));
    rep_values values = *rep_config_values(config);
    read_schedule(&values, c, milestones);
    const oracle_tensor *expected = oracle_need(c, "out.lr");
    const double epochs = oracle_number(c, "epochs", 0);
    const uint64_t scale = epochs > 0 ? EPOCH : 1;
    const double total =
        oracle_number(c, "total_iters", epochs > 0 ? epochs : (double)expected->count);
    for (size_t i = 0; i < expected->count; i++) {
        double lr = 0;
        oracle_ok(c, rep_schedule_lr(&lr, &values, i * scale, (uint64_t)total * scale, EPOCH));
        oracle_compare_part(c, "out.lr", (int)i, &lr);
    }
    rep_config_destroy(config);
}

static oracle_handler find(const oracle_case *c) {
    const char *optimizer = oracle_text(c, "optimizer");
    static const char *const known[] = {"sgd", "adamw", "rep_sgd", "rep_adamw"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], optimizer) == 0) { return run_trajectory; }
    }
    if (oracle_get(c, "out.total_norm")) { return run_clip; }
    if (oracle_get(c, "out.lr")) { return run_schedule; }
    if (oracle_get(c, "out.decay")) { return run_ema; }
    return NULL;
}

int main(void) {
    static const char *const groups[] = {"optim/", NULL};
    return oracle_main("optim", &(oracle_share){.groups = groups}, find);
}
