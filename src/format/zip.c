/* zip.c - reads zip archives: central directory, stored and deflated members, zip64 (APPNOTE.TXT
 * 6.3, sections 4.3 and 4.5.3). Every size and place is checked against the file before it is used;
 * members may not overlap, so that a small file cannot hold more than it is. The checksum of a
 * stored member is not compared: torch.save may be told to leave it out, and torch.load does not
 * look at it either. */
#include "format/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    MOST_COMMENT = 65535,
    MOST_ENTRIES = 1 << 18,
    MOST_NAME = 1024
};
static const uint32_t local_mark = 0x04034b50, central_mark = 0x02014b50, end_mark = 0x06054b50,
                      end64_mark = 0x06064b50, locator_mark = 0x07064b50;
/* Deflate makes at most 1032 bytes of one. */
static const size_t most_ratio = 1032, most_inflated = (size_t)1 << 30;

struct rep_zip {
    const char *name;
    const uint8_t *bytes;
    size_t count;
    rep_zip_entry *entries; /* by name */
    size_t entry_count;
    size_t inflated; /* bytes so far */
    rep_arena names;
};

/* Where the central directory lies. */
typedef struct directory {
    uint64_t entries, bytes, place;
    size_t end; /* where it must end at the latest: the end records begin here */
} directory;

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }

static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static rep_status fail_at(const rep_zip *zip, size_t place, const char *what) {
    return rep_fail(REP_ERR_DATA, "%s: zip archive, byte %zu: %s; copy or save the file again",
                    zip->name, place, what);
}

static rep_status fail_member(const rep_zip *zip, const rep_zip_entry *entry, const char *what) {
    return rep_fail(REP_ERR_DATA, "%s: zip member \"%.80s\": %s; copy or save the file again",
                    zip->name, entry->name, what);
}

static rep_status fail_large(const rep_zip *zip, const rep_zip_entry *entry) {
    return rep_fail(
        REP_ERR_DATA,
        "%s: zip member \"%.80s\": makes more than 1 GiB of what is packed, in all; save "
        "the file again with torch.save, which packs nothing",
        zip->name, entry->name);
}

/* ---- end records ---------------------------------------------------------------------------- */

/* A 64-bit field takes the place of a narrow one that is all ones; otherwise both say the same. */
static bool agree(uint64_t wide, uint64_t narrow, uint64_t ones) {
    return narrow == ones || narrow == wide;
}

/* The zip64 records before the end record at `end`, where there are some. */
static rep_status read_end64(const rep_zip *zip, directory *d, size_t end) {
    if (end < LOCATOR_BYTES || get32(zip->bytes + end - LOCATOR_BYTES) != locator_mark) {
        return REP_OK;
    }
    const size_t locator = end - LOCATOR_BYTES;
    const uint64_t place = get64(zip->bytes + locator + 8);
    if (locator < END64_BYTES || place > locator - END64_BYTES ||
        get32(zip->bytes + place) != end64_mark) {
        return fail_at(zip, locator, "points to no zip64 record");
    }
    const uint8_t *p = zip->bytes + place;
    const directory wide = {get64(p + 32), get64(p + 40), get64(p + 48), (size_t)place};
    if (get32(p + 16) != 0 || get32(p + 20) != 0 || get64(p + 24) != wide.entries) {
        return fail_at(zip, (size_t)place, "is of an archive in several parts");
    }
    if (!agree(wide.entries, d->entries, 0xFFFF) || !agree(wide.bytes, d->bytes, UINT32_MAX) ||
        !agree(wide.place, d->place, UINT32_MAX)) {
        return fail_at(zip, end, "its two end records do not agree");
    }
    *d = wide;
    return REP_OK;
}

static rep_status find_directory(const rep_zip *zip, directory *d) {
    const size_t most = END_BYTES + MOST_COMMENT;
    const size_t lowest = zip->count > most ? zip->count - most : 0;
    size_t at = zip->count < END_BYTES ? 0 : zip->count - END_BYTES + 1;
    while (at > lowest) {
        at--;
        const uint8_t *p = zip->bytes + at;
        if (get32(p) != end_mark || get16(p + 20) != zip->count - at - END_BYTES) { continue; }
        if (get16(p + 4) != 0 || get16(p + 6) != 0 || get16(p + 8) != get16(p + 10)) {
            return fail_at(zip, at, "is of an archive in several parts");
        }
        *d = (directory){get16(p + 10), get32(p + 12), get32(p + 16), at};
        REP_TRY(read_end64(zip, d, at));
        if (d->place > d->end || d->bytes > d->end - d->place) {
            return fail_at(zip, at, "its directory lies outside the file");
        }
        if (d->entries > MOST_ENTRIES || d->entries > d->bytes / CENTRAL_BYTES) {
            return fail_at(zip, at, "lists more members than it has room for");
        }
        return REP_OK;
    }
    return rep_fail(REP_ERR_DATA, "%s: a zip archive without its end: cut off; copy it again",
                    zip->name);
}

