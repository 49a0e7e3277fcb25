/* ring.h - numbered things made in the background, in slots that are allocated once.
 *
 * The owner keeps the slots and says what number n holds and how it is made; the ring says who
 * makes which number when, and hands them out in order. */
#ifndef REP_DATA_RING_H
#define REP_DATA_RING_H

#include "base/base.h"

#define REP_RING_NONE UINT32_MAX

typedef struct rep_ring rep_ring;
typedef struct rep_ring_options {
    void *owner;
    /* Writes down what `number` holds. Called in the order of the numbers, one at a time. */
    void (*assign)(void *owner, uint32_t slot, uint64_t number);
    /* Makes it; `worker` is below rep_ring_threads. Several at once, of different slots. */
    rep_status (*make)(void *owner, uint32_t slot, int worker);
    int threads;         /* wanted: at least 1 and at most 256 are started */
    uint64_t first, end; /* numbers that come: first .. end - 1 */
} rep_ring_options;

/* Nothing runs before rep_ring_start, so that the owner can make its slots. */
REP_NODISCARD rep_status rep_ring_create(rep_ring **out, const rep_ring_options *options);
uint32_t rep_ring_slot_count(const rep_ring *ring);
int rep_ring_threads(const rep_ring *ring);
/* Where not even one thread can be started, rep_ring_next makes each number when it is due. */
REP_NODISCARD rep_status rep_ring_start(rep_ring *ring);
/* Stops the workers, whatever they are doing; the owner's slots are free then. */
void rep_ring_destroy(rep_ring *ring);
/* For `make`: whether what it makes is still wanted. */
bool rep_ring_is_stopping(rep_ring *ring);

/* The slot of the next number, the caller's until the next call; REP_RING_NONE after the last. What
 * failed is reported when it is due, and again by every later call. One thread at a time. */
REP_NODISCARD rep_status rep_ring_next(rep_ring *ring, uint32_t *slot);
/* The slot that rep_ring_next gives next, without taking it, while the one taken last stays the
 * caller's; REP_RING_NONE where it is not made yet, cannot be made or does not come. */
uint32_t rep_ring_peek(rep_ring *ring);

#endif
