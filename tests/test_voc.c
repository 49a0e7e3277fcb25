/* test_voc.c - Pascal VOC sets: lists, XML, classes; what is refused and how. */
#include "data/annotations.h"
#include "data/voc_xml.h"
#include "real_data.h"
#include "temp_folder.h"

#define SIZE "<size><width>100</width><height>50</height><depth>3</depth></size>"
#define BOX(x1, y1, x2, y2)                                                                        \
    "<bndbox><ymax>" #y2 "</ymax><xmin>" #x1 "</xmin><ymin>" #y1 "</ymin><xmax> " #x2              \
    "\n</xmax></bndbox>"

static void write_xml(const char *folder, const char *name, const char *inner) {
    char file[128], text[4096];
    (void)snprintf(file, sizeof file, "%s/Annotations/%s.xml", folder, name);
    (void)snprintf(text, sizeof text, "<?xml version=\"1.0\"?>\n<annotation>%s</annotation>\n",
                   inner);
    temp_write(file, text, strlen(text));
}

static void write_list(const char *folder, const char *split, const char *text) {
    char file[128];
    (void)snprintf(file, sizeof file, "%s/ImageSets/Main/%s.txt", folder, split);
    temp_write(file, text, strlen(text));
}

/* Two pictures in train, one more in val with a class of its own. */
static void write_set(const char *folder) {
    write_list(folder, "train", "b\n a \n\n");
    write_list(folder, "val", "c 1\n");
    write_xml(
        folder, "a",
        "<filename>other.png</filename>" SIZE
        "<object><name>zebra</name><difficult>1</difficult>" BOX(
            1, 1, 100,
            50) "<part><name>head</name>" BOX(3, 4, 5,
                                              6) "</part></object>"
                                                 "<object>" BOX(
                                                     11, 21, 11,
                                                     30) "<name> "
                                                         "ant\n</name><pose>Left</pose></object>");
    write_xml(folder, "b", SIZE);
    write_xml(folder, "c", SIZE "<object><name>mole</name>" BOX(2.5, 3, 4, 5) "</object>");
}

static rep_annotations *load(const char *folder, const char *split,
                             const rep_annotation_options *options) {
    rep_annotations *set = NULL;
    CHECK_OK(rep_annotations_load_voc(&set, temp_path(folder), split, options));
    return set;
}

static void check_refused(const char *folder, const char *split, rep_status status,
                          const char *part) {
    rep_annotations *set = NULL;
    CHECK_FAILS(rep_annotations_load_voc(&set, temp_path(folder), split, NULL), status, part);
    assert_null(set);
}

static void test_set_is_read_in_the_order_of_its_list(void **state) {
    (void)state;
    write_set("voc");
    temp_write("voc/JPEGImages/other.png", "x", 1);
    temp_write("voc/JPEGImages/b.jpeg", "x", 1);
    rep_annotations *set = load("voc", "train", NULL);
    assert_int_equal(set->picture_count, 2);
    assert_int_equal(set->pictures[0].id * 10 + set->pictures[1].id, 12);
    assert_string_equal(set->pictures[0].file_name, "JPEGImages/b.jpeg");
    assert_string_equal(set->pictures[1].file_name, "JPEGImages/other.png");
    assert_int_equal(set->pictures[0].count, 0);
    assert_int_equal(set->pictures[1].width * 100 + set->pictures[1].height, 10050);
    /* Names of both splits, sorted; that of a part is none. */
    assert_int_equal(set->category_count, 3);
    assert_string_equal(set->categories[0].name, "ant");
    assert_string_equal(set->categories[1].name, "mole");
    assert_string_equal(set->categories[2].name, "zebra");
    assert_int_equal(set->object_count, 2);
    const rep_object *o = set->objects;
    /* Corners 1-based and inclusive: the whole picture is 0, 0, 100, 50. */
    assert_true(o[0].x == 0 && o[0].y == 0 && o[0].w == 100 && o[0].h == 50 && o[0].area == 5000);
    assert_true(o[0].is_difficult && o[0].category == 2 && o[0].picture == 1);
    assert_true(o[1].x == 10 && o[1].y == 20 && o[1].w == 1 && o[1].h == 10);
    assert_true(!o[1].is_difficult && o[1].category == 0);
    assert_int_equal(set->beyond.count + set->degenerate.count, 0);
    rep_annotations_destroy(set);
    set = load("voc", "val", NULL);
    assert_int_equal(set->objects[0].category, 1);
    assert_true(set->objects[0].x == 1.5 && set->objects[0].w == 2.5);
    assert_string_equal(set->pictures[0].file_name, "JPEGImages/c.jpg");
    rep_annotations_destroy(set);
}

