/* backward.c - one walk over the forward nodes, last to first, that appends their gradients.
 *
 * A tensor used twice gets two contributions; `add` nodes sum them in the order of the walk, so the
 * result is the same on every run. Nothing is computed here: rules append ordinary nodes.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

static void accumulate(rep_graph *graph, rep_id tensor, rep_id part) {
    const rep_id sum = graph->tensors[tensor].gradient;
    graph->tensors[tensor].gradient = sum ? REP_APPEND(graph, ADD, NULL, sum, part) : part;
}

static void step(rep_graph *graph, uint32_t index) {
    const rep_node node = graph->nodes[index]; /* a copy: appending may move the array */
    const rep_op_info *info = rep_op_info_get(node.op);
    rep_id dy[REP_MAX_OUTPUTS] = {0}, dx[REP_MAX_INPUTS] = {0};
    bool need[REP_MAX_INPUTS] = {false}, is_reached = false, is_needed = false;
    for (uint32_t o = 0; o < node.out_count; o++) {
        /* Only a tensor this node created carries its gradient: running statistics do not. */
        if (node.out[o] && graph->tensors[node.out[o]].producer == index) {
            dy[o] = graph->tensors[node.out[o]].gradient;
        }
        is_reached = is_reached || dy[o];
    }
    for (uint32_t i = 0; i < node.in_count; i++) {
        need[i] = node.in[i] && graph->tensors[node.in[i]].needs_gradient;
        is_needed = is_needed || need[i];
    }
    if (!is_reached || !is_needed || !info->grad) { return; }
    graph->scope = node.name;
    info->grad(graph, &node, dy, need, dx);
    for (uint32_t i = 0; i < node.in_count && graph->fault == REP_OK; i++) {
        if (need[i] && dx[i]) { accumulate(graph, node.in[i], dx[i]); }
    }
}

rep_status rep_graph_backward(rep_graph *graph, rep_id loss, rep_id seed) {
    REP_TRY(rep_graph_check(graph));
    if (!loss || loss >= graph->tensor_count) {
        return rep_fail(REP_ERR_ARGUMENT, "backward: the graph has no loss tensor %u", loss);
    }
    const rep_shape shape = graph->tensors[loss].shape;
    if (!seed && rep_shape_count(shape) != 1) {
        return rep_fail(REP_ERR_SHAPE, "backward: the loss has %zu values, wanted 1",
                        rep_shape_count(shape));
    }
    const uint32_t count = graph->node_count;
    const char *scope = graph->scope;
    rep_graph_set_phase(graph, REP_BACKWARD);
    if (!seed) { seed = REP_APPEND(graph, FILL, &(rep_fill_params){.value = 1.0f}, loss); }
    graph->tensors[loss].gradient = seed;
    for (uint32_t i = count; i-- > 0 && graph->fault == REP_OK;) { step(graph, i); }
    graph->scope = scope;
    return rep_graph_check(graph);
}
