/* test_math.c - the kernels' own exponential, logarithm and what is made of them: how far they are
 * from the C library's in double precision, what they do at the edges, and that their bits stay. */
#define REP_ISA_BASELINE 1
#include "check.h"

#include <stdio.h>

#include "base/base.h"
#include "kernels/math.h"
#include "repopt/device.h"

enum { SAMPLES = 200000 };

/* Distance in units of the last place of the wanted value. */
static double units(real got, double want) {
    const float near = fabsf((float)want);
    return fabs((double)got - want) / (double)(nextafterf(near, INFINITY) - near);
}

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static void test_accuracy(void **state) {
    (void)state;
    double worst_exp = 0, worst_sigmoid = 0, worst_softplus = 0, worst_log = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const real x = -87.0f + 174.0f * (real)i / SAMPLES;
        const double wide = (double)x;
        worst_exp = fmax(worst_exp, units(rexp(x), exp(wide)));
        worst_sigmoid = fmax(worst_sigmoid, units(vsigmoid(vset(x))[0], 1 / (1 + exp(-wide))));
        worst_softplus = fmax(worst_softplus, units(vsoftplus(vset(x))[0], softplus(wide)));
        /* Every exponent of the normal numbers, each with other digits. */
        const uint32_t bits = 0x00800000u + (uint32_t)i * (0x7f000000u / SAMPLES);
        real y;
        memcpy(&y, &bits, sizeof y);
        worst_log = fmax(worst_log, units(rlog(y), log((double)y)));
    }
    print_message("units in the last place: exp %.2f, log %.2f, sigmoid %.2f, softplus %.2f\n",
                  worst_exp, worst_log, worst_sigmoid, worst_softplus);
    assert_true(worst_exp <= 2 && worst_log <= 2);
    assert_true(worst_sigmoid <= 4 && worst_softplus <= 4);
}

static void test_edges(void **state) {
    (void)state;
    assert_true(isnan(rexp(NAN)) && isnan(rlog(NAN)) && isnan(vsoftplus(vset(NAN))[0]));
    assert_true(isnan(rlog(-1)) && isnan(rlog(0)) && isinf(rlog(INFINITY)));
    assert_true(rexp(-1000) > 0 && rexp(-1000) < 1e-37f && isfinite(rexp(1000)));
    assert_true(rexp(0) == 1 && rlog(1) == 0);
    assert_true(vsigmoid(vset(-1000))[0] < 1e-37f && vsigmoid(vset(1000))[0] == 1);
    assert_true(vsoftplus(vset(1000))[0] == 1000 && vsoftplus(vset(-80))[0] > 0);
}

/* FNV-1a over the bits that `act` gives for -64 .. 64 on the instruction set which WebAssembly and
 * other processors share. Whoever changes a polynomial changes this, knowingly. */
static void test_bits_stay(void **state) {
    (void)state;
    enum { COUNT = 8192 };
    static float x[COUNT], y[COUNT];
    static const uint64_t wanted[] = {0xfed48739d069c9d8u, 0xc6a99cb68100ec44u};
    static const rep_act acts[] = {REP_ACT_SILU, REP_ACT_SIGMOID};
    rep_device *device = NULL;
    if (rep_device_open(&device, "cpu:baseline", 1) != REP_OK) { skip(); }
    for (int i = 0; i < COUNT; i++) { x[i] = (float)(i - COUNT / 2) / 64.0f; }
    for (int k = 0; k < 2; k++) {
        rep_graph *graph = NULL;
        rep_program *program = NULL;
        CHECK_OK(rep_graph_create(&graph));
        const rep_id in =
            rep_graph_tensor(graph, "x", REP_F32, (rep_shape){1, COUNT, 1, 1}, REP_IO);
        const rep_id out = REP_APPEND(graph, ACT, (&(rep_act_params){acts[k]}), in);
        CHECK_OK(rep_program_create(&program, device, graph, NULL, NULL));
        CHECK_OK(rep_program_write(program, in, x, COUNT));
        CHECK_OK(rep_program_run(program, REP_FORWARD, REP_FORWARD));
        CHECK_OK(rep_program_read(program, out, y, COUNT));
        uint64_t hash = 0xcbf29ce484222325u;
        for (int i = 0; i < COUNT; i++) {
            uint32_t bits;
            memcpy(&bits, &y[i], sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3u;
        }
        if (hash != wanted[k]) {
            fail_msg("act %d: bits 0x%016llx", acts[k], (unsigned long long)hash);
        }
        rep_program_destroy(program);
        rep_graph_destroy(graph);
    }
    rep_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_bits_stay),
    };
    return cmocka_run_group_tests_name("math", tests, NULL, NULL);
}
