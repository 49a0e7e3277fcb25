/* dump.c - a graph and its memory plan as text, one line per node or tensor. */
#include "graph/graph.h"

static const char *const phase_names[] = {"forward", "backward", "update"};
static const char *const region_names[] = {"work", "state", "io"};
static const char *const dtype_names[] = {"f32", "f16", "i32"};

static void print_tensor(const rep_graph *graph, rep_id id, FILE *out) {
    const rep_tensor *tensor = &graph->tensors[id];
    const rep_shape s = tensor->shape;
    fprintf(out, " %%%u[%dx%dx%dx%d]", id, s.n, s.c, s.h, s.w);
    if (tensor->region != REP_WORK) { fprintf(out, "(%s)", tensor->name); }
}

void rep_graph_dump(const rep_graph *graph, FILE *out) {
    fprintf(out, "%-6s %-9s %-18s %s\n", "node", "phase", "op", "outputs <- inputs, name");
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        fprintf(out, "%-6u %-9s %-18s", n, phase_names[node->phase],
                rep_op_info_get(node->op)->name);
        for (uint32_t o = 0; o < node->out_count; o++) {
            if (node->out[o]) { print_tensor(graph, node->out[o], out); }
        }
        fprintf(out, " <-");
        for (uint32_t i = 0; i < node->in_count; i++) {
            if (node->in[i]) { print_tensor(graph, node->in[i], out); }
        }
        fprintf(out, "  %s\n", node->name);
    }
}

void rep_plan_dump(const rep_plan *plan, const rep_graph *graph, FILE *out) {
    const double mib = 1024.0 * 1024.0;
    fprintf(out, "state %.2f MiB, work %.2f MiB (%.2f MiB without reuse), io %.2f MiB\n",
            (double)plan->region_bytes[REP_STATE] / mib, (double)plan->region_bytes[REP_WORK] / mib,
            (double)plan->unplanned_bytes / mib, (double)plan->region_bytes[REP_IO] / mib);
    fprintf(out, "%-6s %-6s %-5s %12s %12s  %s\n", "tensor", "region", "dtype", "offset",
            "elements", "name");
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        fprintf(out, "%-6u %-6s %-5s %12zu %12zu  %s%s\n", id, region_names[tensor->region],
                dtype_names[tensor->dtype], plan->offset[id], rep_shape_count(tensor->shape),
                tensor->name, plan->is_shared[id] ? " (shared)" : "");
    }
}
