/* voc_xml.c - reads one Pascal VOC annotation: size, and name, box and flags of each object. */
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "data/voc_xml.h"

enum { MAX_FILE_BYTES = 1 << 26, MAX_OBJECTS = 100000, MAX_SIDE = 1000000, PLACE_BYTES = 256 };

typedef enum field {
    FILE_NAME,
    WIDTH,
    HEIGHT,
    NAME,
    DIFFICULT,
    XMIN,
    YMIN,
    XMAX,
    YMAX,
    FIELDS
} field;

#define OBJECT "/annotation/object"
static const struct {
    const char *place, *name;
} fields[FIELDS] = {
    [FILE_NAME] = {"/annotation/filename", "filename"},
    [WIDTH] = {"/annotation/size/width", "size/width"},
    [HEIGHT] = {"/annotation/size/height", "size/height"},
    [NAME] = {OBJECT "/name", "name"},
    [DIFFICULT] = {OBJECT "/difficult", "difficult"},
    [XMIN] = {OBJECT "/bndbox/xmin", "bndbox/xmin"},
    [YMIN] = {OBJECT "/bndbox/ymin", "bndbox/ymin"},
    [XMAX] = {OBJECT "/bndbox/xmax", "bndbox/xmax"},
    [YMAX] = {OBJECT "/bndbox/ymax", "bndbox/ymax"},
};

typedef struct reader {
    const char *path;
    XML_Parser parser;
    rep_voc_picture *picture;
    rep_status status;
    char place[PLACE_BYTES]; /* "/annotation/object/name" */
    bool has[FIELDS];        /* of the picture, or of the object under way */
    double number[FIELDS];
    field inside; /* whose text is being read, or FIELDS */
    char text[REP_VOC_TEXT_BYTES];
    size_t length;
    rep_voc_object object;
} reader;

/* ---- values ----------------------------------------------------------------------------------
 */

#define STOP(r, code, ...)                                                                         \
    do {                                                                                           \
        if ((r)->status == REP_OK) {                                                               \
            (r)->status = rep_fail((code), __VA_ARGS__);                                           \
            (void)XML_StopParser((r)->parser, XML_FALSE);                                          \
        }                                                                                          \
    } while (0)

static unsigned long line_of(const reader *r) {
    return (unsigned long)XML_GetCurrentLineNumber(r->parser);
}

/* Cuts the blanks round what was read between two tags. */
static void trim(reader *r) {
    static const char blanks[] = " \t\r\n";
    while (r->length && strchr(blanks, r->text[r->length - 1])) { r->length--; }
    r->text[r->length] = '\0';
    const size_t first = strspn(r->text, blanks);
    memmove(r->text, r->text + first, r->length - first + 1);
}

static void take_field(reader *r) {
    const field f = r->inside;
    trim(r);
    r->inside = FIELDS;
    if (f == FILE_NAME || f == NAME) {
        char *out = f == NAME ? r->object.name : r->picture->file_name;
        memcpy(out, r->text, sizeof r->text);
        r->has[f] = r->text[0] != '\0';
    } else if (rep_text_number(&r->number[f], r->text)) {
        r->has[f] = true;
    } else {
        STOP(r, REP_ERR_DATA, "%s: line %lu: %s is '%.40s', wanted a number; mend or remove it",
             r->path, line_of(r), fields[f].name, r->text);
    }
}

static void end_object(reader *r) {
    rep_voc_picture *p = r->picture;
    static const field needed[] = {NAME, XMIN, YMIN, XMAX, YMAX};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (r->has[needed[i]]) { continue; }
        STOP(r, REP_ERR_DATA, "%s: line %lu: object %zu has no %s; mend or remove it", r->path,
             line_of(r), p->object_count + 1, fields[needed[i]].name);
        return;
    }
    rep_voc_object *grown =
        p->object_count == MAX_OBJECTS
            ? NULL
            : rep_array_grow(p->objects, p->object_count, &p->object_room, sizeof *p->objects);
    if (!grown) {
        STOP(r, REP_ERR_MEMORY, "%s: no memory for %zu objects, or more than %d", r->path,
             p->object_count + 1, MAX_OBJECTS);
        return;
    }
    p->objects = grown;
    r->object.xmin = r->number[XMIN];
    r->object.ymin = r->number[YMIN];
    r->object.xmax = r->number[XMAX];
    r->object.ymax = r->number[YMAX];
    r->object.is_difficult = r->has[DIFFICULT] && r->number[DIFFICULT] != 0;
    p->objects[p->object_count++] = r->object;
}

