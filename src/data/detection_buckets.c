/* detection_buckets.c - how large pictures become, and the few shapes that batches have.
 *
 * Shapes are derived by merging: first every size that pictures can get, padded to the multiple, is
 * a shape of its own, with as many pictures as get it; then the two whose common hull adds the
 * least padding become one, until few enough are left. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/detection_loader.h"

enum {
    MOST_SIDE_PX = 16384,
    MOST_BUCKETS = 64,
    MOST_CANDIDATES = 256, /* merging looks at all pairs */
    RANGE_STEPS = 8,       /* sizes that stand for a range; its largest is one of them */
    DEFAULT_DIVISIBILITY = 32,
    DEFAULT_BUCKETS = 4
};

/* ---- sizes ------------------------------------------------------------------------------------
 */

rep_frame rep_frame_resized(int32_t width, int32_t height, int32_t least, int32_t most) {
    const int64_t shorter = width < height ? width : height;
    const int64_t longer = width < height ? height : width;
    int64_t side = least;
    if ((double)longer / (double)shorter * (double)least > most) {
        side = (int64_t)nearbyint(most * (double)shorter / (double)longer);
    }
    /* A thread of a picture, of which theirs would leave nothing, loses its proportions. */
    const int32_t other = side < 1 ? most : (int32_t)(side * longer / shorter);
    if (side < 1) { side = 1; }
    return width < height ? (rep_frame){other, (int32_t)side} : (rep_frame){(int32_t)side, other};
}

rep_frame rep_frame_fitted(int32_t width, int32_t height, rep_frame inside) {
    const int64_t across = (int64_t)width * inside.height, down = (int64_t)height * inside.width;
    rep_frame out = inside;
    if (across > down) {
        out.height = (int32_t)(down / width);
    } else {
        out.width = (int32_t)(across / height);
    }
    if (out.height < 1) { out.height = 1; }
    if (out.width < 1) { out.width = 1; }
    return out;
}

static bool is_fixed(const rep_buckets *b) { return b->sizes.height > 0; }

static rep_frame wanted_size(const rep_buckets *b, const rep_picture *picture, int32_t least) {
    if (is_fixed(b)) { return (rep_frame){b->sizes.height, b->sizes.width}; }
    return rep_frame_resized(picture->width, picture->height, least, b->sizes.max_size);
}

int32_t rep_buckets_draw(const rep_buckets *b, rep_rng *rng) {
    const rep_detection_sizes *s = &b->sizes;
    if (is_fixed(b)) { return 0; }
    if (!rng) { return s->min_sizes[0]; }
    if (!s->is_range) { return s->min_sizes[rep_rng_below(rng, (uint32_t)s->min_size_count)]; }
    const uint32_t span = (uint32_t)(s->min_sizes[1] - s->min_sizes[0]) + 1;
    return s->min_sizes[0] + (int32_t)rep_rng_below(rng, span);
}

/* ---- which shape ------------------------------------------------------------------------------
 */

static int64_t area_of(rep_frame f) { return (int64_t)f.height * f.width; }

static bool holds(rep_frame outer, rep_frame inner) {
    return outer.height >= inner.height && outer.width >= inner.width;
}

size_t rep_buckets_find(const rep_buckets *b, rep_frame frame) {
    size_t i = 0;
    while (i + 1 < b->count && !holds(b->items[i], frame)) { i++; }
    return i;
}

rep_frame rep_buckets_fit(const rep_buckets *b, const rep_picture *picture, int32_t least,
                          size_t bucket) {
    const rep_frame wanted = wanted_size(b, picture, least), room = b->items[bucket];
    if (holds(room, wanted)) { return wanted; }
    return rep_frame_fitted(wanted.width, wanted.height, room);
}

rep_frame rep_buckets_place(size_t *bucket, const rep_buckets *b, const rep_picture *picture,
                            int32_t least) {
    rep_frame best = {0};
    for (size_t i = 0; i < b->count; i++) {
        const rep_frame frame = rep_buckets_fit(b, picture, least, i);
        if (area_of(frame) <= area_of(best)) { continue; }
        best = frame;
        *bucket = i;
    }
    return best;
}

/* ---- deriving ---------------------------------------------------------------------------------
 */

typedef struct candidate {
    rep_frame frame;
    uint64_t count; /* pictures */
} candidate;

