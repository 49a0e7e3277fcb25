/* test_conv - the convolution kernels of every usable instruction set against a plain double loop.
 *
 * Direct kernels obey the bound of a sum of K products in any order, K u sum|a b| (Higham, Accuracy
 * and Stability of Numerical Algorithms, 3.1), at every output; Winograd may be off by 16 times the
 * direct kernel's own largest error. Inputs have exact ends for the address sanitizer, outputs and
 * scratch have guards, scratch begins as NaN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "device/device.h"

typedef struct shape_case {
    int n, c_in, h, w, c_out, kh, kw, stride, pad, groups;
} shape_case;

static const shape_case direct_cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1},    /* one product */
    {2, 3, 5, 5, 4, 3, 3, 1, 1, 1},    /* thin input */
    {2, 3, 9, 7, 33, 3, 3, 2, 1, 1},   /* thin, strided, column remainder */
    {1, 1, 28, 28, 16, 3, 3, 1, 1, 1}, /* grey picture */
    {1, 4, 11, 11, 5, 7, 7, 2, 3, 1},  /* thin, 28 elements per row of taps */
    {2, 5, 6, 6, 13, 3, 3, 1, 1, 1},   /* odd channel counts */
    {3, 13, 7, 5, 5, 3, 3, 2, 1, 1},   /* pixels run over rows and pictures */
    {1, 16, 8, 8, 16, 5, 5, 1, 2, 1},  /* 5 x 5 */
    {1, 8, 9, 9, 24, 5, 5, 2, 2, 1},
    {1, 6, 12, 12, 10, 7, 7, 1, 3, 1}, /* 7 x 7 */
    {1, 10, 9, 9, 7, 7, 7, 2, 3, 1},
    {2, 20, 5, 6, 17, 1, 1, 1, 0, 1},   /* point-wise */
    {2, 20, 5, 6, 17, 1, 1, 2, 0, 1},   /* point-wise strided: inputs that nothing reads */
    {5, 50, 1, 1, 10, 1, 1, 1, 0, 1},   /* linear */
    {1, 32, 4, 4, 64, 3, 3, 2, 1, 1},   /* full blocks */
    {1, 40, 10, 10, 40, 3, 3, 1, 1, 1}, /* one and a half blocks */
    {2, 7, 4, 4, 9, 3, 3, 1, 0, 1},     /* no padding */
    {1, 3, 2, 2, 3, 3, 3, 1, 2, 1},     /* more padding than picture */
    {1, 5, 7, 4, 6, 3, 1, 1, 1, 1},     /* a column of taps */
    {1, 5, 4, 7, 6, 1, 3, 3, 1, 1},     /* a row of taps, stride 3 */
    {2, 12, 6, 6, 18, 3, 3, 1, 1, 3},   /* groups */
    {1, 64, 5, 5, 64, 3, 3, 2, 1, 2},
    {1, 4, 5, 5, 8, 3, 3, 1, 1, 4},    /* two outputs per input channel */
    {2, 19, 6, 5, 19, 3, 3, 1, 1, 19}, /* one channel per group */
    {1, 32, 9, 9, 32, 5, 5, 2, 2, 32},
    {1, 2, 3, 3, 2, 3, 3, 1, 1, 2},
    {2, 96, 10, 9, 48, 3, 3, 1, 1, 1}, /* several blocks of everything */
};

static const shape_case winograd_cases[] = {
    {1, 16, 4, 4, 16, 3, 3, 1, 1, 1},   {2, 64, 8, 8, 32, 3, 3, 1, 1, 1},
    {1, 24, 10, 10, 40, 3, 3, 1, 1, 1}, {3, 17, 5, 7, 19, 3, 3, 1, 1, 1},
    {1, 32, 13, 9, 32, 3, 3, 1, 0, 1},  {2, 16, 1, 1, 16, 3, 3, 1, 1, 1},
    {1, 48, 6, 6, 16, 3, 3, 1, 2, 1},   {7, 128, 8, 8, 64, 3, 3, 1, 1, 1},
    {1, 5, 7, 7, 3, 3, 3, 1, 1, 1},     {2, 96, 20, 12, 96, 3, 3, 1, 1, 1},
};

enum { DIRECT = 1, WINOGRAD = 2, GUARD_BYTES = 256 };
enum { OP_FORWARD, OP_GRAD_X, OP_GRAD_W, OP_KINDS };
static const char *const op_names[OP_KINDS] = {"conv2d", "conv2d_grad_x", "conv2d_grad_w"};

/* ---- a problem and its double reference --------------------------------------------------------
 */
typedef struct problem {
    shape_case at;
    int out_h, out_w;
    rep_shape shape[3]; /* x, w, y */
    double *values[3];  /* x, w, and an upstream gradient shaped like y */
    double *bias;
    double *sum, *sum_abs; /* of the op at hand */
    size_t terms;          /* largest number of products in one sum */
} problem;

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    assert_non_null(memory);
    return memory;
}

