/* table.c - the kernels of one instruction set, by op. A missing kernel is a link error. */
#include "kernels/kernel.h"

#define REP_OP(name, NAME, min_in, max_in, out, params, spec, shape, grid, mode, grad) \
    extern const rep_kernel REP_ISA_NAME(rep_kernel_##name);
#include "repopt/ops.def"
#undef REP_OP

extern const rep_kernel *const REP_ISA_NAME(rep_kernels)[REP_OP_COUNT];
const rep_kernel *const REP_ISA_NAME(rep_kernels)[REP_OP_COUNT] = {
#define REP_OP(name, NAME, min_in, max_in, out, params, spec, shape, grid, mode, grad) \
    [REP_OP_##NAME] = &REP_ISA_NAME(rep_kernel_##name),
#include "repopt/ops.def"
#undef REP_OP
};