/* ---- the walk --------------------------------------------------------------------------------
 */

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes) {
    (void)attributes;
    reader *r = context;
    const size_t used = strlen(r->place);
    const int length = snprintf(r->place + used, PLACE_BYTES - used, "/%s", name);
    if (length < 0 || (size_t)length >= PLACE_BYTES - used) {
        STOP(r, REP_ERR_DATA, "%s: line %lu: nested too deep for a VOC annotation", r->path,
             line_of(r));
        return;
    }
    if (used == 0 && strcmp(name, "annotation") != 0) {
        STOP(r, REP_ERR_DATA, "%s: begins with <%.40s>, wanted a VOC <annotation>", r->path, name);
        return;
    }
    if (strcmp(r->place, OBJECT) == 0) { memset(&r->has[NAME], 0, FIELDS - NAME); }
    for (int f = 0; f < FIELDS; f++) {
        if (strcmp(r->place, fields[f].place) == 0) {
            r->inside = (field)f;
            r->length = 0;
        }
    }
}

static void XMLCALL on_text(void *context, const XML_Char *text, int count) {
    reader *r = context;
    if (r->inside == FIELDS) { return; }
    if ((size_t)count >= sizeof r->text - r->length) {
        STOP(r, REP_ERR_DATA, "%s: line %lu: %s is longer than %zu bytes; mend it", r->path,
             line_of(r), fields[r->inside].name, sizeof r->text - 1);
        return;
    }
    memcpy(r->text + r->length, text, (size_t)count);
    r->length += (size_t)count;
}

static void XMLCALL on_end(void *context, const XML_Char *name) {
    (void)name;
    reader *r = context;
    if (r->status != REP_OK) { return; }
    if (r->inside != FIELDS && strcmp(r->place, fields[r->inside].place) == 0) { take_field(r); }
    if (strcmp(r->place, OBJECT) == 0 && r->status == REP_OK) { end_object(r); }
    *strrchr(r->place, '/') = '\0';
}

/* A document type could declare entities that expand to gigabytes; no VOC file has one. */
static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int has_internal) {
    (void)name, (void)system, (void)public, (void)has_internal;
    reader *r = context;
    STOP(r, REP_ERR_DATA, "%s: line %lu: has a document type, which is refused; remove it", r->path,
         line_of(r));
}

static rep_status check_size(const reader *r) {
    const bool has_size = r->has[WIDTH] && r->has[HEIGHT];
    const double width = r->number[WIDTH], height = r->number[HEIGHT];
    if (has_size && width >= 1 && height >= 1 && width <= MAX_SIDE && height <= MAX_SIDE) {
        r->picture->width = (int32_t)width;
        r->picture->height = (int32_t)height;
        return REP_OK;
    }
    return rep_fail(REP_ERR_DATA,
                    "%s: %s; wanted size/width and size/height of 1 to %d pixels; mend it", r->path,
                    has_size ? "the size is out of range" : "has no size", MAX_SIDE);
}

static rep_status parse(reader *r, const rep_file_view *view) {
    if (view->count > MAX_FILE_BYTES) {
        return rep_fail(REP_ERR_DATA, "%s: %zu bytes, wanted at most %d for one picture", r->path,
                        view->count, MAX_FILE_BYTES);
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    const char *bytes = view->count ? (const char *)view->bytes : "";
    if (XML_Parse(r->parser, bytes, (int)view->count, XML_TRUE) != XML_STATUS_OK) {
        if (r->status != REP_OK) { return r->status; }
        return rep_fail(REP_ERR_DATA, "%s: line %lu: is not XML (%s); fetch the file again",
                        r->path, line_of(r), XML_ErrorString(XML_GetErrorCode(r->parser)));
    }
    return check_size(r);
}

rep_status rep_voc_xml_read(rep_voc_picture *out, const char *path) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    rep_voc_picture picture = {0};
    reader r = {.path = path, .picture = &picture, .inside = FIELDS};
    r.parser = XML_ParserCreate(NULL);
    const rep_status status =
        r.parser ? parse(&r, &view) : rep_fail(REP_ERR_MEMORY, "%s: no memory to read it", path);
    XML_ParserFree(r.parser);
    rep_file_close(&view);
    if (status == REP_OK) {
        *out = picture;
    } else {
        rep_voc_picture_clear(&picture);
    }
    return status;
}

void rep_voc_picture_clear(rep_voc_picture *picture) {
    free(picture->objects);
    *picture = (rep_voc_picture){0};
}
