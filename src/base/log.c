/* log.c - hands the library's lines to the one receiver the program has set. */
#include "repopt/log.h"

#include <stdarg.h>
#include <stdio.h>

static rep_log_fn receiver;
static void *receiver_context;

void rep_log_set(rep_log_fn fn, void *context) {
    receiver = fn;
    receiver_context = context;
}

void rep_log(rep_log_level level, const char *format, ...) {
    if (!receiver) { return; }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    receiver(receiver_context, level, text);
}
