/* quickstart.h - what the tasks of `repopt quickstart` differ in; cmd_quickstart.c has the rest. */
#ifndef REP_CLI_QUICKSTART_H
#define REP_CLI_QUICKSTART_H

#include "cli/report.h"
#include "repopt/detector.h"

typedef struct quickstart_task {
    const char *name;           /* of --task */
    rep_body body;              /* what its nets are */
    const char *shared;         /* YAML of all three runs */
    const char *software;       /* YAML over it for a software driver, which is slow */
    const char *software_means; /* what that changes, in words */
    const report_task *page;
    /* The test split of a configuration, for the report. */
    rep_status (*open)(report *r, const rep_values *values);
    void (*close)(report *r);
    /* Has an evaluation keep the net's answers in the report. */
    void (*keep)(rep_train_options *options, report *r);
    /* The table on standard output, and what the difference of the two plain nets says. */
    void (*print_table)(const report *r);
    void (*print_verdict)(const report *r);
} quickstart_task;

extern const quickstart_task quickstart_classify, quickstart_detect;

#endif
