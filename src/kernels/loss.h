/* loss.h - row sums of elementwise losses, and their optional weights. */
#ifndef REP_KERNELS_LOSS_H
#define REP_KERNELS_LOSS_H

#include "kernels/map.h"

/* (x, target, [weight]) of one shape; the weight may also be one value per row. */
typedef struct loss_pair {
    const real *x, *target, *weight;
    size_t columns;
    bool is_row_weight;
    real beta;        /* smooth_l1 */
    const real *drow; /* gradients: one value per row */
} loss_pair;

static inline loss_pair loss_pair_of(const rep_kernel_call *call, int weight) {
    const rep_operand *w = &call->in[weight], *x = &call->in[0];
    return (loss_pair){.x = x->data,
                       .target = call->in[1].data,
                       .weight = w->data,
                       .columns = (size_t)x->shape.c,
                       .is_row_weight = w->data && w->shape.c != x->shape.c};
}

static inline vec loss_weigh(const loss_pair *of, vec loss, size_t row, size_t column,
                             size_t lanes) {
    if (!of->weight) { return loss; }
    if (of->is_row_weight) { return loss * of->weight[row]; }
    return loss * vload_count(of->weight + row * of->columns + column, lanes);
}

/* Sum of the first `count` lanes by vsum's tree. */
static inline real vsum_count(vec v, size_t count) {
    real lanes[REP_LANES];
    vstore(lanes, v);
    return vsum(vload_count(lanes, count));
}

/* out[row] = sum over columns of term(row, column); rows are divided among workers. */
REP_INLINE void map_row_sums(map_row_fn term, const void *context, real *out, size_t rows,
                             size_t columns, const rep_worker *worker) {
    const size_t whole = columns / REP_LANES * REP_LANES, rest = columns - whole;
    size_t row, end;
    rep_worker_range(worker, rows, 1, &row, &end);
    for (; row < end; row++) {
        vec sum = vset(0);
        for (size_t column = 0; column < whole; column += REP_LANES) {
            sum += term(context, row, column, REP_LANES);
        }
        real total = vsum(sum);
        if (rest > 0) { total += vsum_count(term(context, row, whole, rest), rest); }
        out[row] = total;
    }
}

#endif
