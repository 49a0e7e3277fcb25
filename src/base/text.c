/* text.c - UTF-8 characters (RFC 3629), and numbers written in decimal. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { MAX_NUMBER_BYTES = 100 };

size_t rep_utf8_next(uint32_t *code, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    size_t more;
    uint32_t value, least;
    if (s[0] < 0x80) {
        *code = s[0];
        return s[0] ? 1 : 0;
    }
    if ((s[0] & 0xE0) == 0xC0) {
        more = 1, value = s[0] & 0x1Fu, least = 0x80;
    } else if ((s[0] & 0xF0) == 0xE0) {
        more = 2, value = s[0] & 0x0Fu, least = 0x800;
    } else if ((s[0] & 0xF8) == 0xF0) {
        more = 3, value = s[0] & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) { return 0; }
        value = value << 6 | (s[i] & 0x3Fu);
    }
    if (value < least || (value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) { return 0; }
    *code = value;
    return more + 1;
}

/* strtod of a text with a decimal point, whatever the host program's locale writes there. */
static double number_of(const char *text) {
    const char *point = strchr(text, '.');
    if (!point || localeconv()->decimal_point[0] == '.') { return strtod(text, NULL); }
    char copy[MAX_NUMBER_BYTES + 1];
    snprintf(copy, sizeof copy, "%s", text);
    copy[point - text] = localeconv()->decimal_point[0];
    return strtod(copy, NULL);
}

bool rep_text_number(double *out, const char *text) {
    const char *s = text + (text[0] == '+' || text[0] == '-');
    size_t digits = strspn(s, "0123456789");
    s += digits;
    if (*s == '.') {
        const size_t more = strspn(++s, "0123456789");
        digits += more;
        s += more;
    }
    if (digits == 0) { return false; }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        const size_t exponent = strspn(s, "0123456789");
        if (exponent == 0) { return false; }
        s += exponent;
    }
    if (*s != '\0' || s - text > MAX_NUMBER_BYTES) { return false; }
    const double number = number_of(text);
    if (!isfinite(number)) { return false; }
    *out = number;
    return true;
}

bool rep_text_whole(int64_t *out, const char *text) {
    const char *s = text + (text[0] == '+' || text[0] == '-');
    if (s[0] != '\0' && s[strspn(s, "0123456789")] == '\0') {
        errno = 0;
        const long long number = strtoll(text, NULL, 10);
        if (errno != 0) { return false; }
        *out = number;
        return true;
    }
    /* 1e5 is a whole number, too. */
    double number;
    if (!rep_text_number(&number, text) || number != floor(number) || fabs(number) > 0x1p53) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

bool rep_text_starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

bool rep_text_has_ending(const char *text, const char *ending) {
    const size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}
