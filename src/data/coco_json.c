/* coco_json.c - reads COCO JSON as a stream, so that outlines, which fill nine tenths of a file,
 * never lie in memory.
 *
 * The wanted shape is {"images": [{...}, ...], "annotations": [...], "categories": [...]}: depth 1
 * is the file, 2 a list, 3 a row, 4 a list within a row, 5 a pair of the skeleton. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "data/coco_json.h"

enum { MAX_DEPTH = 64, MAX_NUMBER_BYTES = 64, FAULT_BYTES = 192 };

typedef enum field_kind { WHOLE, NUMBER, TEXT, NUMBERS, PAIRS, TEXTS } field_kind;

#define IN(section) (1u << REP_COCO_##section)
static const struct {
    const char *key;
    unsigned sections;
    field_kind kind;
} fields[REP_COCO_FIELDS] = {
    [REP_COCO_ID] = {"id", IN(IMAGES) | IN(ANNOTATIONS) | IN(CATEGORIES), WHOLE},
    [REP_COCO_FILE_NAME] = {"file_name", IN(IMAGES), TEXT},
    [REP_COCO_WIDTH] = {"width", IN(IMAGES), WHOLE},
    [REP_COCO_HEIGHT] = {"height", IN(IMAGES), WHOLE},
    [REP_COCO_IMAGE_ID] = {"image_id", IN(ANNOTATIONS), WHOLE},
    [REP_COCO_CATEGORY_ID] = {"category_id", IN(ANNOTATIONS), WHOLE},
    [REP_COCO_BBOX] = {"bbox", IN(ANNOTATIONS), NUMBERS},
    [REP_COCO_AREA] = {"area", IN(ANNOTATIONS), NUMBER},
    [REP_COCO_ISCROWD] = {"iscrowd", IN(ANNOTATIONS), WHOLE},
    [REP_COCO_KEYPOINTS] = {"keypoints", IN(ANNOTATIONS), NUMBERS},
    [REP_COCO_NUM_KEYPOINTS] = {"num_keypoints", IN(ANNOTATIONS), WHOLE},
    [REP_COCO_NAME] = {"name", IN(CATEGORIES), TEXT},
    [REP_COCO_POINT_NAMES] = {"keypoints", IN(CATEGORIES), TEXTS},
    [REP_COCO_SKELETON] = {"skeleton", IN(CATEGORIES), PAIRS},
    [REP_COCO_SIGMAS] = {"sigmas", IN(CATEGORIES), NUMBERS},
};
#undef IN

static const struct {
    const char *key, *row;
} sections[REP_COCO_SECTIONS] = {
    [REP_COCO_IMAGES] = {"images", "image"},
    [REP_COCO_ANNOTATIONS] = {"annotations", "annotation"},
    [REP_COCO_CATEGORIES] = {"categories", "category"},
};

typedef struct reader {
    const char *path;
    rep_arena *arena;
    rep_coco_take take;
    void *context;
    rep_status status;
    int depth, skipped_depth; /* skipped_depth > 0: nothing counts until back above it */
    bool has[REP_COCO_SECTIONS];
    rep_coco_section section;
    rep_coco_field field;
    char fault[FAULT_BYTES]; /* first fault of the row, said at its end, when its id is known */
    rep_coco_json_row row;
} reader;

/* A value as the file writes it. */
typedef struct token {
    enum { IS_NULL, IS_FLAG, IS_NUMBER, IS_TEXT, IS_LIST, IS_MAP } kind;
    const char *text;
    size_t length;
    bool flag;
} token;
static const char *const token_names[] = {"null", "true or false", "a number",
                                          "text", "a list",        "an object"};

void rep_coco_row_label(char out[REP_LABEL_BYTES], const rep_coco_json_row *row) {
    const int64_t id = row->whole[REP_COCO_ID];
    if (row->section == REP_COCO_ANNOTATIONS) {
        rep_object_label(out, row->has[REP_COCO_ID], id, row->number);
    } else if (row->has[REP_COCO_ID]) {
        (void)snprintf(out, REP_LABEL_BYTES, "%s id %" PRId64, sections[row->section].row, id);
    } else {
        (void)snprintf(out, REP_LABEL_BYTES, "%s %zu of the list (no id)",
                       sections[row->section].row, row->number);
    }
}

/* ---- rows ------------------------------------------------------------------------------------
 */

