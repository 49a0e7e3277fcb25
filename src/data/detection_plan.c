/* detection_plan.c - which pictures make which batch, so that each batch has one shape.
 *
 * The pictures of an epoch come in their order and wait, shape by shape, until a batch is full. In
 * training the rest of all shapes is joined at the end: every epoch then has count / batch batches
 * whatever sizes were drawn, and a batch number alone says its epoch. In evaluation sizes are not
 * drawn; the rest of a shape is a short batch. */
#include <stdlib.h>
#include <string.h>

#include "data/detection_loader.h"

int32_t rep_detection_plan_least(const rep_detection_plan *p, uint64_t epoch, uint32_t picture) {
    if (!p->is_train) { return rep_buckets_draw(p->buckets, NULL); }
    rep_rng rng;
    rep_rng_init(&rng, p->seed ^ rep_hash_text("detection size"), epoch << 32 | picture);
    return rep_buckets_draw(p->buckets, &rng);
}

static rep_frame frame_of(size_t *bucket, const rep_detection_plan *p, uint32_t picture) {
    const int32_t least = rep_detection_plan_least(p, p->epoch, picture);
    return rep_buckets_place(bucket, p->buckets, &p->pictures[picture], least);
}

/* The shape that holds all of a batch of mixed pictures. */
static size_t common_bucket(const rep_detection_plan *p, const uint32_t *pictures, size_t count) {
    rep_frame all = {0};
    for (size_t i = 0; i < count; i++) {
        size_t bucket;
        const rep_frame frame = frame_of(&bucket, p, pictures[i]);
        if (frame.height > all.height) { all.height = frame.height; }
        if (frame.width > all.width) { all.width = frame.width; }
    }
    return rep_buckets_find(p->buckets, all);
}

typedef struct plan_cursor {
    size_t batch, picture; /* planned so far */
} plan_cursor;

static void emit(rep_detection_plan *p, plan_cursor *at, const uint32_t *pictures, size_t count,
                 size_t bucket) {
    memcpy(p->order + at->picture, pictures, count * sizeof *pictures);
    p->starts[at->batch] = (uint32_t)at->picture;
    p->batch_buckets[at->batch++] = (uint32_t)bucket;
    at->picture += count;
    p->starts[at->batch] = (uint32_t)at->picture;
}

/* Batches of whatever comes, as many as are full. */
static void emit_mixed(rep_detection_plan *p, plan_cursor *at, const uint32_t *pictures,
                       size_t count) {
    for (size_t i = 0; i + p->batch <= count; i += p->batch) {
        emit(p, at, pictures + i, p->batch, common_bucket(p, pictures + i, p->batch));
    }
}

static void emit_grouped(rep_detection_plan *p, plan_cursor *at) {
    memset(p->open_count, 0, p->buckets->count * sizeof *p->open_count);
    for (size_t i = 0; i < p->picture_count; i++) {
        size_t bucket = 0;
        (void)frame_of(&bucket, p, p->shuffled[i]);
        uint32_t *open = p->open + bucket * p->batch;
        open[p->open_count[bucket]++] = p->shuffled[i];
        if (p->open_count[bucket] < p->batch) { continue; }
        emit(p, at, open, p->batch, bucket);
        p->open_count[bucket] = 0;
    }
}

/* What waits in vain, moved to the front of `open`; returns how many. */
static size_t join_rest(rep_detection_plan *p) {
    size_t count = 0;
    for (size_t i = 0; i < p->buckets->count; i++) {
        memmove(p->open + count, p->open + i * p->batch, p->open_count[i] * sizeof *p->open);
        count += p->open_count[i];
    }
    return count;
}

static void plan_epoch(rep_detection_plan *p, uint64_t epoch) {
    plan_cursor at = {0};
    p->epoch = epoch;
    if (p->is_train) {
        rep_data_shuffle(p->shuffled, p->picture_count, p->seed ^ rep_hash_text("detection order"),
                         epoch);
    }
    if (!p->is_grouped) {
        emit_mixed(p, &at, p->shuffled, p->picture_count);
        return;
    }
    emit_grouped(p, &at);
    if (p->is_train) {
        const size_t rest = join_rest(p);
        emit_mixed(p, &at, p->open, rest);
        return;
    }
    for (size_t i = 0; i < p->buckets->count; i++) {
        const size_t rest = p->open_count[i];
        if (rest > 0) { emit(p, &at, p->open + i * p->batch, rest, i); }
    }
}

/* Batches of an evaluation: a short one for every shape with a rest. */
static size_t count_short_batches(rep_detection_plan *p) {
    size_t count = 0;
    for (size_t i = 0; i < p->picture_count; i++) {
        size_t bucket = 0;
        (void)frame_of(&bucket, p, (uint32_t)i);
        count += p->open_count[bucket]++ % p->batch == 0;
    }
    return count;
}

rep_status rep_detection_plan_init(rep_detection_plan *out,
                                   const rep_detection_loader_options *options,
                                   const rep_buckets *buckets, const rep_annotations *annotations) {
    rep_detection_plan p = {.buckets = buckets,
                            .pictures = annotations->pictures,
                            .picture_count = annotations->picture_count,
                            .batch = (size_t)options->batch,
                            .seed = options->seed,
                            .epoch = UINT64_MAX,
                            .is_train = options->is_train,
                            .is_grouped = !options->is_train || !options->sizes.is_mixed};
    const size_t count = p.picture_count, most = count / p.batch + buckets->count + 1;
    p.shuffled = calloc(count, sizeof *p.shuffled);
    p.order = calloc(count, sizeof *p.order);
    p.open = calloc(buckets->count * p.batch, sizeof *p.open);
    p.open_count = calloc(buckets->count, sizeof *p.open_count);
    p.starts = calloc(most + 1, sizeof *p.starts);
    p.batch_buckets = calloc(most, sizeof *p.batch_buckets);
    if (!p.shuffled || !p.order || !p.open || !p.open_count || !p.starts || !p.batch_buckets) {
        rep_detection_plan_clear(&p);
        return rep_fail(REP_ERR_MEMORY, "loader: no memory for the order of %zu pictures", count);
    }
    for (size_t i = 0; i < count; i++) { p.shuffled[i] = (uint32_t)i; }
    p.batch_count = p.is_train ? count / p.batch : count_short_batches(&p);
    *out = p;
    return REP_OK;
}

void rep_detection_plan_clear(rep_detection_plan *p) {
    free(p->shuffled);
    free(p->order);
    free(p->open);
    free(p->open_count);
    free(p->starts);
    free(p->batch_buckets);
    *p = (rep_detection_plan){0};
}

size_t rep_detection_plan_batch(const uint32_t **pictures, uint32_t *bucket, rep_detection_plan *p,
                                uint64_t number) {
    const uint64_t epoch = number / p->batch_count;
    const size_t batch = (size_t)(number % p->batch_count);
    if (epoch != p->epoch) { plan_epoch(p, epoch); }
    *pictures = p->order + p->starts[batch];
    *bucket = p->batch_buckets[batch];
    return p->starts[batch + 1] - p->starts[batch];
}
