/* state.h - a program's state tensors as the tensors of a file, both ways. Private to the train
 * room. */
#ifndef REP_TRAIN_STATE_H
#define REP_TRAIN_STATE_H

#include "format/format.h"
#include "graph/graph.h"
#include "repopt/device.h"

/* Everything a checkpoint holds, ready for rep_safetensors_write. Borrows graph and program. */
typedef struct rep_state_list {
    rep_tensor_source *sources;
    size_t count;
    struct rep_state_item *items; /* the sources' contexts */
    rep_arena names;
    float *buffer;   /* one tensor in storage order */
    int64_t tracked; /* below 0: num_batches_tracked is left out */
} rep_state_list;
REP_NODISCARD rep_status rep_state_list_init(rep_state_list *out, const rep_graph *graph,
                                             rep_program *program, uint64_t tracked);
/* Only the tensors that are wanted, by id: parameters, or work tensors that the program keeps. */
REP_NODISCARD rep_status rep_state_list_pick(rep_state_list *out, const rep_graph *graph,
                                             rep_program *program, const bool *wanted);
/* The tensor behind source `index` of such a list. */
rep_id rep_state_list_tensor(const rep_state_list *list, size_t index);
void rep_state_list_clear(rep_state_list *list);

/* Loads every saved tensor. "scales.*" are compared instead: a run may not change its SCALE. */
REP_NODISCARD rep_status rep_state_load_all(const rep_graph *graph, rep_program *program,
                                            const rep_tensors *file);
/* Loads the model's own tensors, from the average where `use_average` and the file has one.
 * *tracked gets num_batches_tracked, 0 when the file has none. */
REP_NODISCARD rep_status rep_state_load_model(const rep_graph *graph, rep_program *program,
                                              const rep_tensors *file, bool use_average,
                                              uint64_t *tracked);

#endif