static void test_classes_can_be_given(void **state) {
    (void)state;
    write_set("given");
    static const char *const names[] = {"zebra", "ant"};
    const rep_annotation_options options = {.class_names = names, .class_count = 2};
    rep_annotations *set = load("given", "train", &options);
    assert_int_equal(set->category_count, 2);
    assert_int_equal(set->objects[0].category, 0);
    assert_int_equal(set->objects[1].category, 1);
    rep_annotations_destroy(set);
    set = NULL;
    CHECK_FAILS(rep_annotations_load_voc(&set, temp_path("given"), "val", &options), REP_ERR_DATA,
                "c.xml: class 'mole' is not among the 2 given");
    assert_null(set);
}

static void test_bad_lists_are_named(void **state) {
    (void)state;
    write_set("lists");
    check_refused("lists", "nothing", REP_ERR_IO, "ImageSets/Main/nothing.txt: cannot be opened");
    write_list("lists", "empty", "\n \n");
    check_refused("lists", "empty", REP_ERR_DATA, "empty.txt: lists no pictures");
    write_list("lists", "twice", "a\nb\na\n");
    check_refused("lists", "twice", REP_ERR_DATA, "twice.txt: a is listed twice");
    write_list("lists", "gone", "a\nno\n");
    check_refused("lists", "gone", REP_ERR_IO, "Annotations/no.xml: cannot be opened");
    write_list("lists", "odd", "a\n\x01\n");
    check_refused("lists", "odd", REP_ERR_DATA, "odd.txt: line 2 is not a name");
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    write_list("lists", "long", text);
    check_refused("lists", "long", REP_ERR_DATA, "long.txt: line 1 is not a name");
    rep_annotations *set = NULL;
    CHECK_FAILS(rep_annotations_load_voc(&set, temp_path("lists"), text, NULL), REP_ERR_ARGUMENT,
                "too long");
}

static void test_bad_xml_is_named(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "x.xml: has no size"},
        {"<size><width>3</width></size>", "has no size"},
        {"<size><width>0</width><height>3</height></size>", "the size is out of range"},
        {"<size><width>wide</width><height>3</height></size>", "size/width is 'wide', wanted"},
        {SIZE "<object>" BOX(1, 2, 3, 4) "</object>", "line 3: object 1 has no name"},
        {SIZE "<object><name>a</name></object>", "object 1 has no bndbox/xmin"},
        {SIZE "<object><name>a</name><part>" BOX(1, 2, 3, 4) "</part></object>", "has no bndbox"},
        {SIZE "<object><name> </name>" BOX(1, 2, 3, 4) "</object>", "object 1 has no name"},
        {SIZE "<object><name>a</name>" BOX(1, 2, nan, 4) "</object>", "bndbox/xmax is 'nan'"},
        {SIZE "<object><name>a</name>" BOX(1, 2, , 4) "</object>", "bndbox/xmax is ''"},
        {SIZE "<object><name>a</name>" BOX(1, 2, 1e999, 4) "</object>", "xmax is '1e999'"},
        {SIZE "<object>", "is not XML (mismatched tag)"},
        {SIZE "&lol;", "is not XML (undefined entity)"},
    };
    write_list("xml", "train", "x\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_xml("xml", "x", rows[i][0]);
        check_refused("xml", "train", REP_ERR_DATA, rows[i][1]);
    }
    static const char *const files[][2] = {
        {"", "is not XML (no element found)"},
        {"<html></html>", "begins with <html>, wanted a VOC <annotation>"},
        {"<!DOCTYPE a [<!ENTITY l \"lol\"><!ENTITY m \"&l;&l;&l;&l;\">]><annotation>&m;"
         "</annotation>",
         "line 1: has a document type, which is refused"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        temp_write("xml/Annotations/x.xml", files[i][0], strlen(files[i][0]));
        check_refused("xml", "train", REP_ERR_DATA, files[i][1]);
    }
}

static void test_depth_and_lengths_are_bounded(void **state) {
    (void)state;
    enum { MANY = 100000 };
    char *text = malloc(4 * MANY);
    assert_non_null(text);
    write_list("deep", "train", "x\n");
    size_t used = (size_t)sprintf(text, "<annotation>");
    for (int i = 0; i < MANY; i++, used += 3) { memcpy(text + used, "<a>", 3); }
    temp_write("deep/Annotations/x.xml", text, used);
    check_refused("deep", "train", REP_ERR_DATA, "nested too deep");
    used = (size_t)sprintf(text, "<annotation><object><name>");
    memset(text + used, 'n', MANY);
    temp_write("deep/Annotations/x.xml", text, used + MANY);
    check_refused("deep", "train", REP_ERR_DATA, "name is longer than 255 bytes");
    free(text);
}

