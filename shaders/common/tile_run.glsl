// tile_run.glsl - long sums of tile.glsl and coop.glsl, made in runs.
//
// A float's rounding error, squared, grows with the number of terms that were added one after
// another. A depth of many steps is therefore summed in runs of TILE_RUN steps, a multiple of every
// TILE_K, whose sums are added up in order: the error is that of a run and of a sum of as many
// terms as there are runs. Where the host (vk_grid.c) says 0, all is one run, and a driver that
// knows this drops what the totals would take.
#ifndef REP_TILE_RUN_GLSL
#define REP_TILE_RUN_GLSL

layout(constant_id = 22) const uint TILE_RUN = 0;
const bool IS_LONG = TILE_RUN > 0u;

// Where the run that begins at step k ends.
uint run_end(uint k, uint end) { return IS_LONG ? min(k + TILE_RUN, end) : end; }

#endif
