/* idx.c - two IDX files: two bytes say how long the first, the pictures, is; labels follow. */
#include "fuzz.h"
#include "repopt/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < 2) { return 0; }
    size_t first = bytes[0] | (size_t)bytes[1] << 8;
    if (first > count - 2) { first = count - 2; }
    (void)fuzz_file("train-images-idx3-ubyte", bytes + 2, first);
    (void)fuzz_file("train-labels-idx1-ubyte", bytes + 2 + first, count - 2 - first);
    rep_dataset *set = NULL;
    const rep_dataset_options options = {.kind = "idx", .root = fuzz_folder(), .is_train = true};
    if (rep_dataset_open(&set, &options) != REP_OK) { return 0; }
    const rep_dataset_info *info = rep_dataset_info_get(set);
    const size_t pixels = (size_t)info->width * (size_t)info->height;
    uint8_t *picture = malloc(pixels);
    int32_t label = 0;
    for (size_t i = 0; picture && i < info->count && i < 16; i++) {
        (void)!rep_dataset_read(set, i, picture, &label);
    }
    free(picture);
    rep_dataset_close(set);
    return 0;
}
