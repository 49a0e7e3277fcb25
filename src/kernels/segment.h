/* segment.h - walks the parameter block in runs over which the branch scales are constant.
 *
 * No mask is stored anywhere. A masked parameter {c_out, kh, kw, c_in} has scales s, t per output
 * channel; along memory an output channel is a run of taps in front of the centre tap, the centre
 * tap (where t, and the identity on one element, come in) and a run behind it. Padding between
 * parameters is skipped.
 */
#ifndef REP_KERNELS_SEGMENT_H
#define REP_KERNELS_SEGMENT_H

#include "kernels/kernel.h"
#include "kernels/math.h"

/* Elements [begin, begin + count) of the block. */
typedef struct segment_run {
    size_t begin, count;
    const rep_segment *segment;
    bool is_masked;
    real s, t;  /* t is 0 outside the centre tap */
    size_t one; /* the identity's element, counted from begin; SIZE_MAX when it is not here */
} segment_run;

typedef struct segment_walk {
    const rep_segment *segments, *end_segment;
    const real *scales;
    size_t at, end;     /* elements still to visit */
    size_t row, column; /* of `at` within a masked segment */
    bool is_inside;     /* row and column are those of `at` */
} segment_walk;

/* Visits elements [begin, end) of the block; table and scales are inputs 1 and 2 of every update
 * op. */
static inline segment_walk segment_walk_of(const rep_kernel_call *call, size_t begin, size_t end) {
    const size_t words = rep_shape_count(call->in[1].shape);
    const rep_segment *segments = call->in[1].data;
    return (segment_walk){.segments = segments,
                          .end_segment = segments + words / REP_SEGMENT_WORDS,
                          .scales = call->in[2].data,
                          .at = begin,
                          .end = end};
}

/* The part of masked output channel walk->row from walk->column to the next change of its mask. */
static inline void segment_masked(segment_walk *walk, const rep_segment *of, segment_run *run) {
    const size_t centre = of->centre, behind = centre + of->centre_count;
    const bool is_centre = walk->column >= centre && walk->column < behind;
    const size_t until = walk->column < centre ? centre : is_centre ? behind : of->row;
    run->count = until - walk->column;
    run->is_masked = true;
    run->s = walk->scales[of->scales + walk->row];
    if (!is_centre) { return; }
    if (of->point != REP_NO_SCALES) { run->t = walk->scales[of->point + walk->row]; }
    if (of->flags & REP_SEGMENT_IDENTITY) {
        const size_t one = centre + walk->row % of->centre_count;
        run->one = one >= walk->column ? one - walk->column : SIZE_MAX;
    }
}

/* The next run; false when the walk is done. */
static inline bool segment_next(segment_walk *walk, segment_run *run) {
    const rep_segment *of = walk->segments;
    while (of < walk->end_segment && (size_t)of->offset + of->count <= walk->at) {
        of++;
        walk->is_inside = false;
    }
    walk->segments = of;
    if (of == walk->end_segment || of->offset >= walk->end || walk->at >= walk->end) {
        return false;
    }
    if (walk->at < of->offset) { walk->at = of->offset; }
    *run = (segment_run){.begin = walk->at, .segment = of, .s = 1, .one = SIZE_MAX};
    const size_t from = walk->at - of->offset;
    run->count = of->count - from;
    if (of->flags & REP_SEGMENT_MASKED) {
        if (!walk->is_inside) {
            walk->row = from / of->row;
            walk->column = from % of->row;
            walk->is_inside = true;
        }
        segment_masked(walk, of, run);
        walk->column += run->count;
        if (walk->column == of->row) {
            walk->column = 0;
            walk->row++;
        }
    }
    if (run->count > walk->end - walk->at) { run->count = walk->end - walk->at; }
    if (run->one >= run->count) { run->one = SIZE_MAX; }
    walk->at += run->count;
    return true;
}

/* 1 in the lane of the identity's element, 0 elsewhere; `at` counts from the run's begin. */
static inline vec segment_one(const segment_run *run, size_t at) {
    ivec lane;
    for (int i = 0; i < REP_LANES; i++) { lane[i] = i; }
    const ireal one = run->one - at < REP_LANES ? (ireal)(run->one - at) : -1;
    return vselect((ivec)(lane == (ivec){0} + one), vset(1), vset(0));
}

/* Calls visit(context, element, lanes, one) over the run; the run without an identity is told the
 * constant 0, so that its loop has nothing to add. */
typedef void (*segment_visit)(const void *context, size_t element, size_t lanes, vec one);
REP_INLINE void segment_each(segment_visit visit, const void *context, const segment_run *run) {
    const size_t whole = run->count / REP_LANES * REP_LANES, rest = run->count - whole;
    if (run->one == SIZE_MAX) {
        for (size_t i = 0; i < whole; i += REP_LANES) {
            visit(context, run->begin + i, REP_LANES, vset(0));
        }
    } else {
        for (size_t i = 0; i < whole; i += REP_LANES) {
            visit(context, run->begin + i, REP_LANES, segment_one(run, i));
        }
    }
    if (rest > 0) { visit(context, run->begin + whole, rest, segment_one(run, whole)); }
}

/* What every gradient is multiplied by first: the step's own factor and the clip's, if any. */
static inline real segment_grad_factor(const real *step, const real *clip) {
    return clip ? step[REP_STEP_GRAD_SCALE] * clip[0] : step[REP_STEP_GRAD_SCALE];
}

#endif
