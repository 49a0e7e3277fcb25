/* vk_program.h - shaders, grids, pipelines and the programs made of them. */
#ifndef REP_DEVICE_VK_PROGRAM_H
#define REP_DEVICE_VK_PROGRAM_H

#include "device/vk_device.h"

/* ---- vk_shaders.c: generated; every module of the build by name ("<op>[.<pass>][.f16][.sub]")  */
typedef struct rep_vk_shader {
    const char *name;
    const uint32_t *words;
    size_t bytes;
} rep_vk_shader;
extern const rep_vk_shader rep_vk_shaders[];
extern const size_t rep_vk_shader_count;
/* The module with this name, NULL when there is none. REP_ERR_SHADER when its source does not
 * compile (vk_source.c). */
rep_status rep_vk_shader_find(const rep_vk_shader **out, const char *name);

/* ---- vk_grid.c: how a node's work is divided ------------------------------------------------- */
enum { REP_VK_MAX_PASSES = 4, REP_VK_GROUP_SIZE = 128 };
typedef struct rep_vk_grid {
    uint32_t pass_count;
    struct {
        uint32_t x, y, z;
    } groups[REP_VK_MAX_PASSES];
    uint32_t chunk, chunks; /* words of the push block */
    size_t scratch_bytes;
    uint32_t tile[3];    /* rows, columns, depth: specialization constants 16 .. 18 */
    uint32_t matrix[3];  /* .coop: rows, columns, depth of the device's products: 19 .. 21 */
    uint32_t run;        /* steps of a long sum that are added one after another: 22; 0: all */
    uint32_t group_size; /* invocations of a workgroup */
    const char *variant; /* of the shader's name: "" or ".depthwise", ... */
    const char *part[REP_VK_MAX_PASSES]; /* what a pass's name has besides, or NULL */
} rep_vk_grid;
/* What a grid rule sees. */
typedef struct rep_vk_work {
    const rep_vk_caps *caps;
    const void *params;
    rep_shape x, w, y;    /* inputs 0 and 1, output 0 */
    bool is_half;         /* the .f16 variant */
    bool has_matrix;      /* there is a .coop variant and the device runs it */
    const uint32_t *tile; /* of the tile rules; NULL: the rule's choice */
} rep_vk_work;
/* Whether tiles are timed and convolutions tiled: not on a software driver. */
bool rep_vk_is_like_gpu(const rep_vk_caps *caps);
/* The node's grid. REP_ERR_DEVICE when the device's limits do not allow it. */
rep_status rep_vk_grid_get(rep_vk_grid *out, rep_op op, const rep_vk_work *work);

/* ---- vk_tile.c: tiles of the convolutions ---------------------------------------------------- */
/* The rule's choice for a product of rows x columns x depth. */
void rep_vk_tile_choose(uint32_t tile[3], uint32_t rows, uint32_t columns, uint32_t depth);
/* The .vector variants' tile, for a workgroup that is a subgroup of 8: as large as a software
 * driver compiles in a second or two. is_kernel: of conv2d_grad_w. */
void rep_vk_tile_vector(uint32_t tile[3], uint32_t rows, uint32_t columns, bool is_kernel);
/* Every tile the shaders are made for: fills list[0..capacity) and returns how many there are. */
uint32_t rep_vk_tile_list(uint32_t list[][3], uint32_t capacity);

/* ---- vk_tune.c: tiles by measurement -----------------------------------------------------------
 */
void rep_vk_tuned_open(rep_vk_device *device);
void rep_vk_tuned_close(rep_vk_device *device);
/* Times the convolutions of a program whose shapes are new on this device. */
rep_status rep_vk_tune(rep_program *program);

/* ---- vk_pipeline.c --------------------------------------------------------------------------- */
/* The first 64 bytes of every push block; the op's parameters follow. */
typedef struct rep_vk_push {
    int32_t x[4], w[4], y[4];
    uint32_t present, chunk, chunks, spare;
    uint8_t params[64];
} rep_vk_push;
struct rep_vk_pipeline {
    char name[64];
    uint32_t spec[REP_VK_MAX_SPEC], spec_count, binding_count;
    VkPipeline pipeline;
};
/* The pipeline of a shader with these specialization words (0 the group size, then the rest by
 * index); made at first use. */
rep_status rep_vk_pipeline_get(VkPipeline *out, rep_vk_device *device, const char *name,
                               const uint32_t *spec, uint32_t spec_count, uint32_t binding_count);
rep_status rep_vk_layout_get(VkPipelineLayout *out, rep_vk_device *device, uint32_t binding_count);
rep_status rep_vk_cache_open(rep_vk_device *device);
void rep_vk_pipelines_close(rep_vk_device *device);

