/* op_table.c - the rows of ops.def with their arity, shape rule and gradient rule. */
#include "graph/rules.h"

static const rep_op_info table[REP_OP_COUNT] = {
#define rep_grad_none NULL
#define REP_MODE_pure REP_MODE_PURE
#define REP_MODE_alias REP_MODE_ALIAS
#define REP_MODE_update REP_MODE_UPDATE
#define REP_OP(name, NAME, min_in, max_in, outputs, params, spec, shape, grid, mode, grad)       \
    [REP_OP_##NAME] = {#name,           min_in,           max_in,         outputs, sizeof(params), \
                       spec,            REP_MODE_##mode, rep_shape_##shape, rep_grad_##grad},
#include "repopt/ops.def"
#undef REP_OP
};

const rep_op_info *rep_op_info_get(rep_op op) { return &table[op]; }
