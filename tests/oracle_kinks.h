/* oracle_kinks.h - gradients on a device that rounds another way, beside a ReLU's kink.
 *
 * A gradient jumps where a value before a ReLU is 0. In a net of a million activations some are
 * nearer to 0 than the rounding errors of any float32 forward pass, and which of them such a pass
 * puts on the other side is chance: two of them in the full detector, each worth several times a
 * gradient's tolerance. What that does to a gradient is no error, and can be said in double
 * precision: the reference's gradients with these few values moved across the kink, less its
 * gradients without.
 */
#ifndef REP_TESTS_ORACLE_KINKS_H
#define REP_TESTS_ORACLE_KINKS_H

#include "oracle.h"

/* Keeps what the functions below read and write; before programs are made of the graph. */
void oracle_kinks_keep(rep_graph *graph);

/* After a forward pass of two programs of like graphs: moves the inputs of `reference`'s
 * normalisations so that every activation lies on the side of its kink on which `device` has it,
 * and returns how many. A value that was not beside its kink by the device's own errors is a
 * failure. */
size_t oracle_kinks_move(oracle_case *c, const rep_graph *graph, rep_program *device,
                         rep_program *reference);

#endif
