/* test_torch_write.c - PyTorch files that we write: round trips, PyTorch itself where it is
 * installed, scales and weights of runs taken from them. */
#include <math.h>
#include <sys/wait.h>

#include "train_case.h"

/* ---- round trips ---------------------------------------------------------------------------- */

static float weights[] = {1.0f, -2.5f, 0.0f, -0.0f, INFINITY, 1e-45f};
static int64_t tracked[] = {INT64_MAX};
static uint8_t raw[] = {0, 1, 0xFF, 0x7F, 0x80, 2, 3, 4};

static rep_status fill_raw(void *context, void *elements, size_t count) {
    memcpy(elements, context, count);
    return REP_OK;
}

static rep_status fill_raw2(void *context, void *elements, size_t count) {
    memcpy(elements, context, 2 * count);
    return REP_OK;
}

static const rep_tensor_source sources[] = {
    {"z.weight", REP_TENSOR_F32, 4, {2, 3, 1, 1}, rep_tensor_fill_f32, weights},
    {"a.num_batches_tracked", REP_TENSOR_I64, 0, {0}, rep_tensor_fill_i64, tracked},
    {"empty", REP_TENSOR_F32, 2, {0, 5}, rep_tensor_fill_f32, NULL},
    {"t\xC3\xA9l\xC3\xA9", REP_TENSOR_F32, 2, {3, 2}, rep_tensor_fill_f32, weights},
    {"half", REP_TENSOR_F16, 1, {4}, fill_raw2, raw},
    {"brain", REP_TENSOR_BF16, 1, {4}, fill_raw2, raw},
    {"short", REP_TENSOR_I16, 2, {2, 2}, fill_raw2, raw},
    {"byte", REP_TENSOR_U8, 3, {2, 1, 4}, fill_raw, raw},
    {"char", REP_TENSOR_I8, 1, {8}, fill_raw, raw},
    {"flag", REP_TENSOR_BOOL, 1, {2}, fill_raw, raw},
};
enum { SOURCE_COUNT = sizeof sources / sizeof sources[0] };
static const rep_metadata_pair pairs[] = {{"format", "pt"}, {"config", "A: 1\nB: \"x\"\n"}};

/* What rep_tensors says of a file, written anew: its sources borrow from it. */
typedef struct copied {
    const rep_tensors *file;
    const rep_tensor_info *info;
} copied;

static rep_status fill_copied(void *context, void *elements, size_t count) {
    const copied *c = context;
    assert_int_equal(count, c->info->count);
    return rep_tensors_read_raw(c->file, c->info, elements);
}

typedef rep_status (*writer)(const char *path, const rep_tensor_source *tensors, size_t count,
                             const rep_metadata_pair *metadata, size_t metadata_count);

/* `wrapper` in front of every name. */
static void convert_wrapped(const char *from, const char *to, writer write, const char *wrapper) {
    enum { MOST = 512 };
    static char names[MOST][256];
    static rep_tensor_source list[MOST];
    static copied contexts[MOST];
    rep_metadata_pair kept[32];
    rep_tensors *file = NULL;
    CHECK_OK(rep_tensors_open(&file, from));
    const size_t count = rep_tensors_count(file);
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        contexts[i] = (copied){file, info};
        list[i] = (rep_tensor_source){
            .name = names[i], .type = info->type, .rank = info->rank, .fill = fill_copied};
        snprintf(names[i], sizeof names[i], "%s%s", wrapper, info->name);
        list[i].context = &contexts[i];
        memcpy(list[i].shape, info->shape, sizeof info->shape);
    }
    size_t kept_count = 0;
    while (kept_count < 32 && rep_tensors_metadata_at(file, kept_count, &kept[kept_count].key,
                                                      &kept[kept_count].value)) {
        kept_count++;
    }
    CHECK_OK(write(to, list, count, kept, kept_count));
    rep_tensors_close(file);
}

static void convert(const char *from, const char *to, writer write) {
    convert_wrapped(from, to, write, "");
}

static void expect_same_bytes(const char *a, const char *b) {
    rep_file_view x, y;
    CHECK_OK(rep_file_open(&x, a));
    CHECK_OK(rep_file_open(&y, b));
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.bytes, y.bytes, x.count);
    rep_file_close(&x);
    rep_file_close(&y);
}

static void test_round_trip(void **state) {
    (void)state;
    char root[64], first[128], torch[128], again[128], torch2[128];
    train_case_root(root);
    snprintf(first, sizeof first, "%s/first.safetensors", root);
    snprintf(torch, sizeof torch, "%s/torch.pth", root);
    snprintf(again, sizeof again, "%s/again.safetensors", root);
    snprintf(torch2, sizeof torch2, "%s/torch2.pth", root);
    CHECK_OK(rep_safetensors_write(first, sources, SOURCE_COUNT, pairs, 2));
    convert(first, torch, rep_torch_write);
    convert(torch, again, rep_safetensors_write);
    expect_same_bytes(first, again);
    convert(again, torch2, rep_torch_write);
    expect_same_bytes(torch, torch2);
    rep_tensors *file = NULL;
    CHECK_OK(rep_tensors_open(&file, torch));
    const rep_tensor_info *info = rep_tensors_find(file, "z.weight");
    assert_ptr_equal(info, rep_tensors_get(file, 0));
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, torch));
    rep_tensors_close(file);
    CHECK_OK(rep_tensors_parse(&file, "x", view.bytes, view.count));
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        const uint8_t *bytes = rep_tensors_get(file, i)->bytes;
        assert_int_equal((bytes - view.bytes) % 64, 0);
    }
    rep_tensors_close(file);
    rep_file_close(&view);
    train_case_remove(root);
}

