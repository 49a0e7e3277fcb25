/* show.c - the stages a configuration passes on its way to a training step, as text. */
#include "graph/graph.h"
#include "train/train.h"

static void show_model(FILE *out, const rep_trainer *t) {
    fprintf(out, "TRAINING_MODE %s: %zu blocks, %zu trained values\n\n", rep_mode_name(t->mode),
            rep_model_block_count(t->nets[0].model),
            rep_model_param_count(t->nets[0].model, t->nets[0].graph));
    fprintf(out, "%-29s %6s %6s %6s %6s %9s\n", "block", "c_in", "c_out", "kernel", "stride",
            "identity");
    for (size_t i = 0; i < rep_model_block_count(t->nets[0].model); i++) {
        const rep_block *b = rep_model_block(t->nets[0].model, i);
        fprintf(out, "%-29s %6d %6d %6d %6d %9s\n", b->name, b->c_in, b->c_out, b->kernel,
                b->stride, b->has_identity ? "yes" : "no");
    }
    static const char *const kinds[] = {"",      "weight",   "norm",  "bias",
                                        "scale", "identity", "buffer"};
    fprintf(out, "\n%-50s %-9s %-9s %s\n", "tensor", "kind", "trained", "shape");
    for (rep_id id = 1; id < rep_graph_tensor_count(t->nets[0].graph); id++) {
        const rep_tensor *tensor = &t->nets[0].graph->tensors[id];
        if (tensor->region != REP_STATE || tensor->kind == REP_KIND_NONE) { continue; }
        const rep_shape s = tensor->shape;
        fprintf(out, "%-50s %-9s %-9s %dx%dx%dx%d\n", tensor->name, kinds[tensor->kind],
                tensor->is_trainable ? "yes" : "no", s.n, s.c, s.h, s.w);
    }
}

static rep_status show_plan(FILE *out, const rep_trainer *t) {
    rep_plan *plan = NULL;
    REP_TRY(rep_plan_create(&plan, t->nets[0].graph, sizeof(float), NULL, NULL, NULL));
    rep_plan_dump(plan, t->nets[0].graph, out);
    rep_plan_destroy(plan);
    return REP_OK;
}

typedef struct profile {
    FILE *out;
    const rep_trainer *trainer;
    double ms; /* of all nodes so far */
    uint32_t dispatches, barriers, submissions;
} profile;

/* "128x1x1 conv2d" and, for further passes, " + 4x1x1 conv2d.2". */
static void format_dispatches(char *text, size_t bytes, const rep_node_info *info) {
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < info->dispatch_count && used < bytes; i++) {
        used += (size_t)snprintf(text + used, bytes - used, "%s%ux%ux%u %s", i > 0 ? " + " : "",
                                 info->dispatches[i].x, info->dispatches[i].y,
                                 info->dispatches[i].z, info->dispatches[i].shader);
    }
}

static void show_node(void *context, uint32_t node, const char *op, rep_id tensor, double ms) {
    static const char *const phases[] = {"forward", "backward", "update"};
    profile *p = context;
    rep_node_info info;
    char work[256], submission[16] = "-";
    rep_program_node(p->trainer->nets[0].program, node, &info);
    const rep_shape s = rep_graph_shape(p->trainer->nets[0].graph, tensor);
    p->ms += ms;
    p->dispatches += info.dispatch_count;
    p->barriers += info.barriers;
    if (info.submission != REP_NOT_SUBMITTED) {
        snprintf(submission, sizeof submission, "%u", info.submission);
        if (info.submission >= p->submissions) { p->submissions = info.submission + 1; }
    }
    format_dispatches(work, sizeof work, &info);
    fprintf(p->out, "%-5u %-8s %-16s %9.4f %3s %3u %9.1f %9.1f  %-38s %dx%dx%dx%d  %s\n", node,
            phases[info.phase], op, ms, submission, info.barriers, (double)info.read_bytes / 1024,
            (double)info.written_bytes / 1024, work, s.n, s.c, s.h, s.w, info.name);
}

/* Runs one step on zeros, then node by node: the calls a device makes, in their order. */
static rep_status show_program(FILE *out, const rep_trainer *t) {
    profile p = {.out = out, .trainer = t};
    rep_program_memory m;
    REP_TRY(rep_model_init(t->nets[0].model, t->nets[0].graph, t->nets[0].program,
                           (uint64_t)t->values->seed));
    REP_TRY(rep_program_run(t->nets[0].program, REP_FORWARD, REP_UPDATE));
    REP_TRY(rep_program_wait(t->nets[0].program));
    fprintf(out, "%-5s %-8s %-16s %9s %3s %3s %9s %9s  %-38s %s\n", "node", "phase", "op", "ms",
            "sub", "bar", "KiB in", "KiB out", "groups and shader, per pass", "output, name");
    REP_TRY(rep_program_profile(t->nets[0].program, show_node, &p));
    rep_program_memory_get(t->nets[0].program, &m);
    fprintf(out, "\n%u nodes, %.3f ms; state %.2f, work %.2f, io %.2f, scratch %.2f MiB\n",
            rep_graph_node_count(t->nets[0].graph), p.ms, (double)m.state_bytes / 1048576,
            (double)m.work_bytes / 1048576, (double)m.io_bytes / 1048576,
            (double)m.scratch_bytes / 1048576);
    fprintf(out, "%u dispatches, %u barriers (bar), %u submissions (sub)\n", p.dispatches,
            p.barriers, p.submissions);
    return REP_OK;
}

rep_status rep_train_show(FILE *out, rep_stage stage, const rep_train_options *options) {
    rep_trainer *t = NULL;
    REP_TRY(rep_trainer_describe(&t, options));
    rep_status status = REP_OK;
    switch (stage) {
    case REP_STAGE_MODEL:
        show_model(out, t);
        break;
    case REP_STAGE_GRAPH:
        rep_graph_dump(t->nets[0].graph, out);
        break;
    case REP_STAGE_PLAN:
        status = show_plan(out, t);
        break;
    case REP_STAGE_PROGRAM:
        status = rep_trainer_open_device(t);
        if (status == REP_OK) { status = show_program(out, t); }
        break;
    }
    rep_trainer_destroy(t);
    return status;
}
