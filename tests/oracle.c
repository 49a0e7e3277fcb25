/* oracle.c - reads golden vectors and compares with them; see oracle.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>

#include "oracle.h"
#include "oracle_files.h"

/* ---- attributes ----------------------------------------------------------------------------- */

static double number_of(const oracle_case *c, const char *key, const cJSON *item) {
    if (!cJSON_IsNumber(item)) { fail_msg("%s: the attribute %s is no number", c->name, key); }
    return item->valuedouble;
}

double oracle_number(const oracle_case *c, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->attrs, key);
    return item ? number_of(c, key, item) : otherwise;
}

const char *oracle_text(const oracle_case *c, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c->attrs, key));
    return text ? text : "";
}

bool oracle_flag(const oracle_case *c, const char *key, bool otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->attrs, key);
    return item ? cJSON_IsTrue(item) != 0 : otherwise;
}

double oracle_item(const oracle_case *c, const char *key, int index) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(c->attrs, key);
    return number_of(c, key, cJSON_GetArrayItem(list, index));
}

int oracle_item_count(const oracle_case *c, const char *key) {
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(c->attrs, key));
}

static const cJSON *field_of(const oracle_case *c, const char *key, const char *key2) {
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(c->attrs, key), key2);
}

double oracle_field(const oracle_case *c, const char *key, const char *key2) {
    return number_of(c, key2, field_of(c, key, key2));
}

const char *oracle_field_text(const oracle_case *c, const char *key, const char *key2) {
    const char *text = cJSON_GetStringValue(field_of(c, key, key2));
    return text ? text : "";
}

/* ---- tensors -------------------------------------------------------------------------------- */

static oracle_tensor *find(const oracle_case *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->tensors[i].name, name) == 0) { return &c->tensors[i]; }
    }
    return NULL;
}

oracle_tensor *oracle_get(const oracle_case *c, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return find(c, name);
}

const oracle_tensor *oracle_need(const oracle_case *c, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const oracle_tensor *tensor = find(c, name);
    if (!tensor) { fail_msg("%s: there is no tensor %s", c->name, name); }
    return tensor;
}

oracle_tensor oracle_step(const oracle_tensor *tensor, int index) {
    oracle_tensor step = *tensor;
    if (tensor->rank < 1 || index < 0 || index >= tensor->dims[0]) {
        fail_msg("%s has no part %d", tensor->name, index);
    }
    step.rank--;
    step.count /= (size_t)tensor->dims[0];
    step.values += (size_t)index * step.count;
    memmove(step.dims, step.dims + 1, (ORACLE_MAX_RANK - 1) * sizeof step.dims[0]);
    return step;
}

rep_shape oracle_shape(const oracle_tensor *tensor) {
    const int32_t *d = tensor->dims;
    switch (tensor->rank) {
    case 0:
        return (rep_shape){1, 1, 1, 1};
    case 1:
        return (rep_shape){1, d[0], 1, 1};
    case 2:
        return (rep_shape){d[0], d[1], 1, 1};
    case 4:
        return (rep_shape){d[0], d[1], d[2], d[3]};
    default:
        fail_msg("%s has rank %d", tensor->name, tensor->rank);
        return (rep_shape){0, 0, 0, 0};
    }
}