/* Both files have the same tensors: names, types, shapes, bits. */
static void expect_same_tensors(const char *a, const char *b) {
    rep_tensors *x = NULL, *y = NULL;
    CHECK_OK(rep_tensors_open(&x, a));
    CHECK_OK(rep_tensors_open(&y, b));
    assert_int_equal(rep_tensors_count(x), rep_tensors_count(y));
    for (size_t i = 0; i < rep_tensors_count(x); i++) {
        const rep_tensor_info *want = rep_tensors_get(x, i);
        const rep_tensor_info *got = rep_tensors_find(y, want->name);
        assert_non_null(got);
        assert_int_equal(got->type, want->type);
        assert_int_equal(got->rank, want->rank);
        assert_memory_equal(got->shape, want->shape, sizeof got->shape);
        const size_t bytes = want->count * rep_tensor_type_bytes(want->type);
        uint8_t *have = malloc(bytes + 1), *wanted = malloc(bytes + 1);
        assert_true(have != NULL && wanted != NULL);
        CHECK_OK(rep_tensors_read_raw(x, want, wanted));
        CHECK_OK(rep_tensors_read_raw(y, got, have));
        assert_memory_equal(have, wanted, bytes);
        free(have);
        free(wanted);
    }
    rep_tensors_close(x);
    rep_tensors_close(y);
}

/* Every kind of file that is read, written in either format and from there in the other. */
static void test_files_round_trip(void **state) {
    (void)state;
    static const char *const names[] = {"torch/sd_zip.pth",          "torch/sd_zip_deflated.pth",
                                        "torch/sd_zip_proto4.pth",   "torch/sd_legacy.pth",
                                        "torch/ckpt_misc_zip.pth",   "torch/ckpt_misc_legacy.pth",
                                        "torch/parallel_legacy.pth", "torch/whole_model.pth",
                                        "torch/checkpoint.pth",      "reference.safetensors"};
    char root[64], from[4096], pth[128], safetensors[128], again[128];
    train_case_root(root);
    snprintf(pth, sizeof pth, "%s/a.pth", root);
    snprintf(safetensors, sizeof safetensors, "%s/a.safetensors", root);
    snprintf(again, sizeof again, "%s/again.pth", root);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(from, sizeof from, REP_TEST_DATA "/%s", names[i]);
        convert(from, pth, rep_torch_write);
        expect_same_tensors(from, pth);
        convert(from, safetensors, rep_safetensors_write);
        expect_same_tensors(from, safetensors);
        convert(safetensors, again, rep_torch_write);
        expect_same_tensors(from, again);
        convert(pth, safetensors, rep_safetensors_write);
        expect_same_tensors(from, safetensors);
    }
    train_case_remove(root);
}

static rep_status fill_never(void *context, void *elements, size_t count) {
    (void)context, (void)elements, (void)count;
    return rep_fail(REP_ERR_NUMERIC, "asked for");
}

static void test_refused(void **state) {
    (void)state;
    char root[64], path[128];
    train_case_root(root);
    snprintf(path, sizeof path, "%s/x.pth", root);
    const rep_tensor_source twice[] = {sources[0], sources[0]};
    const rep_tensor_source large[] = {
        {"large", REP_TENSOR_F32, 2, {1 << 15, 1 << 15}, fill_never, NULL}};
    const rep_tensor_source absurd[] = {
        {"absurd", REP_TENSOR_F32, 2, {INT64_MAX, 8}, fill_never, NULL}};
    const rep_tensor_source failing[] = {{"failing", REP_TENSOR_F32, 1, {4}, fill_never, NULL}};
    CHECK_FAILS(rep_torch_write(path, twice, 2, NULL, 0), REP_ERR_ARGUMENT, "are named");
    CHECK_FAILS(rep_torch_write(path, large, 1, NULL, 0), REP_ERR_ARGUMENT, "plain zip format");
    CHECK_FAILS(rep_torch_write(path, absurd, 1, NULL, 0), REP_ERR_ARGUMENT, "dimension");
    const rep_tensor_source texts[] = {{"__metadata__", REP_TENSOR_F32, 1, {4}, fill_never, NULL}};
    CHECK_FAILS(rep_safetensors_write(path, texts, 1, NULL, 0), REP_ERR_ARGUMENT, "write a .pth");
    CHECK_FAILS(rep_torch_write(path, failing, 1, NULL, 0), REP_ERR_NUMERIC, "asked for");
    assert_false(rep_file_exists(path));
    train_case_remove(root);
}

