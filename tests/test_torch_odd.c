/* test_torch_odd.c - PyTorch files that are no plain state_dict: checkpoints in checkpoints, names
 * that meet, values that hold each other often, tensors that are not read. Nothing is lost without
 * a line. */
#include "base/base.h"
#include "repopt/tensors.h"
#include "torch_text.h"

/* What a file holds, as "name name | path: reason | ..."; or the sentence of its refusal. */
static const char *read_text(torch_text *text) {
    static char out[8192];
    size_t used = 0;
    rep_tensors *file = NULL;
    torch_end(text);
    if (rep_tensors_parse(&file, "x", text->bytes, text->count) != REP_OK) {
        snprintf(out, sizeof out, "%s", rep_last_error());
        free(text->bytes);
        return out;
    }
    out[0] = '\0';
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        float values[3] = {0};
        assert_int_equal(info->count, 3);
        CHECK_OK(rep_tensors_read_f32(file, info, values));
        assert_true(values[0] == 1 && values[2] == 3);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i ? " " : "", info->name);
    }
    for (size_t i = 0; i < rep_tensors_skip_count(file) && used < sizeof out; i++) {
        const rep_tensors_skip *skip = rep_tensors_skip_get(file, i);
        used +=
            (size_t)snprintf(out + used, sizeof out - used, " | %s: %s", skip->path, skip->reason);
    }
    rep_tensors_close(file);
    free(text->bytes);
    return out;
}

