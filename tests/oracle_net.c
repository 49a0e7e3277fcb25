/* oracle_net.c - feeds and compares the graph of one case; see oracle_net.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include "oracle_net.h"

void oracle_net_open(oracle_net *net, oracle_case *c, const oracle_target *target) {
    memset(net, 0, sizeof *net);
    net->c = c;
    net->target = target;
    oracle_ok(c, rep_graph_create(&net->graph));
}

void oracle_net_close(oracle_net *net) {
    rep_program_destroy(net->program);
    rep_graph_destroy(net->graph);
}

void oracle_feed(oracle_net *net, rep_id id, const oracle_tensor *tensor) {
    if (!id || net->feed_count == ORACLE_MAX_LINKS) {
        oracle_ok(net->c, rep_graph_check(net->graph));
        fail_msg("%s: %s cannot be fed", net->c->name, tensor->name);
    }
    if (rep_shape_count(rep_graph_shape(net->graph, id)) != tensor->count) {
        fail_msg("%s: %s has %zu values, the graph wants %zu", net->c->name, tensor->name,
                 tensor->count, rep_shape_count(rep_graph_shape(net->graph, id)));
    }
    net->feeds[net->feed_count++] = (oracle_link){id, tensor};
}

static rep_id input_of_shape(oracle_net *net, const oracle_tensor *tensor, rep_shape shape) {
    const rep_id id = rep_graph_tensor(net->graph, tensor->name, REP_F32, shape, REP_IO);
    oracle_feed(net, id, tensor);
    if (oracle_get(net->c, "grad.%s", tensor->name)) { rep_graph_want_gradient(net->graph, id); }
    return id;
}

rep_id oracle_input(oracle_net *net, const char *name) {
    const oracle_tensor *tensor = oracle_need(net->c, "%s", name);
    return input_of_shape(net, tensor, oracle_shape(tensor));
}

static rep_shape rows_shape(const oracle_tensor *tensor) {
    return tensor->rank == 1 ? (rep_shape){tensor->dims[0], 1, 1, 1} : oracle_shape(tensor);
}

rep_id oracle_rows(oracle_net *net, const char *name) {
    const oracle_tensor *tensor = oracle_need(net->c, "%s", name);
    return input_of_shape(net, tensor, rows_shape(tensor));
}

rep_id oracle_labels(oracle_net *net, const char *name) {
    const oracle_tensor *tensor = oracle_need(net->c, "%s", name);
    const rep_id id = rep_graph_tensor(net->graph, name, REP_I32, rows_shape(tensor), REP_IO);
    oracle_feed(net, id, tensor);
    return id;
}

rep_id oracle_param(oracle_net *net, const char *name, rep_kind kind) {
    const oracle_tensor *tensor = oracle_get(net->c, "%s", name);
    if (!tensor) { return 0; }
    const rep_id id = rep_graph_param(net->graph, name, oracle_shape(tensor), tensor->rank, kind);
    oracle_feed(net, id, tensor);
    return id;
}

void oracle_expect(oracle_net *net, rep_id id, const char *name) {
    oracle_ok(net->c, rep_graph_check(net->graph));
    if (!id || net->expect_count == ORACLE_MAX_LINKS) {
        fail_msg("%s: the graph makes no %s", net->c->name, name);
    }
    rep_graph_keep(net->graph, id);
    net->expects[net->expect_count++] = (oracle_link){id, oracle_need(net->c, "%s", name)};
}

void oracle_backward(oracle_net *net, rep_id y, const char *seed) {
    const oracle_tensor *upstream = oracle_need(net->c, "%s", seed);
    const rep_shape shape = rep_graph_shape(net->graph, y);
    const rep_id dy = rep_graph_tensor(net->graph, seed, REP_F32, shape, REP_IO);
    oracle_ok(net->c, rep_graph_backward(net->graph, y, dy));
    oracle_expect_gradients(net);
    oracle_feed(net, dy, upstream);
}

void oracle_expect_gradients(oracle_net *net) {
    for (size_t i = 0; i < net->feed_count; i++) {
        const oracle_tensor *gradient = oracle_get(net->c, "grad.%s", net->feeds[i].tensor->name);
        if (!gradient) { continue; }
        oracle_expect(net, rep_graph_gradient(net->graph, net->feeds[i].id), gradient->name);
    }
}

static void write_labels(oracle_net *net, const oracle_link *link) {
    int32_t *labels = calloc(link->tensor->count, sizeof *labels);
    assert_non_null(labels);
    for (size_t i = 0; i < link->tensor->count; i++) {
        labels[i] = (int32_t)link->tensor->values[i];
    }
    oracle_ok(net->c, rep_program_write(net->program, link->id, labels, link->tensor->count));
    free(labels);
}

void oracle_net_start(oracle_net *net) {
    oracle_ok(net->c, rep_graph_check(net->graph));
    oracle_ok(net->c,
              rep_program_create(&net->program, net->target->device, net->graph, NULL, NULL));
    for (size_t i = 0; i < net->feed_count; i++) {
        const oracle_link *link = &net->feeds[i];
        if (link->tensor->dtype[0] == 'I') {
            write_labels(net, link);
        } else {
            oracle_write(net->c, net->program, link->id, link->tensor);
        }
    }
}

void oracle_net_finish(oracle_net *net) {
    oracle_ok(net->c, rep_program_run(net->program, REP_FORWARD, REP_BACKWARD));
    for (size_t i = 0; i < net->expect_count; i++) {
        oracle_check(net->c, net->graph, net->program, net->expects[i].id,
                     net->expects[i].tensor->name);
    }
}

void oracle_net_run(oracle_net *net) {
    oracle_net_start(net);
    oracle_net_finish(net);
}
