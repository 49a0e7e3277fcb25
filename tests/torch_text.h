/* torch_text.h - old streams of torch.save, written from a few characters.
 *
 *     {'model' {'w' T}}    dictionaries, tensors of the floats 1, 2, 3
 *     [T N 7] (T T)        lists, tuples; None; a digit
 *     <module name>        a class; R calls it with the tuple before, n makes one of it, b builds
 *     =1 1                 keeps the top of the stack as number 1, pushes it (!1)
 */
#ifndef REP_TESTS_TORCH_TEXT_H
#define REP_TESTS_TORCH_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

typedef struct torch_text {
    FILE *stream;
    char *bytes;
    size_t count;
} torch_text;

static inline void torch_put(FILE *f, const void *bytes, size_t count) {
    assert_true(fwrite(bytes, 1, count, f) == count);
}

static inline void torch_put_text(FILE *f, const char *text, size_t count) {
    const uint32_t length = (uint32_t)count;
    putc('X', f);
    torch_put(f, &length, 4);
    torch_put(f, text, count);
}

/* A persistent id: `count` elements of a class of torch, under a key. */
static inline void torch_put_storage(FILE *f, const char *type, const char *key, int count) {
    putc('(', f);
    torch_put_text(f, "storage", 7);
    fprintf(f, "ctorch\n%s\n", type);
    torch_put_text(f, key, strlen(key));
    torch_put_text(f, "cpu", 3);
    fprintf(f, "K%cNtQ", count);
}

/* `tail` are opcodes for the arguments behind the strides: requires_grad, hooks, ... */
static inline void torch_put_tensor(FILE *f, const char *type, const char *key, int count,
                                    const char *tail) {
    fputs("ctorch._utils\n_rebuild_tensor_v2\n(", f);
    torch_put_storage(f, type, key, count);
    torch_put(f, "K\0", 2);
    fprintf(f, "K%c\x85K\x01\x85%stR", count, tail);
}

/* The magic number, the protocol, the machine; `value` follows. */
static inline void torch_begin(torch_text *text) {
    static const char head[] = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
                               "\x80\x02M\xE9\x03."
                               "\x80\x02}X\x0D\0\0\0little_endian\x88s."
                               "\x80\x02";
    text->stream = open_memstream(&text->bytes, &text->count);
    assert_non_null(text->stream);
    torch_put(text->stream, head, sizeof head - 1);
}

/* One storage's part behind the list of keys. */
static inline void torch_put_block(FILE *f, const void *elements, uint64_t count, size_t bytes) {
    torch_put(f, &count, 8);
    torch_put(f, elements, bytes);
}

/* The end where key "0", three floats, is the only one. */
static inline void torch_end(torch_text *text) {
    static const float elements[] = {1, 2, 3};
    static const char keys[] = ".\x80\x02](X\x01\0\0\0"
                               "0e.";
    torch_put(text->stream, keys, sizeof keys - 1);
    torch_put_block(text->stream, elements, 3, sizeof elements);
    assert_int_equal(fclose(text->stream), 0);
}

static inline const char *torch_put_class(FILE *f, const char *c) {
    const char *space = strchr(c, ' '), *end = strchr(c, '>');
    fprintf(f, "c%.*s\n%.*s\n", (int)(space - c - 1), c + 1, (int)(end - space - 1), space + 1);
    return end;
}

static inline void torch_put_value(FILE *f, const char *value) {
    static const char *const rows[] = {"{}(", "}u", "[](", "]e",    "((",
                                       ")t",  "NN", "RR",  "n\x81", "bb"};
    for (const char *c = value; *c; c++) {
        const char *end = c;
        if (*c == '\'') {
            end = strchr(c + 1, '\'');
            torch_put_text(f, c + 1, (size_t)(end - c - 1));
        } else if (*c == 'T') {
            torch_put_tensor(f, "FloatStorage", "0", 3, "");
        } else if (*c >= '0' && *c <= '9') {
            fprintf(f, "J%c", *c - '0');
            torch_put(f, "\0\0\0", 3);
        } else if (*c == '<') {
            end = torch_put_class(f, c);
        } else if (*c == '=' || *c == '!') {
            fprintf(f, "%c%c", *c == '=' ? 'q' : 'h', c[1] - '0');
            end = c + 1;
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (*c == rows[i][0]) { fputs(rows[i] + 1, f); }
        }
        c = end;
    }
}

#endif
