/* vk_tile.c - tile sizes of the convolution shaders (shaders/common/tile.glsl).
 *
 * The rule weighs what a large tile saves, reads of shared memory per multiplication, against what
 * it wastes at the edges and against compute units left without a tile. Every tile of the list
 * stays within 128 invocations and 16 KiB of shared memory.
 */
#include "device/vk_program.h"

static const uint32_t tiles[][3] = {{64, 64, 16},  {128, 64, 16}, {128, 32, 16}, {64, 32, 16},
                                    {128, 16, 16}, {64, 16, 16},  {32, 64, 16},  {32, 32, 16}};
enum { TILE_COUNT = sizeof tiles / sizeof tiles[0] };

/* Time of a product with a tile, in units that only compare: 256 tiles run side by side, the rest
 * take their turn, and a tile less is a little less work in any case; a multiplication costs 1, a
 * read of shared memory 1.5. An invocation's sums are `down` x `across`, as in tile.glsl. */
static double cost_of(const uint32_t tile[3], double rows, double columns, double depth) {
    const double across_tiles = (double)(uint64_t)((columns + tile[1] - 1) / tile[1]);
    const double down_tiles = (double)(uint64_t)((rows + tile[0] - 1) / tile[0]);
    const double steps = (double)(uint64_t)((depth + tile[2] - 1) / tile[2]);
    const double turns = across_tiles * down_tiles / 256;
    const uint32_t sums = tile[0] * tile[1] / REP_VK_GROUP_SIZE;
    const double across = tile[1] >= 64 && sums >= 64 ? 8 : 4, down = sums / across;
    const double reads = (across + down) / (across * down);
    const double waves = (turns < 1 ? 1 : turns) + 0.1 * turns;
    return waves * steps * tile[0] * tile[1] * (1 + 1.5 * reads);
}

void rep_vk_tile_choose(uint32_t tile[3], uint32_t rows, uint32_t columns, uint32_t depth) {
    double least = 0;
    for (int i = 0; i < TILE_COUNT; i++) {
        const double cost = cost_of(tiles[i], rows, columns, depth);
        if (i > 0 && cost >= least) { continue; }
        least = cost;
        for (int k = 0; k < 3; k++) { tile[k] = tiles[i][k]; }
    }
}

uint32_t rep_vk_tile_list(uint32_t list[][3], uint32_t capacity) {
    for (uint32_t i = 0; i < TILE_COUNT && i < capacity; i++) {
        for (int k = 0; k < 3; k++) { list[i][k] = tiles[i][k]; }
    }
    return TILE_COUNT;
}

void rep_vk_tile_vector(uint32_t tile[3], uint32_t rows, uint32_t columns, bool is_kernel) {
    tile[0] = is_kernel && rows <= 16 ? 16 : !is_kernel && columns <= 16 ? 64 : 32;
    tile[1] = !is_kernel && columns <= 16 ? 16 : 32;
    tile[2] = 8;
}
