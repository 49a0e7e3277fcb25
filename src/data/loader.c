/* loader.c - batches made in the background: a ring of slots whose numbers are batches.
 *
 * Which pictures batch n holds follows from (seed, epoch) and n alone: the ring assigns them in
 * order, so one permutation is kept and redone when a batch enters a new epoch. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "data/ring.h"

typedef struct loader_slot {
    rep_batch batch;
    float *images;
    int32_t *labels;
    uint32_t *ids;
} loader_slot;

typedef struct loader_worker {
    uint8_t *pixels; /* one picture */
    float *scratch;
} loader_worker;

struct rep_loader {
    const rep_dataset *set;
    rep_loader_options options;
    rep_augmenter augmenter;
    size_t picture_count, value_count; /* of the set; of one picture */
    uint64_t epoch_batches;
    rep_ring *ring;
    loader_slot *slots;
    loader_worker *workers;
    /* of the ring's assigning */
    uint64_t order_epoch;
    uint32_t *order; /* permutation of the set in order_epoch; training only */
};

/* ---- order ------------------------------------------------------------------------------------
 */

static void shuffle(rep_loader *l, uint64_t epoch) {
    rep_data_shuffle(l->order, l->picture_count, l->options.seed ^ rep_hash_text("loader order"),
                     epoch);
    l->order_epoch = epoch;
}

/* Writes down which pictures batch `number` holds. */
static void assign(void *owner, uint32_t place, uint64_t number) {
    rep_loader *l = owner;
    loader_slot *slot = &l->slots[place];
    const size_t batch = (size_t)l->options.batch;
    const uint64_t epoch = number / l->epoch_batches;
    const size_t first = (size_t)(number % l->epoch_batches) * batch;
    const size_t left = l->picture_count - first, valid = left < batch ? left : batch;
    if (l->order && epoch != l->order_epoch) { shuffle(l, epoch); }
    for (size_t i = 0; i < batch; i++) {
        slot->ids[i] = i >= valid ? 0 : l->order ? l->order[first + i] : (uint32_t)(first + i);
    }
    slot->batch.valid = (int32_t)valid;
    slot->batch.epoch = epoch;
    slot->batch.index = number;
}

/* ---- making a batch ---------------------------------------------------------------------------
 */

static rep_status fill_row(const rep_loader *l, const loader_worker *w, loader_slot *slot,
                           size_t row) {
    const uint32_t id = slot->ids[row];
    float *out = slot->images + row * l->value_count;
    REP_TRY(rep_dataset_read(l->set, id, w->pixels, &slot->labels[row]));
    if (l->options.is_train) {
        rep_rng rng;
        rep_rng_init(&rng, l->options.seed ^ rep_hash_text("augmentation"),
                     slot->batch.epoch << 32 | id);
        rep_augment_random(&l->augmenter, &rng, w->pixels, w->scratch, out);
    } else {
        rep_augment_plain(&l->augmenter, w->pixels, out);
    }
    return REP_OK;
}

static rep_status fill(void *owner, uint32_t place, int worker) {
    const rep_loader *l = owner;
    loader_slot *slot = &l->slots[place];
    const size_t batch = (size_t)l->options.batch, valid = (size_t)slot->batch.valid;
    for (size_t row = 0; row < valid; row++) {
        if (rep_ring_is_stopping(l->ring)) { return REP_OK; }
        REP_TRY(fill_row(l, &l->workers[worker], slot, row));
    }
    for (size_t row = valid; row < batch; row++) {
        slot->labels[row] = -1;
        memset(slot->images + row * l->value_count, 0, l->value_count * sizeof(float));
    }
    return REP_OK;
}

/* ---- making and unmaking ----------------------------------------------------------------------
 */

static rep_status check_options(const rep_dataset_info *info, const rep_loader_options *o) {
    if (o->batch < 1) {
        return rep_fail(REP_ERR_ARGUMENT, "loader: a batch of %" PRId32 ", wanted at least 1",
                        o->batch);
    }
    if (o->is_train && (size_t)o->batch > info->count) {
        return rep_fail(REP_ERR_DATA,
                        "data set %s: a batch of %" PRId32
                        " is larger than its %zu pictures; lower "
                        "SOLVER.IMS_PER_BATCH or add data",
                        info->kind, o->batch, info->count);
    }
    return REP_OK;
}

