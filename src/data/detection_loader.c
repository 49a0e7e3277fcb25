/* detection_loader.c - detection batches made in the background: slots, options, use. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/detection_loader.h"
#include "data/ring.h"

enum { MOST_ZOOM = 16, TILES = 4 };

typedef struct detection_slot {
    rep_detection_batch batch;
    float *images;
    rep_detection_picture *pictures;
    uint32_t *ids; /* as planned */
    rep_placed_objects objects;
    rep_detection_targets targets;
} detection_slot;

struct rep_detection_loader {
    const rep_detection_set *set;
    rep_detection_loader_options options; /* borrows nothing: sizes and levels are copied */
    rep_augmenter augmenter;
    rep_buckets buckets;
    rep_detection_plan plan; /* of the ring's assigning, but for what is keyed by picture */
    bool can_flip;
    rep_ring *ring;
    detection_slot *slots;
    float **scratches; /* one per worker */
    bool has_warned;
};

/* ---- making a batch ---------------------------------------------------------------------------
 */

static void assign(void *owner, uint32_t place, uint64_t number) {
    rep_detection_loader *l = owner;
    detection_slot *slot = &l->slots[place];
    const uint32_t *ids;
    uint32_t bucket;
    const size_t valid = rep_detection_plan_batch(&ids, &bucket, &l->plan, number);
    memcpy(slot->ids, ids, valid * sizeof *ids);
    slot->batch.valid = (int32_t)valid;
    slot->batch.bucket = (int32_t)bucket;
    slot->batch.height = l->buckets.items[bucket].height;
    slot->batch.width = l->buckets.items[bucket].width;
    slot->batch.epoch = number / l->plan.batch_count;
    slot->batch.index = number;
}

static size_t value_count(rep_frame frame) {
    return 3 * (size_t)frame.height * (size_t)frame.width;
}

static rep_status fill_row(const rep_detection_loader *l, detection_slot *slot, size_t number,
                           float *scratch) {
    rep_detection_batch *batch = &slot->batch;
    const size_t bucket = (size_t)batch->bucket;
    const uint32_t id = slot->ids[number];
    slot->pictures[number].index = id;
    rep_detection_row row = {
        .set = l->set,
        .options = &l->options,
        .buckets = &l->buckets,
        .augmenter = &l->augmenter,
        .can_flip = l->can_flip,
        .epoch = batch->epoch,
        .bucket = bucket,
        .least = rep_detection_plan_least(&l->plan, batch->epoch, id),
        .scratch = scratch,
        .pixels = slot->images + number * value_count(l->buckets.items[bucket]),
        .picture = &slot->pictures[number],
        .objects = &slot->objects,
    };
    const rep_status status = rep_detection_row_make(&row);
    batch->bad_count += row.bad_count;
    return status;
}

static rep_status fill_targets(detection_slot *slot, size_t number) {
    const rep_detection_picture *picture = &slot->pictures[number];
    const rep_placed_objects *objects = &slot->objects;
    const size_t points = 3 * (size_t)objects->keypoint_count;
    const rep_fcos_truth truth = {.count = picture->count,
                                  .boxes = objects->boxes + 4 * picture->first,
                                  .labels = objects->labels + picture->first,
                                  .keypoints =
                                      points ? objects->keypoints + points * picture->first : NULL};
    return rep_detection_targets_assign(&slot->targets, number, &truth,
                                        objects->areas + picture->first);
}

static rep_status fill(void *owner, uint32_t place, int worker) {
    const rep_detection_loader *l = owner;
    detection_slot *slot = &l->slots[place];
    rep_detection_batch *batch = &slot->batch;
    const rep_frame frame = l->buckets.items[batch->bucket];
    memset(slot->images, 0, (size_t)l->options.batch * value_count(frame) * sizeof(float));
    slot->objects.count = 0;
    batch->bad_count = 0;
    rep_detection_targets_start(&slot->targets, frame);
    for (size_t row = 0; row < (size_t)batch->valid; row++) {
        if (rep_ring_is_stopping(l->ring)) { return REP_OK; }
        REP_TRY(fill_row(l, slot, row, l->scratches[worker]));
        REP_TRY(fill_targets(slot, row));
    }
    batch->object_count = slot->objects.count;
    batch->positives = slot->targets.positive_sum;
    batch->centerness = slot->targets.centerness_sum;
    batch->visible = slot->targets.visible_sum;
    return REP_OK;
}

/* ---- options ----------------------------------------------------------------------------------
 */

static rep_status check_augment(const rep_detection_augment *a) {
    REP_TRY(rep_augment_check("the vertical flip probability", a->vertical_flip_probability, 0, 1));
    REP_TRY(rep_augment_check("zoom", a->zoom, 1, MOST_ZOOM));
    REP_TRY(rep_augment_check("the zoom probability", a->zoom_probability, 0, 1));
    REP_TRY(rep_augment_check("the mosaic probability", a->mosaic_probability, 0, 1));
    REP_TRY(rep_augment_check("the least visible share", a->min_visible, 0, 1));
    REP_TRY(rep_augment_check("the least side of a box", a->min_side_px, 0, 1e4f));
    REP_TRY(rep_augment_check("padding for a crop (a detector zooms)", (float)a->colour.pad, 0, 0));
    return rep_augment_check("cutout (a detector has none)", (float)a->colour.cutout, 0, 0);
}

