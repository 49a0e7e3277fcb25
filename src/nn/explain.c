/* explain.c - one line per tensor: which group it is in and what the update does to it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optimizer.h"

struct text {
    char *bytes;
    size_t length, capacity;
    bool is_full; /* out of memory */
};

REP_PRINTF(2, 3) static void add(struct text *text, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const size_t count = length < 0                     ? 0
                         : (size_t)length < sizeof line ? (size_t)length
                                                        : sizeof line - 1;
    if (text->length + count + 1 > text->capacity) {
        const size_t capacity = 2 * (text->length + count + 1);
        char *larger = realloc(text->bytes, capacity);
        if (!larger) {
            text->is_full = true;
            return;
        }
        text->bytes = larger;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->length, line, count);
    text->length += count;
    text->bytes[text->length] = '\0';
}

/* PyTorch's way of writing the shape. */
static void write_shape(char *out, size_t bytes, const rep_member *member) {
    const rep_shape s = member->shape;
    if (member->rank == 1) {
        snprintf(out, bytes, "%d", s.c);
    } else if (member->rank == 2) {
        snprintf(out, bytes, "%d x %d", s.n, s.c);
    } else {
        snprintf(out, bytes, "%d x %d x %d x %d", s.n, s.c, s.h, s.w);
    }
}

static const char *mask_text(const rep_optimizer *o, const rep_segment *segment) {
    static const char *const texts[3][4] = {
        {"s^2", "s^2 + t^2 centre", "s^2 + 1 diagonal", "s^2 + t^2 centre + 1 diagonal"},
        {"s", "s + t centre", "s + 1 diagonal", "s + t centre + 1 diagonal"},
        {"|s|", "|s| + |t| centre", "|s| + 1 diagonal", "|s| + |t| centre + 1 diagonal"}};
    if (!(segment->flags & REP_SEGMENT_MASKED)) { return "-"; }
    const int terms =
        (segment->point != REP_NO_SCALES ? 1 : 0) + (segment->flags & REP_SEGMENT_IDENTITY ? 2 : 0);
    if (!o->spec.is_adamw) { return texts[0][terms]; }
    return o->spec.adamw.mask == 0 ? "the branches' own steps" : texts[o->spec.adamw.mask][terms];
}

rep_status rep_optimizer_explain(const rep_optimizer *optimizer, char **out) {
    struct text text = {0};
    add(&text, "%-40s %-20s %-9s %10s %5s  %s\n", "tensor", "shape", "group", "decay", "lr x",
        "mask on the gradient");
    for (size_t i = 0; i < optimizer->member_count; i++) {
        const rep_member *member = &optimizer->members[i];
        char shape[64];
        write_shape(shape, sizeof shape, member);
        if (i < optimizer->param_count) {
            add(&text, "%-40s %-20s %-9s %10g %5g  %s\n", member->name, shape, member->group,
                (double)member->weight_decay, (double)member->lr_factor,
                mask_text(optimizer, &optimizer->segments[i]));
        } else if (member->is_trainable) {
            add(&text, "%-40s %-20s not updated: the loss does not depend on it\n", member->name,
                shape);
        }
    }
    if (text.is_full || !text.bytes) {
        free(text.bytes);
        return rep_fail(REP_ERR_MEMORY, "--explain-params: out of memory");
    }
    *out = text.bytes;
    return REP_OK;
}
