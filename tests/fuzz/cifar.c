/* cifar.c - a file of CIFAR-10 or, where the first byte is odd, CIFAR-100. */
#include "fuzz.h"
#include "repopt/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < 1) { return 0; }
    const bool is_fine = bytes[0] & 1;
    (void)fuzz_file(is_fine ? "test.bin" : "test_batch.bin", bytes + 1, count - 1);
    rep_dataset *set = NULL;
    const rep_dataset_options options = {.kind = is_fine ? "cifar100" : "cifar10",
                                         .root = fuzz_folder()};
    if (rep_dataset_open(&set, &options) != REP_OK) { return 0; }
    uint8_t picture[3 * 32 * 32];
    int32_t label = 0;
    for (size_t i = 0; i < rep_dataset_info_get(set)->count; i++) {
        (void)!rep_dataset_read(set, i, picture, &label);
    }
    rep_dataset_close(set);
    return 0;
}
