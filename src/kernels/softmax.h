/* softmax.h - the largest logit of a row and the sum of e^(x - largest), which no logit overflows.
 */
#ifndef REP_KERNELS_SOFTMAX_H
#define REP_KERNELS_SOFTMAX_H

#include "kernels/loss.h"

typedef struct softmax_row {
    real largest, sum; /* sum of e^(x - largest), at least 1 */
} softmax_row;

static inline softmax_row softmax_of(const real *x, size_t columns) {
    softmax_row row = {x[0], 0};
    for (size_t i = 1; i < columns; i++) { row.largest = x[i] > row.largest ? x[i] : row.largest; }
    const size_t whole = columns / REP_LANES * REP_LANES, rest = columns - whole;
    vec sum = vset(0);
    for (size_t i = 0; i < whole; i += REP_LANES) { sum += vexp(vload(x + i) - row.largest); }
    row.sum = vsum(sum);
    if (rest > 0) { row.sum += vsum_count(vexp(vload_part(x + whole, rest) - row.largest), rest); }
    return row;
}

#endif