/* ---- members -------------------------------------------------------------------------------- */

/* Names that stay inside the archive, though none is ever used as a path. */
static bool is_good_name(const char *name, size_t length) {
    if (length == 0 || length > MOST_NAME || name[0] == '/') { return false; }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == '\\') { return false; }
        const bool is_start = i == 0 || name[i - 1] == '/';
        const bool is_up = is_start && length - i >= 2 && memcmp(name + i, "..", 2) == 0;
        if (is_up && (length - i == 2 || name[i + 2] == '/')) { return false; }
    }
    return true;
}

/* Sizes and place that do not fit 32 bits stand in the zip64 extra field, in this order. */
static bool read_extra64(const uint8_t *extra, size_t bytes, uint64_t *fields[3]) {
    size_t at = 0, wanted = 0;
    for (int i = 0; i < 3; i++) { wanted += *fields[i] == UINT32_MAX; }
    while (wanted > 0 && bytes - at >= 4) {
        const size_t id = get16(extra + at), length = get16(extra + at + 2);
        at += 4;
        if (length > bytes - at) { return false; }
        if (id != 1) {
            at += length;
            continue;
        }
        if (length < 8 * wanted) { return false; }
        for (int i = 0; i < 3; i++) {
            if (*fields[i] != UINT32_MAX) { continue; }
            *fields[i] = get64(extra + at);
            at += 8;
        }
        return true;
    }
    return wanted == 0;
}

/* One row of the directory at `at`, whose fixed part is there; *at moves behind it. */
static rep_status read_row(rep_zip *zip, const directory *d, size_t *at, rep_zip_entry *out) {
    const uint8_t *p = zip->bytes + *at;
    const size_t name = get16(p + 28), extra = get16(p + 30), comment = get16(p + 32);
    const size_t room = (size_t)(d->place + d->bytes) - *at;
    if (get32(p) != central_mark || room - CENTRAL_BYTES < name + extra + comment) {
        return fail_at(zip, *at, "is no row of its directory");
    }
    const char *text = (const char *)p + CENTRAL_BYTES;
    if (!is_good_name(text, name)) {
        return fail_at(zip, *at, "a member's name is no path inside the archive");
    }
    char *copy = rep_arena_alloc(&zip->names, name + 1);
    if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its members", zip->name); }
    memcpy(copy, text, name);
    *out = (rep_zip_entry){.name = copy, .crc = get32(p + 16), .is_packed = get16(p + 10) == 8};
    uint64_t count = get32(p + 24), packed = get32(p + 20), place = get32(p + 42);
    if (!read_extra64(p + CENTRAL_BYTES + name, extra, (uint64_t *[]){&count, &packed, &place})) {
        return fail_member(zip, out, "has no sizes");
    }
    if (get16(p + 8) & 1) { return fail_member(zip, out, "is encrypted"); }
    if (get16(p + 10) != 0 && !out->is_packed) {
        return fail_member(zip, out, "is packed in a way other than deflate");
    }
    if (place > d->place || packed > d->place - place ||
        (out->is_packed ? count / most_ratio > packed : count != packed)) {
        return fail_member(zip, out, "its size or place cannot be");
    }
    if (out->is_packed && count > most_inflated) { return fail_large(zip, out); }
    out->count = (size_t)count;
    out->packed = (size_t)packed;
    out->place = (size_t)place;
    *at += CENTRAL_BYTES + name + extra + comment;
    return REP_OK;
}

static int compare_places(const void *a, const void *b) {
    const rep_zip_entry *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const rep_zip_entry *)a)->name, ((const rep_zip_entry *)b)->name);
}

/* Finds the data behind a local header, which must be of this member. `limit`: where the next
 * member, or the directory, begins. */
static rep_status check_local(const rep_zip *zip, rep_zip_entry *entry, size_t limit) {
    if (entry->place > limit || limit - entry->place < LOCAL_BYTES) {
        return fail_member(zip, entry, "overlaps another member");
    }
    const uint8_t *p = zip->bytes + entry->place;
    const size_t name = get16(p + 26), extra = get16(p + 28);
    const size_t head = LOCAL_BYTES + name + extra;
    if (get32(p) != local_mark || name != strlen(entry->name) || limit - entry->place < head ||
        memcmp(p + LOCAL_BYTES, entry->name, name) != 0) {
        return fail_member(zip, entry, "is not where the directory says");
    }
    if ((get16(p + 8) == 8) != entry->is_packed) {
        return fail_member(zip, entry, "is not packed as the directory says");
    }
    entry->place += head;
    if (entry->packed > limit - entry->place) {
        return fail_member(zip, entry, "overlaps another member");
    }
    return REP_OK;
}

