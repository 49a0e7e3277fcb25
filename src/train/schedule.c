/* schedule.c - the learning rate of every iteration, a pure function of the configuration.
 *
 * With t the iteration (0 first), T their number, w the warm-up, b SOLVER.BASE_LR, m SOLVER.MIN_LR:
 *
 *   multistep       b * f(t) * GAMMA^(STEPS <= t);  t < w: f = WARMUP_FACTOR (constant) or
 *                   WARMUP_FACTOR * (1 - t/w) + t/w (linear); f = 1 afterwards
 *   cosine          m + (b - m)/2 * (1 + cos(pi t/T)): the angle counts the warm-up, so that the
 *                   rate jumps a little at its end, as in the published training loop
 *   cosine_shifted  the same with (t - w)/(T - w): no jump
 *   cosine_epochs   the same with whole epochs, e/E
 *   linear          b - (b - m) * (t - w)/(T - w)
 *
 * The last four warm up from WARMUP_LR to b: WARMUP_LR + t * (b - WARMUP_LR)/w (linear), or
 * b * (t + 1)/w (ramp), whose first iteration already learns.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "train/train.h"

static const double pi = 3.14159265358979323846;

typedef enum schedule { MULTISTEP, COSINE, COSINE_SHIFTED, COSINE_EPOCHS, LINEAR } schedule;
typedef enum warmup { WARM_LINEAR, WARM_CONSTANT, WARM_RAMP } warmup;

/* The place of a word among the choices; options.def admits no others. */
static int choice_of(const char *text, const char *const *names, int count) {
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) { return i; }
    }
    assert(0 && "a choice that options.def has and the schedule does not");
    return 0;
}

static rep_status check_steps(const rep_values *v) {
    for (size_t i = 1; i < v->solver_steps.count; i++) {
        if (v->solver_steps.items[i] < v->solver_steps.items[i - 1]) {
            return rep_fail(REP_ERR_CONFIG,
                            "SOLVER.STEPS: %g stands behind %g; list iterations in rising order",
                            v->solver_steps.items[i], v->solver_steps.items[i - 1]);
        }
    }
    return REP_OK;
}

static double multistep(const rep_values *v, double t, double w, warmup method) {
    double factor = 1;
    if (t < w) {
        const double f = v->solver_warmup_factor, part = t / w;
        factor = method == WARM_CONSTANT ? f : f * (1 - part) + part;
    }
    uint64_t passed = 0;
    for (size_t i = 0; i < v->solver_steps.count; i++) { passed += v->solver_steps.items[i] <= t; }
    return v->solver_base_lr * factor * rep_exact_power(v->solver_gamma, passed);
}

static double cosine(double low, double high, double part) {
    return part >= 1 ? low : low + 0.5 * (high - low) * (1 + rep_exact_cos(pi * part));
}

rep_status rep_schedule_lr(double *out, const rep_values *v, uint64_t iteration, uint64_t total,
                           uint64_t per_epoch) {
    static const char *const kinds[] = {"multistep", "cosine", "cosine_shifted", "cosine_epochs",
                                        "linear"};
    static const char *const methods[] = {"linear", "constant", "ramp"};
    const int kind = choice_of(v->solver_schedule, kinds, 5);
    const int method = choice_of(v->solver_warmup_method, methods, 3);
    if (kind == MULTISTEP) { REP_TRY(check_steps(v)); }

    const double t = (double)iteration, last = (double)total;
    const double base = v->solver_base_lr, low = v->solver_min_lr, first = v->solver_warmup_lr;
    const double epoch = per_epoch > 0 ? (double)per_epoch : 1;
    const double w = v->solver_warmup_epochs > 0 ? round(v->solver_warmup_epochs * epoch)
                                                 : (double)v->solver_warmup_iters;
    if (kind == MULTISTEP) {
        *out = multistep(v, t, w, (warmup)method);
    } else if (t < w) {
        const double rate[] = {first + t * (base - first) / w, first, base * (t + 1) / w};
        *out = rate[method];
    } else if (t >= last) {
        *out = low;
    } else if (kind == COSINE) {
        *out = cosine(low, base, t / last);
    } else if (kind == COSINE_SHIFTED) {
        *out = cosine(low, base, (t - w) / (last - w));
    } else if (kind == COSINE_EPOCHS) {
        *out = cosine(low, base, floor(t / epoch) / fmax(1, floor(last / epoch)));
    } else {
        *out = base - (base - low) * (t - w) / (last - w);
    }
    return REP_OK;
}
