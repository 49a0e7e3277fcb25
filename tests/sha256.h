/* sha256.h - SHA-256 (FIPS 180-4), for vectors whose elements are listed by their digest. */
#ifndef REP_TESTS_SHA256_H
#define REP_TESTS_SHA256_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The first 32 bits of the fractional part of the root of the n-th prime (square or cube), which
 * is how the standard defines its constants. */
static inline uint32_t sha256_constant(int n, bool is_cube) {
    int prime = 1;
    for (int found = -1; found < n;) {
        prime++;
        bool is_prime = true;
        for (int d = 2; d * d <= prime; d++) { is_prime = is_prime && prime % d != 0; }
        found += is_prime;
    }
    const long double root = is_cube ? cbrtl(prime) : sqrtl(prime);
    return (uint32_t)((root - floorl(root)) * 0x1p32L);
}

static inline uint32_t sha256_turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void sha256_block(uint32_t h[8], const uint8_t *p) {
    static uint32_t k[64];
    uint32_t w[64], v[8];
    for (int i = 0; i < 64 && k[63] == 0; i++) { k[i] = sha256_constant(i, true); }
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (sha256_turn(a, 7) ^ sha256_turn(a, 18) ^ a >> 3) + w[i - 7] +
               (sha256_turn(b, 17) ^ sha256_turn(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t a = v[0], e = v[4];
        const uint32_t t1 = v[7] + (sha256_turn(e, 6) ^ sha256_turn(e, 11) ^ sha256_turn(e, 25)) +
                            ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        const uint32_t t2 = (sha256_turn(a, 2) ^ sha256_turn(a, 13) ^ sha256_turn(a, 22)) +
                            ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) { h[i] += v[i]; }
}

/* The digest of bytes[0..count) in hexadecimal. */
static inline void sha256_hex(char out[65], const void *bytes, size_t count) {
    uint32_t h[8];
    for (int i = 0; i < 8; i++) { h[i] = sha256_constant(i, false); }
    const uint8_t *p = bytes;
    size_t left = count;
    for (; left >= 64; left -= 64, p += 64) { sha256_block(h, p); }
    uint8_t tail[128] = {0};
    if (left > 0) { memcpy(tail, p, left); }
    tail[left] = 0x80;
    const size_t end = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++) {
        tail[end - 1 - (size_t)i] = (uint8_t)((uint64_t)count * 8 >> 8 * i);
    }
    sha256_block(h, tail);
    if (end == 128) { sha256_block(h, tail + 64); }
    for (int i = 0; i < 8; i++) { snprintf(out + 8 * i, 9, "%08x", (unsigned)h[i]); }
}

#endif
