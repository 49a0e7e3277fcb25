/* pickle_stack.c - the stack machine's stack, marks and memo. */
#include <stdlib.h>

#include "format/pickle_machine.h"

rep_status rep_pickle_push(rep_pickle *p, rep_pickle_value *value) {
    void *grown = rep_array_grow(p->stack, p->depth, &p->stack_capacity, sizeof *p->stack);
    if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its pickle", p->name); }
    p->stack = grown;
    p->stack[p->depth++] = value;
    return REP_OK;
}

static size_t floor_of(const rep_pickle *p) {
    return p->mark_count ? p->marks[p->mark_count - 1] : 0;
}

size_t rep_pickle_height(const rep_pickle *p) { return p->depth - floor_of(p); }

rep_status rep_pickle_pop(rep_pickle *p, rep_pickle_value **out) {
    if (rep_pickle_height(p) == 0) { return rep_pickle_damaged(p, "takes from an empty stack"); }
    *out = p->stack[--p->depth];
    return REP_OK;
}

rep_status rep_pickle_top(rep_pickle *p, rep_pickle_value **out) {
    if (rep_pickle_height(p) == 0) { return rep_pickle_damaged(p, "looks at an empty stack"); }
    *out = p->stack[p->depth - 1];
    return REP_OK;
}

rep_status rep_pickle_push_mark(rep_pickle *p) {
    void *grown = rep_array_grow(p->marks, p->mark_count, &p->mark_capacity, sizeof *p->marks);
    if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its pickle", p->name); }
    p->marks = grown;
    p->marks[p->mark_count++] = p->depth;
    return REP_OK;
}

rep_status rep_pickle_pop_mark(rep_pickle *p, rep_pickle_value ***values, size_t *count) {
    if (p->mark_count == 0) { return rep_pickle_damaged(p, "needs a mark that is not there"); }
    const size_t mark = p->marks[--p->mark_count];
    *count = p->depth - mark;
    *values = p->stack ? p->stack + mark : NULL;
    p->depth = mark;
    return REP_OK;
}

rep_status rep_pickle_put(rep_pickle *p, size_t index) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_top(p, &value));
    /* Writers number what they keep, so that no index is above the bytes there have been. */
    if (index > p->at) { return rep_pickle_damaged(p, "keeps a value under an absurd number"); }
    while (p->memo_count <= index) {
        void *grown = rep_array_grow(p->memo, p->memo_count, &p->memo_capacity, sizeof *p->memo);
        if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its pickle", p->name); }
        p->memo = grown;
        p->memo[p->memo_count++] = NULL;
    }
    p->memo[index] = value;
    return REP_OK;
}

rep_status rep_pickle_get(rep_pickle *p, size_t index) {
    if (index >= p->memo_count || !p->memo[index]) {
        return rep_pickle_damaged(p, "asks for a value it did not keep");
    }
    return rep_pickle_push(p, p->memo[index]);
}
