/* device_words.c - the options that choose a device and tell Vulkan how to behave.
 *
 * Compiled pipelines are kept in $XDG_CACHE_HOME/repopt, or $HOME/.cache/repopt, between runs.
 * REPOPT_FAULT lets tests see what only a broken machine shows: "lose-after:N" loses the device
 * after N submissions, "fail-shader:NAME" refuses a shader; both may stand there, with a comma.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/device.h"

/* What rep_vulkan_configure borrows. */
static char cache_folder[512], faults[256];

/* A relative path in XDG_CACHE_HOME is to be ignored, as the base directory specification says. */
static const char *find_cache_folder(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (cache != NULL && cache[0] == '/') {
        length = snprintf(cache_folder, sizeof cache_folder, "%s/repopt", cache);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(cache_folder, sizeof cache_folder, "%s/.cache/repopt", home);
    }
    return length > 0 && (size_t)length < sizeof cache_folder ? cache_folder : NULL;
}

static rep_status read_fault(rep_vulkan_options *options, const char *fault) {
    const char *value = strchr(fault, ':');
    char *end = NULL;
    if (value != NULL && strncmp(fault, "lose-after:", 11) == 0) {
        options->lose_after = strtoull(value + 1, &end, 10);
        if (end != value + 1 && *end == '\0' && options->lose_after > 0) { return REP_OK; }
    } else if (value != NULL && strncmp(fault, "fail-shader:", 12) == 0 && value[1] != '\0') {
        options->fail_shader = value + 1;
        return REP_OK;
    }
    return rep_fail(REP_ERR_ARGUMENT,
                    "REPOPT_FAULT: \"%s\" is neither lose-after:N nor fail-shader:NAME", fault);
}

static rep_status read_faults(rep_vulkan_options *options) {
    const char *text = getenv("REPOPT_FAULT");
    if (text == NULL || text[0] == '\0') { return REP_OK; }
    if ((size_t)snprintf(faults, sizeof faults, "%s", text) >= sizeof faults) {
        return rep_fail(REP_ERR_ARGUMENT, "REPOPT_FAULT: longer than %zu bytes", sizeof faults - 1);
    }
    char *rest = NULL;
    for (char *fault = strtok_r(faults, ",", &rest); fault; fault = strtok_r(NULL, ",", &rest)) {
        REP_TRY(read_fault(options, fault));
    }
    return REP_OK;
}

rep_status cli_take_vulkan(cli_words *words) {
    rep_vulkan_options options = {.cache_folder = find_cache_folder()};
    options.has_gpu_validation = cli_take_flag(words, "--vulkan-validate-gpu");
    options.has_validation =
        cli_take_flag(words, "--vulkan-validate") || options.has_gpu_validation;
    options.is_small = cli_take_flag(words, "--vulkan-small");
    REP_TRY(read_faults(&options));
    rep_vulkan_configure(&options);
    return REP_OK;
}

rep_status cli_take_device(cli_words *words, const char **device, int *threads) {
    int64_t count = *threads;
    REP_TRY(cli_take_value(words, "--device", device));
    REP_TRY(cli_take_int(words, "--threads", 1, 1024, &count));
    *threads = (int)count;
    return cli_take_vulkan(words);
}
