/* cli.h - what the commands of the program share: the table, option words, errors, progress.
 *
 * A command gets argv[0] = its own name and returns the exit code. It takes the options it knows
 * out of the words, then the configuration, which consumes what is left:
 *
 *     cli_words words = cli_words_of(argc, argv);
 *     const char *device = NULL;
 *     if (cli_take_help(&words, help_text)) { return 0; }
 *     if (cli_take_value(&words, "--device", &device) != REP_OK) { return cli_fail(); }
 *     if (cli_take_config(&words, &config) != REP_OK) { return cli_fail(); }
 */
#ifndef REP_CLI_CLI_H
#define REP_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "repopt/config.h"
#include "repopt/log.h"
#include "repopt/status.h"
#include "repopt/tensors.h"
#include "repopt/train.h"

/* ---- the table --------------------------------------------------------------------------------
 */
#define REP_COMMAND(name, summary) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef REP_COMMAND

/* ---- option words ------------------------------------------------------------------------------
 */
typedef struct cli_words {
    int count;
    char **items; /* the caller's argv; taken words are removed from it */
} cli_words;

/* The words behind the command's name. */
cli_words cli_words_of(int argc, char **argv);
/* Prints `text` and returns true when --help or -h is among the words. */
bool cli_take_help(cli_words *words, const char *text);
/* Removes a flag such as "--json" and tells whether it was there. */
bool cli_take_flag(cli_words *words, const char *name);
/* Removes `--name VALUE` or `--name=VALUE`; *out stays as it is when the option is absent. Called
 * again it gives the next occurrence. */
REP_NODISCARD rep_status cli_take_value(cli_words *words, const char *name, const char **out);
REP_NODISCARD rep_status cli_take_int(cli_words *words, const char *name, int64_t low, int64_t high,
                                      int64_t *out);
REP_NODISCARD rep_status cli_take_number(cli_words *words, const char *name, double low,
                                         double high, double *out);
/* The same for a number above `low`, which itself is refused. */
REP_NODISCARD rep_status cli_take_number_above(cli_words *words, const char *name, double low,
                                               double high, double *out);
/* Removes --config-file FILE and reads all remaining words as KEY VALUE or KEY=VALUE. The caller
 * destroys *out. */
REP_NODISCARD rep_status cli_take_config(cli_words *words, rep_config **out);
/* The same for a command that cannot work on the defaults alone: no word at all is an error. */
REP_NODISCARD rep_status cli_take_given_config(cli_words *words, rep_config **out);
/* Whether a word among files is a setting: "MODEL.FCOS.NMS_TH=0.5". */
bool cli_is_setting(const char *word);
/* The settings of a net: those of `config_file`, or without one those its weights carry; either way
 * `weights` is MODEL.WEIGHT. The caller destroys *out. */
REP_NODISCARD rep_status cli_config_of_weights(rep_config **out, const char *config_file,
                                               const char *weights);
/* Opens a file of weights before the work and tells whether it is an int8 net's. REP_ERR_IO,
 * REP_ERR_DATA. */
REP_NODISCARD rep_status cli_look_at_weights(const char *path, bool *is_int8);
/* Removes --device NAME and --threads N; both stay as they are when absent. Then what
 * cli_take_vulkan removes. */
REP_NODISCARD rep_status cli_take_device(cli_words *words, const char **device, int *threads);
/* Removes the options of driver testers and configures Vulkan: they, the cache of compiled
 * pipelines, and the faults of REPOPT_FAULT. Call before a device is listed or opened. */
REP_NODISCARD rep_status cli_take_vulkan(cli_words *words);
/* Help lines of those options. */
#define CLI_DEVICE_HELP                                                                            \
    "  --device NAME       auto, cpu, cpu:SET, vulkan:INDEX, a UUID or a part of a GPU's name;\n"  \
    "                      `repopt devices` lists them (default: auto, or DEVICE of the\n"         \
    "                      configuration: a GPU where there is one)\n"                             \
    "  --threads N         worker threads of the CPU (default: all cores); results do not\n"       \
    "                      depend on it\n"
#define CLI_VULKAN_HELP                                                                            \
    "\nFor driver testers:\n"                                                                      \
    "  --vulkan-validate      fail at the first message of the Khronos validation layer\n"         \
    "  --vulkan-validate-gpu  the same with its GPU-assisted checks, slowly\n"                     \
    "  --vulkan-small         use no more than what every Vulkan 1.1 device has\n"
/* Said wherever an .onnx with int8 weights was written. */
#define CLI_UINT8_HINT                                                                             \
    "for ONNX Runtime on x86 processors without VNNI: repopt export --uint8-weights"
/* REP_ERR_ARGUMENT when a word that is left looks like an option; where the rest are files. */
REP_NODISCARD rep_status cli_no_options(const cli_words *words);
/* REP_ERR_ARGUMENT when a word is left over; call last where no config is taken. */
REP_NODISCARD rep_status cli_no_more(const cli_words *words);