static int by_key(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_area(const void *a, const void *b) {
    const rep_frame *x = a, *y = b;
    if (area_of(*x) != area_of(*y)) { return area_of(*x) < area_of(*y) ? -1 : 1; }
    return x->height < y->height ? -1 : x->height > y->height;
}

static int32_t rounded_up(int32_t side, int32_t multiple) {
    return (side + multiple - 1) / multiple * multiple;
}

/* The sizes that stand for all that are drawn: out[RANGE_STEPS] or the list itself. */
static size_t drawn_sizes(const int32_t **out, int32_t steps[RANGE_STEPS], const rep_buckets *b) {
    const rep_detection_sizes *s = &b->sizes;
    *out = is_fixed(b) ? steps : s->min_sizes;
    steps[0] = 0;
    if (is_fixed(b) || !s->is_range) { return is_fixed(b) ? 1 : s->min_size_count; }
    for (int32_t i = 0; i < RANGE_STEPS; i++) {
        const int64_t span = s->min_sizes[1] - s->min_sizes[0];
        steps[i] = s->min_sizes[0] + (int32_t)(span * i / (RANGE_STEPS - 1));
    }
    *out = steps;
    return RANGE_STEPS;
}

/* keys: padded height and width of every picture at every size, sorted. */
static void fill_keys(uint64_t *keys, const rep_buckets *b, const rep_annotations *annotations,
                      const int32_t *sizes, size_t size_count, int32_t multiple) {
    uint64_t *key = keys;
    for (size_t i = 0; i < annotations->picture_count; i++) {
        for (size_t k = 0; k < size_count; k++) {
            const rep_frame f = wanted_size(b, &annotations->pictures[i], sizes[k]);
            *key++ = (uint64_t)rounded_up(f.height, multiple) << 32 |
                     (uint64_t)rounded_up(f.width, multiple);
        }
    }
    qsort(keys, (size_t)(key - keys), sizeof *keys, by_key);
}

/* The different keys; MOST_CANDIDATES + 1 when there are more than that. */
static size_t count_keys(candidate *out, const uint64_t *keys, size_t key_count) {
    size_t count = 0;
    for (size_t i = 0; i < key_count; i++) {
        if (i == 0 || keys[i] != keys[i - 1]) {
            if (count == MOST_CANDIDATES) { return MOST_CANDIDATES + 1; }
            out[count++] =
                (candidate){{(int32_t)(keys[i] >> 32), (int32_t)(keys[i] & UINT32_MAX)}, 0};
        }
        out[count - 1].count++;
    }
    return count;
}

static candidate hull(const candidate *a, const candidate *b) {
    const rep_frame x = a->frame, y = b->frame;
    return (candidate){
        {x.height > y.height ? x.height : y.height, x.width > y.width ? x.width : y.width},
        a->count + b->count};
}

static double padded(const candidate *c) { return (double)area_of(c->frame) * (double)c->count; }

static size_t merge_cheapest(candidate *c, size_t count) {
    size_t first = 0, second = 1;
    double least = -1;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            const candidate both = hull(&c[i], &c[k]);
            const double added = padded(&both) - padded(&c[i]) - padded(&c[k]);
            if (least >= 0 && added >= least) { continue; }
            least = added;
            first = i;
            second = k;
        }
    }
    c[first] = hull(&c[first], &c[second]);
    c[second] = c[count - 1];
    return count - 1;
}

static rep_status derive(rep_buckets *b, const rep_annotations *annotations) {
    int32_t steps[RANGE_STEPS], multiple = b->sizes.divisibility;
    const int32_t *sizes;
    const size_t size_count = drawn_sizes(&sizes, steps, b);
    const size_t key_count = annotations->picture_count * size_count;
    uint64_t *keys = malloc(key_count * sizeof *keys);
    candidate *found = malloc(MOST_CANDIDATES * sizeof *found);
    b->items = malloc(b->sizes.bucket_most * sizeof *b->items);
    if (!keys || !found || !b->items) {
        free(keys);
        free(found);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for the sizes of its pictures",
                        annotations->source);
    }
    size_t count = MOST_CANDIDATES + 1;
    for (; count > MOST_CANDIDATES; multiple *= 2) { /* coarser until they are few */
        fill_keys(keys, b, annotations, sizes, size_count, multiple);
        count = count_keys(found, keys, key_count);
    }
    while (count > b->sizes.bucket_most) { count = merge_cheapest(found, count); }
    for (size_t i = 0; i < count; i++) { b->items[i] = found[i].frame; }
    b->count = count;
    free(keys);
    free(found);
    return REP_OK;
}

/* ---- making -----------------------------------------------------------------------------------
 */

