/* batchnorm_frozen - statistics of a normalisation that is not training: mean = running_mean,
 * invstd = 1 / sqrt(running_var + eps), from (running_mean, running_var). Channels are divided
 * among workers. */
#include "kernels/kernel.h"
#include "kernels/math.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const real *running_mean = call->in[0].data, *running_var = call->in[1].data;
    real *mean = call->out[0].data, *invstd = call->out[1].data;
    size_t i, end;
    rep_worker_range(worker, (size_t)call->in[0].shape.c, 16, &i, &end);
    for (; i < end; i++) {
        mean[i] = running_mean[i];
        invstd[i] = 1 / rsqrt_exact(running_var[i] + (real)params->eps);
    }
}

REP_KERNEL(batchnorm_frozen, run, NULL);