static rep_coco_list *list_of(reader *r) {
    switch (r->field) {
    case REP_COCO_BBOX:
        return &r->row.bbox;
    case REP_COCO_KEYPOINTS:
        return &r->row.keypoints;
    case REP_COCO_SKELETON:
        return &r->row.skeleton;
    default:
        return &r->row.sigmas;
    }
}

static void begin_row(reader *r) {
    rep_coco_json_row *row = &r->row;
    row->number++;
    memset(row->has, 0, sizeof row->has);
    row->bbox.count = row->keypoints.count = row->skeleton.count = row->sigmas.count = 0;
    row->point_name_count = 0;
    row->text[0] = '\0';
    r->fault[0] = '\0';
}

static int end_row(reader *r) {
    char label[REP_LABEL_BYTES];
    rep_coco_row_label(label, &r->row);
    if (r->fault[0]) {
        r->status =
            rep_fail(REP_ERR_DATA, "%s: %s: %s; mend or remove it", r->path, label, r->fault);
    } else {
        r->status = r->take(r->context, &r->row);
    }
    return r->status == REP_OK;
}

#define FAULT(r, ...)                                                                              \
    do {                                                                                           \
        if (!(r)->fault[0]) { (void)snprintf((r)->fault, FAULT_BYTES, __VA_ARGS__); }              \
    } while (0)

static void fault_kind(reader *r, const token *t, const char *wanted) {
    const char *key = fields[r->field].key;
    if (t->kind == IS_TEXT || t->kind == IS_NUMBER) {
        FAULT(r, "%s has %.*s, wanted %s", key, t->length > 40 ? 40 : (int)t->length, t->text,
              wanted);
    } else {
        FAULT(r, "%s has %s, wanted %s", key, token_names[t->kind], wanted);
    }
}

/* Copies a number's text to where it ends with a zero byte. */
static bool terminate(char out[MAX_NUMBER_BYTES], const token *t) {
    if (t->kind != IS_NUMBER || t->length >= MAX_NUMBER_BYTES) { return false; }
    memcpy(out, t->text, t->length);
    out[t->length] = '\0';
    return true;
}

static void take_whole(reader *r, const token *t) {
    char text[MAX_NUMBER_BYTES];
    int64_t value = t->flag;
    if (t->kind != IS_FLAG && (!terminate(text, t) || !rep_text_whole(&value, text))) {
        fault_kind(r, t, "a whole number");
        return;
    }
    r->row.whole[r->field] = value;
    r->row.has[r->field] = true;
}

static bool take_number(reader *r, const token *t, double *out) {
    char text[MAX_NUMBER_BYTES];
    if (terminate(text, t) && rep_text_number(out, text)) { return true; }
    fault_kind(r, t, "a finite number");
    return false;
}

static void take_text(reader *r, const token *t) {
    if (t->kind != IS_TEXT) {
        fault_kind(r, t, "text");
        return;
    }
    if (t->length >= REP_COCO_TEXT_BYTES || memchr(t->text, '\0', t->length)) {
        FAULT(r, "%s is longer than %d bytes, or holds a zero byte", fields[r->field].key,
              REP_COCO_TEXT_BYTES - 1);
        return;
    }
    memcpy(r->row.text, t->text, t->length);
    r->row.text[t->length] = '\0';
    r->row.has[r->field] = true;
}

static int take_point_name(reader *r, const token *t) {
    rep_coco_json_row *row = &r->row;
    if (t->kind != IS_TEXT || t->length >= REP_COCO_TEXT_BYTES) {
        fault_kind(r, t, "a list of short names");
    } else if (row->point_name_count == REP_MOST_KEYPOINTS) {
        FAULT(r, "more than %d keypoints", REP_MOST_KEYPOINTS);
    } else {
        char *name = rep_arena_alloc(r->arena, t->length + 1);
        if (!name) {
            r->status = rep_fail(REP_ERR_MEMORY, "%s: no memory for keypoint names", r->path);
            return 0;
        }
        memcpy(name, t->text, t->length);
        row->point_names[row->point_name_count++] = name;
    }
    return 1;
}

