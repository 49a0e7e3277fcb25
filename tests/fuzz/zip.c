/* zip.c - a zip archive: its members inflated, then the whole as PyTorch's. */
#include "format/zip.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_zip *zip = NULL;
    if (rep_zip_open(&zip, "x", bytes, count) == REP_OK) {
        uint32_t sum = 0;
        for (size_t i = 0; i < rep_zip_count(zip); i++) {
            rep_zip_entry *entry = rep_zip_get(zip, i);
            if (entry->count > (1 << 20) || rep_zip_read(zip, entry) != REP_OK) { continue; }
            const uint8_t *data = rep_zip_bytes(zip, entry);
            for (size_t k = 0; k < entry->count; k++) { sum += data[k]; }
        }
        volatile uint32_t keep = sum;
        (void)keep;
    }
    rep_zip_close(zip);
    fuzz_tensors(bytes, count);
    return 0;
}
