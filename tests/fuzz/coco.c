/* coco.c - COCO annotations. */
#include "fuzz.h"
#include "repopt/detection.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_annotations *annotations = NULL;
    if (rep_annotations_load_coco(&annotations, fuzz_file("coco.json", bytes, count), NULL) ==
        REP_OK) {
        rep_annotations_destroy(annotations);
    }
    return 0;
}
