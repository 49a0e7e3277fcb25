/* status.h - how a call tells that it failed.
 *
 * A function that can fail returns a rep_status: REP_OK is 0, everything else is negative. The
 * sentence that explains the failure is kept per thread until the next failure on that thread.
 *
 *     rep_config *config = NULL;
 *     if (rep_config_load(&config, "search.yaml") != REP_OK) {
 *         fprintf(stderr, "repopt: %s\n", rep_last_error());
 *         return rep_status_exit_code(rep_last_status());
 *     }
 */
#ifndef REPOPT_STATUS_H
#define REPOPT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define REP_NODISCARD __attribute__((warn_unused_result))
#define REP_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(printf, format_index, first_index)))
#else
#define REP_NODISCARD
#define REP_PRINTF(format_index, first_index)
#endif

/* Every code once: name, value, exit code of the command line program, meaning. */
#define REP_STATUS_MAP(X)                                                                          \
    X(OK, 0, 0, "success")                                                                         \
    X(ERR_ARGUMENT, -1, 2, "a bad option or function argument")                                    \
    X(ERR_CONFIG, -2, 2, "a bad configuration file or key")                                        \
    X(ERR_SHAPE, -3, 2, "shapes that do not fit")                                                  \
    X(ERR_DATA, -4, 3, "a bad data set, image or checkpoint")                                      \
    X(ERR_IO, -5, 3, "a file that cannot be read or written")                                      \
    X(ERR_DEVICE, -6, 4, "a compute device that is missing or failed")                             \
    X(ERR_MEMORY, -7, 7, "out of memory, or above a limit of the device")                          \
    X(ERR_NUMERIC, -8, 5, "a value that is not finite, or a check that failed")                    \
    X(ERR_INTERRUPTED, -9, 130, "stopped by a signal")                                             \
    X(ERR_LOST, -10, 6, "a compute device that went away while it worked")                         \
    X(ERR_SHADER, -11, 8, "a shader that does not compile")

typedef enum rep_status {
#define REP_STATUS_ENUM(name, value, exit_code, text) REP_##name = (value),
    REP_STATUS_MAP(REP_STATUS_ENUM)
#undef REP_STATUS_ENUM
} rep_status;

/* Records a failure on the calling thread: `format` and what follows form one sentence that names
 * the object, what was found and what was wanted. Returns `status`, so that a function can end with
 * `return rep_fail(REP_ERR_SHAPE, "conv2d %s: ...", name);`. The sentence is cut at 1,023 bytes. */
rep_status rep_fail(rep_status status, const char *format, ...) REP_PRINTF(2, 3);

/* Puts a sentence such as "cifar10/test.bin: " before the recorded one. Returns the last status. */
rep_status rep_fail_prefix(const char *format, ...) REP_PRINTF(1, 2);

/* The calling thread's last failure: its sentence ("" if none) and its code. Borrowed, valid until
 * the next failure on this thread. */
const char *rep_last_error(void);
rep_status rep_last_status(void);

/* The code's name without prefix ("ERR_SHAPE"), its meaning, and the program's exit code. */
const char *rep_status_name(rep_status status);
const char *rep_status_text(rep_status status);
int rep_status_exit_code(rep_status status);

/* Leaves the calling function with the status of `expression` unless that is REP_OK. */
#define REP_TRY(expression)                                                                        \
    do {                                                                                           \
        const rep_status rep_try_ = (expression);                                                  \
        if (rep_try_ != REP_OK) { return rep_try_; }                                               \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
