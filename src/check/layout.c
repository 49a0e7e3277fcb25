/* layout.c - parameter blocks for the update ops' rows: which parameters lie where, and their
 * segment table. Every parameter starts at a multiple of 16 elements; what is between is padding.
 */
#include "check/layout.h"

#include "check/check.h"

/* A kernel {c_out, c_in, k, k}; c_in is that of one group. */
typedef struct part {
    uint32_t c_out, c_in, k, flags;
    bool has_point;
} part;

enum {
    PLAIN = 0,
    MASKED = REP_SEGMENT_MASKED,
    IDENTITY = REP_SEGMENT_MASKED | REP_SEGMENT_IDENTITY
};

static const part layouts[][REP_LAYOUT_PARTS] = {
    [LAYOUT_ONE] = {{1, 1, 1, PLAIN, false}},
    [LAYOUT_TINY] = {{1, 1, 3, IDENTITY, true}},
    [LAYOUT_MIXED] = {{5, 3, 3, MASKED, true},
                      {7, 1, 1, PLAIN, false},
                      {17, 17, 1, IDENTITY, true},
                      {3, 33, 5, MASKED, false},
                      {19, 19, 3, IDENTITY, true}},
    [LAYOUT_PLAIN] = {{13, 1, 1, PLAIN, false}, {10, 33, 1, PLAIN, false}},
    [LAYOUT_GROUPED] = {{8, 4, 3, IDENTITY, true}, {24, 1, 3, IDENTITY, true}},
    [LAYOUT_NET] = {{32, 3, 3, MASKED, true},
                    {64, 64, 3, IDENTITY, true},
                    {64, 1, 1, PLAIN, false},
                    {128, 64, 3, MASKED, true},
                    {100, 128, 1, PLAIN, false}},
    /* Element 8192, where the second of three workers begins, lies in a short parameter. */
    [LAYOUT_SEAM] = {{8150, 1, 1, PLAIN, false},
                     {50, 1, 1, PLAIN, false},
                     {9, 9, 3, IDENTITY, true},
                     {5000, 1, 1, PLAIN, false},
                     {40, 40, 3, IDENTITY, true}},
};

/* Measures a layout and, where `table` is not NULL, writes its segments. */
static rep_layout_size walk(int layout, rep_segment *table) {
    rep_layout_size size = {0, 0, 0};
    for (uint32_t i = 0; i < REP_LAYOUT_PARTS && layouts[layout][i].c_out; i++) {
        const part *p = &layouts[layout][i];
        const uint32_t taps = p->k * p->k, row = taps * p->c_in;
        if (table) {
            table[i] = (rep_segment){.offset = size.params,
                                     .count = p->c_out * row,
                                     .row = row,
                                     .centre = taps / 2 * p->c_in,
                                     .centre_count = p->c_in,
                                     .scales = size.scales,
                                     .point = p->has_point ? size.scales + p->c_out : REP_NO_SCALES,
                                     .flags = p->flags,
                                     .weight_decay = p->flags ? 5e-4f : 0.0f,
                                     .lr_factor = i % 2 ? 2.0f : 1.0f};
        }
        size.params += (p->c_out * row + 16) / 16 * 16; /* one element of padding at least */
        if (p->flags) { size.scales += 2 * p->c_out; }
        size.segments++;
    }
    if (size.scales == 0) { size.scales = 1; }
    return size;
}

rep_layout_size rep_layout_measure(int layout) { return walk(layout, NULL); }
void rep_layout_table(int layout, rep_segment *table) { (void)walk(layout, table); }
