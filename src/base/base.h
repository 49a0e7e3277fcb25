/* base.h - the floor every other room stands on: status, log, threads, random numbers, files. */
#ifndef REP_BASE_BASE_H
#define REP_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "repopt/detection.h"
#include "repopt/log.h"
#include "repopt/status.h"

/* ---- arena: memory freed all at once --------------------------------------------------------- */
typedef struct rep_arena {
    struct rep_arena_chunk *head;
} rep_arena;
/* Zeroed memory, aligned to 16; NULL when out of memory. */
void *rep_arena_alloc(rep_arena *arena, size_t bytes);
char *rep_arena_strdup(rep_arena *arena, const char *text);
void rep_arena_clear(rep_arena *arena);

/* Makes room for one more item behind `count` of them: `items` where *capacity allows it, else
 * moved by realloc to twice the room. NULL when out of memory: `items` is then as before. */
void *rep_array_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

/* Zeroed memory aligned to 64 bytes (2 MiB pages when large); free with rep_aligned_free. */
void *rep_aligned_alloc(size_t bytes);
void rep_aligned_free(void *memory);

/* ---- threads: a pool with static partition --------------------------------------------------- */
typedef struct rep_pool rep_pool;
typedef void (*rep_pool_fn)(void *context, int index, int count);
/* threads <= 0: one per core this process may use. The caller is worker 0. */
REP_NODISCARD rep_status rep_pool_create(rep_pool **out, int threads);
void rep_pool_destroy(rep_pool *pool);
int rep_pool_threads(const rep_pool *pool);
/* Runs fn on every worker and returns when all are done. */
void rep_pool_run(rep_pool *pool, rep_pool_fn fn, void *context);
/* Inside fn: waits for all workers. */
void rep_pool_sync(rep_pool *pool);

/* ---- random numbers: counter based, Philox4x32-10 (Salmon et al., SC 2011) ------------------- */
/* Four 32-bit words that depend on (seed, stream, index) alone. */
void rep_random(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index);
/* A draw-after-draw view of one stream. */
typedef struct rep_rng {
    uint64_t seed, stream, index;
    uint32_t words[4];
    int used; /* words already given, 4 at first */
} rep_rng;
void rep_rng_init(rep_rng *rng, uint64_t seed, uint64_t stream);
uint32_t rep_rng_next(rep_rng *rng);
float rep_rng_uniform(rep_rng *rng);                  /* [0, 1), 24 bits */
uint32_t rep_rng_below(rep_rng *rng, uint32_t bound); /* [0, bound), unbiased */
float rep_rng_normal(rep_rng *rng);
uint64_t rep_hash_text(const char *text);             /* FNV-1a 64: a stream number from a name */

/* ---- text ------------------------------------------------------------------------------------ */
/* Bytes of the UTF-8 character that `text` begins with, and its code point; 0 at the end of the
 * text and where no well-formed character stands. */
size_t rep_utf8_next(uint32_t *code, const char *text);
/* Decimal numbers only: no hexadecimal, infinity or not-a-number, nothing behind the number, which
 * must be finite; whatever the locale. False, and *out untouched, otherwise. */
bool rep_text_number(double *out, const char *text);
/* The same for whole numbers of 64 bits; 1e5 and 2.0 are such, too. */
bool rep_text_whole(int64_t *out, const char *text);
bool rep_text_starts_with(const char *text, const char *start);
/* As a file's name has an ending: something stands before it. */
bool rep_text_has_ending(const char *text, const char *ending);

/* ---- numbers --------------------------------------------------------------------------------- */
/* exact.c: the same bits on every machine, where a run's numbers depend on them. Each is within one
 * unit in the last place; beyond its limit the cosine is not a number. */
#define REP_COS_LIMIT 1e4
double rep_exact_exp(double x);
double rep_exact_log(double x);
double rep_exact_cos(double x); /* |x| <= REP_COS_LIMIT */
double rep_exact_power(double x, uint64_t n);
/* IEEE 754 binary16: every value is a float; a float is rounded to nearest, ties to even. */
float rep_half_to_float(uint16_t half);
uint16_t rep_half_from_float(float value);

/* ---- feature levels -------------------------------------------------------------------------- */
/* REP_ERR_ARGUMENT names a level without stride or cells. */
REP_NODISCARD rep_status rep_fcos_levels_check(const rep_fcos_level *levels, size_t count);
/* Locations of all of them. */
size_t rep_fcos_location_count(const rep_fcos_level *levels, size_t count);
/* x, y of a level's location in pixels. */
void rep_fcos_place(float out[2], const rep_fcos_level *level, size_t location);

/* ---- files ----------------------------------------------------------------------------------- */
/* A whole file: mapped where possible. bytes is NULL for an empty one. */
typedef struct rep_file_view {
    const uint8_t *bytes;
    size_t count;
    bool is_mapped;
} rep_file_view;
REP_NODISCARD rep_status rep_file_open(rep_file_view *out, const char *path);
void rep_file_close(rep_file_view *view);
/* Calls write(context, stream) on a temporary file in the same folder, syncs, renames over `path`
 * and syncs the folder. On any failure the temporary file is gone and `path` is as before. */
REP_NODISCARD rep_status rep_file_replace(const char *path,
                                          rep_status (*write)(void *context, FILE *stream),
                                          void *context);
/* The same for bytes at hand. */
REP_NODISCARD rep_status rep_file_write(const char *path, const void *bytes, size_t count);
/* Makes a folder and its parents. REP_ERR_IO tells which could not be made or written into. */
REP_NODISCARD rep_status rep_folder_make(const char *path);
bool rep_file_exists(const char *path);
/* Seconds of a clock that never goes back. */
double rep_clock_s(void);
/* Largest resident size of this process so far, MiB. */
double rep_peak_rss_mib(void);

#endif
