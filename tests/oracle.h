/* oracle.h - golden vectors from PyTorch: reads them, feeds them to programs, compares.
 *
 * A folder holds manifest.json (one entry per case: attributes, inputs, expected tensors with their
 * tolerances) and one safetensors file per case. REPOPT_ORACLE_DIR names the folder; without it the
 * subset that comes with the sources is taken. Files hold PyTorch's order (n, c, h, w); programs
 * store n, h, w, c, so every 4-D tensor is permuted on its way in and out, kernels included.
 *
 * Each test program runs the cases of one group, every case on every device of devices.h. A case
 * that no handler knows fails, and so does an expected tensor that a handler did not compare.
 */
#ifndef REP_TESTS_ORACLE_H
#define REP_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/device.h"

struct cJSON;

enum { ORACLE_MAX_RANK = 6 };

typedef struct oracle_tensor {
    const char *name;
    const char *dtype; /* "F32", "F64", "I64", ... */
    int rank;
    int32_t dims[ORACLE_MAX_RANK];
    size_t count;
    double *values; /* in the file's order; double holds every dtype of these files exactly */
    bool is_expected, is_exact;
    double rtol, atol;
    bool is_compared;
} oracle_tensor;

typedef struct oracle_case {
    const char *name;          /* "ops/relu" */
    const struct cJSON *entry; /* the manifest's */
    const struct cJSON *attrs;
    oracle_tensor *tensors; /* the case's own, then those of the cases it uses */
    size_t count;
    const char *place; /* the target in work, for messages */
    int failures;
} oracle_case;

/* A device to run on. */
typedef struct oracle_target {
    rep_device *device;
    char name[80]; /* "cpu:avx2, 1 thread" */
} oracle_target;

/* ---- the test program ---------------------------------------------------------------------- */
typedef void (*oracle_handler)(oracle_case *c, const oracle_target *target);
/* Says who runs a case; NULL: nobody can, which is a failure. */
typedef oracle_handler (*oracle_finder)(const oracle_case *c);

/* Which cases a program runs, by the beginning of their names; lists end with NULL. */
typedef struct oracle_share {
    const char *const *groups; /* these ("ops/") ... */
    bool is_rest;              /* ... or all but these */
    const char *const *later;  /* of parts that do not exist yet: counted and reported as skipped */
} oracle_share;
int oracle_main(const char *title, const oracle_share *share, oracle_finder find);

/* ---- attributes ----------------------------------------------------------------------------- */
double oracle_number(const oracle_case *c, const char *key, double otherwise);
const char *oracle_text(const oracle_case *c, const char *key); /* "" when absent */
bool oracle_flag(const oracle_case *c, const char *key, bool otherwise);
/* Number `index` of a list, or `key2` of an object. */
double oracle_item(const oracle_case *c, const char *key, int index);
int oracle_item_count(const oracle_case *c, const char *key);
double oracle_field(const oracle_case *c, const char *key, const char *key2);
const char *oracle_field_text(const oracle_case *c, const char *key, const char *key2);

/* ---- tensors -------------------------------------------------------------------------------- */
/* printf for names: oracle_get(c, "grad.%s", name). NULL when absent. */
oracle_tensor *oracle_get(const oracle_case *c, const char *format, ...) REP_PRINTF(2, 3);
/* The same, but a case without the tensor is a broken set of vectors: the test stops. */
const oracle_tensor *oracle_need(const oracle_case *c, const char *format, ...) REP_PRINTF(2, 3);
/* Part `index` along the first dim: one step of a [steps, ...] tensor. Shares the values. */
oracle_tensor oracle_step(const oracle_tensor *tensor, int index);
/* Rank 0..2 and 4 as logical dims: a vector is {1, c, 1, 1}, a matrix {n, c, 1, 1}. */
rep_shape oracle_shape(const oracle_tensor *tensor);
/* Between the file's order and storage order; both hold shape.n * c * h * w values. */
void oracle_to_storage(double *out, const double *in, rep_shape shape);
void oracle_from_storage(double *out, const double *in, rep_shape shape);
/* The values in storage order, to be freed. */
double *oracle_stored(const oracle_tensor *tensor);

/* ---- comparison ----------------------------------------------------------------------------- */
/* Compares with values in the file's order under the tensor's tolerance; a mismatch is printed and
 * counted. oracle_compare_part compares one step, but marks the whole tensor as compared. */
void oracle_compare(oracle_case *c, const char *name, const double *got);
void oracle_compare_part(oracle_case *c, const char *name, int step, const double *got);
/* The same with another tensor's values and tolerance under the name `what`. */
void oracle_compare_as(oracle_case *c, const char *what, const oracle_tensor *expected,
                       const double *got);
/* Counts a failure for every expected tensor that was not compared. */
void oracle_check_compared(oracle_case *c);
/* Counts a failure with a message of its own. */
void oracle_fail(oracle_case *c, const char *format, ...) REP_PRINTF(2, 3);
/* Stops the test when a library call failed; says what the library says. */
void oracle_ok(const oracle_case *c, rep_status status);

/* ---- programs ------------------------------------------------------------------------------- */
void oracle_write(oracle_case *c, rep_program *program, rep_id id, const oracle_tensor *value);
/* Reads into fresh memory in the file's order, to be freed. */
double *oracle_read(oracle_case *c, const rep_graph *graph, rep_program *program, rep_id id);
/* Reads a program's tensor and compares it with the expected tensor `name`. */
void oracle_check(oracle_case *c, const rep_graph *graph, rep_program *program, rep_id id,
                  const char *name);

#endif
