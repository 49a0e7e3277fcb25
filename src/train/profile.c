/* profile.c - one step of a run, node by node, for whoever wants to know where the time goes.
 *
 * It runs a batch once more between two steps. rep_program_profile puts the state back, and the
 * next step overwrites the rest, so that the run ends with the bits it would have had.
 */
#include "train/train.h"

typedef struct teller {
    const rep_trainer *trainer;
    rep_device_info device;
} teller;

static void tell(void *context, uint32_t node, const char *op, rep_id tensor, double ms) {
    const teller *teller_ = context;
    const rep_trainer *t = teller_->trainer;
    (void)op;
    rep_profile_row row = {.node = node,
                           .node_count = rep_graph_node_count(t->nets[0].graph),
                           .iteration = t->counters.iteration,
                           .shape = rep_graph_shape(t->nets[0].graph, tensor),
                           .ms = ms};
    rep_program_node(t->nets[0].program, node, &row.info);
    t->options->on_profile(t->options->profile_context, &teller_->device, &row);
}

rep_status rep_trainer_profile(rep_trainer *t) {
    teller told = {.trainer = t};
    rep_device_describe(t->device, &told.device);
    return rep_program_profile(t->nets[0].program, tell, &told);
}
