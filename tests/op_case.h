/* op_case.h - the rows of op_cases.def as data, and the values their inputs get.
 *
 * A row names an op, a bound on its normalised squared error, its parameter block and its inputs.
 * Values are drawn from (row, input) by the counter-based generator: the same on every machine.
 */
#ifndef REP_TESTS_OP_CASE_H
#define REP_TESTS_OP_CASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "op_layout.h"

/* What an input holds. `bound` is that of op_input. */
typedef enum op_kind {
    KIND_END,
    KIND_ABSENT,
    KIND_NORMAL,
    KIND_POSITIVE, /* [0.5, 1.5) */
    KIND_UNIT,     /* [0, 1) */
    KIND_DISTANCE, /* [0.1, 8): sides of boxes */
    KIND_WIDE,     /* normal times 40: logits that overflow a careless e^x */
    KIND_OFFSET,   /* 1000 + normal */
    KIND_LABEL,    /* integer in [-1, bound] */
    KIND_INDEX,    /* integer in [0, bound] */
    KIND_SEGMENTS, /* table, scales and parameters of layout `bound` */
    KIND_SCALES,
    KIND_PARAMS,
    KIND_STEP /* step block; `bound` is a mask of STEP_ flags */
} op_kind;

enum { STEP_IS_FIRST = 1, STEP_HOLDS = 2, STEP_STARTS_SUM = 4 };

typedef struct op_input {
    op_kind kind;
    rep_shape shape;
    int bound;
} op_input;

typedef struct op_case {
    rep_op op;
    double bound; /* on the normalised squared error against float64 */
    const void *params;
    op_input in[REP_MAX_INPUTS];
} op_case;

/* Bounds on sum (a - b)^2 / sum b^2. A float has 2^-24 of rounding, 3.6e-15 squared. */
#define ROUNDED 1e-13     /* a few operations per element */
#define SUMMED 1e-12      /* sums, or functions built from polynomials */
#define CANCELS 1e-10     /* a difference of near values, a sum that almost cancels */
#define TRANSFORMED 1e-11 /* Winograd: 16 times the direct kernel's error, squared */

#define P(type, ...) (&(const type){__VA_ARGS__})
#define NONE (&(const rep_no_params){0})
#define N(...)                                                                                     \
    { KIND_NORMAL, {__VA_ARGS__}, 0 }
#define POS(...)                                                                                   \
    { KIND_POSITIVE, {__VA_ARGS__}, 0 }
#define UNIT(...)                                                                                  \
    { KIND_UNIT, {__VA_ARGS__}, 0 }
#define DIST(n)                                                                                    \
    { KIND_DISTANCE, {n, 4, 1, 1}, 0 }
#define WIDE(...)                                                                                  \
    { KIND_WIDE, {__VA_ARGS__}, 0 }
#define FAR(...)                                                                                   \
    { KIND_OFFSET, {__VA_ARGS__}, 0 }
#define LABEL(n, last)                                                                             \
    { KIND_LABEL, {n, 1, 1, 1}, last }
#define INDEX(n, c, h, w, last)                                                                    \
    { KIND_INDEX, {n, c, h, w}, last }
#define ABSENT                                                                                     \
    { KIND_ABSENT, {0, 0, 0, 0}, 0 }
#define SEGMENTS(layout)                                                                           \
    { KIND_SEGMENTS, {0, 0, 0, 0}, layout }
#define SCALES(layout)                                                                             \
    { KIND_SCALES, {0, 0, 0, 0}, layout }
#define PARAMS(layout)                                                                             \
    { KIND_PARAMS, {0, 0, 0, 0}, layout }
#define STEP(flags)                                                                                \
    { KIND_STEP, {1, REP_STEP_WORDS, 1, 1}, flags }