static rep_status check_options(const rep_detection_loader_options *o,
                                const rep_annotations *annotations) {
    if (o->batch < 1) {
        return rep_fail(REP_ERR_ARGUMENT, "loader: a batch of %" PRId32 ", wanted at least 1",
                        o->batch);
    }
    if (o->is_train && (size_t)o->batch > annotations->picture_count) {
        return rep_fail(REP_ERR_DATA,
                        "%s: a batch of %" PRId32
                        " is larger than its %zu pictures; lower SOLVER.IMS_PER_BATCH or add data",
                        annotations->source, o->batch, annotations->picture_count);
    }
    return check_augment(&o->augment);
}

/* Evaluation shows every object there is, and has no targets. */
static void settle_options(rep_detection_loader_options *o) {
    if (o->augment.zoom == 0) { o->augment.zoom = 1; }
    if (o->is_train) { return; }
    o->augment.min_visible = o->augment.min_side_px = 0;
    o->targets.level_count = 0;
}

/* A mirrored picture needs to know which keypoint is now which. */
static bool find_flips(const rep_annotations *annotations,
                       const rep_detection_loader_options *options) {
    const rep_detection_augment *a = &options->augment;
    const bool is_wanted =
        options->is_train && (a->colour.flip_probability > 0 || a->vertical_flip_probability > 0);
    for (size_t i = 0; is_wanted && i < annotations->category_count; i++) {
        const rep_category *c = &annotations->categories[i];
        int32_t own = 0;
        while (own < c->keypoint_count && c->flip[own] == own) { own++; }
        if (c->keypoint_count < 2 || own < c->keypoint_count) { continue; }
        rep_log(REP_LOG_WARNING,
                "%s: no flips: category '%s' has %" PRId32
                " keypoints and no pair left_x, right_x among them",
                annotations->source, c->name, c->keypoint_count);
        return false;
    }
    return is_wanted;
}

/* ---- making and unmaking ----------------------------------------------------------------------
 */

static size_t most_objects(const rep_annotations *annotations) {
    size_t most = 1;
    for (size_t i = 0; i < annotations->picture_count; i++) {
        if (annotations->pictures[i].count > most) { most = annotations->pictures[i].count; }
    }
    return most;
}

static bool allocate_slot(detection_slot *slot, size_t batch, size_t values, size_t objects,
                          size_t keypoint_count) {
    slot->images = rep_aligned_alloc(batch * values * sizeof(float));
    slot->pictures = calloc(batch, sizeof *slot->pictures);
    slot->ids = calloc(batch, sizeof *slot->ids);
    rep_placed_objects *o = &slot->objects;
    o->keypoint_count = (int32_t)keypoint_count;
    o->boxes = calloc(objects, 4 * sizeof *o->boxes);
    o->labels = calloc(objects, sizeof *o->labels);
    o->sources = calloc(objects, sizeof *o->sources);
    o->areas = calloc(objects, sizeof *o->areas);
    if (keypoint_count) { o->keypoints = calloc(objects, 3 * keypoint_count * sizeof(float)); }
    slot->batch.images = slot->images;
    slot->batch.pictures = slot->pictures;
    slot->batch.boxes = o->boxes;
    slot->batch.labels = o->labels;
    slot->batch.keypoints = o->keypoints;
    slot->batch.sources = o->sources;
    slot->batch.areas = o->areas;
    return slot->images && slot->pictures && slot->ids && o->boxes && o->labels && o->sources &&
           o->areas && (o->keypoints || !keypoint_count);
}

static rep_status allocate(rep_detection_loader *l) {
    const size_t batch = (size_t)l->options.batch;
    const size_t values = value_count(l->buckets.items[l->buckets.count - 1]);
    const int32_t keypoint_count = rep_detection_set_keypoint_count(l->set);
    const bool has_mosaic = l->options.is_train && l->options.augment.mosaic_probability > 0;
    const size_t objects = batch * (has_mosaic ? TILES : 1) * most_objects(&l->set->face);
    const uint32_t slot_count = rep_ring_slot_count(l->ring);
    const int threads = rep_ring_threads(l->ring);
    l->slots = calloc(slot_count, sizeof *l->slots);
    l->scratches = calloc((size_t)threads, sizeof *l->scratches);
    bool is_complete = l->slots && l->scratches;
    for (uint32_t i = 0; is_complete && i < slot_count; i++) {
        detection_slot *slot = &l->slots[i];
        is_complete = allocate_slot(slot, batch, values, objects, (size_t)keypoint_count);
        if (!is_complete) { break; }
        REP_TRY(rep_detection_targets_init(&slot->targets, &l->options.targets, batch, l->set,
                                           &l->buckets));
        slot->batch.levels = slot->targets.levels;
        slot->batch.level_count = l->options.targets.level_count;
    }
    for (int i = 0; is_complete && i < threads; i++) {
        l->scratches[i] = malloc(values * sizeof(float));
        is_complete = l->scratches[i] != NULL;
    }
    if (is_complete) { return REP_OK; }
    return rep_fail(REP_ERR_MEMORY, "loader: no memory for %" PRIu32 " batches of %zu pictures",
                    slot_count, batch);
}

