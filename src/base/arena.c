/* arena.c - memory freed all at once, growing arrays, and aligned blocks. */
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "base/base.h"

struct rep_arena_chunk {
    struct rep_arena_chunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char bytes[];
};

enum { CHUNK_BYTES = 64 * 1024, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

void *rep_arena_alloc(rep_arena *arena, size_t bytes) {
    const size_t need = (bytes + 15) & ~(size_t)15;
    if (need < bytes) { return NULL; }
    struct rep_arena_chunk *chunk = arena->head;
    if (!chunk || chunk->capacity - chunk->used < need) {
        const size_t capacity = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + capacity);
        if (!chunk) { return NULL; }
        chunk->capacity = capacity;
        chunk->next = arena->head;
        arena->head = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += need;
    return memory;
}

char *rep_arena_strdup(rep_arena *arena, const char *text) {
    const size_t bytes = strlen(text) + 1;
    char *copy = rep_arena_alloc(arena, bytes);
    if (copy) { memcpy(copy, text, bytes); }
    return copy;
}

void rep_arena_clear(rep_arena *arena) {
    while (arena->head) {
        struct rep_arena_chunk *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}

void *rep_array_grow(void *items, size_t count, size_t *capacity, size_t item_bytes) {
    if (count < *capacity) { return items; }
    const size_t larger = *capacity ? 2 * *capacity : 64;
    if (larger > SIZE_MAX / 2 / item_bytes) { return NULL; }
    void *grown = realloc(items, larger * item_bytes);
    if (grown) { *capacity = larger; }
    return grown;
}

void *rep_aligned_alloc(size_t bytes) {
    /* Large blocks on huge pages: a training step walks hundreds of MiB, and page faults and TLB
     * misses would show in its time. */
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const bool is_large = bytes >= HUGE_PAGE_BYTES;
#else
    const bool is_large = false;
#endif
    const size_t align = is_large ? HUGE_PAGE_BYTES : 64;
    const size_t rounded = (bytes + align - 1) & ~(align - 1);
    if (rounded < bytes) { return NULL; }
    void *memory = aligned_alloc(align, rounded ? rounded : align);
    if (!memory) { return NULL; }
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (is_large) { (void)madvise(memory, rounded, MADV_HUGEPAGE); }
#endif
    memset(memory, 0, rounded ? rounded : align);
    return memory;
}

void rep_aligned_free(void *memory) { free(memory); }