/* ---- vk_program.c, vk_run.c ----------------------------------------------------------------- */
typedef struct rep_vk_dispatch {
    VkPipeline pipeline;
    uint32_t x, y, z;
} rep_vk_dispatch;
/* A node ready to be recorded. */
typedef struct rep_vk_node {
    rep_vk_grid grid;
    uint32_t binding_count;
    VkPipelineLayout layout;
    VkDescriptorSet set;
    VkPipeline pipelines[REP_VK_MAX_PASSES];
    rep_vk_push push;
    uint32_t push_bytes;
    double ms;        /* measured by its first run; below 0: not yet */
    bool has_barrier; /* before it, as recorded */
} rep_vk_node;
/* Nodes [first, end) of one phase as a command buffer. */
typedef struct rep_vk_part {
    uint32_t phase, first, end;
    VkCommandBuffer commands;
} rep_vk_part;
/* One tensor of the io region, or a block of them, and its way there from each of two slots. */
typedef struct rep_vk_io_tensor {
    rep_id tensor;
    size_t offset, bytes; /* in the region, and in everything that mirrors it */
    bool is_result;       /* nodes write it */
    bool is_ahead;        /* goes to the inbox as soon as it is written */
    enum { REP_VK_SLOT_0, REP_VK_SLOT_1, REP_VK_RESULT } last; /* where its value is for the host */
    struct {
        bool is_written; /* since the last run took this slot */
        bool is_on_way;  /* to the inbox; `arrived` was not waited for */
        VkCommandBuffer upload, copy;
        VkFence arrived;
    } slots[2];
} rep_vk_io_tensor;
/* vk_io.c: what the host writes for the next run lies in one slot while the last run may still
 * read the other. */
typedef struct rep_vk_io {
    rep_vk_buffer mirrors[2]; /* the host's */
    rep_vk_buffer inbox[2];   /* the device's, for what is sent ahead; none in shared memory */
    rep_vk_buffer results;    /* the host's */
    rep_vk_io_tensor *tensors;
    uint32_t count;
    uint32_t slot;          /* the next run's */
    uint64_t starts[2];     /* the start that read this slot last: device->started behind it */
    uint64_t results_start; /* the one that filled `results` last */
    VkCommandBuffer copy_out;
} rep_vk_io;
typedef struct rep_vk_program {
    rep_vk_buffer regions[3]; /* by rep_region; shared state lies in the other program's */
    rep_vk_buffer scratch;
    rep_vk_io io;
    bool is_running[REP_PHASE_COUNT]; /* started, and nobody has waited for it */
    double started_s;                 /* the last start, by the host's clock */
    VkDescriptorPool pool;
    VkQueryPool ticks; /* 2 per phase */
    rep_vk_node *nodes;
    uint32_t first_node[REP_PHASE_COUNT + 1];
    rep_vk_part *parts; /* recorded when every node of a phase has been timed */
    uint32_t part_count;
    VkCommandBuffer *batch; /* room for one start of everything, and its submissions */
    VkSubmitInfo *items;
    uint32_t barrier_count;
} rep_vk_program;

rep_status rep_vk_prepare(rep_program *program);
void rep_vk_release(rep_program *program);
/* Gives a node another tile: grid, push block and pipelines. */
rep_status rep_vk_set_tile(rep_program *program, uint32_t node, const uint32_t tile[3]);
/* Dispatches one node, waits, and notes its time. */
rep_status rep_vk_run_node(rep_program *program, uint32_t node);
/* Whatever came before, copies and earlier submissions included, is seen by what follows. */
void rep_vk_open_barrier(VkCommandBuffer commands);
/* What the host reads after the fence. */
void rep_vk_close_barrier(VkCommandBuffer commands);

/* ---- vk_io.c --------------------------------------------------------------------------------- */
rep_status rep_vk_io_create(rep_program *program);
void rep_vk_io_destroy(rep_program *program);
/* Most command buffers a run takes from here. */
uint32_t rep_vk_io_room(const rep_program *program);
rep_status rep_vk_io_write(rep_program *program, rep_id tensor, const void *data, size_t bytes);
/* After rep_vk_wait. */
void rep_vk_io_read(const rep_program *program, rep_id tensor, void *data, size_t bytes);
/* The copies of what was written since the last run, into out[*count ..); the other slot is then
 * the host's. */
rep_status rep_vk_io_take(rep_program *program, VkCommandBuffer *out, uint32_t *count);
/* Results are the host's after this run. */
void rep_vk_io_expect(rep_program *program);

/* Bytes of a tensor, and where it lies. */
size_t rep_vk_tensor_bytes(const rep_tensor *tensor);
rep_vk_buffer *rep_vk_locate(rep_program *program, rep_id tensor, size_t *offset);
/* vk_describe.c */
void rep_vk_describe_node(const rep_program *program, uint32_t node, rep_node_info *out);
extern const rep_backend rep_vk_backend;

#endif
