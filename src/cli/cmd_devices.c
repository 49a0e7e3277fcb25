/* cmd_devices.c - `repopt devices`: what this build and this machine can compute on. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/device.h"

static const char help[] =
    "usage: repopt devices [--json]\n\n"
    "Lists what can compute here: the CPU's instruction sets, then every Vulkan device. What\n"
    "stands first in a line is the word for --device or DEVICE; a UUID, or a part of a GPU's name\n"
    "or driver, does as well and survives a change of order. The last line says which one\n"
    "`auto` takes and why: a discrete GPU before an integrated one before the CPU, and never a\n"
    "software Vulkan driver, which the CPU's own kernels outrun.\n\n"
    "  kind        discrete (a card), integrated (shares the machine's memory), virtual, software\n"
    "  memory      of the device; a training step must fit (`repopt show --stage=plan`)\n"
    "  16-bit      whether DTYPE float16 works there\n"
    "  matrix      whether it has matrix units (tensor cores)\n"
    "  subgroup    how many invocations add in one instruction; none: sums go through memory\n"
    "  limits      of one workgroup, and the largest tensor a shader can bind\n\n"
    "  --json  one JSON array, an object per device\n" CLI_VULKAN_HELP "\n"
    "No GPU in the list? Install its Vulkan driver (Debian: mesa-vulkan-drivers, or NVIDIA's own)\n"
    "and the loader (libvulkan1). VK_ICD_FILENAMES narrows the list to one driver.\n";

enum { MAX_DEVICES = 32 };

static double mib(uint64_t bytes) { return (double)bytes / 1048576; }

static void print_cpu(const rep_device_info *d) {
    printf("%-14s %s, %s%s\n", d->name, d->real_bytes == 8 ? "float64" : "float32", d->description,
           d->is_default ? " - auto" : "");
}

static void print_vulkan(const rep_device_info *d) {
    printf("\n%-14s %s, %s%s%s\n", d->name, d->kind, d->description,
           d->is_usable ? "" : " (needs Vulkan 1.1)", d->is_default ? " - auto" : "");
    printf("    driver     %s, Vulkan %s\n", d->driver[0] ? d->driver : "unknown", d->api);
    printf("    uuid       %s\n", d->uuid[0] ? d->uuid : "unknown");
    printf("    memory     %.1f GiB\n", mib(d->memory_bytes) / 1024);
    printf("    arithmetic 16-bit storage %s, matrix units %s, ", d->has_f16 ? "yes" : "no",
           d->has_matrix ? "yes" : "no");
    if (d->subgroup_size > 0) {
        printf("subgroup of %u\n", d->subgroup_size);
    } else {
        printf("no subgroup sums\n");
    }
    printf("    limits     %u invocations and %u KiB shared per workgroup, %.0f MiB per binding\n",
           d->invocations, d->shared_bytes / 1024, mib(d->binding_bytes));
}

static cJSON *describe(const rep_device_info *d) {
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "name", d->name);
    cJSON_AddStringToObject(out, "kind", d->kind);
    cJSON_AddStringToObject(out, "description", d->description);
    cJSON_AddBoolToObject(out, "auto", d->is_default);
    cJSON_AddBoolToObject(out, "usable", d->is_usable);
    cJSON_AddNumberToObject(out, "real_bytes", (double)d->real_bytes);
    if (!d->is_vulkan) { return out; }
    cJSON_AddStringToObject(out, "driver", d->driver);
    cJSON_AddStringToObject(out, "api", d->api);
    cJSON_AddStringToObject(out, "uuid", d->uuid);
    cJSON_AddNumberToObject(out, "memory_mib", mib(d->memory_bytes));
    cJSON_AddBoolToObject(out, "float16", d->has_f16);
    cJSON_AddBoolToObject(out, "matrix_units", d->has_matrix);
    cJSON_AddNumberToObject(out, "subgroup_size", d->subgroup_size);
    cJSON_AddNumberToObject(out, "workgroup_invocations", d->invocations);
    cJSON_AddNumberToObject(out, "shared_kib", d->shared_bytes / 1024);
    cJSON_AddNumberToObject(out, "binding_mib", mib(d->binding_bytes));
    return out;
}

static void print_json(const rep_device_info *info, size_t count) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) { cJSON_AddItemToArray(list, describe(&info[i])); }
    char *text = cJSON_Print(list);
    if (text) { puts(text); }
    cJSON_free(text);
    cJSON_Delete(list);
}

int cmd_devices(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_json = cli_take_flag(&words, "--json");
    if (cli_take_vulkan(&words) != REP_OK || cli_no_more(&words) != REP_OK) { return cli_fail(); }
    static rep_device_info info[MAX_DEVICES];
    size_t count = rep_device_list(info, MAX_DEVICES);
    if (count > MAX_DEVICES) { count = MAX_DEVICES; }
    if (is_json) {
        print_json(info, count);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (info[i].is_vulkan) {
            print_vulkan(&info[i]);
        } else {
            print_cpu(&info[i]);
        }
    }
    char why[700];
    rep_device_explain_auto(why, sizeof why);
    printf("\n%s\n", why);
    return 0;
}
