/* lint.c - settings under which target + RepOptimizer no longer equals CSLA + ordinary optimizer,
 * and settings that the chosen mode does not read.
 *
 * What keeps the equality needs no word: weight decay (the twin's identity is decayed, too), a
 * factor on the biases' rate, averages of the weights (the fold is linear), warm-up and schedules,
 * accumulation, masked clipping.
 */
#include <string.h>

#include "nn/nn.h"

struct lint {
    void (*on_finding)(void *context, const char *text);
    void *context;
    size_t count;
};

static void find(struct lint *lint, bool is_found, const char *text) {
    if (!is_found) { return; }
    lint->count++;
    if (lint->on_finding) { lint->on_finding(lint->context, text); }
}

size_t rep_lint(const rep_values *values, rep_mode mode,
                void (*on_finding)(void *context, const char *text), void *context) {
    struct lint lint = {.on_finding = on_finding, .context = context};
    const bool is_target = mode == REP_MODE_TARGET;
    const bool is_adamw = strcmp(values->solver_optimizer, "adamw") == 0;
    find(&lint, is_target && values->solver_clip_grad > 0.0 && values->solver_clip_plain,
         "SOLVER.CLIP_PLAIN: clipping by the unweighted norm breaks the equality with CSLA; leave "
         "it "
         "false to clip by the norm of the branches' gradients");
    find(&lint, is_target && is_adamw && strcmp(values->adamw_mask, "signed") == 0,
         "ADAMW_MASK: signed is the published form, which is not CSLA's step where a scale is "
         "negative, nor where eps counts; exact is");
    find(&lint, is_target && is_adamw && strcmp(values->adamw_mask, "abs") == 0,
         "ADAMW_MASK: abs equals CSLA's step only up to eps; exact equals it");
    find(&lint, is_target && *values->model_weight,
         "MODEL.WEIGHT: the target starts from a loaded net; re-initialisation is meant for one "
         "from "
         "scratch");
    find(&lint, !is_target && mode != REP_MODE_CSLA && *values->scale,
         "SCALE: this mode does not use searched scales; TRAINING_MODE target and csla do");
    find(&lint, values->solver_clip_plain && !(values->solver_clip_grad > 0.0),
         "SOLVER.CLIP_PLAIN: has no effect while SOLVER.CLIP_GRAD is 0");
    find(&lint, !is_adamw && strcmp(values->adamw_mask, "exact") != 0,
         "ADAMW_MASK: has no effect on SGD");
    return lint.count;
}
