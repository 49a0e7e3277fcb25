/* cast - y = x in another precision; x {n,c,h,w}. CPU devices have one precision, so it is a copy.
 * Elements are divided among workers. */
#include "kernels/map.h"

REP_INLINE vec apply(const void *ctx, size_t at, size_t lanes) {
    return vload_count((const real *)ctx + at, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    map_flat(apply, call->in[0].data, call->out[0].data, rep_shape_count(call->out[0].shape),
             worker);
}

REP_KERNEL(cast, run, NULL);
