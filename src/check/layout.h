/* layout.h - the layouts of layout.c by name, for the rows of op_cases.def. */
#ifndef REP_CHECK_LAYOUT_H
#define REP_CHECK_LAYOUT_H

enum {
    LAYOUT_ONE,
    LAYOUT_TINY,
    LAYOUT_MIXED,
    LAYOUT_PLAIN,
    LAYOUT_GROUPED,
    LAYOUT_NET,
    LAYOUT_SEAM
};

#endif