/* Visits every element: `file` counts in n, c, h, w order, `stored` in n, h, w, c order. */
#define EACH_ELEMENT(shape, file, stored, body)                                                    \
    do {                                                                                           \
        const size_t c_ = (size_t)(shape).c, hw_ = (size_t)(shape).h * (size_t)(shape).w;          \
        for (size_t n_ = 0, file = 0; n_ < (size_t)(shape).n; n_++) {                              \
            for (size_t ch_ = 0; ch_ < c_; ch_++) {                                                \
                for (size_t p_ = 0; p_ < hw_; p_++, file++) {                                      \
                    const size_t stored = (n_ * hw_ + p_) * c_ + ch_;                              \
                    body;                                                                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    } while (0)

void oracle_to_storage(double *out, const double *in, rep_shape shape) {
    EACH_ELEMENT(shape, file, stored, out[stored] = in[file]);
}

void oracle_from_storage(double *out, const double *in, rep_shape shape) {
    EACH_ELEMENT(shape, file, stored, out[file] = in[stored]);
}

double *oracle_stored(const oracle_tensor *tensor) {
    double *stored = calloc(tensor->count, sizeof *stored);
    assert_non_null(stored);
    oracle_to_storage(stored, tensor->values, oracle_shape(tensor));
    return stored;
}

/* ---- comparison ----------------------------------------------------------------------------- */

static double allowed(const oracle_tensor *t, size_t i) {
    return t->is_exact ? 0 : t->atol + t->rtol * fabs(t->values[i]);
}

void oracle_compare_as(oracle_case *c, const char *what, const oracle_tensor *expected,
                       const double *got) {
    size_t wrong = 0, worst = 0;
    double worst_excess = -1;
    for (size_t i = 0; i < expected->count; i++) {
        const double difference = fabs(got[i] - expected->values[i]);
        if (difference <= allowed(expected, i)) { continue; }
        wrong++;
        /* A value that is no number is worse than any other. */
        const double excess = isnan(difference) ? HUGE_VAL : difference - allowed(expected, i);
        if (excess > worst_excess) {
            worst_excess = excess;
            worst = i;
        }
    }
    if (!wrong) { return; }
    c->failures++;
    print_error("%s (%s): %s[%zu]: got %.9g, expected %.9g, allowed difference %.3g; "
                "%zu of %zu values are out\n",
                c->name, c->place, what, worst, got[worst], expected->values[worst],
                allowed(expected, worst), wrong, expected->count);
}

void oracle_compare(oracle_case *c, const char *name, const double *got) {
    oracle_tensor *expected = find(c, name);
    if (!expected || !expected->is_expected) {
        oracle_fail(c, "%s is compared but not expected", name);
        return;
    }
    expected->is_compared = true;
    oracle_compare_as(c, name, expected, got);
}

void oracle_compare_part(oracle_case *c, const char *name, int step, const double *got) {
    oracle_tensor *expected = find(c, name);
    if (!expected || !expected->is_expected) {
        oracle_fail(c, "%s is compared but not expected", name);
        return;
    }
    char what[256];
    snprintf(what, sizeof what, "%s at step %d", name, step);
    expected->is_compared = true;
    const oracle_tensor part = oracle_step(expected, step);
    oracle_compare_as(c, what, &part, got);
}

void oracle_check_compared(oracle_case *c) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->tensors[i].is_expected && !c->tensors[i].is_compared) {
            oracle_fail(c, "%s was not compared", c->tensors[i].name);
        }
    }
}

void oracle_fail(oracle_case *c, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->failures++;
    print_error("%s (%s): %s\n", c->name, c->place, text);
}

void oracle_ok(const oracle_case *c, rep_status status) {
    if (status != REP_OK) { fail_msg("%s (%s): %s", c->name, c->place, rep_last_error()); }
}

/* ---- programs ------------------------------------------------------------------------------- */

void oracle_write(oracle_case *c, rep_program *program, rep_id id, const oracle_tensor *value) {
    double *stored = oracle_stored(value);
    oracle_ok(c, rep_program_write_f64(program, id, stored, value->count));
    free(stored);
}

double *oracle_read(oracle_case *c, const rep_graph *graph, rep_program *program, rep_id id) {
    const rep_shape shape = rep_graph_shape(graph, id);
    const size_t count = rep_shape_count(shape);
    double *stored = calloc(count, sizeof *stored), *values = calloc(count, sizeof *values);
    assert_true(stored && values);
    oracle_ok(c, rep_program_read_f64(program, id, stored, count));
    oracle_from_storage(values, stored, shape);
    free(stored);
    return values;
}

void oracle_check(oracle_case *c, const rep_graph *graph, rep_program *program, rep_id id,
                  const char *name) {
    const oracle_tensor *expected = oracle_need(c, "%s", name);
    if (rep_shape_count(rep_graph_shape(graph, id)) != expected->count) {
        oracle_fail(c, "%s has %zu values, expected %zu", name,
                    rep_shape_count(rep_graph_shape(graph, id)), expected->count);
        return;
    }
    double *got = oracle_read(c, graph, program, id);
    oracle_compare(c, name, got);
    free(got);
}