/* ---- messages ----------------------------------------------------------------------------------
 */
/* Prints the last error as one line and returns its exit code. */
int cli_fail(void);
/* The nearest of `count` names to `word`, or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t count);

/* ---- progress.c: what a long command shows on stderr --------------------------------------------
 */
typedef struct cli_progress {
    const char *title; /* stands before the bar; "" for none */
    bool is_terminal, is_drawn, is_quiet;
    double drawn_s;
} cli_progress;
void cli_progress_init(cli_progress *progress, const char *title);
/* A rep_train_options.on_progress; the context is the cli_progress. */
void cli_progress_show(void *context, const rep_progress *now);
/* The same bar for work that is counted: `done` of `total`, and a few words. Nothing off a
 * terminal, where the caller's own lines are enough. */
void cli_progress_count(cli_progress *progress, uint64_t done, uint64_t total, const char *text);
/* Takes the bar away, so that a line can be printed in its place. */
void cli_progress_erase(cli_progress *progress);
/* Seconds of a clock that never goes back. */
double cli_clock_s(void);
/* Ends the bar's line. */
void cli_progress_clear(cli_progress *progress);
/* A log receiver; the context is the cli_progress or NULL. */
void cli_log_line(void *context, rep_log_level level, const char *text);
/* ---- profile.c: `train --profile FILE` ----------------------------------------------------------
 */
/* Node times of one step, as rep_train_options.on_profile hands them over. */
typedef struct cli_profile {
    const char *path;
    FILE *file;
    char device[400];
    struct cli_profile_node *nodes;
    uint32_t count, node_count;
    uint64_t iteration;
} cli_profile;
/* Opens the trace before anything is trained, so that a bad path costs nothing. */
REP_NODISCARD rep_status cli_profile_open(cli_profile *profile, const char *path);
/* A rep_train_options.on_profile; the context is the cli_profile. */
void cli_profile_take(void *context, const rep_device_info *device, const rep_profile_row *row);
/* Writes the trace and prints the table by op to `table`; removes the file when nothing came. Frees
 * everything. */
REP_NODISCARD rep_status cli_profile_close(cli_profile *profile, FILE *table);

/* ---- folder.c: the folder that --out names, and whole files -------------------------------------
 */
enum { CLI_PATH_BYTES = 4096 };
/* REP_ERR_IO where `path` is no folder that can be written in and cannot be made one; before the
 * work. Makes nothing, so that a run that is refused leaves nothing. */
REP_NODISCARD rep_status cli_folder_check(const char *path);
/* Makes it and its parents; one that is there must be a folder that can be written in. REP_ERR_IO.
 */
REP_NODISCARD rep_status cli_folder_make(const char *path);
/* "folder/name" into path[CLI_PATH_BYTES]; REP_ERR_IO when it does not fit. */
REP_NODISCARD rep_status cli_path_join(char path[CLI_PATH_BYTES], const char *folder,
                                       const char *name);
/* Whether both names are of one file, by whatever path; false where one is absent. */
bool cli_is_same_file(const char *a, const char *b);
/* REP_ERR_IO where `path` is a folder, or anything but a file: these are not replaced by one. */
REP_NODISCARD rep_status cli_file_is_replaceable(const char *path);
/* REP_ERR_IO where `path` is not replaceable, or cannot be made because of its folder; before long
 * work, so that a bad path costs nothing. */
REP_NODISCARD rep_status cli_file_check(const char *path);
/* Makes a file of what write(context, stream) prints, whole or not at all. REP_ERR_IO. */
REP_NODISCARD rep_status cli_file_write(const char *path,
                                        rep_status (*write)(const void *context, FILE *stream),
                                        const void *context);

/* ---- pictures.c: the pictures that words name ---------------------------------------------------
 */
typedef struct cli_pictures {
    char **files;
    const char **names; /* of each below the folder that was given, or the file's own */
    size_t count, room;
} cli_pictures;
/* Adds a picture, or those of a folder and its folders (.jpg, .jpeg, .png), in byte order of their
 * names. REP_ERR_IO where there is nothing, REP_ERR_DATA for a folder without pictures. */
REP_NODISCARD rep_status cli_pictures_add(cli_pictures *pictures, const char *word);
void cli_pictures_clear(cli_pictures *pictures);
/* Enlarges a picture by the whole number, *zoom, that makes its longer side `least_px` or more, so
 * that labels find room; large ones stay as they are. */
REP_NODISCARD rep_status cli_picture_enlarge(rep_image *image, int32_t least_px, double *zoom);

/* From now on SIGINT and SIGTERM set the returned flag once; a second one ends the program. */
const volatile int *cli_stop_on_signals(void);

#endif
