/* value.c - one value of one option: checked and stored, printed and read back the same. */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

enum { MAX_ITEMS = 1024, MAX_TEXT_BYTES = 4096 };

/* Field of option `o` in rep_values *v. */
#define FIELD(type, o, v) ((type *)(void *)((char *)(v) + (o)->offset))
#define CONST_FIELD(type, o, v) ((const type *)(const void *)((const char *)(v) + (o)->offset))

static const char *wanted(const rep_option *option) {
    static const char *const texts[] = {
#define ROW(name, text) text,
        REP_OPTION_TYPES(ROW)
#undef ROW
    };
    return texts[option->type];
}

static rep_status fail_type(const rep_option *option, const rep_node *node) {
    switch (node->kind) {
    case REP_NODE_SEQUENCE:
        return rep_fail(REP_ERR_CONFIG, "%s: found a list, wanted %s", option->key, wanted(option));
    case REP_NODE_MAPPING:
        return rep_fail(REP_ERR_CONFIG, "%s: found a section, wanted %s", option->key,
                        wanted(option));
    default:
        return rep_fail(REP_ERR_CONFIG, "%s: found \"%.80s\", wanted %s", option->key, node->text,
                        wanted(option));
    }
}

/* ---- text ----------------------------------------------------------------------------------- */

/* YAML carries neither control characters nor, in one line, the separators U+2028 and U+2029. */
static bool is_letter(uint32_t code) {
    return code >= 0x20 && !(code >= 0x7F && code < 0xA0) && code != 0x2028 && code != 0x2029 &&
           code != 0xFEFF && code != 0xFFFE && code != 0xFFFF;
}

static rep_status check_text(const rep_option *option, const char *text) {
    if (strlen(text) > MAX_TEXT_BYTES) {
        return rep_fail(REP_ERR_CONFIG, "%s: text of %zu bytes, wanted at most %d", option->key,
                        strlen(text), MAX_TEXT_BYTES);
    }
    for (const char *s = text; *s;) {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, s);
        if (bytes == 0 || !is_letter(code)) {
            return rep_fail(REP_ERR_CONFIG,
                            "%s: byte %zu of its text is a control character or no UTF-8; wanted "
                            "one line of text",
                            option->key, (size_t)(s - text));
        }
        s += bytes;
    }
    return REP_OK;
}

static rep_status copy_text(const char **out, const rep_option *option, rep_arena *arena,
                            const char *text) {
    REP_TRY(check_text(option, text));
    *out = rep_arena_strdup(arena, text);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for its text", option->key);
}

/* Takes the word of `alternatives` ("a | b: ...") that `text` is, in any case. */
static rep_status set_choice(const char **out, const rep_option *option, rep_arena *arena,
                             const char *text) {
    const size_t length = strlen(text);
    const char *end = strchr(option->help, ':');
    for (const char *word = option->help; word < end;) {
        const size_t word_length = strcspn(word, " :");
        if (length == word_length && strncasecmp(text, word, length) == 0) {
            char *copy = rep_arena_strdup(arena, text);
            if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", option->key); }
            memcpy(copy, word, length);
            *out = copy;
            return REP_OK;
        }
        word += word_length;
        word += strspn(word, " |");
    }
    if (length == 0 && option->value[0] == '\0') {
        *out = "";
        return REP_OK;
    }
    return rep_fail(REP_ERR_CONFIG, "%s: found \"%.80s\", wanted %.*s", option->key, text,
                    (int)(end - option->help), option->help);
}

