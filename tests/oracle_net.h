/* oracle_net.h - a small graph built for one case: what it is fed, what is compared after a run.
 *
 *     oracle_net net;
 *     oracle_net_open(&net, c, target);
 *     const rep_id x = oracle_input(&net, "in.x");
 *     const rep_id y = REP_APPEND(net.graph, ACT, &relu, x);
 *     oracle_expect(&net, y, "out.y");
 *     oracle_backward(&net, y, "gout.y");
 *     oracle_net_run(&net);
 *     oracle_net_close(&net);
 */
#ifndef REP_TESTS_ORACLE_NET_H
#define REP_TESTS_ORACLE_NET_H

#include "oracle.h"

enum { ORACLE_MAX_LINKS = 256 };

typedef struct oracle_link {
    rep_id id;
    const oracle_tensor *tensor;
} oracle_link;

typedef struct oracle_net {
    oracle_case *c;
    const oracle_target *target;
    rep_graph *graph;
    rep_program *program;
    oracle_link feeds[ORACLE_MAX_LINKS];   /* written before the run */
    oracle_link expects[ORACLE_MAX_LINKS]; /* compared after it */
    size_t feed_count, expect_count;
} oracle_net;

void oracle_net_open(oracle_net *net, oracle_case *c, const oracle_target *target);
void oracle_net_close(oracle_net *net);

/* A host-written tensor whose gradient is asked for when the case expects it. */
rep_id oracle_input(oracle_net *net, const char *name);
/* The same from a matrix [n, c] or a list [n], one value or row per row: {n, 1, 1, 1} for a list.
 */
rep_id oracle_rows(oracle_net *net, const char *name);
/* A list of labels as 32-bit integers, {n, 1, 1, 1}. */
rep_id oracle_labels(oracle_net *net, const char *name);
/* A parameter: trainable unless it is of kind BUFFER. 0 when the case has no such tensor. */
rep_id oracle_param(oracle_net *net, const char *name, rep_kind kind);
/* Feeds a tensor that the graph has already. */
void oracle_feed(oracle_net *net, rep_id id, const oracle_tensor *tensor);

/* After the run, `id` must equal the case's tensor `name`. */
void oracle_expect(oracle_net *net, rep_id id, const char *name);
/* Appends the gradient from upstream gradient `seed`, and expects every "grad.<fed tensor>". */
void oracle_backward(oracle_net *net, rep_id y, const char *seed);
/* After rep_graph_backward: expects every "grad.<fed tensor>". */
void oracle_expect_gradients(oracle_net *net);
/* Makes the program and feeds it. */
void oracle_net_start(oracle_net *net);
/* Runs forward and backward, compares. */
void oracle_net_finish(oracle_net *net);
/* Both. */
void oracle_net_run(oracle_net *net);

#endif
