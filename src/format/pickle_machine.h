/* pickle_machine.h - the stack machine's state, for the files that make it up: pickle_value.c
 * values, pickle_stack.c stack, marks and memo, pickle.c opcodes. */
#ifndef REP_FORMAT_PICKLE_MACHINE_H
#define REP_FORMAT_PICKLE_MACHINE_H

#include "format/pickle.h"

struct rep_pickle {
    rep_pickle_memory *memory;
    const char *name;
    size_t place;
    const uint8_t *bytes;
    size_t count, at;
    size_t opcode_at; /* for messages */
    rep_pickle_value **stack;
    size_t depth, stack_capacity;
    size_t *marks; /* stack depths */
    size_t mark_count, mark_capacity;
    rep_pickle_value **memo;
    size_t memo_count, memo_capacity;
    const rep_pickle_calls *calls;
};

/* REP_ERR_DATA: what the opcode does wrong, and that the file is damaged. */
rep_status rep_pickle_damaged(const rep_pickle *p, const char *what);
/* Room for `more` values. */
REP_NODISCARD rep_status rep_pickle_reserve(rep_pickle *p, rep_pickle_items *items, size_t more);

/* ---- stack, marks, memo --- */

REP_NODISCARD rep_status rep_pickle_push(rep_pickle *p, rep_pickle_value *value);
/* Nothing below the last mark is popped or looked at. */
REP_NODISCARD rep_status rep_pickle_pop(rep_pickle *p, rep_pickle_value **out);
REP_NODISCARD rep_status rep_pickle_top(rep_pickle *p, rep_pickle_value **out);
/* How many values lie above the last mark. */
size_t rep_pickle_height(const rep_pickle *p);
REP_NODISCARD rep_status rep_pickle_push_mark(rep_pickle *p);
/* Takes everything above the last mark: *values, valid until the next push, and *count. */
REP_NODISCARD rep_status rep_pickle_pop_mark(rep_pickle *p, rep_pickle_value ***values,
                                             size_t *count);
/* Keeps the top of the stack under a number; pushes what is kept there. */
REP_NODISCARD rep_status rep_pickle_put(rep_pickle *p, size_t index);
REP_NODISCARD rep_status rep_pickle_get(rep_pickle *p, size_t index);

#endif