/* Values that float holds exactly, about uniform in [-1, 1). */
static double *draw(size_t count, uint64_t stream) {
    double *values = allocate(count * sizeof *values);
    rep_rng rng;
    rep_rng_init(&rng, 7, stream);
    for (size_t i = 0; i < count; i++) {
        values[i] = (double)(2.0f * rep_rng_uniform(&rng) - 1.0f);
    }
    return values;
}

static problem problem_create(shape_case at) {
    problem p = {.at = at};
    p.out_h = rep_window_count(at.h, (uint32_t)at.kh, (uint32_t)at.stride, (uint32_t)at.pad);
    p.out_w = rep_window_count(at.w, (uint32_t)at.kw, (uint32_t)at.stride, (uint32_t)at.pad);
    assert_true(p.out_h > 0 && p.out_w > 0);
    p.shape[0] = (rep_shape){at.n, at.c_in, at.h, at.w};
    p.shape[1] = (rep_shape){at.c_out, at.c_in / at.groups, at.kh, at.kw};
    p.shape[2] = (rep_shape){at.n, at.c_out, p.out_h, p.out_w};
    size_t largest = 0;
    for (int i = 0; i < 3; i++) {
        const size_t count = rep_shape_count(p.shape[i]);
        p.values[i] = draw(count, (uint64_t)i);
        if (count > largest) { largest = count; }
    }
    p.bias = draw((size_t)at.c_out, 3);
    p.sum = allocate(largest * sizeof *p.sum);
    p.sum_abs = allocate(largest * sizeof *p.sum_abs);
    return p;
}

static void problem_destroy(problem *p) {
    for (int i = 0; i < 3; i++) { free(p->values[i]); }
    free(p->bias);
    free(p->sum);
    free(p->sum_abs);
}

static size_t index_of(rep_shape s, int n, int c, int h, int w) {
    return (((size_t)n * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w) * (size_t)s.c +
           (size_t)c;
}

/* What one op computes: which operand is written, which two are multiplied. */
static int output_of(int op) { return op == OP_FORWARD ? 2 : op == OP_GRAD_X ? 0 : 1; }

static void refer_pixel(problem *p, int op, int n, int o, int i, int j) {
    const shape_case *at = &p->at;
    const int depth = at->c_in / at->groups, group = o / (at->c_out / at->groups);
    const size_t y = index_of(p->shape[2], n, o, i, j);
    for (int r = 0; r < at->kh; r++) {
        for (int s = 0; s < at->kw; s++) {
            const int iy = i * at->stride + r - at->pad, ix = j * at->stride + s - at->pad;
            if (iy < 0 || iy >= at->h || ix < 0 || ix >= at->w) { continue; }
            for (int c = 0; c < depth; c++) {
                const size_t index[3] = {index_of(p->shape[0], n, group * depth + c, iy, ix),
                                         index_of(p->shape[1], o, c, r, s), y};
                const int to = output_of(op);
                const int a = to == 0 ? 1 : 0, b = to == 2 ? 1 : 2;
                const double product = p->values[a][index[a]] * p->values[b][index[b]];
                p->sum[index[to]] += product;
                p->sum_abs[index[to]] += fabs(product);
            }
        }
    }
}

/* Fills sum and sum_abs. */
static void refer(problem *p, int op, bool has_bias) {
    const size_t count = rep_shape_count(p->shape[output_of(op)]);
    for (size_t i = 0; i < count; i++) { p->sum[i] = p->sum_abs[i] = 0; }
    for (size_t i = 0; has_bias && i < count; i++) {
        p->sum[i] = p->bias[i % (size_t)p->at.c_out];
        p->sum_abs[i] = fabs(p->sum[i]);
    }
    for (int n = 0; n < p->at.n; n++) {
        for (int o = 0; o < p->at.c_out; o++) {
            for (int i = 0; i < p->out_h; i++) {
                for (int j = 0; j < p->out_w; j++) { refer_pixel(p, op, n, o, i, j); }
            }
        }
    }
    const size_t taps = (size_t)(p->at.kh * p->at.kw);
    p->terms = op == OP_FORWARD  ? taps * (size_t)(p->at.c_in / p->at.groups) + 1
               : op == OP_GRAD_X ? taps * (size_t)(p->at.c_out / p->at.groups)
                                 : (size_t)(p->at.n * p->out_h * p->out_w);
}

/* ---- running a kernel --------------------------------------------------------------------------
 */
typedef struct setting {
    const rep_isa *isa;
    int op, threads;
    uint32_t algo, act;
    bool has_bias;
} setting;

/* Elements of the working precision in memory that ends where they end. */
static void *pour(const double *values, size_t count, size_t real_bytes) {
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, count * real_bytes), 0);
    for (size_t i = 0; i < count; i++) {
        if (real_bytes == sizeof(double)) {
            ((double *)memory)[i] = values[i];
        } else {
            ((float *)memory)[i] = (float)values[i];
        }
    }
    return memory;
}

