/* web.h - what the parts of the page's engine share: handles, and results as text.
 *
 * web/src/engine.js calls the exports. They take numbers and addresses and return a status (0, or a
 * negative rep_status), a handle (above 0, or a status), an address (0: failed) or text. Whatever
 * failed, web_error has the sentence. Arrays are the caller's unless said otherwise.
 */
#ifndef REP_WEB_WEB_H
#define REP_WEB_WEB_H

#include <cjson/cJSON.h>

#include "repopt/repopt.h"

/* Kept and exported by the linker although nothing calls it. */
#define WEB_EXPORT __attribute__((used, visibility("default")))

/* What a handle stands for. A number of one kind is none of another. */
typedef enum web_kind { WEB_BLOCK, WEB_MASK, WEB_TRAINER, WEB_KIND_COUNT } web_kind;

/* The handle of an object that `destroy` ends, or a status; then the object is ended already. */
int web_handle_add(web_kind kind, void *object, void (*destroy)(void *object));
/* NULL with an error where there is no such handle. */
void *web_handle_get(web_kind kind, int handle);

/* Text of a JSON value, which is given away; free() it. NULL without memory. */
char *web_text(cJSON *json);
/* One block's scales as {name, s, t, u}. */
cJSON *web_scale_row(const rep_scale_row *row);

/* Threads that trainers are given; 1 where the module has none. */
int web_threads(void);
/* The device of the lessons, opened once: one thread, since they are small. */
REP_NODISCARD rep_status web_device(rep_device **out);

#endif
