/* yaml.c - a configuration, and its own print read back. */
#include "fuzz.h"
#include "repopt/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_config *config = NULL, *again = NULL;
    char *text = NULL;
    if (rep_config_create(&config) != REP_OK) { abort(); }
    if (rep_config_merge_text(config, "x", (const char *)bytes, count) == REP_OK &&
        rep_config_dump(config, false, &text) == REP_OK) {
        if (rep_config_create(&again) != REP_OK) { abort(); }
        if (rep_config_merge_text(again, "x", text, strlen(text)) != REP_OK) { abort(); }
    }
    free(text);
    rep_config_destroy(again);
    rep_config_destroy(config);
    return 0;
}
