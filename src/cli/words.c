/* words.c - takes options out of a command's words, and the one way a command fails. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

cli_words cli_words_of(int argc, char **argv) {
    return (cli_words){.count = argc - 1, .items = argv + 1};
}

static void remove_words(cli_words *words, int first, int count) {
    for (int i = first; i + count < words->count; i++) {
        words->items[i] = words->items[i + count];
    }
    words->count -= count;
}

bool cli_take_flag(cli_words *words, const char *name) {
    for (int i = 0; i < words->count; i++) {
        if (strcmp(words->items[i], name) == 0) {
            remove_words(words, i, 1);
            return true;
        }
    }
    return false;
}

bool cli_take_help(cli_words *words, const char *text) {
    if (!cli_take_flag(words, "--help") && !cli_take_flag(words, "-h")) { return false; }
    fputs(text, stdout);
    return true;
}

rep_status cli_take_value(cli_words *words, const char *name, const char **out) {
    const size_t length = strlen(name);
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (strncmp(word, name, length) != 0) { continue; }
        if (word[length] == '=') {
            *out = word + length + 1;
            remove_words(words, i, 1);
            return REP_OK;
        }
        if (word[length] != '\0') { continue; }
        if (i + 1 >= words->count) {
            return rep_fail(REP_ERR_ARGUMENT, "%s: nothing follows it; write %s VALUE", name, name);
        }
        *out = words->items[i + 1];
        remove_words(words, i, 2);
        return REP_OK;
    }
    return REP_OK;
}

rep_status cli_take_int(cli_words *words, const char *name, int64_t low, int64_t high,
                        int64_t *out) {
    const char *text = NULL;
    REP_TRY(cli_take_value(words, name, &text));
    if (text == NULL) { return REP_OK; }
    char *end = NULL;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < low || value > high) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64, name, text,
                        low, high);
    }
    *out = value;
    return REP_OK;
}

static rep_status take_number(cli_words *words, const char *name, double low, double high,
                              bool is_above, double *out) {
    const char *text = NULL;
    REP_TRY(cli_take_value(words, name, &text));
    if (text == NULL) { return REP_OK; }
    char *end = NULL;
    const double value = strtod(text, &end);
    const bool is_high_enough = is_above ? value > low : value >= low;
    if (end == text || *end != '\0' || !is_high_enough || !(value <= high)) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: \"%s\" is not a number %s %g %s %g", name, text,
                        is_above ? "above" : "from", low, is_above ? "and up to" : "to", high);
    }
    *out = value;
    return REP_OK;
}

rep_status cli_take_number(cli_words *words, const char *name, double low, double high,
                           double *out) {
    return take_number(words, name, low, high, false, out);
}

rep_status cli_take_number_above(cli_words *words, const char *name, double low, double high,
                                 double *out) {
    return take_number(words, name, low, high, true, out);
}

/* A word that begins with '-' and is no number can only be a mistyped option. */
static bool is_option(const char *word) {
    return word[0] == '-' && (word[1] == '-' || (word[1] >= 'a' && word[1] <= 'z'));
}

static rep_status fail_option(const char *word) {
    return rep_fail(REP_ERR_ARGUMENT, "option \"%s\" is not understood here; --help lists what is",
                    word);
}

rep_status cli_no_options(const cli_words *words) {
    for (int i = 0; i < words->count; i++) {
        if (is_option(words->items[i])) { return fail_option(words->items[i]); }
    }
    return REP_OK;
}

rep_status cli_no_more(const cli_words *words) {
    if (words->count == 0) { return REP_OK; }
    if (is_option(words->items[0])) { return fail_option(words->items[0]); }
    return rep_fail(REP_ERR_ARGUMENT, "word \"%s\" is not understood here; --help lists what is",
                    words->items[0]);
}

rep_status cli_take_config(cli_words *words, rep_config **out) {
    const char *file = NULL, *second = NULL;
    REP_TRY(cli_take_value(words, "--config-file", &file));
    REP_TRY(cli_take_value(words, "--config-file", &second));
    if (second != NULL) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "--config-file: given twice (\"%s\" and \"%s\"); give one", file, second);
    }
    for (int i = 0; i < words->count; i++) {
        /* Keys stand at even places; a value may look like anything. */
        const bool is_key = is_option(words->items[i]) && strchr(words->items[i], '.') == NULL;
        if (is_key) { return fail_option(words->items[i]); }
    }
    rep_config *config = NULL;
    REP_TRY(rep_config_create(&config));
    rep_status status = REP_OK;
    if (file != NULL) { status = rep_config_merge_file(config, file); }
    if (status == REP_OK) {
        status = rep_config_merge_pairs(config, words->count, (const char *const *)words->items);
    }
    if (status != REP_OK) {
        rep_config_destroy(config);
        return status;
    }
    words->count = 0;
    *out = config;
    return REP_OK;
}

rep_status cli_take_given_config(cli_words *words, rep_config **out) {
    if (words->count == 0) {
        return rep_fail(REP_ERR_ARGUMENT, "no configuration; give --config-file FILE, for example "
                                          "configs/drawn/search.yaml (--help has more)");
    }
    return cli_take_config(words, out);
}

bool cli_is_setting(const char *word) {
    const char *c = word;
    while (isupper((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_' || *c == '.') {
        c++;
    }
    return c > word && *c == '=';
}

rep_status cli_config_of_weights(rep_config **out, const char *config_file, const char *weights) {
    rep_config *config = NULL;
    REP_TRY(rep_config_create(&config));
    const char *const pair[] = {"MODEL.WEIGHT", weights};
    rep_status status = config_file ? rep_config_merge_file(config, config_file)
                                    : rep_config_merge_checkpoint(config, weights);
    if (status == REP_OK && config_file) { status = rep_config_merge_pairs(config, 2, pair); }
    if (status != REP_OK) {
        rep_config_destroy(config);
        return status;
    }
    *out = config;
    return REP_OK;
}

rep_status cli_look_at_weights(const char *path, bool *is_int8) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    *is_int8 = rep_tensors_metadata(file, "int8") != NULL;
    rep_tensors_close(file);
    return REP_OK;
}

int cli_fail(void) {
    fprintf(stderr, "repopt: %s\n", rep_last_error());
    return rep_status_exit_code(rep_last_status());
}

/* Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; words over 31 letters
 * are far from everything. */
static size_t distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    const size_t na = strlen(a), nb = strlen(b);
    if (na >= LONGEST || nb >= LONGEST) { return LONGEST; }
    size_t d[LONGEST][LONGEST];
    for (size_t i = 0; i <= na; i++) {
        for (size_t j = 0; j <= nb; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) { best = d[i - 1][j] + 1; }
            if (d[i][j - 1] + 1 < best) { best = d[i][j - 1] + 1; }
            const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap && d[i - 2][j - 2] + 1 < best) { best = d[i - 2][j - 2] + 1; }
            d[i][j] = best;
        }
    }
    return d[na][nb];
}

const char *cli_nearest(const char *word, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t least = 3; /* more than two edits is no typing slip */
    for (size_t i = 0; i < count; i++) {
        const size_t edits = distance(word, names[i]);
        if (edits < least) {
            least = edits;
            nearest = names[i];
        }
    }
    return nearest;
}