/* ---- PyTorch itself ------------------------------------------------------------------------- */

/* Compares torch.load(FILE.pth, weights_only=True) with FILE.safetensors, element by element. */
static const char compare_script[] =
    "import json,struct,sys,torch,warnings\n"
    "warnings.simplefilter('ignore')\n"
    "got=torch.load(sys.argv[1],weights_only=True)\n"
    "b=open(sys.argv[2],'rb').read()\n"
    "n,=struct.unpack('<Q',b[:8])\n"
    "h=json.loads(b[8:8+n])\n"
    "meta=h.pop('__metadata__')\n"
    "assert got.metadata==meta,(got.metadata,meta)\n"
    "types=dict(F32='float32',F16='float16',BF16='bfloat16',I64='int64',I16='int16',U8='uint8',"
    "I8='int8',BOOL='bool')\n"
    "assert list(got)==list(h),(list(got),list(h))\n"
    "for k,e in h.items():\n"
    "    t=got[k]\n"
    "    assert str(t.dtype)=='torch.'+types[e['dtype']] and list(t.shape)==e['shape'],k\n"
    "    raw=b[8+n+e['data_offsets'][0]:8+n+e['data_offsets'][1]]\n"
    "    have=bytes(t.contiguous().view(-1).view(torch.uint8).tolist()) if t.numel() and t.dim() "
    "else struct.pack('<q',t.item()) if t.numel() else b''\n"
    "    assert have==raw,k\n"
    "m=torch.nn.Linear(3,2)\n"
    "m.load_state_dict({'weight':got['t\\u00e9l\\u00e9'].t(),'bias':torch.zeros(2)})\n";

static void test_pytorch_reads_it(void **state) {
    (void)state;
    if (system("PATH=/usr/bin:/bin python3 -c 'import torch' 2>/dev/null") != 0) {
        print_message("python3 with torch is not installed: its own reading is not tested\n");
        skip();
    }
    char root[64], torch[128], plain[128], script[128], command[600];
    train_case_root(root);
    snprintf(torch, sizeof torch, "%s/x.pth", root);
    snprintf(plain, sizeof plain, "%s/x.safetensors", root);
    snprintf(script, sizeof script, "%s/compare.py", root);
    CHECK_OK(rep_torch_write(torch, sources, SOURCE_COUNT, pairs, 2));
    CHECK_OK(rep_safetensors_write(plain, sources, SOURCE_COUNT, pairs, 2));
    CHECK_OK(rep_file_write(script, compare_script, sizeof compare_script - 1));
    snprintf(command, sizeof command, "PATH=/usr/bin:/bin python3 %s %s %s", script, torch, plain);
    const int status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    train_case_remove(root);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void path_in(char path[256], const char *folder, const char *name) {
    snprintf(path, 256, "%s/%s", folder, name);
}

/* A target trained from SCALE x.pth ends with the bits of one trained from x.safetensors; it is
 * evaluated alike from either file; another model's file is refused with the usual sentence. */
static void test_runs(void **state) {
    (void)state;
    char root[64], search[256], search_pth[256], ends[2][256], end_pth[256];
    train_case_root(root);
    train_case first;
    train_case_init(&first, root, "search");
    train_case_set(&first, "TRAINING_MODE", "hyper_search");
    train_case_set(&first, "SOLVER.MAX_ITER", "4");
    train_case_run(&first);
    path_in(search, first.folder, "model_final.safetensors");
    path_in(search_pth, first.folder, "search.pth");
    convert(search, search_pth, rep_torch_write);
    double scores[2];
    const char *const scales[] = {search, search_pth};
    for (int i = 0; i < 2; i++) {
        train_case target;
        train_case_init(&target, root, i ? "b" : "a");
        train_case_set(&target, "TRAINING_MODE", "target");
        train_case_set(&target, "SOLVER.MAX_ITER", "4");
        train_case_set(&target, "SCALE", scales[i]);
        train_case_run(&target);
        path_in(ends[i], target.folder, "model_final.safetensors");
        path_in(end_pth, target.folder, "end.pth");
        convert(ends[i], end_pth, rep_torch_write);
        rep_eval_result result;
        train_case_set(&target, "MODEL.WEIGHT", i ? end_pth : ends[i]);
        CHECK_OK(rep_evaluate(&result, &target.options));
        scores[i] = result.loss;
        train_case_set(&target, "MODEL.WEIGHT", search_pth);
        CHECK_FAILS(rep_evaluate(&result, &target.options), REP_ERR_DATA, "has no place for");
        convert_wrapped(ends[i], end_pth, rep_torch_write, "model.");
        train_case_set(&target, "MODEL.WEIGHT", end_pth);
        CHECK_FAILS(rep_evaluate(&result, &target.options), REP_ERR_DATA,
                    "names begin with \"model.\"; `repopt convert --take model.`");
        train_case_clear(&target);
    }
    train_case_expect_equal(ends[0], ends[1]);
    assert_true(scores[0] == scores[1]);
    train_case_clear(&first);
    train_case_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_files_round_trip),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_pytorch_reads_it),
        cmocka_unit_test(test_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
