/* vk_tune.c - tile sizes of the convolutions, timed once per shape on a device and remembered.
 *
 * A new (op, shapes, precision) is timed with every candidate when its program is made; the choice
 * is kept in the cache folder, one line per shape. Sums do not depend on it: an output element adds
 * its terms in one order whatever the tile, and the chunks of a kernel's gradient follow from the
 * shape alone (vk_grid.c).
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_program.h"

enum { KEY_BYTES = 160, MOST_TILES = 12, MOST_KEPT = 4096 };

struct rep_vk_tuned {
    char key[KEY_BYTES];
    uint32_t tile[3];
};

/* ---- what is remembered ---------------------------------------------------------------------- */

static bool file_path(char *path, size_t bytes, const rep_vk_device *device) {
    const char *folder = rep_vk_options()->cache_folder;
    const int length =
        folder ? snprintf(path, bytes, "%s/tiles-%s-%08x-%08x.txt", folder,
                          device->caps.driver_uuid, device->caps.vendor, device->caps.device)
               : -1;
    return length > 0 && (size_t)length < bytes;
}

static const uint32_t *recall(const rep_vk_device *device, const char *key) {
    for (uint32_t i = 0; i < device->tuned_count; i++) {
        if (!strcmp(device->tuned[i].key, key)) { return device->tuned[i].tile; }
    }
    return NULL;
}

/* A tile that this build knows; a line of an older build may name another. */
static bool is_candidate(const uint32_t tile[3]) {
    uint32_t list[2 * MOST_TILES][3];
    uint32_t count = rep_vk_tile_list(list, MOST_TILES);
    count += rep_vk_matrix_tiles(list + count, MOST_TILES, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (!memcmp(list[i], tile, sizeof list[i])) { return true; }
    }
    return false;
}

static void remember(rep_vk_device *device, const char *key, const uint32_t tile[3]) {
    if (device->tuned_count == MOST_KEPT || !is_candidate(tile)) { return; }
    rep_vk_tuned *grown =
        realloc(device->tuned, (device->tuned_count + 1u) * sizeof *device->tuned);
    if (!grown) { return; }
    device->tuned = grown;
    rep_vk_tuned *entry = &grown[device->tuned_count++];
    snprintf(entry->key, sizeof entry->key, "%s", key);
    memcpy(entry->tile, tile, sizeof entry->tile);
}

/* Lines that are damaged are passed over: their shapes are timed again. */
void rep_vk_tuned_open(rep_vk_device *device) {
    char path[1024], line[KEY_BYTES + 48], key[KEY_BYTES];
    rep_file_view view;
    if (!file_path(path, sizeof path, device) || !rep_file_exists(path)) { return; }
    if (rep_file_open(&view, path) != REP_OK) { return; }
    for (size_t at = 0; at < view.count;) {
        const uint8_t *end = memchr(view.bytes + at, '\n', view.count - at);
        const size_t length = end ? (size_t)(end - view.bytes) - at : view.count - at;
        uint32_t tile[3];
        if (length < sizeof line) {
            memcpy(line, view.bytes + at, length);
            line[length] = '\0';
            if (sscanf(line, "%159s %u %u %u", key, &tile[0], &tile[1], &tile[2]) == 4) {
                remember(device, key, tile);
            }
        }
        at += length + 1;
    }
    rep_file_close(&view);
}

static rep_status write_lines(void *context, FILE *stream) {
    const rep_vk_device *device = context;
    for (uint32_t i = 0; i < device->tuned_count; i++) {
        const rep_vk_tuned *t = &device->tuned[i];
        fprintf(stream, "%s %u %u %u\n", t->key, t->tile[0], t->tile[1], t->tile[2]);
    }
    return REP_OK;
}

/* Losing the file costs time only, so failures stay silent. */
void rep_vk_tuned_close(rep_vk_device *device) {
    char path[1024];
    if (device->has_new_tiles && !device->is_lost && file_path(path, sizeof path, device) &&
        rep_folder_make(rep_vk_options()->cache_folder) == REP_OK) {
        (void)!rep_file_replace(path, write_lines, device);
    }
    free(device->tuned);
}

/* ---- timing ---------------------------------------------------------------------------------- */

static void make_key(char key[KEY_BYTES], const rep_program *program, uint32_t index) {
    const rep_vk_program *p = program->impl;
    const rep_vk_push *push = &p->nodes[index].push;
    const rep_node *node = &program->graph->nodes[index];
    uint32_t words[3];
    memcpy(words, node->params, sizeof words);
    snprintf(key, KEY_BYTES, "%s%s%s:%d.%d.%d.%d:%d.%d.%d.%d:%d.%d.%d.%d:%u.%u.%u",
             rep_op_info_get(node->op)->name, p->nodes[index].grid.variant,
             program->graph->tensors[node->in[0]].dtype == REP_F16 ? ".f16" : "", push->x[0],
             push->x[1], push->x[2], push->x[3], push->w[0], push->w[1], push->w[2], push->w[3],
             push->y[0], push->y[1], push->y[2], push->y[3], words[0], words[1], words[2]);
}

/* The best of three dispatches with this tile, milliseconds. */
static rep_status time_tile(rep_program *program, uint32_t index, const uint32_t tile[3],
                            double *best) {
    rep_vk_program *p = program->impl;
    REP_TRY(rep_vk_set_tile(program, index, tile));
    *best = 1e30;
    for (int i = 0; i < 3; i++) {
        REP_TRY(rep_vk_run_node(program, index));
        if (p->nodes[index].ms < *best) { *best = p->nodes[index].ms; }
    }
    return REP_OK;
}

static rep_status time_all(rep_program *program, uint32_t index, uint32_t best[3]) {
    const rep_vk_device *device = program->device->impl;
    const rep_vk_program *p = program->impl;
    uint32_t list[MOST_TILES][3];
    const uint32_t count = p->nodes[index].grid.matrix[0]
                               ? rep_vk_matrix_tiles(list, MOST_TILES, &device->caps)
                               : rep_vk_tile_list(list, MOST_TILES);
    double least = 1e30;
    for (uint32_t i = 0; i < count; i++) {
        double ms = 0;
        REP_TRY(time_tile(program, index, list[i], &ms));
        if (ms >= least) { continue; }
        least = ms;
        memcpy(best, list[i], sizeof list[i]);
    }
    return REP_OK;
}

/* A software driver takes the rule's choice: timing it costs more than it brings. */
static bool is_wanted(const rep_vk_device *device) { return rep_vk_is_like_gpu(&device->caps); }

rep_status rep_vk_tune(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    if (!is_wanted(device)) { return REP_OK; }
    for (uint32_t n = 0; n < program->graph->node_count; n++) {
        if (!p->nodes[n].grid.tile[0]) { continue; }
        char key[KEY_BYTES];
        uint32_t tile[3] = {0};
        make_key(key, program, n);
        const uint32_t *known = recall(device, key);
        if (known) {
            memcpy(tile, known, sizeof tile);
        } else {
            REP_TRY(time_all(program, n, tile));
            remember(device, key, tile);
            device->has_new_tiles = true;
        }
        REP_TRY(rep_vk_set_tile(program, n, tile));
        p->nodes[n].ms = -1;
    }
    return REP_OK;
}
