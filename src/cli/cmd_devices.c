/* cmd_devices.c - `repopt devices`: what this build and this machine can compute on. */
#include <stdio.h>

#include "cli/cli.h"
#include "repopt/device.h"

static const char help[] = "usage: repopt devices\n\n"
                           "Lists the devices of this build: name for --device or DEVICE, bytes of "
                           "one value, whether this\n"
                           "machine can use it, and what it is. The one `auto` takes is marked.\n";

int cmd_devices(int argc, char **argv) {
    enum { MAX_DEVICES = 16 };
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    if (cli_no_more(&words) != REP_OK) { return cli_fail(); }
    rep_device_info info[MAX_DEVICES];
    size_t count = rep_device_list(info, MAX_DEVICES);
    if (count > MAX_DEVICES) { count = MAX_DEVICES; }
    printf("%-14s %-6s %-7s %s\n", "device", "bytes", "usable", "description");
    for (size_t i = 0; i < count; i++) {
        printf("%-14s %-6zu %-7s %s%s\n", info[i].name, info[i].real_bytes,
               info[i].is_usable ? "yes" : "no", info[i].description,
               info[i].is_default ? " - auto" : "");
    }
    return 0;
}
