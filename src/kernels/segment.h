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
    size_t at, end;     /* first element of the next run, and where no run may begin any more */
    size_t row, column; /* of `at` within a masked segment */
    bool is_inside;     /* row and column are those of `at` */
} segment_walk;

/* An unmasked parameter is one run per so many elements, a multiple of every vector's lanes. */
enum { SEGMENT_PIECE = 4096 };

/* Visits the runs that begin in [begin, end) of the block. Runs are never cut there: an element
 * then lies in the same vector of the same loop whoever visits it, and rounds the same. The table
 * and the scales are inputs 1 and 2 of every update op. */
static inline segment_walk segment_walk_of(const rep_kernel_call *call, size_t begin, size_t end) {
    const size_t words = rep_shape_count(call->in[1].shape);
    const rep_segment *segments = call->in[1].data;
    return (segment_walk){.segments = segments,
                          .end_segment = segments + words / REP_SEGMENT_WORDS,
                          .scales = call->in[2].data,
                          .at = begin,
                          .end = end};
}

/* Where the run with element `column` of an output channel begins, and where it ends. */
static inline size_t segment_run_begin(const rep_segment *of, size_t column) {
    const size_t centre = of->centre, behind = centre + of->centre_count;
    return column < centre ? 0 : column < behind ? centre : behind;
}
static inline size_t segment_run_end(const rep_segment *of, size_t column) {
    const size_t centre = of->centre, behind = centre + of->centre_count;
    return column < centre ? centre : column < behind ? behind : of->row;
}

/* Moves a walk that came into a segment from outside to the next run's begin. */
static inline void segment_enter(segment_walk *walk, const rep_segment *of) {
    if (walk->at < of->offset) { walk->at = of->offset; }
    const size_t from = walk->at - of->offset;
    walk->is_inside = true;
    if (!(of->flags & REP_SEGMENT_MASKED)) {
        const size_t piece = (from + SEGMENT_PIECE - 1) / SEGMENT_PIECE * SEGMENT_PIECE;
        walk->at = of->offset + (piece < of->count ? piece : of->count);
        return;
    }
    walk->row = from / of->row;
    walk->column = from % of->row;
    if (segment_run_begin(of, walk->column) != walk->column) {
        const size_t next = segment_run_end(of, walk->column);
        walk->at += next - walk->column;
        walk->column = next % of->row;
        walk->row += next == of->row;
    }
}

/* The run of masked output channel walk->row that begins at walk->column. */
static inline void segment_masked(segment_walk *walk, const rep_segment *of, segment_run *run) {
    run->count = segment_run_end(of, walk->column) - walk->column;
    run->is_masked = true;
    run->s = walk->scales[of->scales + walk->row];
    if (walk->column == of->centre) {
        if (of->point != REP_NO_SCALES) { run->t = walk->scales[of->point + walk->row]; }
        if (of->flags & REP_SEGMENT_IDENTITY) { run->one = walk->row % of->centre_count; }
    }
    walk->column += run->count;
    if (walk->column == of->row) {
        walk->column = 0;
        walk->row++;
    }
}

/* The next run; false when the walk is done. */
static inline bool segment_next(segment_walk *walk, segment_run *run) {
    for (;;) {
        const rep_segment *of = walk->segments;
        if (of == walk->end_segment) { return false; }
        const size_t behind = (size_t)of->offset + of->count;
        if (walk->at < behind && !walk->is_inside) { segment_enter(walk, of); }
        if (walk->at < behind) { break; }
        walk->segments++;
        walk->is_inside = false;
    }
    const rep_segment *of = walk->segments;
    if (walk->at >= walk->end) { return false; }
    *run = (segment_run){.begin = walk->at, .segment = of, .s = 1, .one = SIZE_MAX};
    if (of->flags & REP_SEGMENT_MASKED) {
        segment_masked(walk, of, run);
    } else {
        const size_t left = (size_t)of->offset + of->count - walk->at;
        run->count = left < SEGMENT_PIECE ? left : SEGMENT_PIECE;
    }
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
