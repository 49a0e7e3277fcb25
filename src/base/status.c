/* status.c - codes, their texts, and the calling thread's last failure. */
#include "repopt/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_text[1024];
static _Thread_local rep_status last_status = REP_OK;

rep_status rep_fail(rep_status status, const char *format, ...) {
    /* Formatted aside first: an argument may be rep_last_error() itself. */
    char text[sizeof last_text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(last_text, text, sizeof text);
    last_status = status;
    return status;
}

rep_status rep_fail_prefix(const char *format, ...) {
    char prefix[512];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return rep_fail(last_status, "%s%s", prefix, rep_last_error());
}

const char *rep_last_error(void) { return last_text; }
rep_status rep_last_status(void) { return last_status; }

const char *rep_status_name(rep_status status) {
    switch (status) {
#define ROW(name, value, exit_code, text) \
    case REP_##name: return #name;
        REP_STATUS_MAP(ROW)
#undef ROW
    }
    return "UNKNOWN";
}

const char *rep_status_text(rep_status status) {
    switch (status) {
#define ROW(name, value, exit_code, text) \
    case REP_##name: return text;
        REP_STATUS_MAP(ROW)
#undef ROW
    }
    return "unknown status";
}

int rep_status_exit_code(rep_status status) {
    switch (status) {
#define ROW(name, value, exit_code, text) \
    case REP_##name: return exit_code;
        REP_STATUS_MAP(ROW)
#undef ROW
    }
    return 1;
}