static rep_status set_text(const rep_option *option, rep_values *values, rep_arena *arena,
                           const rep_node *node) {
    if (node->kind != REP_NODE_SCALAR) { return fail_type(option, node); }
    const char *text = rep_node_is_null(node) ? "" : node->text;
    const char **field = FIELD(const char *, option, values);
    if (option->type == REP_OPTION_TYPE_choice) { return set_choice(field, option, arena, text); }
    if (option->type == REP_OPTION_TYPE_mode) {
        /* Kept under its one canonical name. */
        rep_mode mode;
        if (rep_mode_parse(&mode, text) != REP_OK) { return rep_fail_prefix("%s: ", option->key); }
        *field = rep_mode_name(mode);
        return REP_OK;
    }
    return copy_text(field, option, arena, text);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static rep_status set_whole(const rep_option *option, rep_values *values, const rep_node *node) {
    int64_t number;
    const int64_t least = option->type == REP_OPTION_TYPE_natural ? 0
                          : option->type == REP_OPTION_TYPE_count ? 1
                                                                  : INT64_MIN;
    if (node->kind != REP_NODE_SCALAR || !rep_text_whole(&number, node->text) || number < least) {
        return fail_type(option, node);
    }
    *FIELD(int64_t, option, values) = number;
    return REP_OK;
}

static rep_status set_number(const rep_option *option, rep_values *values, const rep_node *node) {
    double number;
    if (node->kind != REP_NODE_SCALAR || !rep_text_number(&number, node->text)) {
        return fail_type(option, node);
    }
    bool is_good = true;
    switch (option->type) {
    case REP_OPTION_TYPE_nonnegative:
        is_good = number >= 0;
        break;
    case REP_OPTION_TYPE_positive:
        is_good = number > 0;
        break;
    case REP_OPTION_TYPE_fraction:
        is_good = number >= 0 && number <= 1;
        break;
    case REP_OPTION_TYPE_below_one:
        is_good = number >= 0 && number < 1;
        break;
    default:
        break;
    }
    if (!is_good) { return fail_type(option, node); }
    *FIELD(double, option, values) = number;
    return REP_OK;
}

static rep_status set_bool(const rep_option *option, rep_values *values, const rep_node *node) {
    if (node->kind == REP_NODE_SCALAR) {
        const bool is_true = strcasecmp(node->text, "true") == 0;
        if (is_true || strcasecmp(node->text, "false") == 0) {
            *FIELD(bool, option, values) = is_true;
            return REP_OK;
        }
    }
    return fail_type(option, node);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Cuts "(a, 'b c',)", "[a]" or "a, b" into items, as Python reads a tuple. `text` is changed. */
static rep_status split_tuple(const char **items, size_t *count, const rep_option *option,
                              char *text, const rep_node *node) {
    size_t length = strlen(text);
    if (length >= 2 && (text[0] == '(' || text[0] == '[')) {
        if (text[length - 1] != (text[0] == '(' ? ')' : ']')) { return fail_type(option, node); }
        text[length - 1] = '\0';
        text++;
    }
    *count = 0;
    for (char *s = text + strspn(text, " "); *s; s += strspn(s, " ")) {
        char *end;
        const char *item = s;
        if (*s == '"' || *s == '\'') {
            end = strchr(s + 1, *s);
            if (!end) { return fail_type(option, node); }
            *end++ = '\0';
            item = s + 1;
            end += strspn(end, " ");
            if (*end != ',' && *end != '\0') { return fail_type(option, node); }
        } else {
            end = s + strcspn(s, ",");
            if (end == s) { return fail_type(option, node); }
        }
        if (*count == MAX_ITEMS) {
            return rep_fail(REP_ERR_CONFIG, "%s: more than %d items; shorten it", option->key,
                            MAX_ITEMS);
        }
        const bool is_last = *end == '\0';
        char *tail = end;
        *end = '\0';
        while (tail > item && tail[-1] == ' ') { *--tail = '\0'; }
        items[(*count)++] = item;
        s = is_last ? end : end + 1;
    }
    return REP_OK;
}

static rep_status list_items(const char **items, size_t *count, const rep_option *option,
                             rep_arena *arena, const rep_node *node) {
    *count = 0;
    if (rep_node_is_null(node)) { return REP_OK; }
    if (node->kind == REP_NODE_SCALAR) {
        char *text = rep_arena_strdup(arena, node->text);
        if (!text) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", option->key); }
        return split_tuple(items, count, option, text, node);
    }
    if (node->kind != REP_NODE_SEQUENCE || node->count > MAX_ITEMS) {
        return fail_type(option, node);
    }
    for (const rep_node *child = node->child; child; child = child->next) {
        if (child->kind != REP_NODE_SCALAR) { return fail_type(option, child); }
        items[(*count)++] = child->text;
    }
    return REP_OK;
}

static rep_status set_list(const rep_option *option, rep_values *values, rep_arena *arena,
                           const rep_node *node) {
    const char *items[MAX_ITEMS];
    size_t count;
    REP_TRY(list_items(items, &count, option, arena, node));
    if (option->type == REP_OPTION_TYPE_numbers) {
        double *numbers = rep_arena_alloc(arena, (count + 1) * sizeof *numbers);
        if (!numbers) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", option->key); }
        for (size_t i = 0; i < count; i++) {
            if (!rep_text_number(&numbers[i], items[i])) {
                return rep_fail(REP_ERR_CONFIG, "%s: item %zu is \"%.80s\", wanted %s", option->key,
                                i + 1, items[i], wanted(option));
            }
        }
        *FIELD(rep_numbers, option, values) = (rep_numbers){.items = numbers, .count = count};
        return REP_OK;
    }
    const char **texts = rep_arena_alloc(arena, (count + 1) * sizeof *texts);
    if (!texts) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", option->key); }
    for (size_t i = 0; i < count; i++) { REP_TRY(copy_text(&texts[i], option, arena, items[i])); }
    *FIELD(rep_strings, option, values) = (rep_strings){.items = texts, .count = count};
    return REP_OK;
}

rep_status rep_option_set(const rep_option *option, rep_values *values, rep_arena *arena,
                          const rep_node *node) {
    switch (option->type) {
    case REP_OPTION_TYPE_bool:
        return set_bool(option, values, node);
    case REP_OPTION_TYPE_int:
    case REP_OPTION_TYPE_natural:
    case REP_OPTION_TYPE_count:
        return set_whole(option, values, node);
    case REP_OPTION_TYPE_string:
    case REP_OPTION_TYPE_mode:
    case REP_OPTION_TYPE_choice:
        return set_text(option, values, arena, node);
    case REP_OPTION_TYPE_numbers:
    case REP_OPTION_TYPE_strings:
        return set_list(option, values, arena, node);
    default:
        return set_number(option, values, node);
    }
}

/* ---- printing ------------------------------------------------------------------------------- */

static void print_number(double number, FILE *stream) {
    /* The fewest digits that read back to the same bits. */
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        char *comma = strchr(text, localeconv()->decimal_point[0]);
        if (comma) { *comma = '.'; }
        double again;
        if (rep_text_number(&again, text) && again == number) { break; }
    }
    /* Other readers take an exponent for a number only behind a decimal point. */
    const size_t mantissa = strcspn(text, "e");
    const bool is_bare = text[mantissa] == 'e' && !strchr(text, '.');
    fprintf(stream, "%.*s%s%s", (int)mantissa, text, is_bare ? ".0" : "", text + mantissa);
}

static void print_text(const char *text, FILE *stream) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_./";
    static const char others[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_./-0123456789";
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    /* Words that a YAML reader takes for something else than text are quoted. */
    bool is_plain = text[0] && strchr(letters, text[0]) && text[strspn(text, others)] == '\0';
    is_plain = is_plain && !strchr(".", text[0]);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        is_plain = is_plain && strcasecmp(text, words[i]) != 0;
    }
    if (is_plain) {
        fputs(text, stream);
        return;
    }
    putc('"', stream);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') { putc('\\', stream); }
        putc(*text, stream);
    }
    putc('"', stream);
}