/* Every file that breaks off, and many with bytes changed: an error or a picture, never a crash. */
static void test_damage_never_crashes(void **state) {
    (void)state;
    static const char whole[] =
        "<annotation><filename>other.png</filename>" SIZE
        "<object><name>zebra</name><difficult>1</difficult>" BOX(
            1, 1, 100, 50) "<part><name>head</name>" BOX(3, 4, 5,
                                                         6) "</part></object></annotation>";
    const size_t count = sizeof whole - 1;
    char copy[sizeof whole];
    rep_voc_picture picture;
    for (size_t cut = 0; cut < count; cut++) {
        temp_write_fast("cut.xml", whole, cut);
        assert_int_equal(rep_voc_xml_read(&picture, temp_path("cut.xml")), REP_ERR_DATA);
        assert_null(strchr(rep_last_error(), '\n'));
    }
    rep_rng rng;
    rep_rng_init(&rng, 4, 0);
    static const char alphabet[] = "<>/&;!?-[]=\"'aobject 019.\n\xC3\x80";
    size_t readable = 0;
    for (int round = 0; round < 4000; round++) {
        memcpy(copy, whole, count);
        for (uint32_t i = rep_rng_below(&rng, 3); i < 3; i++) {
            copy[rep_rng_below(&rng, (uint32_t)count)] =
                alphabet[rep_rng_below(&rng, sizeof alphabet - 1)];
        }
        temp_write_fast("cut.xml", copy, count);
        const rep_status status = rep_voc_xml_read(&picture, temp_path("cut.xml"));
        assert_true(status == REP_OK || status == REP_ERR_DATA);
        if (status == REP_OK) { rep_voc_picture_clear(&picture); }
        readable += status == REP_OK;
    }
    assert_true(readable > 0);
}

/* BCCD comes as VOC and as COCO; its COCO boxes were made without the step from 1-based, inclusive
 * corners: x = xmin, w = xmax - xmin. Two boxes of one pixel are 0 wide that way and left out. */
static void test_real_bccd_both_ways(void **state) {
    (void)state;
    char root[512], path[600];
    if (!find_real(root, sizeof root, "bccd")) { skip(); }
    static const char *const names[] = {"RBC", "WBC", "Platelets"};
    static const char *const splits[] = {"train", "val", "test"};
    const rep_annotation_options options = {
        .is_degenerate_dropped = true, .min_side_px = 2, .class_names = names, .class_count = 3};
    for (size_t s = 0; s < 3; s++) {
        rep_annotations *voc = NULL, *coco = NULL;
        (void)snprintf(path, sizeof path, "%s/annotations/instances_%s.json", root, splits[s]);
        CHECK_OK(rep_annotations_load_voc(&voc, root, splits[s], &options));
        CHECK_OK(rep_annotations_load_coco(&coco, path, NULL));
        assert_int_equal(voc->picture_count, coco->picture_count);
        assert_int_equal(voc->degenerate.count, s < 2);
        assert_int_equal(voc->object_count, coco->object_count);
        for (size_t i = 0; i < voc->picture_count; i++) {
            assert_string_equal(voc->pictures[i].file_name + strlen("JPEGImages/"),
                                coco->pictures[i].file_name);
        }
        for (size_t i = 0; i < voc->object_count; i++) {
            const rep_object *v = &voc->objects[i], *c = &coco->objects[i];
            assert_int_equal(v->category, c->category);
            assert_int_equal(v->picture, c->picture);
            assert_true(v->x + 1 == c->x && v->y + 1 == c->y && v->w - 1 == c->w &&
                        v->h - 1 == c->h);
        }
        rep_annotations_destroy(voc);
        rep_annotations_destroy(coco);
    }
    rep_annotations *voc = NULL;
    CHECK_OK(rep_annotations_load_voc(&voc, root, "test", NULL));
    assert_int_equal(voc->category_count, 3);
    assert_string_equal(voc->categories[0].name, "Platelets");
    rep_annotations_destroy(voc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_is_read_in_the_order_of_its_list),
        cmocka_unit_test(test_classes_can_be_given),
        cmocka_unit_test(test_bad_lists_are_named),
        cmocka_unit_test(test_bad_xml_is_named),
        cmocka_unit_test(test_depth_and_lengths_are_bounded),
        cmocka_unit_test(test_damage_never_crashes),
        cmocka_unit_test(test_real_bccd_both_ways),
    };
    return cmocka_run_group_tests_name("voc", tests, temp_make, temp_remove);
}
