/* torch_walk.h - the walk over a PyTorch file's values; between torch_walk.c, which looks into
 * values, and torch_containers.c, which knows what the outer ones are. */
#ifndef REP_FORMAT_TORCH_WALK_H
#define REP_FORMAT_TORCH_WALK_H

#include "format/torch.h"

enum { REP_WALK_NAME_BYTES = 1024 };

typedef struct rep_walk {
    rep_tensors *file;
    char name[REP_WALK_NAME_BYTES]; /* of what is being looked at */
    size_t length;
    int depth;   /* 1: the values of a container are being looked at */
    int nesting; /* of checkpoints in checkpoints */
    size_t container;
    size_t repeats; /* values looked at although they were before; bounded */
    size_t texts;   /* bytes of texts kept as metadata; bounded */
} rep_walk;

/* Appends to the current name; false when it does not fit or is no plain UTF-8. */
bool rep_walk_enter(rep_walk *w, rep_text part);
/* REP_ERR_DATA: a name that a tensor has to have is not one that rep_walk_enter takes. */
rep_status rep_walk_fail_name(const rep_walk *w);
/* Back to the first `length` bytes of the name. */
void rep_walk_leave(rep_walk *w, size_t length);
/* A key as text: texts and whole numbers, as an optimizer's state has them. */
bool rep_walk_key(rep_text *out, char number[32], const rep_pickle_value *key);
/* Lists all tensors in a value, one tensor, or a note that nothing came of it. */
REP_NODISCARD rep_status rep_walk_visit(rep_walk *w, rep_pickle_value *value);
REP_NODISCARD rep_status rep_walk_tensor(rep_walk *w, const rep_torch_tensor *tensor);
REP_NODISCARD rep_status rep_walk_skip(rep_walk *w, const rep_pickle_value *value);
/* A note on tensors that stand under `key`, no text and no whole number; none where there are no
 * tensors. */
REP_NODISCARD rep_status rep_walk_skip_key(rep_walk *w, const rep_pickle_value *key,
                                           rep_pickle_value *value);
/* Whether a tensor, read or not, is somewhere inside a value. */
bool rep_walk_holds(rep_pickle_value *value);
/* What a value is, in a few words. */
void rep_walk_describe(char *out, size_t bytes, const rep_pickle_value *value);
/* The dictionary of an object's attributes, or NULL. */
rep_pickle_value *rep_walk_attributes(const rep_pickle_value *object);
bool rep_walk_is_module(const rep_pickle_value *value);

#endif