void rep_option_print(const rep_option *option, const rep_values *values, FILE *stream) {
    switch (option->type) {
    case REP_OPTION_TYPE_bool:
        fputs(*CONST_FIELD(bool, option, values) ? "true" : "false", stream);
        return;
    case REP_OPTION_TYPE_int:
    case REP_OPTION_TYPE_natural:
    case REP_OPTION_TYPE_count:
        fprintf(stream, "%" PRId64, *CONST_FIELD(int64_t, option, values));
        return;
    case REP_OPTION_TYPE_string:
    case REP_OPTION_TYPE_mode:
    case REP_OPTION_TYPE_choice:
        print_text(*CONST_FIELD(char *const, option, values), stream);
        return;
    case REP_OPTION_TYPE_numbers: {
        const rep_numbers *list = CONST_FIELD(rep_numbers, option, values);
        for (size_t i = 0; i < list->count; i++) {
            fputs(i ? ", " : "[", stream);
            print_number(list->items[i], stream);
        }
        fputs(list->count ? "]" : "[]", stream);
        return;
    }
    case REP_OPTION_TYPE_strings: {
        const rep_strings *list = CONST_FIELD(rep_strings, option, values);
        for (size_t i = 0; i < list->count; i++) {
            fputs(i ? ", " : "[", stream);
            print_text(list->items[i], stream);
        }
        fputs(list->count ? "]" : "[]", stream);
        return;
    }
    default:
        print_number(*CONST_FIELD(double, option, values), stream);
    }
}
