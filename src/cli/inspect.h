/* inspect.h - what the files of `repopt inspect` share. */
#ifndef REP_CLI_INSPECT_H
#define REP_CLI_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "repopt/status.h"

/* The beginning of a text, in one line. */
void inspect_print_line(const char *text);
/* inspect_onnx.c: prints what an ONNX file holds, or `bytes` of one where they are at hand. */
REP_NODISCARD rep_status inspect_onnx(const char *path, const void *bytes, size_t count,
                                      bool is_json);

#endif
