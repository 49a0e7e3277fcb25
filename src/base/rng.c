/* rng.c - counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). Key = seed, counter = (index, stream): a draw depends on
 * these three alone, never on how many were made before it or on which thread. */
#include <assert.h>
#include <math.h>

#include "base/base.h"

enum { ROUNDS = 10, WORDS = 4 };

void rep_random(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* the golden ratio and sqrt(3) - 1, as in the paper */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void rep_rng_init(rep_rng *rng, uint64_t seed, uint64_t stream) {
    *rng = (rep_rng){.seed = seed, .stream = stream, .used = WORDS};
}

uint32_t rep_rng_next(rep_rng *rng) {
    if (rng->used == WORDS) {
        rep_random(rng->words, rng->seed, rng->stream, rng->index++);
        rng->used = 0;
    }
    return rng->words[rng->used++];
}

float rep_rng_uniform(rep_rng *rng) { return (float)(rep_rng_next(rng) >> 8) * 0x1p-24f; }

uint32_t rep_rng_below(rep_rng *rng, uint32_t bound) {
    assert(bound > 0);
    /* The high half of a product; draws from the incomplete last interval are rejected (Lemire,
     * "Fast random integer generation in an interval", 2019). */
    const uint32_t reject_below = (0u - bound) % bound;
    uint64_t product;
    do { product = (uint64_t)rep_rng_next(rng) * bound; } while ((uint32_t)product < reject_below);
    return (uint32_t)(product >> 32);
}

float rep_rng_normal(rep_rng *rng) {
    /* Box and Muller. The logarithm's argument lies in (0, 1]. */
    const double u = ((double)rep_rng_next(rng) + 1.0) * 0x1p-32;
    const double turn = (double)rep_rng_next(rng) * 0x1p-32;
    return (float)(sqrt(-2.0 * rep_exact_log(u)) * rep_exact_cos(6.283185307179586 * turn));
}

uint64_t rep_hash_text(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text; text++) { hash = (hash ^ (uint8_t)*text) * 0x100000001B3u; }
    return hash;
}
