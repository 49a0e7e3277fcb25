/* exif.c - the one EXIF tag that matters here: which way up a camera held the picture.
 *
 * An EXIF block is a small TIFF file: byte order mark, 42, offset of the first directory; a
 * directory is a count and 12-byte entries {tag, type, count, value} (EXIF 2.32, section 4.6).
 * Every read is checked against the block; whatever does not fit means "upright". */
#include <string.h>

#include "data/data.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_BYTES = 12, HEADER_BYTES = 8 };

typedef struct tiff {
    const uint8_t *bytes;
    size_t count;
    bool is_big_endian;
} tiff;

/* An unsigned number of 2 or 4 bytes; 0 outside the block. */
static uint32_t get(const tiff *t, size_t offset, size_t bytes) {
    if (offset > t->count || t->count - offset < bytes) { return 0; }
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        const size_t place = t->is_big_endian ? i : bytes - 1 - i;
        value = value << 8 | t->bytes[offset + place];
    }
    return value;
}

int rep_exif_orientation(const uint8_t *bytes, size_t count) {
    if (count < HEADER_BYTES) { return 1; }
    const tiff t = {bytes, count, bytes[0] == 'M'};
    const bool is_tiff =
        (memcmp(bytes, "II", 2) == 0 || memcmp(bytes, "MM", 2) == 0) && get(&t, 2, 2) == 42;
    if (!is_tiff) { return 1; }
    const size_t directory = get(&t, 4, 4);
    const size_t entry_count = get(&t, directory, 2);
    for (size_t i = 0; i < entry_count; i++) {
        const size_t entry = directory + 2 + ENTRY_BYTES * i;
        if (entry > count || count - entry < ENTRY_BYTES) { return 1; }
        if (get(&t, entry, 2) != TAG_ORIENTATION) { continue; }
        const uint32_t value = get(&t, entry + 8, 2);
        const bool is_sane = get(&t, entry + 2, 2) == TYPE_SHORT && get(&t, entry + 4, 4) == 1;
        return is_sane && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

bool rep_orientation_swaps(int orientation) { return orientation >= 5 && orientation <= 8; }
