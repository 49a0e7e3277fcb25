/* act - applies an activation: y = act(x), any shape. Elements are divided among workers. */
#include "kernels/act.h"
#include "kernels/map.h"

typedef struct context {
    const real *x;
    rep_uint act;
} context;

REP_INLINE vec apply(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vact(c->act, vload_count(c->x + index, lanes));
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_act_params *params = call->params;
    const context c = {call->in[0].data, params->act};
    map_flat(apply, &c, call->out[0].data, rep_shape_count(call->out[0].shape), worker);
}

REP_KERNEL(act, run, NULL);
