/* case.c - the rows of op_cases.def as data, and the values their inputs get.
 *
 * A row names an op, a bound on its normalised squared error, its parameter block and its inputs.
 * Values are drawn from (row, input) by the counter-based generator: the same on every machine.
 */
#include <string.h>

#include "check/check.h"
#include "check/layout.h"

/* Bounds on sum (a - b)^2 / sum b^2. A float has 2^-24 of rounding, 3.6e-15 squared. */
#define ROUNDED 1e-13     /* a few operations per element */
#define SUMMED 1e-12      /* sums, or functions built from polynomials */
#define CANCELS 1e-10     /* a difference of near values, a sum that almost cancels */
#define TRANSFORMED 1e-11 /* Winograd: 16 times the direct kernel's error, squared */

#define P(type, ...) (&(const type){__VA_ARGS__})
#define NONE (&(const rep_no_params){0})
#define N(...)                                                                                     \
    { REP_INPUT_NORMAL, {__VA_ARGS__}, 0 }
#define POS(...)                                                                                   \
    { REP_INPUT_POSITIVE, {__VA_ARGS__}, 0 }
#define UNIT(...)                                                                                  \
    { REP_INPUT_UNIT, {__VA_ARGS__}, 0 }
#define DISTS(n, h, w)                                                                             \
    { REP_INPUT_DISTANCE, {n, 4, h, w}, 0 }
#define DIST(n) DISTS(n, 1, 1)
#define WIDE(...)                                                                                  \
    { REP_INPUT_WIDE, {__VA_ARGS__}, 0 }
#define FAR(...)                                                                                   \
    { REP_INPUT_OFFSET, {__VA_ARGS__}, 0 }
#define LABELS(n, h, w, last)                                                                      \
    { REP_INPUT_LABEL, {n, 1, h, w}, last }
#define LABEL(n, last) LABELS(n, 1, 1, last)
#define INDEX(n, c, h, w, last)                                                                    \
    { REP_INPUT_INDEX, {n, c, h, w}, last }
#define ABSENT                                                                                     \
    { REP_INPUT_ABSENT, {0, 0, 0, 0}, 0 }
#define SEGMENTS(layout)                                                                           \
    { REP_INPUT_SEGMENTS, {0, 0, 0, 0}, layout }
#define SCALES(layout)                                                                             \
    { REP_INPUT_SCALES, {0, 0, 0, 0}, layout }
#define PARAMS(layout)                                                                             \
    { REP_INPUT_PARAMS, {0, 0, 0, 0}, layout }
#define STEP(flags)                                                                                \
    { REP_INPUT_STEP, {1, REP_STEP_WORDS, 1, 1}, flags }

const rep_case rep_cases[] = {
#define OP_CASE(NAME, error, block, ...) {REP_OP_##NAME, error, block, {__VA_ARGS__}},
#include "check/op_cases.def"
#undef OP_CASE
};
const size_t rep_case_count = sizeof rep_cases / sizeof rep_cases[0];

uint32_t rep_case_inputs(const rep_case *row) {
    uint32_t count = 0;
    while (count < REP_MAX_INPUTS && row->in[count].kind != REP_INPUT_END) { count++; }
    return count;
}

/* 1, 2, ... among the rows of its op. */
int rep_case_number(const rep_case *row) {
    int number = 0;
    for (const rep_case *r = rep_cases; r <= row; r++) { number += r->op == row->op; }
    return number;
}

rep_shape rep_case_input_shape(const rep_case_input *in) {
    const rep_layout_size size = in->kind >= REP_INPUT_SEGMENTS && in->kind <= REP_INPUT_PARAMS
                                     ? rep_layout_measure(in->bound)
                                     : (rep_layout_size){0, 0, 0};
    switch (in->kind) {
    case REP_INPUT_SEGMENTS:
        return (rep_shape){1, (int32_t)(size.segments * REP_SEGMENT_WORDS), 1, 1};
    case REP_INPUT_SCALES:
        return (rep_shape){1, (int32_t)size.scales, 1, 1};
    case REP_INPUT_PARAMS:
        return (rep_shape){1, (int32_t)size.params, 1, 1};
    default:
        return in->shape;
    }
}

bool rep_case_input_is_integer(const rep_case_input *in) {
    return in->kind == REP_INPUT_LABEL || in->kind == REP_INPUT_INDEX ||
           in->kind == REP_INPUT_SEGMENTS;
}

static void fill_step(float *step, int flags) {
    memset(step, 0, REP_STEP_WORDS * sizeof *step);
    step[REP_STEP_LR] = 0.1f;
    step[REP_STEP_APPLY] = flags & REP_CASE_HOLDS ? 0.0f : 1.0f;
    step[REP_STEP_FIRST] = flags & REP_CASE_FIRST ? 1.0f : 0.0f;
    step[REP_STEP_KEEP] = flags & REP_CASE_STARTS_SUM ? 0.0f : 1.0f;
    step[REP_STEP_GRAD_SCALE] = 0.25f;
    step[REP_STEP_BIAS1] = 0.271f;
    step[REP_STEP_BIAS2] = 0.003f;
    step[REP_STEP_EMA] = 0.97f;
    step[REP_STEP_VALID] = 3.0f;
}

/* Draws `count` values of a kind. */
void rep_case_draw(const rep_case_input *in, uint64_t stream, size_t count, float *values) {
    rep_rng rng;
    rep_rng_init(&rng, 2023, stream);
    if (in->kind == REP_INPUT_STEP) {
        fill_step(values, in->bound);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        switch (in->kind) {
        case REP_INPUT_POSITIVE:
            values[i] = 0.5f + rep_rng_uniform(&rng);
            break;
        case REP_INPUT_UNIT:
            values[i] = rep_rng_uniform(&rng);
            break;
        case REP_INPUT_DISTANCE:
            values[i] = 0.1f + 7.9f * rep_rng_uniform(&rng);
            break;
        case REP_INPUT_WIDE:
            values[i] = 40.0f * rep_rng_normal(&rng);
            break;
        case REP_INPUT_OFFSET:
            values[i] = 1000.0f + rep_rng_normal(&rng);
            break;
        default:
            values[i] = rep_rng_normal(&rng);
            break;
        }
    }
}

void rep_case_draw_integers(const rep_case_input *in, uint64_t stream, size_t count,
                            int32_t *integers) {
    if (in->kind == REP_INPUT_SEGMENTS) {
        rep_layout_table(in->bound, (rep_segment *)(void *)integers);
        return;
    }
    rep_rng rng;
    rep_rng_init(&rng, 2023, stream);
    const int32_t least = in->kind == REP_INPUT_LABEL ? -1 : 0;
    for (size_t i = 0; i < count; i++) {
        integers[i] = least + (int32_t)rep_rng_below(&rng, (uint32_t)(in->bound - least + 1));
    }
}
