/* dump.c - the whole effective config as YAML, sections nested as in the user's files. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

enum { COLUMNS = 100 };

/* Bytes of the sections that a and b have in common, the last dot included. */
static size_t common_section(const char *a, const char *b) {
    size_t common = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
        if (a[i] == '.') { common = i + 1; }
    }
    return common;
}

static void indent(FILE *stream, int depth) { fprintf(stream, "%*s", 2 * depth, ""); }

static void print_comment(FILE *stream, int depth, const char *text) {
    const char *word = text;
    while (*word) {
        indent(stream, depth);
        putc('#', stream);
        int column = 2 * depth + 1;
        do {
            const int length = (int)strcspn(word, " ");
            fprintf(stream, " %.*s", length, word);
            column += length + 1;
            word += length;
            word += strspn(word, " ");
        } while (*word && column + 1 + (int)strcspn(word, " ") <= COLUMNS);
        putc('\n', stream);
    }
}

static void print_row(FILE *stream, const rep_config *config, const rep_option *option,
                      const char *previous, bool is_commented) {
    const size_t common = common_section(option->key, previous);
    int depth = 0;
    for (size_t i = 0; i < common; i++) { depth += option->key[i] == '.'; }
    const char *part = option->key + common;
    for (const char *dot = strchr(part, '.'); dot; dot = strchr(part, '.')) {
        indent(stream, depth++);
        fprintf(stream, "%.*s:\n", (int)(dot - part), part);
        part = dot + 1;
    }
    if (is_commented) {
        char text[1024];
        snprintf(text, sizeof text, "%s [%s]", option->help,
                 option->value[0] ? option->value : "empty");
        print_comment(stream, depth, text);
    }
    indent(stream, depth);
    fprintf(stream, "%s: ", part);
    rep_option_print(option, &config->values, stream);
    putc('\n', stream);
}

rep_status rep_config_dump(const rep_config *config, bool commented, char **out) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) { return rep_fail(REP_ERR_MEMORY, "config: no memory to print it"); }
    if (commented) {
        fputs("# Every key with its meaning and, in brackets, its default.\n", stream);
    }
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        print_row(stream, config, &rep_options[i], i ? rep_options[i - 1].key : "", commented);
    }
    const bool has_failed = ferror(stream) != 0;
    if (fclose(stream) != 0 || has_failed) {
        free(text);
        return rep_fail(REP_ERR_MEMORY, "config: no memory to print it");
    }
    *out = text;
    return REP_OK;
}