/* `bytes` between two guards, everything 0xff: NaN, were it read. */
static char *guard(size_t bytes) {
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, bytes + 2 * GUARD_BYTES), 0);
    memset(memory, 0xff, bytes + 2 * GUARD_BYTES);
    return (char *)memory + GUARD_BYTES;
}

static void unguard(char *inside, size_t bytes) {
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        assert_int_equal((unsigned char)inside[-1 - (ptrdiff_t)i], 0xff);
        assert_int_equal((unsigned char)inside[bytes + i], 0xff);
    }
    free(inside - GUARD_BYTES);
}

typedef struct job {
    const rep_kernel *kernel;
    rep_kernel_call call;
    rep_pool *pool;
} job;

static void job_run(void *context, int index, int count) {
    job *j = context;
    const rep_worker worker = {.index = index, .count = count, .pool = j->pool};
    j->kernel->run(&j->call, &worker);
}

/* Runs one op and returns its output as doubles, to be freed. */
static double *run_op(const problem *p, const setting *s) {
    static const rep_op ops[OP_KINDS] = {REP_OP_CONV2D, REP_OP_CONV2D_GRAD_X, REP_OP_CONV2D_GRAD_W};
    const size_t real_bytes = s->isa->real_bytes;
    const int to = output_of(s->op), a = to == 0 ? 2 : 0, b = to == 2 ? 1 : to == 0 ? 1 : 2;
    const shape_case *at = &p->at;
    const rep_conv2d_params forward = {(rep_uint)at->stride, (rep_uint)at->pad,
                                       (rep_uint)at->groups, s->algo, s->act};
    const rep_conv2d_grad_params backward = {(rep_uint)at->stride,
                                             (rep_uint)at->pad,
                                             (rep_uint)at->groups,
                                             s->algo,
                                             (rep_uint)(s->op == OP_GRAD_X ? at->h : at->kh),
                                             (rep_uint)(s->op == OP_GRAD_X ? at->w : at->kw)};
    job j = {.kernel = s->isa->kernels[ops[s->op]]};
    const size_t count = rep_shape_count(p->shape[to]);
    char *out = guard(count * real_bytes);
    j.call.in[0] =
        (rep_operand){pour(p->values[a], rep_shape_count(p->shape[a]), real_bytes), p->shape[a]};
    j.call.in[1] =
        (rep_operand){pour(p->values[b], rep_shape_count(p->shape[b]), real_bytes), p->shape[b]};
    if (s->has_bias) {
        j.call.in[2] =
            (rep_operand){pour(p->bias, (size_t)at->c_out, real_bytes), {1, at->c_out, 1, 1}};
    }
    j.call.out[0] = (rep_operand){out, p->shape[to]};
    j.call.params = s->op == OP_FORWARD ? (const void *)&forward : &backward;
    size_t bytes = 0;
    if (j.kernel->scratch_bytes) { bytes = j.kernel->scratch_bytes(&j.call, s->threads); }
    char *scratch = guard(bytes);
    j.call.scratch = scratch;
    assert_int_equal(rep_pool_create(&j.pool, s->threads), REP_OK);
    rep_pool_run(j.pool, job_run, &j);
    rep_pool_destroy(j.pool);
    double *result = allocate(count * sizeof *result);
    for (size_t i = 0; i < count; i++) {
        result[i] = real_bytes == sizeof(double) ? ((double *)out)[i] : (double)((float *)out)[i];
    }
    unguard(scratch, bytes);
    unguard(out, count * real_bytes);
    for (int i = 0; i < 3; i++) { free(j.call.in[i].data); }
    return result;
}

static double unit_roundoff(const rep_isa *isa) {
    return isa->real_bytes == sizeof(double) ? 0x1p-53 : 0x1p-24;
}

static void describe(const problem *p, const setting *s, size_t index) {
    const shape_case *c = &p->at;
    print_error("%s on %s, algo %u, %d threads: {%d, %d, %d, %d, %d, %d, %d, %d, %d, %d} at %zu\n",
                op_names[s->op], s->isa->name, s->algo, s->threads, c->n, c->c_in, c->h, c->w,
                c->c_out, c->kh, c->kw, c->stride, c->pad, c->groups, index);
}

static double largest_error(const problem *p, const setting *s, const double *result) {
    double largest = 0;
    for (size_t i = 0; i < rep_shape_count(p->shape[output_of(s->op)]); i++) {
        const double error = fabs(result[i] - p->sum[i]);
        if (!(error <= largest)) { largest = error; } /* a NaN is largest, and stays */
    }
    return largest;
}