static rep_status allocate(rep_loader *l) {
    const size_t batch = (size_t)l->options.batch;
    const uint32_t slot_count = rep_ring_slot_count(l->ring);
    const int threads = rep_ring_threads(l->ring);
    l->slots = calloc(slot_count, sizeof *l->slots);
    l->workers = calloc((size_t)threads, sizeof *l->workers);
    bool is_complete = l->slots && l->workers;
    for (uint32_t i = 0; is_complete && i < slot_count; i++) {
        loader_slot *slot = &l->slots[i];
        slot->images = rep_aligned_alloc(batch * l->value_count * sizeof(float));
        slot->labels = calloc(batch, sizeof *slot->labels);
        slot->ids = calloc(batch, sizeof *slot->ids);
        slot->batch.images = slot->images;
        slot->batch.labels = slot->labels;
        slot->batch.ids = slot->ids;
        is_complete = slot->images && slot->labels && slot->ids;
    }
    for (int i = 0; is_complete && i < threads; i++) {
        l->workers[i].pixels = malloc(l->value_count);
        l->workers[i].scratch = malloc(l->value_count * sizeof(float));
        is_complete = l->workers[i].pixels && l->workers[i].scratch;
    }
    if (is_complete && l->options.is_train) {
        l->order = malloc(l->picture_count * sizeof *l->order);
        is_complete = l->order != NULL;
    }
    if (!is_complete) {
        return rep_fail(REP_ERR_MEMORY, "loader: no memory for %" PRIu32 " batches of %zu pictures",
                        slot_count, batch);
    }
    return REP_OK;
}

rep_status rep_loader_create(rep_loader **out, const rep_dataset *dataset,
                             const rep_loader_options *options) {
    const rep_dataset_info *info = rep_dataset_info_get(dataset);
    REP_TRY(check_options(info, options));
    rep_augmenter augmenter;
    REP_TRY(rep_augmenter_init(&augmenter, &options->augment, info));
    rep_loader *l = calloc(1, sizeof *l);
    if (!l) { return rep_fail(REP_ERR_MEMORY, "loader: no memory"); }
    l->set = dataset;
    l->options = *options;
    l->augmenter = augmenter;
    l->picture_count = info->count;
    l->value_count = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    const size_t batch = (size_t)options->batch;
    l->epoch_batches = options->is_train ? info->count / batch : (info->count - 1) / batch + 1;
    l->order_epoch = UINT64_MAX;
    const rep_ring_options ring = {.owner = l,
                                   .assign = assign,
                                   .make = fill,
                                   .threads = options->threads,
                                   .first = options->first_batch,
                                   .end = options->is_train ? UINT64_MAX : l->epoch_batches};
    rep_status status = rep_ring_create(&l->ring, &ring);
    if (status == REP_OK) { status = allocate(l); }
    if (status == REP_OK) { status = rep_ring_start(l->ring); }
    if (status != REP_OK) {
        rep_loader_destroy(l);
        return status;
    }
    *out = l;
    return REP_OK;
}

void rep_loader_destroy(rep_loader *l) {
    if (!l) { return; }
    const uint32_t slot_count = l->ring ? rep_ring_slot_count(l->ring) : 0;
    const int threads = l->ring ? rep_ring_threads(l->ring) : 0;
    rep_ring_destroy(l->ring);
    for (int i = 0; l->workers && i < threads; i++) {
        free(l->workers[i].pixels);
        free(l->workers[i].scratch);
    }
    for (uint32_t i = 0; l->slots && i < slot_count; i++) {
        rep_aligned_free(l->slots[i].images);
        free(l->slots[i].labels);
        free(l->slots[i].ids);
    }
    free(l->workers);
    free(l->slots);
    free(l->order);
    free(l);
}

/* ---- use --------------------------------------------------------------------------------------
 */

rep_status rep_loader_next(rep_loader *l, const rep_batch **out) {
    uint32_t place;
    REP_TRY(rep_ring_next(l->ring, &place));
    *out = place == REP_RING_NONE ? NULL : &l->slots[place].batch;
    return REP_OK;
}

const rep_batch *rep_loader_peek(rep_loader *l) {
    const uint32_t place = rep_ring_peek(l->ring);
    return place == REP_RING_NONE ? NULL : &l->slots[place].batch;
}

size_t rep_loader_epoch_batches(const rep_loader *l) { return (size_t)l->epoch_batches; }
