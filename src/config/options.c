/* options.c - the option table, and which of its keys a mistyped word most resembles. */
#include <ctype.h>
#include <string.h>

#include "config/config.h"

const rep_option rep_options[REP_OPTION_COUNT] = {
#define REP_OPTION(key, field, type, value, help)                                                  \
    {key, offsetof(rep_values, field), REP_OPTION_TYPE_##type, value, help},
#include "repopt/options.def"
#undef REP_OPTION
};

const rep_option *rep_option_find(const char *key) {
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        if (strcmp(rep_options[i].key, key) == 0) { return &rep_options[i]; }
    }
    return NULL;
}

bool rep_option_is_section(const char *path) {
    const size_t length = strlen(path);
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        if (strncmp(rep_options[i].key, path, length) == 0 && rep_options[i].key[length] == '.') {
            return true;
        }
    }
    return false;
}

/* Edits that turn a into b: insert, delete, replace, swap of neighbours; letter case is free. */
static int distance(const char *a, const char *b) {
    enum { MAX = 64 };
    int rows[3][MAX + 1];
    const size_t a_length = strnlen(a, MAX), b_length = strnlen(b, MAX);
    for (size_t j = 0; j <= b_length; j++) { rows[0][j] = (int)j; }
    for (size_t i = 1; i <= a_length; i++) {
        int *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            const int x = toupper((unsigned char)a[i - 1]), y = toupper((unsigned char)b[j - 1]);
            int best = last[j - 1] + (x != y);
            if (last[j] + 1 < best) { best = last[j] + 1; }
            if (now[j - 1] + 1 < best) { best = now[j - 1] + 1; }
            if (i > 1 && j > 1 && x == toupper((unsigned char)b[j - 2]) &&
                y == toupper((unsigned char)a[i - 2]) && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

static const char *last_part(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

const rep_option *rep_option_nearest(const char *key) {
    /* A right name in a wrong or missing section counts as near, too. */
    const char *part = last_part(key);
    const int section_cost = part == key ? 1 : 2;
    const rep_option *nearest = &rep_options[0];
    int least = 1 << 20;
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        const int whole = distance(key, rep_options[i].key);
        const int tail = distance(part, last_part(rep_options[i].key)) + section_cost;
        const int cost = whole < tail ? whole : tail;
        if (cost < least) {
            least = cost;
            nearest = &rep_options[i];
        }
    }
    return nearest;
}