static const char *read_value(const char *value) {
    torch_text text;
    torch_begin(&text);
    torch_put_value(text.stream, value);
    return read_text(&text);
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static void test_nested_checkpoints(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{'model' {'w' T} 'ema' {'w' T}}", "w ema.w"},
        {"{'model' {'w' T}=1 'ema' !1}", "w ema.w"},
        /* A net with a part called "net" keeps its names. */
        {"{'model' {'net' {'w' T} 'fc' {'weight' T}}}", "net.w fc.weight"},
        {"{'model' {'w' T} 'teacher' {'net' {'w' T} 'head' {'w' T}}}",
         "w teacher.net.w teacher.head.w"},
        {"{'model' {'net' {'w' T} 'scale' T}}", "net.w scale"},
        /* A checkpoint in a checkpoint has a net and what checkpoints have. */
        {"{'checkpoint' {'model' {'w' T}=1 'optimizer' {'state' {0 {'m' T}}} 'ema' !1 'epoch' 3}}",
         "checkpoint.w checkpoint.optimizer.state.0.m checkpoint.ema.w"},
        {"{'state_dict' {'model' {'w' T} 'ema' {'w' T}}}", "w ema.w"},
        {"{'model' {'module' {'w' T} 'decay' 9}}", "w"},
        {"{'a' {'model' {'model' {'model' {'model' {'model' {'w' T}}}}}}}", "a.model.w"},
        {"{'model' {'module' {'w' T} 'loss' {'best' T}}}", "module.w loss.best"},
        {"{'model' {} 'net' {'w' T}}", "w | model: a dictionary without tensors"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(read_value(rows[i][0]), rows[i][1]);
    }
}

static void test_names_that_meet(void **state) {
    (void)state;
    assert_string_equal(
        read_value("{'state_dict' {'head.w' T 'b' T} 'head' {'w' T 'x' T}}"),
        "head.w b head.x | head.w: a second tensor of this name; that of the net is "
        "read");
    assert_string_equal(read_value("{'a' {'b.w' T} 'a.b' {'w' T}}"),
                        "a.b.w | a.b.w: a second tensor of this name; that of a. is read");
    assert_non_null(strstr(read_value("{'w' T 'w' T}"), "stands twice"));
}

/* ---- tensors that are not read -------------------------------------------------------------- */

static void test_odd_keys(void **state) {
    (void)state;
    static const char why[] = ": no text, and no whole number of 64 bits";
    char wanted[300];
    snprintf(wanted, sizeof wanted,
             "w 3 | the file itself: tensors under a key that is a tuple%s | the file itself: "
             "tensors under a key that is None%s",
             why, why);
    assert_string_equal(read_value("{'w' T ('a' 1) T N T 3 T N 4}"), wanted);
    snprintf(wanted, sizeof wanted,
             "w | a.: tensors under a key that is None%s | b.c: tensors under a key that is None%s",
             why, why);
    assert_string_equal(read_value("{'model' {'w' T} 'a' {N {'x' T}} 'b' {'c' {N T}}}"), wanted);
    assert_non_null(strstr(read_value("{'w' T '\xC2\x9B' {'x' T}}"), "control characters"));
    assert_string_equal(read_value("{'w' T '\xC2\x9B' {'x' N}}"), "w");
}

static void test_named_tuples(void **state) {
    (void)state;
    assert_string_equal(read_value("{'w' T 'pair' <nets Pair>(T {'x' T})n}"), "w pair.0 pair.1.x");
    assert_string_equal(read_value("<nets Pair>(T N)n"), "0 | 1: None");
}

static void test_views_and_ranks(void **state) {
    (void)state;
    torch_text text;
    torch_begin(&text);
    torch_put_value(text.stream, "{'w' T 'neg'");
    torch_put_tensor(text.stream, "FloatStorage", "0", 3, "\x89}}U\3neg\x88s");
    torch_put_value(text.stream, "'conj'");
    torch_put_tensor(text.stream, "FloatStorage", "0", 3, "\x89}}U\4conj\x88s");
    torch_put_value(text.stream, "'deep'");
    fputs("ctorch._utils\n_rebuild_tensor_v2\n(", text.stream);
    torch_put_storage(text.stream, "FloatStorage", "0", 3);
    torch_put_value(text.stream, "0(111111111)(111111111)");
    fputs("tR", text.stream);
    torch_put_value(text.stream, "'plain'");
    torch_put_tensor(text.stream, "FloatStorage", "0", 3, "\x89}}U\3neg\x89s");
    torch_put_value(text.stream, "}");
    assert_string_equal(
        read_text(&text),
        "w plain | neg: a negated view, which is not read; save what .resolve_neg() "
        "gives | conj: a conjugated view, which is not read; save what "
        ".resolve_conj() gives | deep: a tensor of more than 8 dimensions, which is not read");
}

/* Types that are not read are passed over in a stream, where their size is known. */
static void test_types_of_streams(void **state) {
    (void)state;
    static const struct {
        const char *type, *wanted;
        int bytes;
    } rows[] = {
        {"ComplexFloatStorage", "w | c: a tensor of type ComplexFloatStorage, which is not read",
         8},
        {"QInt32Storage", "w | c: a tensor of type QInt32Storage, which is not read", 4},
        {"NewStorage", "is of type NewStorage, of whose size nothing is known", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char keys[] = "}.\x80\x02](X\1\0\0\0"
                                   "1X\1\0\0\0"
                                   "0e.";
        static const float elements[3] = {1, 2, 3};
        const char block[16] = {0};
        torch_text text;
        torch_begin(&text);
        torch_put_value(text.stream, "{'w' T 'c'");
        torch_put_tensor(text.stream, rows[i].type, "1", 2, "");
        fputs("u", text.stream);
        torch_put(text.stream, keys + 1, sizeof keys - 2);
        torch_put_block(text.stream, block, 2, 2 * (size_t)rows[i].bytes);
        torch_put_block(text.stream, elements, 3, sizeof elements);
        fclose(text.stream);
        rep_tensors *file = NULL;
        if (!strstr(rows[i].wanted, "|")) {
            CHECK_FAILS(rep_tensors_parse(&file, "x", text.bytes, text.count), REP_ERR_DATA,
                        rows[i].wanted);
        } else {
            float values[3] = {0};
            CHECK_OK(rep_tensors_parse(&file, "x", text.bytes, text.count));
            CHECK_OK(rep_tensors_read_f32(file, rep_tensors_find(file, "w"), values));
            assert_memory_equal(values, elements, sizeof values);
            assert_string_equal(rep_tensors_skip_get(file, 0)->reason,
                                strstr(rows[i].wanted, "c: ") + 3);
            rep_tensors_close(file);
        }
        free(text.bytes);
    }
}

static void test_cut_list(void **state) {
    (void)state;
    rep_tensors *file = NULL;
    torch_text text;
    torch_begin(&text);
    torch_put_value(text.stream, "{'w' T");
    for (int i = 0; i < 1200; i++) { torch_put_value(text.stream, "'x' []"); }
    torch_put_value(text.stream, "}");
    torch_end(&text);
    CHECK_OK(rep_tensors_parse(&file, "x", text.bytes, text.count));
    assert_int_equal(rep_tensors_skip_count(file), 1000);
    assert_string_equal(rep_tensors_skip_get(file, 999)->path, "and 201 more");
    rep_tensors_close(file);
    free(text.bytes);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* What acts is refused by name; what has the name of somebody's own package is not. */
static void test_calls(void **state) {
    (void)state;
    static const char *const refused[] = {"os system",
                                          "os.path join",
                                          "__builtin__ eval",
                                          "builtins eval",
                                          "cProfile run",
                                          "marshal loads",
                                          "io open",
                                          "_io open",
                                          "pickle loads",
                                          "torch load",
                                          "torch.hub load",
                                          "code interact",
                                          "requests get",
                                          "requests.api post",
                                          "torch serialization.os.system",
                                          "operator methodcaller"};
    static const char *const inert[] = {
        "code.model Net",    "requests.models X", "codes Net",         "builtins getattr",
        "functools partial", "pathlib PosixPath", "builtins evaluate", "requests Net"};
    char value[200], wanted[200];
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        snprintf(value, sizeof value, "{'w' T 'x' <%s>(N)R}", refused[i]);
        assert_non_null(strstr(read_value(value), "asks to call "));
    }
    for (size_t i = 0; i < sizeof inert / sizeof inert[0]; i++) {
        snprintf(value, sizeof value, "{'w' T 'x' <%s>(N)R}", inert[i]);
        snprintf(wanted, sizeof wanted, "w | x: an object %s", inert[i]);
        *strrchr(wanted, ' ') = '.';
        assert_string_equal(read_value(value), wanted);
    }
}

/* A file's words are shown without what a terminal would act on. */
static void test_shown_names(void **state) {
    (void)state;
    const char *text = read_value("{'w' T 'x' <os \x1B[31m>(N)R}");
    assert_non_null(strstr(text, "asks to call os.?[31m; repopt calls nothing"));
    text = read_value("{'w' T 'x' <a.b \xC2\x9B"
                      "31m\xC3\xA9\x9B>(N)R}");
    assert_string_equal(text, "w | x: an object a.b.??31m\xC3\xA9?");
    static const char named[] = "\x3A\0\0\0\0\0\0\0{\"a\xC2\x9B"
                                "b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}  ";
    rep_tensors *file = NULL;
    CHECK_FAILS(rep_tensors_parse(&file, "x", named, 8 + 0x3A), REP_ERR_DATA,
                "has control characters");
}

/* ---- little files that ask for much --------------------------------------------------------- */

static void test_repeats(void **state) {
    (void)state;
    enum { MANY = 60000, LONG = 4000 };
    const double start_s = rep_clock_s();
    /* A list with one tensor, held often. */
    torch_text text;
    torch_begin(&text);
    torch_put_value(text.stream, "[[T");
    for (int i = 0; i < LONG; i++) { torch_put_value(text.stream, "N"); }
    torch_put_value(text.stream, "]=1");
    for (int i = 0; i < MANY; i++) { torch_put_value(text.stream, "!1"); }
    torch_put_value(text.stream, "]");
    assert_non_null(strstr(read_text(&text), "hold each other so often"));
    /* Every buffer is looked for in a long set. */
    torch_begin(&text);
    torch_put_value(text.stream, "{'w' T 'm' <nets Net>()R {'_parameters' {} '_modules' {} "
                                 "'_buffers' {'k'=1 0=2");
    for (int i = 0; i < MANY; i++) { torch_put_value(text.stream, "!1!2"); }
    torch_put_value(text.stream, "} '_non_persistent_buffers_set' ['j'=3");
    for (int i = 0; i < MANY; i++) { torch_put_value(text.stream, "!3"); }
    torch_put_value(text.stream, "]}b}");
    assert_non_null(strstr(read_text(&text), "hold each other so often"));
    /* A storage listed often, of which there are many. */
    torch_begin(&text);
    for (int i = 0; i < MANY; i++) { torch_put_storage(text.stream, "FloatStorage", "1", 0); }
    torch_put_value(text.stream, "{'w' T}");
    fputs(".\x80\x02](", text.stream);
    for (int i = 0; i < MANY; i++) { torch_put_text(text.stream, "1", 1); }
    fputs("e.", text.stream);
    for (int i = 0; i < MANY; i++) { torch_put_block(text.stream, "", 0, 0); }
    assert_non_null(strstr(read_text(&text), "storage \"1\": is listed twice"));
    /* Minutes before there was a bound. */
    assert_true(rep_clock_s() - start_s < 20);
}

/* As many containers as tensors. */
static void test_many_containers(void **state) {
    (void)state;
    enum { MANY = 60000 };
    const double start_s = rep_clock_s();
    rep_tensors *file = NULL;
    torch_text text;
    torch_begin(&text);
    torch_put_value(text.stream, "{'w' T=1");
    for (int i = 0; i < MANY; i++) {
        char name[40];
        const int length = snprintf(name, sizeof name, "optimizer.%d.x", i);
        torch_put_text(text.stream, name, (size_t)length);
        torch_put_value(text.stream, "!1");
    }
    torch_put_value(text.stream, "}");
    torch_end(&text);
    CHECK_OK(rep_tensors_parse(&file, "x", text.bytes, text.count));
    assert_int_equal(rep_tensors_container_count(file), MANY + 1);
    assert_string_equal(rep_tensors_container_get(file, MANY)->prefix, "optimizer.59999.");
    assert_int_equal(rep_tensors_container_get(file, MANY)->count, 1);
    rep_tensors_close(file);
    free(text.bytes);
    assert_true(rep_clock_s() - start_s < 4);
}

/* A part that several modules share is listed for each. */
static void test_shared_parts(void **state) {
    (void)state;
    assert_string_equal(read_value("{'a' {'w' T}=1 'b' !1 'c' [!1 !1]}"), "a.w b.w c.0.w c.1.w");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_checkpoints),
        cmocka_unit_test(test_names_that_meet),
        cmocka_unit_test(test_odd_keys),
        cmocka_unit_test(test_named_tuples),
        cmocka_unit_test(test_views_and_ranks),
        cmocka_unit_test(test_types_of_streams),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_shown_names),
        cmocka_unit_test(test_cut_list),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_many_containers),
        cmocka_unit_test(test_shared_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