/* A value within a list of a row. */
static int take_item(reader *r, const token *t) {
    if (fields[r->field].kind == TEXTS) { return take_point_name(r, t); }
    rep_coco_list *list = list_of(r);
    double value;
    if (!take_number(r, t, &value)) { return 1; }
    if (list->count == REP_COCO_LIST_VALUES) {
        FAULT(r, "%s has more than %d values", fields[r->field].key, REP_COCO_LIST_VALUES);
    } else {
        list->values[list->count++] = value;
    }
    return 1;
}

/* A value that a row has under r->field. */
static int take_field(reader *r, const token *t) {
    if (t->kind == IS_NULL) { return 1; }
    switch (fields[r->field].kind) {
    case WHOLE:
        take_whole(r, t);
        break;
    case NUMBER:
        if (take_number(r, t, &r->row.area)) { r->row.has[r->field] = true; }
        break;
    case TEXT:
        take_text(r, t);
        break;
    default:
        fault_kind(r, t, "a list");
    }
    return 1;
}

/* ---- the walk --------------------------------------------------------------------------------
 */

static int refuse(reader *r, const char *what) {
    r->status = rep_fail(REP_ERR_DATA, "%s: %s", r->path, what);
    return 0;
}

static int refuse_section(reader *r, const token *t) {
    r->status = rep_fail(REP_ERR_DATA, "%s: \"%s\" has %s where a list of objects is wanted",
                         r->path, sections[r->section].key, token_names[t->kind]);
    return 0;
}

/* A scalar, or the beginning of a list or an object that is not entered. */
static int value(reader *r, const token *t) {
    switch (r->depth) {
    case 0:
        return refuse(r, "is not a COCO file: wanted an object with \"images\", \"annotations\" "
                         "and \"categories\"");
    case 1:
        return r->section == REP_COCO_SECTIONS ? 1 : refuse_section(r, t);
    case 2:
        return refuse_section(r, t);
    case 3:
        return r->field == REP_COCO_FIELDS ? 1 : take_field(r, t);
    default:
        return take_item(r, t);
    }
}

static int on_null(void *context) {
    reader *r = context;
    return r->skipped_depth ? 1 : value(r, &(token){.kind = IS_NULL});
}

static int on_flag(void *context, int flag) {
    reader *r = context;
    return r->skipped_depth ? 1 : value(r, &(token){.kind = IS_FLAG, .flag = flag != 0});
}

static int on_number(void *context, const char *text, size_t length) {
    reader *r = context;
    return r->skipped_depth ? 1 : value(r, &(token){IS_NUMBER, text, length, false});
}

static int on_text(void *context, const unsigned char *text, size_t length) {
    reader *r = context;
    return r->skipped_depth ? 1 : value(r, &(token){IS_TEXT, (const char *)text, length, false});
}

static bool is_key(const char *key, const unsigned char *text, size_t length) {
    return strlen(key) == length && memcmp(key, text, length) == 0;
}

static int on_key(void *context, const unsigned char *text, size_t length) {
    reader *r = context;
    if (r->skipped_depth) { return 1; }
    if (r->depth == 1) {
        unsigned s = 0;
        while (s < REP_COCO_SECTIONS && !is_key(sections[s].key, text, length)) { s++; }
        r->section = (rep_coco_section)s;
    } else {
        unsigned f = 0;
        while (f < REP_COCO_FIELDS &&
               !((fields[f].sections >> r->section & 1u) && is_key(fields[f].key, text, length))) {
            f++;
        }
        r->field = (rep_coco_field)f;
    }
    return 1;
}

/* Whether what begins here is part of the wanted shape. */
static bool is_entered(const reader *r, bool is_list) {
    switch (r->depth) {
    case 0:
        return !is_list;
    case 1:
        return is_list && r->section != REP_COCO_SECTIONS;
    case 2:
        return !is_list;
    case 3:
        return is_list && r->field != REP_COCO_FIELDS && fields[r->field].kind >= NUMBERS;
    case 4:
        return is_list && fields[r->field].kind == PAIRS;
    default:
        return false;
    }
}

static int begin(reader *r, bool is_list) {
    if (r->depth == MAX_DEPTH) {
        return refuse(r, "nested deeper than 64 levels: this is no COCO file");
    }
    if (!r->skipped_depth && is_entered(r, is_list)) {
        if (r->depth == 1) {
            r->has[r->section] = true;
            r->row.section = r->section;
            r->row.number = 0;
        } else if (r->depth == 2) {
            begin_row(r);
        } else if (r->depth == 3) {
            r->row.has[r->field] = true;
        }
    } else if (!r->skipped_depth) {
        if (!value(r, &(token){.kind = is_list ? IS_LIST : IS_MAP})) { return 0; }
        r->skipped_depth = r->depth + 1;
    }
    r->depth++;
    return 1;
}