/* Everything but the workers. */
static rep_status prepare(rep_detection_loader *l) {
    const rep_detection_loader_options *o = &l->options;
    const rep_annotations *annotations = &l->set->face;
    const rep_dataset_info info = {.channels = 3};
    REP_TRY(check_options(o, annotations));
    REP_TRY(rep_augmenter_init(&l->augmenter, &o->augment.colour, &info));
    REP_TRY(rep_buckets_init(&l->buckets, &o->sizes, annotations));
    REP_TRY(rep_detection_plan_init(&l->plan, o, &l->buckets, annotations));
    const rep_ring_options ring = {.owner = l,
                                   .assign = assign,
                                   .make = fill,
                                   .threads = o->threads,
                                   .first = o->first_batch,
                                   .end = o->is_train ? UINT64_MAX : l->plan.batch_count};
    REP_TRY(rep_ring_create(&l->ring, &ring));
    REP_TRY(allocate(l));
    l->options.sizes.min_sizes = l->options.sizes.buckets = NULL;
    l->options.targets.levels = NULL;
    l->can_flip = find_flips(annotations, o);
    return REP_OK;
}

rep_status rep_detection_loader_create(rep_detection_loader **out, const rep_detection_set *set,
                                       const rep_detection_loader_options *options) {
    rep_detection_loader *l = calloc(1, sizeof *l);
    if (!l) { return rep_fail(REP_ERR_MEMORY, "loader: no memory"); }
    l->set = set;
    l->options = *options;
    settle_options(&l->options);
    rep_status status = prepare(l);
    if (status == REP_OK) { status = rep_ring_start(l->ring); }
    if (status != REP_OK) {
        rep_detection_loader_destroy(l);
        return status;
    }
    *out = l;
    return REP_OK;
}

static void clear_slot(detection_slot *slot) {
    rep_aligned_free(slot->images);
    free(slot->pictures);
    free(slot->ids);
    free(slot->objects.boxes);
    free(slot->objects.labels);
    free(slot->objects.keypoints);
    free(slot->objects.sources);
    free(slot->objects.areas);
    rep_detection_targets_clear(&slot->targets);
}

void rep_detection_loader_destroy(rep_detection_loader *l) {
    if (!l) { return; }
    const uint32_t slot_count = l->ring ? rep_ring_slot_count(l->ring) : 0;
    const int threads = l->ring ? rep_ring_threads(l->ring) : 0;
    rep_ring_destroy(l->ring);
    for (uint32_t i = 0; l->slots && i < slot_count; i++) { clear_slot(&l->slots[i]); }
    for (int i = 0; l->scratches && i < threads; i++) { free(l->scratches[i]); }
    free(l->slots);
    free(l->scratches);
    rep_detection_plan_clear(&l->plan);
    rep_buckets_clear(&l->buckets);
    free(l);
}

/* ---- use --------------------------------------------------------------------------------------
 */

rep_status rep_detection_loader_next(rep_detection_loader *l, const rep_detection_batch **out) {
    uint32_t place;
    REP_TRY(rep_ring_next(l->ring, &place));
    *out = place == REP_RING_NONE ? NULL : &l->slots[place].batch;
    if (*out && (*out)->bad_count > 0 && !l->has_warned) {
        rep_log(REP_LOG_WARNING,
                "%s: batch %" PRIu64 " met %zu pictures that cannot be read; skipped, as "
                "DATALOADER.SKIP_BAD has it, and not told again",
                l->set->face.source, (*out)->index, (*out)->bad_count);
        l->has_warned = true;
    }
    return REP_OK;
}

const rep_detection_batch *rep_detection_loader_peek(rep_detection_loader *l) {
    const uint32_t place = rep_ring_peek(l->ring);
    return place == REP_RING_NONE ? NULL : &l->slots[place].batch;
}

size_t rep_detection_loader_epoch_batches(const rep_detection_loader *l) {
    return l->plan.batch_count;
}

size_t rep_detection_loader_bucket(int32_t *height, int32_t *width, const rep_detection_loader *l,
                                   size_t bucket) {
    if (bucket < l->buckets.count) {
        *height = l->buckets.items[bucket].height;
        *width = l->buckets.items[bucket].width;
    }
    return l->buckets.count;
}

rep_status rep_detection_shapes(rep_detection_shape *shapes, size_t capacity, size_t *count,
                                const rep_detection_set *set, const rep_detection_sizes *sizes) {
    rep_buckets buckets;
    REP_TRY(rep_buckets_init(&buckets, sizes, &set->face));
    *count = buckets.count;
    for (size_t i = 0; i < buckets.count && i < capacity; i++) {
        shapes[i] = (rep_detection_shape){buckets.items[i].height, buckets.items[i].width};
    }
    rep_buckets_clear(&buckets);
    return REP_OK;
}
