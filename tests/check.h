/* check.h - cmocka, and what many test programs need. */
#ifndef REP_TESTS_CHECK_H
#define REP_TESTS_CHECK_H

/* cmocka.h needs the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "repopt/status.h"

/* FNV-1a 64 of more bytes, for what must be the same everywhere; begin with HASH_START. */
#define HASH_START 0xCBF29CE484222325u
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
    }
    return hash;
}

/* The expression succeeds; otherwise its sentence is shown. */
#define CHECK_OK(expression)                                                                       \
    do {                                                                                           \
        const rep_status check_ = (expression);                                                    \
        if (check_ != REP_OK) {                                                                    \
            fail_msg("%s: %s: %s", #expression, rep_status_name(check_), rep_last_error());        \
        }                                                                                          \
    } while (0)

/* The expression fails with `status`, in one line that contains `part`. */
#define CHECK_FAILS(expression, status, part)                                                      \
    do {                                                                                           \
        const rep_status check_ = (expression);                                                    \
        if (check_ != (status)) {                                                                  \
            fail_msg("%s: got %s, wanted %s; %s", #expression, rep_status_name(check_),            \
                     rep_status_name(status), check_ == REP_OK ? "" : rep_last_error());           \
        }                                                                                          \
        if (!strstr(rep_last_error(), (part)) || strchr(rep_last_error(), '\n')) {                 \
            fail_msg("%s: wanted one line with '%s', got '%s'", #expression, (part),               \
                     rep_last_error());                                                            \
        }                                                                                          \
    } while (0)

#endif
