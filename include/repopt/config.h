/* config.h - the effective settings of a run.
 *
 * Every key is one row of repopt/options.def: path, type, default, help. A config starts as the
 * defaults; a YAML file (maskrcnn-benchmark style) and KEY VALUE overrides are merged into it.
 * Unknown keys and wrong types are errors that name file, line and the nearest known key.
 *
 *     rep_config *config = NULL;
 *     REP_TRY(rep_config_create(&config));
 *     REP_TRY(rep_config_merge_file(config, "configs/cifar10/search.yaml"));
 *     REP_TRY(rep_config_merge_pairs(config, argc, argv));
 *     double lr = rep_config_values(config)->solver_base_lr;
 */
#ifndef REPOPT_CONFIG_H
#define REPOPT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_config rep_config;

/* A list value: `count` items; items of number lists are doubles, of string lists C strings. */
typedef struct rep_numbers {
    const double *items;
    size_t count;
} rep_numbers;
typedef struct rep_strings {
    const char *const *items;
    size_t count;
} rep_strings;

/* One field per row of options.def, named like the key in lower case with '_' for '.':
 * SOLVER.BASE_LR is solver_base_lr. The types differ in what they accept, see options.def. */
typedef bool rep_option_bool;
typedef int64_t rep_option_int, rep_option_natural, rep_option_count;
typedef double rep_option_float, rep_option_nonnegative, rep_option_positive;
typedef double rep_option_fraction, rep_option_below_one;
typedef const char *rep_option_string, *rep_option_mode, *rep_option_choice;
typedef rep_numbers rep_option_numbers;
typedef rep_strings rep_option_strings;
typedef struct rep_values {
#define REP_OPTION(key, field, type, value, help) rep_option_##type field;
#include "repopt/options.def"
#undef REP_OPTION
} rep_values;

REP_NODISCARD rep_status rep_config_create(rep_config **out);
void rep_config_destroy(rep_config *config);

/* Merges a YAML file, or YAML text (`name` is used in messages). Nothing is kept on failure. */
REP_NODISCARD rep_status rep_config_merge_file(rep_config *config, const char *path);
REP_NODISCARD rep_status rep_config_merge_text(rep_config *config, const char *name,
                                               const char *text, size_t bytes);
/* Merges command line words: `KEY VALUE` pairs and `KEY=VALUE`. */
REP_NODISCARD rep_status rep_config_merge_pairs(rep_config *config, int count,
                                                const char *const *words);
/* Borrowed; valid until the next merge or destroy. */
const rep_values *rep_config_values(const rep_config *config);
/* Whether the key was set by a file or a pair (not left at its default). */
bool rep_config_is_set(const rep_config *config, const char *key);
/* The whole effective config as YAML, or with `commented` each key with its help as a comment.
 * *out is malloc'd: free it. */
REP_NODISCARD rep_status rep_config_dump(const rep_config *config, bool commented, char **out);

/* Canonical training modes (TRAINING_MODE, any case, aliases of design: RepVgg = target ...). */
typedef enum rep_mode {
    REP_MODE_NORMAL,       /* plain net, ordinary optimizer */
    REP_MODE_HYPER_SEARCH, /* linear_add blocks, trainable scales */
    REP_MODE_TARGET,       /* plain net, RepOptimizer with SCALE */
    REP_MODE_CSLA,         /* constant scales */
    REP_MODE_REPVGG_BLOCK,
    REP_MODE_QAREPVGG_BLOCK
} rep_mode;
REP_NODISCARD rep_status rep_mode_parse(rep_mode *out, const char *text);
const char *rep_mode_name(rep_mode mode); /* "normal", "hyper_search", "target", "csla", ... */

#ifdef __cplusplus
}
#endif
#endif