static rep_status check_side(const char *noun, int64_t side) {
    if (side >= 1 && side <= MOST_SIDE_PX) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "%s: %" PRId64 " pixels, wanted 1 to %d", noun, side,
                    MOST_SIDE_PX);
}

static rep_status check_sizes(const rep_detection_sizes *s) {
    REP_TRY(check_side("DATALOADER.SIZE_DIVISIBILITY", s->divisibility));
    if (s->height > 0 || s->width > 0) {
        REP_TRY(check_side("INPUT.SIZE, height", s->height));
        REP_TRY(check_side("INPUT.SIZE, width", s->width));
    } else {
        if (s->min_size_count < 1 || (s->is_range && s->min_size_count != 2)) {
            return rep_fail(REP_ERR_ARGUMENT, "INPUT.MIN_SIZE_TRAIN: %zu sizes, wanted %s",
                            s->min_size_count, s->is_range ? "two for a range" : "at least one");
        }
        for (size_t i = 0; i < s->min_size_count; i++) {
            REP_TRY(check_side("INPUT.MIN_SIZE_TRAIN", s->min_sizes[i]));
        }
        REP_TRY(check_side("INPUT.MAX_SIZE_TRAIN", s->max_size));
        if (s->is_range && s->min_sizes[0] > s->min_sizes[1]) {
            return rep_fail(REP_ERR_ARGUMENT,
                            "INPUT.MIN_SIZE_RANGE_TRAIN: from %" PRId32 " to %" PRId32
                            ", wanted the smaller first",
                            s->min_sizes[0], s->min_sizes[1]);
        }
    }
    if (s->bucket_most > MOST_BUCKETS || s->bucket_count > MOST_BUCKETS) {
        return rep_fail(REP_ERR_ARGUMENT, "INPUT.BUCKETS: %zu shapes, wanted at most %d",
                        s->bucket_count ? s->bucket_count : s->bucket_most, MOST_BUCKETS);
    }
    for (size_t i = 0; i < 2 * s->bucket_count; i++) {
        REP_TRY(check_side("INPUT.BUCKETS", s->buckets[i]));
        if (s->buckets[i] % s->divisibility == 0) { continue; }
        return rep_fail(REP_ERR_ARGUMENT,
                        "INPUT.BUCKETS: %" PRId32 " is no multiple of the %" PRId32
                        " pixels of DATALOADER.SIZE_DIVISIBILITY",
                        s->buckets[i], s->divisibility);
    }
    return REP_OK;
}

static rep_status take_given(rep_buckets *b) {
    b->items = malloc(b->sizes.bucket_count * sizeof *b->items);
    if (!b->items) { return rep_fail(REP_ERR_MEMORY, "INPUT.BUCKETS: no memory"); }
    for (size_t i = 0; i < b->sizes.bucket_count; i++) {
        b->items[i] = (rep_frame){b->sizes.buckets[2 * i], b->sizes.buckets[2 * i + 1]};
    }
    b->count = b->sizes.bucket_count;
    return REP_OK;
}

rep_status rep_buckets_init(rep_buckets *out, const rep_detection_sizes *sizes,
                            const rep_annotations *annotations) {
    rep_buckets b = {.sizes = *sizes};
    if (b.sizes.divisibility == 0) { b.sizes.divisibility = DEFAULT_DIVISIBILITY; }
    if (b.sizes.bucket_most == 0) { b.sizes.bucket_most = DEFAULT_BUCKETS; }
    REP_TRY(check_sizes(&b.sizes));
    const size_t bytes = sizes->min_size_count * sizeof *b.min_sizes;
    b.min_sizes = malloc(bytes ? bytes : 1);
    if (!b.min_sizes) { return rep_fail(REP_ERR_MEMORY, "loader: no memory for sizes"); }
    if (bytes) { memcpy(b.min_sizes, sizes->min_sizes, bytes); }
    b.sizes.min_sizes = b.min_sizes;
    const rep_status status = b.sizes.bucket_count ? take_given(&b) : derive(&b, annotations);
    b.sizes.buckets = NULL; /* the caller's; they are in `items` now */
    if (status != REP_OK) {
        rep_buckets_clear(&b);
        return status;
    }
    qsort(b.items, b.count, sizeof *b.items, by_area);
    *out = b;
    return REP_OK;
}

void rep_buckets_clear(rep_buckets *b) {
    free(b->min_sizes);
    free(b->items);
    *b = (rep_buckets){0};
}
