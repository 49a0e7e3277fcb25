/* act_grad - gradient of an activation: dx = dy * act'(x) from (x, dy), one shape. Elements are
 * divided among workers. */
#include "kernels/act.h"
#include "kernels/map.h"

typedef struct context {
    const real *x, *dy;
    rep_uint act;
} context;

REP_INLINE vec apply(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vact_grad(c->act, vload_count(c->x + index, lanes), vload_count(c->dy + index, lanes));
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_act_params *params = call->params;
    const context c = {call->in[0].data, call->in[1].data, params->act};
    map_flat(apply, &c, call->out[0].data, rep_shape_count(call->out[0].shape), worker);
}

REP_KERNEL(act_grad, run, NULL);
