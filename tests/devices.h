/* devices.h - which devices a test program runs on, as its environment says.
 *
 *     REPOPT_TEST_DEVICES=cpu       every instruction set of the CPU; also when it is not set
 *     REPOPT_TEST_DEVICES=vulkan    every device of the Vulkan driver that VK_DRIVER_FILES names
 *     REPOPT_TEST_SMALL=1           Vulkan devices act as the smallest device there may be
 *     REPOPT_TEST_VALIDATE=1        the validation layer's first message fails the call; =gpu with
 *                                   checks inside the shaders as well
 */
#ifndef REP_TESTS_DEVICES_H
#define REP_TESTS_DEVICES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repopt/device.h"
#include "repopt/status.h"

enum { TEST_MAX_DEVICES = 32, TEST_SKIPPED = 77 /* ctest's SKIP_RETURN_CODE */ };

static inline bool test_env_is(const char *name, const char *value) {
    const char *text = getenv(name);
    return text && !strcmp(text, value);
}

static inline bool test_wants_vulkan(void) { return test_env_is("REPOPT_TEST_DEVICES", "vulkan"); }

/* What the environment asks of Vulkan devices. */
static inline rep_vulkan_options test_vulkan_options(void) {
    const bool is_gpu_checked = test_env_is("REPOPT_TEST_VALIDATE", "gpu");
    return (rep_vulkan_options){.has_validation =
                                    is_gpu_checked || test_env_is("REPOPT_TEST_VALIDATE", "1"),
                                .has_gpu_validation = is_gpu_checked,
                                .is_small = test_env_is("REPOPT_TEST_SMALL", "1")};
}

/* Whether the test is to run on this device. */
static inline bool test_device_is_wanted(const rep_device_info *info) {
    return info->is_usable && info->is_vulkan == test_wants_vulkan();
}

/* The name of the first device to run on: the CPU's best instruction set, or "vulkan:0". */
static inline const char *test_device_first(void) {
    return test_wants_vulkan() ? "vulkan:0" : "cpu";
}

/* Whether the devices asked for are there; otherwise says why, and the program ends with *result:
 * skipped where the driver is not installed, failed where it is and does not work. */
static inline bool test_devices_start(int *result) {
    if (!test_wants_vulkan()) { return true; }
    const rep_vulkan_options options = test_vulkan_options();
    const char *driver = getenv("VK_DRIVER_FILES");
    if (driver && access(driver, R_OK) != 0) {
        fprintf(stderr, "skipped: the Vulkan driver of %s is not installed\n", driver);
        *result = TEST_SKIPPED;
        return false;
    }
    rep_device_info info[TEST_MAX_DEVICES];
    rep_vulkan_configure(&options);
    const size_t count = rep_device_list(info, TEST_MAX_DEVICES);
    for (size_t i = 0; i < count && i < TEST_MAX_DEVICES; i++) {
        if (test_device_is_wanted(&info[i])) { return true; }
    }
    fprintf(stderr, "no Vulkan device: %s\n", rep_last_error());
    *result = 1;
    return false;
}

#endif