static rep_status read_rows(rep_zip *zip, const directory *d) {
    size_t at = (size_t)d->place;
    for (size_t i = 0; i < d->entries; i++) {
        if ((size_t)(d->place + d->bytes) - at < CENTRAL_BYTES) {
            return fail_at(zip, at, "its directory is cut off");
        }
        REP_TRY(read_row(zip, d, &at, &zip->entries[i]));
        zip->entry_count++;
    }
    const size_t count = zip->entry_count;
    if (count > 1) { qsort(zip->entries, count, sizeof *zip->entries, compare_places); }
    for (size_t i = 0; i < count; i++) {
        const size_t limit = i + 1 < count ? zip->entries[i + 1].place : (size_t)d->place;
        REP_TRY(check_local(zip, &zip->entries[i], limit));
    }
    if (count > 1) { qsort(zip->entries, count, sizeof *zip->entries, compare_names); }
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&zip->entries[i - 1], &zip->entries[i]) == 0) {
            return fail_member(zip, &zip->entries[i], "stands twice");
        }
    }
    return REP_OK;
}

/* ---- the archive ---------------------------------------------------------------------------- */

rep_status rep_zip_open(rep_zip **out, const char *name, const uint8_t *bytes, size_t count) {
    rep_zip *zip = calloc(1, sizeof *zip);
    if (!zip) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", name); }
    zip->name = name;
    zip->bytes = bytes;
    zip->count = count;
    directory d = {0};
    rep_status status = find_directory(zip, &d);
    if (status == REP_OK) {
        zip->entries = calloc((size_t)d.entries + 1, sizeof *zip->entries);
        status = zip->entries ? read_rows(zip, &d)
                              : rep_fail(REP_ERR_MEMORY, "%s: no memory for its members", name);
    }
    if (status != REP_OK) {
        rep_zip_close(zip);
        return status;
    }
    *out = zip;
    return REP_OK;
}

void rep_zip_close(rep_zip *zip) {
    if (!zip) { return; }
    for (size_t i = 0; i < zip->entry_count; i++) { free(zip->entries[i].bytes); }
    free(zip->entries);
    rep_arena_clear(&zip->names);
    free(zip);
}

size_t rep_zip_count(const rep_zip *zip) { return zip->entry_count; }

rep_zip_entry *rep_zip_get(const rep_zip *zip, size_t index) { return &zip->entries[index]; }

rep_zip_entry *rep_zip_find(const rep_zip *zip, const char *name) {
    const rep_zip_entry wanted = {.name = name};
    if (zip->entry_count == 0) { return NULL; }
    return bsearch(&wanted, zip->entries, zip->entry_count, sizeof *zip->entries, compare_names);
}

const uint8_t *rep_zip_bytes(const rep_zip *zip, const rep_zip_entry *entry) {
    return entry->is_packed ? entry->bytes : zip->bytes + entry->place;
}

/* Inflates into bytes[entry->count]; true when exactly that much comes out, with its checksum. */
static bool inflate_into(const rep_zip *zip, const rep_zip_entry *entry, uint8_t *bytes) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)(zip->bytes + entry->place), .next_out = bytes};
    if (entry->packed > UINT32_MAX || inflateInit2(&z, -MAX_WBITS) != Z_OK) { return false; }
    z.avail_in = (uInt)entry->packed;
    z.avail_out = (uInt)entry->count;
    const int result = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return result == Z_STREAM_END && z.avail_out == 0 &&
           crc32(0, bytes, (uInt)entry->count) == entry->crc;
}

rep_status rep_zip_read(rep_zip *zip, rep_zip_entry *entry) {
    if (!entry->is_packed || entry->bytes) { return REP_OK; }
    if (entry->count > most_inflated - zip->inflated) { return fail_large(zip, entry); }
    uint8_t *bytes = malloc(entry->count ? entry->count : 1);
    if (!bytes) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for %zu bytes of \"%.80s\"", zip->name,
                        entry->count, entry->name);
    }
    if (!inflate_into(zip, entry, bytes)) {
        free(bytes);
        return fail_member(zip, entry, "does not inflate to what the directory says");
    }
    entry->bytes = bytes;
    zip->inflated += entry->count;
    return REP_OK;
}
