/* oracle_main.c - one cmocka test per case of a group; every case runs on every target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include "devices.h"
#include "oracle_files.h"

enum { MAX_TARGETS = 16 };

static struct {
    oracle_set set;
    oracle_finder find;
    oracle_target targets[MAX_TARGETS];
    size_t target_count;
} suite;

static void open_target(const rep_device_info *info, int threads) {
    if (suite.target_count == MAX_TARGETS) { fail_msg("more than %d targets", MAX_TARGETS); }
    oracle_target *target = &suite.targets[suite.target_count];
    if (rep_device_open(&target->device, info->name, threads) != REP_OK) {
        fail_msg("%s: %s", info->name, rep_last_error());
    }
    snprintf(target->name, sizeof target->name, "%s, %d thread%s", info->name, threads,
             threads == 1 ? "" : "s");
    suite.target_count++;
}

/* Every device that devices.h says with one thread, the default one with two as well. */
static int open_targets(void **state) {
    (void)state;
    rep_device_info info[MAX_TARGETS];
    const size_t count = rep_device_list(info, MAX_TARGETS);
    for (size_t i = 0; i < count && i < MAX_TARGETS; i++) {
        if (!test_device_is_wanted(&info[i])) { continue; }
        open_target(&info[i], 1);
        if (info[i].is_default) { open_target(&info[i], 2); }
    }
    return suite.target_count ? 0 : -1;
}

static int close_targets(void **state) {
    (void)state;
    for (size_t i = 0; i < suite.target_count; i++) { rep_device_close(suite.targets[i].device); }
    return 0;
}

static void run_on(oracle_case *c, oracle_handler handler, const oracle_target *target) {
    c->place = target->name;
    for (size_t i = 0; i < c->count; i++) { c->tensors[i].is_compared = false; }
    handler(c, target);
    oracle_check_compared(c);
}

static void run_case(void **state) {
    const size_t index = *(const size_t *)*state;
    oracle_case c;
    oracle_case_load(&c, &suite.set, index);
    const oracle_handler handler = suite.find(&c);
    if (!handler) {
        oracle_case_clear(&c);
        fail_msg("%s: no handler knows such a case", oracle_set_name(&suite.set, index));
    }
    for (size_t i = 0; i < suite.target_count; i++) { run_on(&c, handler, &suite.targets[i]); }
    const int failures = c.failures;
    oracle_case_clear(&c);
    if (failures) { fail_msg("%d mismatches", failures); }
}

static void skip_case(void **state) {
    (void)state;
    skip();
}

static bool is_in(const char *name, const char *const *list) {
    while (list && *list && strncmp(name, *list, strlen(*list)) != 0) { list++; }
    return list && *list;
}

int oracle_main(const char *title, const oracle_share *share, oracle_finder find) {
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    oracle_set_open(&suite.set);
    suite.find = find;
    struct CMUnitTest *tests = calloc(suite.set.count + 1, sizeof *tests);
    size_t *indices = calloc(suite.set.count + 1, sizeof *indices), count = 0, later = 0;
    if (!tests || !indices) { return 1; }
    for (size_t i = 0; i < suite.set.count; i++) {
        const char *name = oracle_set_name(&suite.set, i);
        if (is_in(name, share->groups) == share->is_rest) { continue; }
        const bool is_later = is_in(name, share->later);
        indices[count] = i;
        tests[count] =
            (struct CMUnitTest){name, is_later ? skip_case : run_case, NULL, NULL, &indices[count]};
        later += is_later;
        count++;
    }
    print_message(
        "oracle: %s runs %zu of the %zu cases in %s; %zu more belong to parts that do not "
        "exist yet and are skipped\n",
        title, count - later, suite.set.count, suite.set.folder, later);
    /* A set without the group would pass by doing nothing: the one carried along must have it, for
     * a set from outside the test counts as skipped. */
    result = getenv("REPOPT_ORACLE_DIR") ? TEST_SKIPPED : 1;
    if (count) {
        result = _cmocka_run_group_tests(title, tests, count, open_targets, close_targets);
    }
    oracle_set_close(&suite.set);
    free(tests);
    free(indices);
    return result;
}
