/* op_layout.h - parameter blocks for the update ops' tests: which parameters lie where, and their
 * segment table. Every parameter starts at a multiple of 16 elements; what is between is padding.
 */
#ifndef REP_TESTS_OP_LAYOUT_H
#define REP_TESTS_OP_LAYOUT_H

#include "repopt/graph.h"

/* A kernel {c_out, c_in, k, k}; c_in is that of one group. */
typedef struct op_part {
    uint32_t c_out, c_in, k, flags;
    bool has_point;
} op_part;

enum {
    OP_PLAIN = 0,
    OP_MASKED = REP_SEGMENT_MASKED,
    OP_IDENTITY = REP_SEGMENT_MASKED | REP_SEGMENT_IDENTITY,
    OP_PARTS = 6
};

/* Layouts by number; a part without c_out ends one. */
enum {
    LAYOUT_ONE,
    LAYOUT_TINY,
    LAYOUT_MIXED,
    LAYOUT_PLAIN,
    LAYOUT_GROUPED,
    LAYOUT_NET,
    LAYOUT_SEAM
};
static const op_part op_layouts[][OP_PARTS] = {
    [LAYOUT_ONE] = {{1, 1, 1, OP_PLAIN, false}},
    [LAYOUT_TINY] = {{1, 1, 3, OP_IDENTITY, true}},
    [LAYOUT_MIXED] = {{5, 3, 3, OP_MASKED, true},
                      {7, 1, 1, OP_PLAIN, false},
                      {17, 17, 1, OP_IDENTITY, true},
                      {3, 33, 5, OP_MASKED, false},
                      {19, 19, 3, OP_IDENTITY, true}},
    [LAYOUT_PLAIN] = {{13, 1, 1, OP_PLAIN, false}, {10, 33, 1, OP_PLAIN, false}},
    [LAYOUT_GROUPED] = {{8, 4, 3, OP_IDENTITY, true}, {24, 1, 3, OP_IDENTITY, true}},
    [LAYOUT_NET] = {{32, 3, 3, OP_MASKED, true},
                    {64, 64, 3, OP_IDENTITY, true},
                    {64, 1, 1, OP_PLAIN, false},
                    {128, 64, 3, OP_MASKED, true},
                    {100, 128, 1, OP_PLAIN, false}},
    /* Element 8192, where the second of three workers begins, lies in a short parameter. */
    [LAYOUT_SEAM] = {{8150, 1, 1, OP_PLAIN, false},
                     {50, 1, 1, OP_PLAIN, false},
                     {9, 9, 3, OP_IDENTITY, true},
                     {5000, 1, 1, OP_PLAIN, false},
                     {40, 40, 3, OP_IDENTITY, true}},
};

typedef struct op_layout_size {
    uint32_t segments, params, scales;
} op_layout_size;

/* Measures a layout and, where `table` is not NULL, writes its segments. */
static inline op_layout_size op_layout_walk(int layout, rep_segment *table) {
    op_layout_size size = {0, 0, 0};
    for (uint32_t i = 0; i < OP_PARTS && op_layouts[layout][i].c_out; i++) {
        const op_part *part = &op_layouts[layout][i];
        const uint32_t taps = part->k * part->k, row = taps * part->c_in;
        if (table) {
            table[i] =
                (rep_segment){.offset = size.params,
                              .count = part->c_out * row,
                              .row = row,
                              .centre = taps / 2 * part->c_in,
                              .centre_count = part->c_in,
                              .scales = size.scales,
                              .point = part->has_point ? size.scales + part->c_out : REP_NO_SCALES,
                              .flags = part->flags,
                              .weight_decay = part->flags ? 5e-4f : 0.0f,
                              .lr_factor = i % 2 ? 2.0f : 1.0f};
        }
        size.params += (part->c_out * row + 16) / 16 * 16; /* one element of padding at least */
        if (part->flags) { size.scales += 2 * part->c_out; }
        size.segments++;
    }
    if (size.scales == 0) { size.scales = 1; }
    return size;
}

static inline op_layout_size op_layout_measure(int layout) { return op_layout_walk(layout, NULL); }
static inline void op_layout_table(int layout, rep_segment *table) {
    (void)op_layout_walk(layout, table);
}

#endif
