/* log.h - what the library has to say while it works. The library never prints: it calls back.
 *
 *     static void print(void *context, rep_log_level level, const char *text) {
 *         fprintf(stderr, "%s\n", text);
 *     }
 *     rep_log_set(print, NULL);
 */
#ifndef REPOPT_LOG_H
#define REPOPT_LOG_H

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rep_log_level { REP_LOG_DEBUG, REP_LOG_INFO, REP_LOG_WARNING } rep_log_level;
typedef void (*rep_log_fn)(void *context, rep_log_level level, const char *text);

/* Sets the one receiver of the process (NULL: silence). Not thread safe against rep_log. */
void rep_log_set(rep_log_fn fn, void *context);
/* Sends one line, without a newline; cut at 1,023 bytes. */
void rep_log(rep_log_level level, const char *format, ...) REP_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
