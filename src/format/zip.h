/* zip.h - members of a zip archive in memory, for PyTorch's files; private to the format room.
 *
 * Our own reader, not a library's: stored members are handed out where they lie in the mapped file,
 * everything is bounded before memory is taken, and the browser's build needs nothing more than
 * zlib. Nothing is ever written to a path that an archive names.
 */
#ifndef REP_FORMAT_ZIP_H
#define REP_FORMAT_ZIP_H

#include "base/base.h"

typedef struct rep_zip rep_zip;

typedef struct rep_zip_entry {
    const char *name;
    size_t place;   /* of its local header in the file; where its data begins, once checked */
    size_t packed;  /* bytes in the file */
    size_t count;   /* bytes of the member */
    uint32_t crc;   /* of the member */
    bool is_packed; /* deflated */
    uint8_t *bytes; /* owned: inflated; NULL before */
} rep_zip_entry;

/* Checks the whole archive: directory, names, local headers, overlaps. `name` for messages and
 * `bytes` are borrowed. REP_ERR_DATA. */
REP_NODISCARD rep_status rep_zip_open(rep_zip **out, const char *name, const uint8_t *bytes,
                                      size_t count);
void rep_zip_close(rep_zip *zip);
/* Members in the order of their names. */
size_t rep_zip_count(const rep_zip *zip);
rep_zip_entry *rep_zip_get(const rep_zip *zip, size_t index);
/* NULL when there is none. */
rep_zip_entry *rep_zip_find(const rep_zip *zip, const char *name);
/* Its bytes as they lie in the file; NULL for a deflated member before rep_zip_read. */
const uint8_t *rep_zip_bytes(const rep_zip *zip, const rep_zip_entry *entry);
/* Inflates a deflated member, once. REP_ERR_DATA, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_zip_read(rep_zip *zip, rep_zip_entry *entry);

#endif
