/* legacy.c - a file of tensors; the seeds are what the name says. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    fuzz_tensors(bytes, count);
    return 0;
}
