/* check.h - the check room's face: the rows of op_cases.def, and one of them as a program.
 *
 * `repopt check` and the tests run the same rows through the same rig: a program of one node, the
 * path training takes, with a guard around every tensor.
 */
#ifndef REP_CHECK_CHECK_H
#define REP_CHECK_CHECK_H

#include "device/device.h"
#include "graph/graph.h"
#include "repopt/check.h"

/* ---- case.c: rows as data -------------------------------------------------------------------- */

/* What an input holds. `bound` is that of rep_case_input. */
typedef enum rep_input_kind {
    REP_INPUT_END,
    REP_INPUT_ABSENT,
    REP_INPUT_NORMAL,
    REP_INPUT_POSITIVE, /* [0.5, 1.5) */
    REP_INPUT_UNIT,     /* [0, 1) */
    REP_INPUT_DISTANCE, /* [0.1, 8): sides of boxes */
    REP_INPUT_WIDE,     /* normal times 40: logits that overflow a careless e^x */
    REP_INPUT_OFFSET,   /* 1000 + normal */
    REP_INPUT_LABEL,    /* integer in [-1, bound] */
    REP_INPUT_INDEX,    /* integer in [0, bound] */
    REP_INPUT_SEGMENTS, /* table, scales and parameters of layout `bound` */
    REP_INPUT_SCALES,
    REP_INPUT_PARAMS,
    REP_INPUT_STEP /* step block; `bound` is a mask of the flags below */
} rep_input_kind;

enum { REP_CASE_FIRST = 1, REP_CASE_HOLDS = 2, REP_CASE_STARTS_SUM = 4 };

typedef struct rep_case_input {
    rep_input_kind kind;
    rep_shape shape;
    int bound;
} rep_case_input;

typedef struct rep_case {
    rep_op op;
    double bound; /* on the normalised squared error against float64 */
    const void *params;
    rep_case_input in[REP_MAX_INPUTS];
} rep_case;

extern const rep_case rep_cases[];
extern const size_t rep_case_count;

uint32_t rep_case_inputs(const rep_case *row);
/* 1, 2, ... among the rows of its op. */
int rep_case_number(const rep_case *row);
rep_shape rep_case_input_shape(const rep_case_input *in);
bool rep_case_input_is_integer(const rep_case_input *in);
/* Draws `count` values of a kind, the same for the same stream on every machine. */
void rep_case_draw(const rep_case_input *in, uint64_t stream, size_t count, float *values);
void rep_case_draw_integers(const rep_case_input *in, uint64_t stream, size_t count,
                            int32_t *integers);

/* ---- layout.c: parameter blocks for the update ops ------------------------------------------- */
enum { REP_LAYOUT_PARTS = 6 };
typedef struct rep_layout_size {
    uint32_t segments, params, scales;
} rep_layout_size;
rep_layout_size rep_layout_measure(int layout);
void rep_layout_table(int layout, rep_segment *table);

/* ---- rig.c: a row made into a program -------------------------------------------------------- */

typedef struct rep_rig_options {
    bool is_in_place;
    /* Bit i: input i is half precision; the shape rule says which outputs then are. With is_rounded
     * values only are halves, stored as floats: what a reference computes with. */
    uint32_t half;
    bool is_rounded;
} rep_rig_options;

/* A tensor in the middle of a block of its own. */
typedef struct rep_rig_tensor {
    rep_id id, block; /* 0: left out */
    rep_dtype dtype;
    size_t guard, count; /* elements on each side, and inside */
    void *written;       /* the whole block as floats or int32_t */
} rep_rig_tensor;

typedef struct rep_rig {
    const rep_case *row;
    rep_rig_options options;
    rep_device *device;
    rep_graph *graph;
    rep_program *program; /* NULL before rep_rig_start */
    uint32_t in_count, out_count;
    rep_rig_tensor in[REP_MAX_INPUTS], out[REP_MAX_OUTPUTS];
} rep_rig;

/* The graph and the values of a row; options NULL: the defaults. rep_rig_close is due even after a
 * failure. */
rep_status rep_rig_build(rep_rig *rig, const rep_case *row, rep_device *device,
                         const rep_rig_options *options);
/* The program. */
rep_status rep_rig_start(rep_rig *rig);
/* Both. */
rep_status rep_rig_open(rep_rig *rig, const rep_case *row, rep_device *device, bool is_in_place);
void rep_rig_close(rep_rig *rig);
/* Puts values and guards in place. */
rep_status rep_rig_write(const rep_rig *rig);
/* All outputs one after another; free *values. */
rep_status rep_rig_read(const rep_rig *rig, double **values, size_t *count);
/* REP_ERR_NUMERIC when a guard or an input that no output shares has changed. */
rep_status rep_rig_check_guards(const rep_rig *rig);

/* ---- compare.c ------------------------------------------------------------------------------- */
/* sum (a - b)^2 / sum b^2, and 0 where both are equal. */
double rep_error_of(const double *a, const double *b, size_t count);

#endif
