/* text.c - where one UTF-8 character ends and the next begins (RFC 3629). */
#include "base/base.h"

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