static const op_case op_cases[] = {
#define OP_CASE(NAME, error, block, ...) {REP_OP_##NAME, error, block, {__VA_ARGS__}},
#include "op_cases.def"
#undef OP_CASE
};
enum { OP_CASE_COUNT = sizeof op_cases / sizeof op_cases[0] };

static inline uint32_t op_case_inputs(const op_case *row) {
    uint32_t count = 0;
    while (count < REP_MAX_INPUTS && row->in[count].kind != KIND_END) { count++; }
    return count;
}

/* 1, 2, ... among the rows of its op. */
static inline int op_case_number(const op_case *row) {
    int number = 0;
    for (const op_case *r = op_cases; r <= row; r++) { number += r->op == row->op; }
    return number;
}

static inline rep_shape op_input_shape(const op_input *in) {
    const op_layout_size size = in->kind >= KIND_SEGMENTS && in->kind <= KIND_PARAMS
                                    ? op_layout_measure(in->bound)
                                    : (op_layout_size){0, 0, 0};
    switch (in->kind) {
    case KIND_SEGMENTS:
        return (rep_shape){1, (int32_t)(size.segments * REP_SEGMENT_WORDS), 1, 1};
    case KIND_SCALES:
        return (rep_shape){1, (int32_t)size.scales, 1, 1};
    case KIND_PARAMS:
        return (rep_shape){1, (int32_t)size.params, 1, 1};
    default:
        return in->shape;
    }
}

static inline bool op_input_is_integer(const op_input *in) {
    return in->kind == KIND_LABEL || in->kind == KIND_INDEX || in->kind == KIND_SEGMENTS;
}

static inline void op_fill_step(float *step, int flags) {
    memset(step, 0, REP_STEP_WORDS * sizeof *step);
    step[REP_STEP_LR] = 0.1f;
    step[REP_STEP_APPLY] = flags & STEP_HOLDS ? 0.0f : 1.0f;
    step[REP_STEP_FIRST] = flags & STEP_IS_FIRST ? 1.0f : 0.0f;
    step[REP_STEP_KEEP] = flags & STEP_STARTS_SUM ? 0.0f : 1.0f;
    step[REP_STEP_GRAD_SCALE] = 0.25f;
    step[REP_STEP_BIAS1] = 0.271f;
    step[REP_STEP_BIAS2] = 0.003f;
    step[REP_STEP_EMA] = 0.97f;
    step[REP_STEP_VALID] = 3.0f;
}

/* Draws `count` values of a kind. */
static inline void op_draw(const op_input *in, uint64_t stream, size_t count, float *values) {
    rep_rng rng;
    rep_rng_init(&rng, 2023, stream);
    if (in->kind == KIND_STEP) {
        op_fill_step(values, in->bound);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        switch (in->kind) {
        case KIND_POSITIVE:
            values[i] = 0.5f + rep_rng_uniform(&rng);
            break;
        case KIND_UNIT:
            values[i] = rep_rng_uniform(&rng);
            break;
        case KIND_DISTANCE:
            values[i] = 0.1f + 7.9f * rep_rng_uniform(&rng);
            break;
        case KIND_WIDE:
            values[i] = 40.0f * rep_rng_normal(&rng);
            break;
        case KIND_OFFSET:
            values[i] = 1000.0f + rep_rng_normal(&rng);
            break;
        default:
            values[i] = rep_rng_normal(&rng);
            break;
        }
    }
}

static inline void op_draw_integers(const op_input *in, uint64_t stream, size_t count,
                                    int32_t *integers) {
    if (in->kind == KIND_SEGMENTS) {
        op_layout_table(in->bound, (rep_segment *)(void *)integers);
        return;
    }
    rep_rng rng;
    rep_rng_init(&rng, 2023, stream);
    const int32_t least = in->kind == KIND_LABEL ? -1 : 0;
    for (size_t i = 0; i < count; i++) {
        integers[i] = least + (int32_t)rep_rng_below(&rng, (uint32_t)(in->bound - least + 1));
    }
}

#endif
