/* pickle.c - a pickle alone, with the calls of PyTorch's files. */
#include "format/torch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_torch torch = {.name = "x"};
    const rep_pickle_calls calls = rep_torch_calls(&torch);
    size_t used = 0;
    if (rep_pickle_read(&torch.top, &used, &torch.memory, "x", 0, bytes, count, &calls) == REP_OK &&
        used > count) {
        abort();
    }
    rep_torch_close(&torch);
    return 0;
}