static int end(reader *r) {
    const int depth = r->depth--;
    if (r->skipped_depth) {
        if (depth == r->skipped_depth) { r->skipped_depth = 0; }
        return 1;
    }
    return depth == 3 ? end_row(r) : 1;
}

static int on_map(void *context) { return begin(context, false); }
static int on_list(void *context) { return begin(context, true); }
static int on_end(void *context) { return end(context); }

/* ---- the file --------------------------------------------------------------------------------
 */

/* Whether the parser stopped at, or a byte or two behind the beginning of, what Python writes for
 * numbers that JSON does not have. */
static bool is_no_number(const uint8_t *bytes, size_t count, size_t place) {
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t back = 0; back <= 2 && back <= place; back++) {
        const size_t left = count - (place - back);
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            const size_t length = strlen(words[i]);
            if (length <= left && memcmp(bytes + place - back, words[i], length) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* What stopped the parser at byte `place`, in one line. */
static rep_status fail_syntax(const reader *r, yajl_handle parser, const uint8_t *bytes,
                              size_t count, size_t place) {
    size_t line = 1;
    if (place > count) { place = count; }
    for (size_t i = 0; i < place; i++) { line += bytes[i] == '\n'; }
    if (r->depth >= 3 && !r->skipped_depth && r->field != REP_COCO_FIELDS &&
        is_no_number(bytes, count, place)) {
        char label[REP_LABEL_BYTES];
        rep_coco_row_label(label, &r->row);
        return rep_fail(REP_ERR_DATA,
                        "%s: line %zu: %s: %s has NaN or Infinity, wanted finite numbers; mend or "
                        "remove it",
                        r->path, line, label, fields[r->field].key);
    }
    unsigned char *said = yajl_get_error(parser, 0, NULL, 0);
    const int length = said ? (int)strcspn((const char *)said, "\n") : 0;
    (void)rep_fail(REP_ERR_DATA, "%s: line %zu: is not JSON (%.*s); fetch the file again", r->path,
                   line, length, said ? (const char *)said : "");
    yajl_free_error(parser, said);
    return REP_ERR_DATA;
}

static rep_status parse(reader *r, const uint8_t *bytes, size_t count) {
    static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                             .yajl_boolean = on_flag,
                                             .yajl_number = on_number,
                                             .yajl_string = on_text,
                                             .yajl_start_map = on_map,
                                             .yajl_map_key = on_key,
                                             .yajl_end_map = on_end,
                                             .yajl_start_array = on_list,
                                             .yajl_end_array = on_end};
    /* Some editors put a byte order mark before the text. */
    if (count >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) { bytes += 3, count -= 3; }
    yajl_handle parser = yajl_alloc(&callbacks, NULL, r);
    if (!parser) { return rep_fail(REP_ERR_MEMORY, "%s: no memory to read it", r->path); }
    yajl_status said = yajl_parse(parser, bytes, count);
    size_t place = yajl_get_bytes_consumed(parser);
    if (said == yajl_status_ok) {
        said = yajl_complete_parse(parser);
        place = count;
    }
    rep_status status = r->status;
    if (status == REP_OK && said != yajl_status_ok) {
        status = fail_syntax(r, parser, bytes, count, place);
    }
    yajl_free(parser);
    return status;
}

rep_status rep_coco_json_read(const char *path, rep_arena *arena, rep_coco_take take,
                              void *context) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    reader *r = calloc(1, sizeof *r);
    rep_status status = r ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory to read it", path);
    if (r) {
        r->path = path;
        r->arena = arena;
        r->take = take;
        r->context = context;
        r->section = REP_COCO_SECTIONS;
        status = parse(r, view.bytes, view.count);
    }
    for (unsigned s = 0; status == REP_OK && s < REP_COCO_SECTIONS; s++) {
        if (r->has[s]) { continue; }
        status = rep_fail(REP_ERR_DATA,
                          "%s: has no list \"%s\"; name a COCO instances or keypoints file", path,
                          sections[s].key);
    }
    free(r);
    rep_file_close(&view);
    return status;
}
