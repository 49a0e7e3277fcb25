/* vk_api.c - opens the Vulkan loader at run time and makes the one instance all devices share.
 *
 * A machine without Vulkan still runs, on the CPU: nothing here is linked. The loader, once open,
 * stays so: drivers with threads and compilers inside do not survive being unloaded.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "device/vk_device.h"

rep_vk_api vk;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PFN_vkGetInstanceProcAddr get_proc;
static VkInstance instance;
static VkDebugUtilsMessengerEXT messenger;
static unsigned holders;
static rep_vulkan_options options;
static char first_message[900];

void rep_vulkan_configure(const rep_vulkan_options *wanted) {
    pthread_mutex_lock(&lock);
    options = wanted ? *wanted : (rep_vulkan_options){0};
    pthread_mutex_unlock(&lock);
}
const rep_vulkan_options *rep_vk_options(void) { return &options; }

static const char *result_text(VkResult result) {
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "out of device memory";
    case VK_ERROR_DEVICE_LOST:
        return "the device was lost";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "the driver could not start";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "a layer is not installed";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "an extension is missing";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "a feature is missing";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "no usable driver";
    case VK_TIMEOUT:
        return "no answer in time";
    default:
        return "an error";
    }
}

rep_status rep_vk_fail(VkResult result, const char *what) {
    const size_t name = strcspn(what, "(");
    const char *call = strncmp(what, "vk.", 3) == 0 ? what + 3 : what;
    const int length = (int)(name - (size_t)(call - what));
    if (result == VK_ERROR_DEVICE_LOST) {
        return rep_fail(REP_ERR_LOST,
                        "Vulkan device lost in %.*s; the last checkpoint is intact: run the same "
                        "command again, with --device cpu if it happens again",
                        length, call);
    }
    const bool is_memory =
        result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return rep_fail(is_memory ? REP_ERR_MEMORY : REP_ERR_DEVICE, "Vulkan: %s in %.*s (%d)%s",
                    result_text(result), length, call, (int)result,
                    is_memory ? "; use a smaller batch or picture" : "");
}

static rep_status open_loader(void) {
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "libvulkan.1.dylib",
                                        "libMoltenVK.dylib"};
    if (get_proc) { return REP_OK; }
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!library) {
        return rep_fail(REP_ERR_DEVICE, "Vulkan: no loader (libvulkan.so.1) on this machine; "
                                        "install libvulkan1 and a driver, or use --device cpu");
    }
    /* ISO C has no conversion from an object pointer to a function pointer; POSIX has. */
    void *symbol = dlsym(library, "vkGetInstanceProcAddr");
    memcpy(&get_proc, &symbol, sizeof get_proc);
    if (!get_proc) { return rep_fail(REP_ERR_DEVICE, "Vulkan: libvulkan.so.1 is no loader"); }
    return REP_OK;
}

/* Looks up the functions of one scope; false when one is missing. */
static bool load(VkInstance from, const char *wanted_scope) {
    bool is_complete = true;
#define REP_VK(scope, name)                                                                        \
    if (!strcmp(#scope, wanted_scope)) {                                                           \
        vk.name = (PFN_##name)get_proc(from, #name);                                               \
        is_complete = is_complete && vk.name;                                                      \
    }
#include "device/vk_api.def"
#undef REP_VK
    return is_complete;
}

static bool has_extension(const char *name) {
    VkExtensionProperties list[256];
    uint32_t count = 256;
    if (vk.vkEnumerateInstanceExtensionProperties(NULL, &count, list) < 0) { return false; }
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(list[i].extensionName, name)) { return true; }
    }
    return false;
}

/* ---- validation ------------------------------------------------------------------------------ */

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *context) {
    (void)severity;
    (void)types;
    (void)context;
    /* What the layer says about its own limits on this driver is no fault of ours. */
    if (data->pMessageIdName && strstr(data->pMessageIdName, "GPU-Assisted Validation Warning")) {
        return VK_FALSE;
    }
    if (!first_message[0]) {
        snprintf(first_message, sizeof first_message, "%s", data->pMessage ? data->pMessage : "?");
    }
    return VK_FALSE;
}

rep_status rep_vk_check_messages(void) {
    if (!first_message[0]) { return REP_OK; }
    const rep_status status = rep_fail(REP_ERR_DEVICE, "Vulkan validation: %s", first_message);
    first_message[0] = '\0';
    return status;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(void) {
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message};
}

static bool has_validation_layer(void) {
    VkLayerProperties list[64];
    uint32_t count = 64;
    if (vk.vkEnumerateInstanceLayerProperties(&count, list) < 0) { return false; }
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(list[i].layerName, validation_layer)) { return true; }
    }
    return false;
}

/* ---- the instance ---------------------------------------------------------------------------- */

static rep_status create_instance(void) {
    static const VkValidationFeatureEnableEXT checks[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,
        VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT};
    const char *extensions[4], *layers[1] = {validation_layer};
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "repopt",
                             .apiVersion = VK_API_VERSION_1_3};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app,
                                 .ppEnabledExtensionNames = extensions,
                                 .ppEnabledLayerNames = layers};
    /* Drivers that are not fully conformant (MoltenVK) are listed only on request. */
    if (has_extension(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    VkDebugUtilsMessengerCreateInfoEXT debug = messenger_info();
    VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                        .pNext = &debug,
                                        .enabledValidationFeatureCount =
                                            options.has_gpu_validation ? 3 : 1,
                                        .pEnabledValidationFeatures = checks};
    if (options.has_validation) {
        if (!has_validation_layer()) {
            return rep_fail(REP_ERR_DEVICE,
                            "Vulkan: %s is not installed; install "
                            "vulkan-validationlayers or leave validation off",
                            validation_layer);
        }
        info.enabledLayerCount = 1;
        info.pNext = &features;
        extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    }
    const VkResult result = vk.vkCreateInstance(&info, NULL, &instance);
    if (result != VK_SUCCESS) { return rep_vk_fail(result, "vkCreateInstance"); }
    if (!load(instance, "instance")) {
        return rep_fail(REP_ERR_DEVICE, "Vulkan: the loader is older than version 1.1");
    }
    (void)load(instance, "extension");
    if (options.has_validation) {
        PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT)get_proc(
            instance, "vkCreateDebugUtilsMessengerEXT");
        if (create) { (void)create(instance, &debug, NULL, &messenger); }
    }
    return REP_OK;
}

static void destroy_instance(void) {
    if (messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy = (PFN_vkDestroyDebugUtilsMessengerEXT)get_proc(
            instance, "vkDestroyDebugUtilsMessengerEXT");
        if (destroy) { destroy(instance, messenger, NULL); }
        messenger = VK_NULL_HANDLE;
    }
    if (instance && vk.vkDestroyInstance) { vk.vkDestroyInstance(instance, NULL); }
    instance = VK_NULL_HANDLE;
}

static rep_status start(void) {
    REP_TRY(open_loader());
    if (!load(NULL, "loader")) {
        return rep_fail(REP_ERR_DEVICE, "Vulkan: the loader is incomplete");
    }
    return create_instance();
}

rep_status rep_vk_instance_acquire(VkInstance *out) {
    rep_status status = REP_OK;
    pthread_mutex_lock(&lock);
    if (!instance) {
        status = start();
        if (status != REP_OK) { destroy_instance(); }
    }
    if (status == REP_OK) {
        holders++;
        *out = instance;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void rep_vk_instance_release(void) {
    pthread_mutex_lock(&lock);
    if (--holders == 0) { destroy_instance(); }
    pthread_mutex_unlock(&lock);
}