/* ---- tests -------------------------------------------------------------------------------------
 */
typedef void (*each_fn)(problem *p, setting *s);

static void each(const shape_case *cases, size_t case_count, each_fn check) {
    size_t isa_count;
    const rep_isa *isas = rep_isa_list(&isa_count);
    for (size_t c = 0; c < case_count; c++) {
        problem p = problem_create(cases[c]);
        for (int op = 0; op < OP_KINDS; op++) {
            refer(&p, op, false);
            for (size_t i = 0; i < isa_count; i++) {
                if (!isas[i].is_usable()) { continue; }
                setting s = {.isa = &isas[i], .op = op, .threads = 1, .algo = DIRECT};
                check(&p, &s);
            }
        }
        problem_destroy(&p);
    }
}
#define EACH(cases, check) each(cases, sizeof(cases) / sizeof *(cases), check)

static void check_direct(problem *p, setting *s) {
    double *result = run_op(p, s);
    const double bound = (double)p->terms * unit_roundoff(s->isa);
    for (size_t i = 0; i < rep_shape_count(p->shape[output_of(s->op)]); i++) {
        if (fabs(result[i] - p->sum[i]) <= bound * p->sum_abs[i]) { continue; }
        describe(p, s, i);
        fail_msg("%.9g, expected %.9g", result[i], p->sum[i]);
    }
    free(result);
}

static void test_direct_is_exact_to_rounding(void **state) {
    (void)state;
    EACH(direct_cases, check_direct);
    EACH(winograd_cases, check_direct);
}

static void check_winograd(problem *p, setting *s) {
    double *direct = run_op(p, s);
    s->algo = WINOGRAD;
    double *winograd = run_op(p, s);
    const double allowed = 16 * largest_error(p, s, direct);
    const double found = largest_error(p, s, winograd);
    if (!(found <= allowed)) {
        describe(p, s, 0);
        fail_msg("largest error %.3g, allowed %.3g", found, allowed);
    }
    free(direct);
    free(winograd);
}

static void test_winograd_error_is_bounded(void **state) {
    (void)state;
    EACH(winograd_cases, check_winograd);
}

/* The same bits from 1, 2 and 3 workers, and from a second run. */
static void check_threads(problem *p, setting *s) {
    const size_t bytes = rep_shape_count(p->shape[output_of(s->op)]) * sizeof(double);
    for (s->algo = 0; s->algo <= WINOGRAD; s->algo++) {
        s->threads = 1;
        double *one = run_op(p, s);
        for (s->threads = 1; s->threads <= 3; s->threads++) {
            double *many = run_op(p, s);
            if (memcmp(one, many, bytes) != 0) {
                describe(p, s, 0);
                fail_msg("bits differ from one thread's");
            }
            free(many);
        }
        free(one);
    }
}

static void test_threads_do_not_change_bits(void **state) {
    (void)state;
    EACH(direct_cases, check_threads);
    EACH(winograd_cases, check_threads);
}

static double act(uint32_t kind, double x) {
    switch (kind) {
    case REP_ACT_RELU:
        return fmax(x, 0);
    case REP_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case REP_ACT_SILU:
        return x / (1 + exp(-x));
    case REP_ACT_HARDSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case REP_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return x;
    }
}

/* No activation here is steeper than 1.5, and each is within a few units in the last place. */
static void check_fused(problem *p, setting *s) {
    if (s->op != OP_FORWARD) { return; }
    refer(p, s->op, true);
    s->has_bias = true;
    for (s->algo = DIRECT; s->algo <= WINOGRAD; s->algo++) {
        const double steps = (s->algo == DIRECT ? 1.5 : 24.0) * (double)p->terms + 8.0;
        for (s->act = REP_ACT_NONE; s->act <= REP_ACT_SIGMOID; s->act++) {
            double *result = run_op(p, s);
            for (size_t i = 0; i < rep_shape_count(p->shape[2]); i++) {
                const double expected = act(s->act, p->sum[i]);
                const double bound = steps * unit_roundoff(s->isa) * (p->sum_abs[i] + 1);
                if (fabs(result[i] - expected) <= bound) { continue; }
                describe(p, s, i);
                fail_msg("act %u gives %.9g, expected %.9g", s->act, result[i], expected);
            }
            free(result);
        }
    }
    refer(p, s->op, false);
}

static void test_bias_and_activation(void **state) {
    (void)state;
    EACH(direct_cases, check_fused);
    EACH(winograd_cases, check_fused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct_is_exact_to_rounding),
        cmocka_unit_test(test_winograd_error_is_bounded),
        cmocka_unit_test(test_threads_do_not_change_bits),
        cmocka_unit_test(test_bias_and_activation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
