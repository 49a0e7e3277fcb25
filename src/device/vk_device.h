/* vk_device.h - what the Vulkan files share: the function table, devices, buffers.
 *
 * Only src/device/vk_* includes this header or a Vulkan one. None of these files names an op: a
 * node's shader, bindings and push block all follow from its row of the op table.
 */
#ifndef REP_DEVICE_VK_DEVICE_H
#define REP_DEVICE_VK_DEVICE_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "device/device.h"

/* ---- vk_api.c: the loader, opened at run time ------------------------------------------------ */
typedef struct rep_vk_api {
#define REP_VK(scope, name) PFN_##name name;
#include "device/vk_api.def"
#undef REP_VK
} rep_vk_api;
extern rep_vk_api vk;
/* The instance that all devices share. REP_ERR_DEVICE where there is no loader or no driver.
 * Calls are counted; each needs its release. */
rep_status rep_vk_instance_acquire(VkInstance *out);
void rep_vk_instance_release(void);
/* A call that failed as a sentence: "<what>: <result>". */
rep_status rep_vk_fail(VkResult result, const char *what);
#define REP_VK_TRY(call)                                                                           \
    do {                                                                                           \
        const VkResult rep_vk_result_ = (call);                                                    \
        if (rep_vk_result_ != VK_SUCCESS) { return rep_vk_fail(rep_vk_result_, #call); }           \
    } while (0)
/* REP_ERR_DEVICE with the first message of the validation layer since the last call. */
rep_status rep_vk_check_messages(void);
/* What rep_vulkan_configure was given last. */
const rep_vulkan_options *rep_vk_options(void);

/* ---- vk_device.c ----------------------------------------------------------------------------- */
enum {
    REP_VK_MAX_DEVICES = 16,
    REP_VK_MAX_BINDINGS = 16,
    REP_VK_MAX_SPEC = 24,
    REP_VK_MOST_RUNNING = 4, /* calls of rep_vk_start that may be under way at once */
    REP_VK_RING = 2          /* pieces of a copy under way at once */
};

/* What a device can do, as it says or as the simulated small device allows. */
typedef struct rep_vk_caps {
    char name[256], driver[300], uuid[37]; /* of the device; the cache's key is driver_uuid */
    char driver_uuid[33];
    VkPhysicalDeviceType type;
    uint32_t api_version, vendor, device;
    uint64_t memory_bytes;    /* the largest device-local heap */
    uint64_t max_alloc_bytes; /* one allocation */
    uint64_t max_range_bytes; /* one binding */
    uint32_t offset_align, max_bindings, max_groups, max_invocations, shared_bytes;
    uint32_t subgroup_size;  /* 0: no arithmetic within subgroups */
    uint32_t subgroup_lanes; /* its size all the same */
    bool has_shuffle;        /* exchange between a subgroup's invocations */
    bool has_f16;            /* 16-bit storage buffers */
    bool has_matrix;         /* matrix units: f16 in, f32 accumulate, subgroup scope */
    uint32_t matrix_m, matrix_n, matrix_k;
    bool is_portability;
    uint32_t queue_family;
    uint32_t upload_family; /* copies alone, beside computing; queue_family where there is none */
    float ns_per_tick;      /* 0: no timestamps */
    const char *allowed;    /* rep_vulkan_allow; NULL: everything */
} rep_vk_caps;

typedef struct rep_vk_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    size_t bytes;
    void *mapped; /* NULL: not host-visible */
} rep_vk_buffer;

typedef struct rep_vk_pipeline rep_vk_pipeline;
typedef struct rep_vk_tuned rep_vk_tuned;

typedef struct rep_vk_device {
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue, upload_queue; /* one queue where the family is one */
    VkCommandPool pool, upload_pool;
    VkFence fences[REP_VK_MOST_RUNNING];
    uint64_t started, finished; /* calls of rep_vk_start; how many of them were waited for */
    VkCommandBuffer transfer;   /* one-off copies and single dispatches */
    VkQueryPool ticks;          /* two timestamps around the transfer buffer's work */
    struct {
        rep_vk_buffer buffer;
        VkCommandBuffer commands;
        VkFence done;
        bool is_busy;
    } ring[REP_VK_RING]; /* staging: the host fills or empties one, the device copies another */
    rep_vk_caps caps;
    VkPhysicalDeviceMemoryProperties memory;
    VkPipelineCache cache;
    size_t cache_bytes; /* as loaded from disk */
    VkDescriptorSetLayout set_layouts[REP_VK_MAX_BINDINGS + 1];
    VkPipelineLayout layouts[REP_VK_MAX_BINDINGS + 1];
    rep_vk_pipeline *pipelines;
    uint32_t pipeline_count, pipeline_capacity;
    rep_vk_tuned *tuned; /* vk_tune.c */
    uint32_t tuned_count;
    bool has_new_tiles;
    uint64_t submissions; /* so far */
    bool is_lost;
} rep_vk_device;

/* ---- vk_matrix.c: matrix units --------------------------------------------------------------- */
#define REP_VK_MATRIX_EXTENSION "VK_KHR_cooperative_matrix"
enum { REP_VK_MATRIX_SUBGROUPS = 4 }; /* of a workgroup of a .coop shader */
/* What a device with matrix units is opened with. */
typedef struct rep_vk_matrix_features {
    VkPhysicalDeviceShaderFloat16Int8Features half;
    VkPhysicalDeviceVulkanMemoryModelFeatures model;
#ifdef VK_KHR_cooperative_matrix
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
#endif
} rep_vk_matrix_features;
/* Everything on, chained before `next`; returns the chain's head. */
void *rep_vk_matrix_chain(rep_vk_matrix_features *out, void *next);
/* Fills caps->has_matrix and the sizes; the other caps are there already. */
void rep_vk_matrix_read(rep_vk_caps *caps, VkPhysicalDevice physical, bool has_extension);
/* The rule's tile of a .coop shader, and all it is made for (of a device; NULL: of any). */
void rep_vk_matrix_tile(uint32_t tile[3], const rep_vk_caps *caps, uint32_t columns);
uint32_t rep_vk_matrix_tiles(uint32_t list[][3], uint32_t capacity, const rep_vk_caps *caps);

/* ---- vk_device.c, vk_list.c ------------------------------------------------------------------ */
/* Fills caps of up to `capacity` devices and returns how many there are; 0 without Vulkan. */
uint32_t rep_vk_list(rep_vk_caps *caps, uint32_t capacity);
/* Opens the device with this index of rep_vk_list. */
rep_status rep_vk_open(rep_device *device, uint32_t index);
/* Ends the transfer buffer, submits it and waits; *ms (or NULL) is its time on the device. */
rep_status rep_vk_submit_transfer(rep_vk_device *device, double *ms);
/* Begins it. */
rep_status rep_vk_begin_transfer(rep_vk_device *device);
/* Submits recorded work in order, behind what still runs; rep_vk_wait waits for all of it. Each
 * item is a submission of its own to a driver's watchdog. */
rep_status rep_vk_start(rep_vk_device *device, const VkSubmitInfo *items, uint32_t count);
rep_status rep_vk_wait(rep_vk_device *device);
/* Both, for one buffer. */
rep_status rep_vk_submit(rep_vk_device *device, VkCommandBuffer commands);
/* Submits copies to one of the queues; `done` is signalled behind them. */
rep_status rep_vk_send(rep_vk_device *device, VkQueue queue, VkCommandBuffer commands,
                       VkFence done);
/* Waits for a fence and resets it. */
rep_status rep_vk_wait_fence(rep_vk_device *device, VkFence fence);
rep_status rep_vk_fence_create(VkFence *out, rep_vk_device *device);
/* A command buffer of the pool; with `is_begun` it is recording, to be submitted many times. */
rep_status rep_vk_commands_create(VkCommandBuffer *out, rep_vk_device *device, VkCommandPool pool,
                                  bool is_begun);
/* Whether host and device share one memory: buffers are then mapped and read in place. */
bool rep_vk_is_unified(const rep_vk_device *device);

/* ---- vk_memory.c ----------------------------------------------------------------------------- */
typedef enum rep_vk_use {
    REP_VK_LOCAL, /* the device's own memory, mapped only where device and host share one */
    REP_VK_INBOX, /* the same, filled by the upload queue */
    REP_VK_HOST   /* read and written by the host */
} rep_vk_use;
/* `what` names it in errors. */
rep_status rep_vk_buffer_create(rep_vk_buffer *out, rep_vk_device *device, size_t bytes,
                                rep_vk_use use, const char *what);
void rep_vk_buffer_destroy(rep_vk_device *device, rep_vk_buffer *buffer);
/* Copies bytes to or from a buffer, through the staging ring where it is not mapped. */
rep_status rep_vk_write(rep_vk_device *device, rep_vk_buffer *to, size_t offset, const void *data,
                        size_t bytes);
rep_status rep_vk_read(rep_vk_device *device, rep_vk_buffer *from, size_t offset, void *data,
                       size_t bytes);
rep_status rep_vk_clear(rep_vk_device *device, rep_vk_buffer *buffer);
void rep_vk_ring_destroy(rep_vk_device *device);

#endif
