/* voc.c - one annotation file of a Pascal VOC set. */
#include "data/voc_xml.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_voc_picture picture = {0};
    (void)!rep_voc_xml_read(&picture, fuzz_file("picture.xml", bytes, count));
    rep_voc_picture_clear(&picture);
    return 0;
}
