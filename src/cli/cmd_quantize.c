/* cmd_quantize.c - `repopt quantize`: a trained net in whole numbers, and what that costs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/quantize_page.h"
#include "repopt/export.h"

static const char help[] =
    "usage: repopt quantize --weights CHECKPOINT [options] [KEY=VALUE]...\n\n"
    "Makes an int8 net of a trained one, without training: BN and branches are folded away, "
    "ranges\n"
    "of activations are taken from pictures of the training split, and weights and activations\n"
    "become whole numbers. Tells the score on the test split before and after, and what each "
    "layer\n"
    "costs.\n\n"
    "  --weights FILE      the checkpoint; its moving average counts where it has one. Several, "
    "up\n"
    "                      to 8, are compared side by side\n"
    "  --config-file FILE  settings in place of those in the checkpoints\n"
    "  --calibrate N       so many training pictures, without augmentation (default 512, or all\n"
    "                      where there are fewer)\n"
    "  --method NAME       percentile (default), minmax, kl: which range an activation keeps\n"
    "  --percentile P      of that method: so many per cent of the values lie within; above 50,\n"
    "                      up to 100 (default 99.99)\n"
    "  --out FOLDER        gets model_int8.safetensors and .onnx (of further nets model_int8_2\n"
    "                      and so on) and report.html; without it nothing is "
    "written\n" CLI_DEVICE_HELP "\nA row a layer:\n"
    "  zero      whole number, 0 to 255, that stands for 0 in the layer's input\n"
    "  sum/2^24  most that a sum may come to, over 2^24, up to which float32 counts exactly\n"
    "  own err   only this layer in whole numbers: relative squared error of what it gives\n"
    "  net err   the same at the net's outputs\n"
    "\nrepopt test and repopt predict take the .safetensors as any other; the .onnx is for other\n"
    "programs (QuantizeLinear and DequantizeLinear; repopt export writes it with --decode or\n"
    "--pixels, too).\n\n"
    "Examples:\n"
    "  repopt quantize --weights out/repopt/model_final.safetensors --out out/int8\n"
    "  repopt test --int8 --config-file configs/cifar10/repopt.yaml \\\n"
    "      MODEL.WEIGHT out/int8/model_int8.safetensors\n"
    "  repopt quantize --weights out/sgd/model_final.safetensors \\\n"
    "      --weights out/repopt/model_final.safetensors --method minmax --out "
    "out/compared\n" CLI_VULKAN_HELP;

typedef struct quantize_run {
    rep_quantize_options options;
    const char *config_file, *out, *method;
    rep_config *configs[QUANTIZE_NETS]; /* of each net */
    size_t written;                     /* files of nets that are whole, two a net */
    quantize_page page;
    char method_text[64];
    cli_progress progress;
} quantize_run;

/* ---- words ------------------------------------------------------------------------------------
 */

static rep_status take_weights(quantize_run *q, cli_words *words) {
    for (;;) {
        const char *file = NULL;
        REP_TRY(cli_take_value(words, "--weights", &file));
        if (!file && q->page.count > 0) { return REP_OK; }
        if (!file || !file[0]) { break; }
        if (q->page.count == QUANTIZE_NETS) {
            return rep_fail(REP_ERR_ARGUMENT, "quantize: more than %d nets", QUANTIZE_NETS);
        }
        q->page.nets[q->page.count++].weights = file;
    }
    return rep_fail(REP_ERR_ARGUMENT, "quantize: no weights given; write repopt quantize --weights "
                                      "out/model_final.safetensors --out out/int8");
}

static rep_status read_method(rep_calibration *out, const char *name) {
    const char *names[REP_CALIBRATION_COUNT];
    for (int i = 0; i < REP_CALIBRATION_COUNT; i++) {
        names[i] = rep_calibration_name((rep_calibration)i);
        if (strcmp(name, names[i]) != 0) { continue; }
        *out = (rep_calibration)i;
        return REP_OK;
    }
    const char *near = cli_nearest(name, names, REP_CALIBRATION_COUNT);
    return rep_fail(REP_ERR_ARGUMENT,
                    "--method: there is no \"%s\"%s%s%s; choose percentile, "
                    "minmax or kl",
                    name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static rep_status take_method(quantize_run *q, cli_words *words) {
    rep_quantize_options *o = &q->options;
    REP_TRY(cli_take_value(words, "--method", &q->method));
    REP_TRY(cli_take_number_above(words, "--percentile", 50, 100, &o->percentile));
    if (q->method) { REP_TRY(read_method(&o->method, q->method)); }
    const char *name = rep_calibration_name(o->method);
    if (o->method != REP_CALIBRATE_PERCENTILE && o->percentile > 0) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "quantize: --percentile is for --method percentile, not %s; leave one out",
                        name);
    }
    if (o->percentile == 0) { o->percentile = REP_QUANTIZE_PERCENTILE; }
    snprintf(q->method_text, sizeof q->method_text,
             o->method == REP_CALIBRATE_PERCENTILE ? "%s %.10g" : "%s", name, o->percentile);
    q->page.method = q->method_text;
    return REP_OK;
}

static rep_status take_options(quantize_run *q, cli_words *words) {
    rep_quantize_options *o = &q->options;
    REP_TRY(take_weights(q, words));
    REP_TRY(cli_take_value(words, "--config-file", &q->config_file));
    REP_TRY(cli_take_value(words, "--out", &q->out));
    REP_TRY(cli_take_int(words, "--calibrate", 1, 100000000, &o->picture_count));
    REP_TRY(take_method(q, words));
    REP_TRY(cli_take_device(words, &o->device, &o->threads));
    return cli_no_options(words);
}

/* ---- what it says -----------------------------------------------------------------------------
 */

/* The first call comes when everything that was given has been looked at: only then is the folder
 * made. Where that fails after all, so does the file in it, with the reason. */
static void show_progress(void *context, const char *what, uint64_t done, uint64_t total) {
    quantize_run *q = context;
    if (q->out && done == 0) { (void)!cli_folder_make(q->out); }
    cli_progress_count(&q->progress, done, total, what);
}

static void print_layers(const rep_quantize_result *r) {
    printf("%-28s %16s %9s %9s %9s %5s %9s %9s %9s\n", "layer", "weight", "|w| most", "low", "high",
           "zero", "sum/2^24", "own err", "net err");
    for (size_t i = 0; i < r->layer_count; i++) {
        const rep_quantize_layer *l = &r->layers[i];
        char shape[48];
        snprintf(shape, sizeof shape, "%dx%dx%dx%d", l->shape.n, l->shape.c, l->shape.h,
                 l->shape.w);
        printf("%-28s %16s %9.3g %9.3g %9.3g %5d %9.3f %9.2e %9.2e\n", l->name, shape,
               l->weight_most, l->low, l->high, l->input_zero, l->sum_bound / 16777216,
               l->map_error, l->output_error);
    }
}

static void print_net(const quantize_run *q, const quantize_net *net) {
    const rep_quantize_result *r = &net->result;
    const double real = quantize_score(&r->real), whole = quantize_score(&r->whole);
    printf("%s: ", net->weights);
    if (r->is_tested) {
        printf("%s %.2f %% in float32, %.2f %% in int8 (%+.2f) over %zu pictures; ", r->score_name,
               real, whole, whole - real, r->real.count);
    }
    printf("output error %.2e; %.2f MiB, %.2f MiB in int8; %s over %lld pictures\n",
           r->output_error, (double)r->weight_bytes / 1048576, (double)r->int8_bytes / 1048576,
           q->page.method, (long long)r->picture_count);
    print_layers(r);
}

/* ---- before the work --------------------------------------------------------------------------
 */

enum { ENDINGS = 2 };
static const char *const endings[ENDINGS] = {"safetensors", "onnx"};

/* "out/model_int8.safetensors", of the second net "out/model_int8_2.safetensors". */
static rep_status name_file(char path[CLI_PATH_BYTES], const quantize_run *q, size_t index,
                            const char *ending) {
    char name[64], number[24] = "";
    if (index > 0) { snprintf(number, sizeof number, "_%zu", index + 1); }
    snprintf(name, sizeof name, "model_int8%s.%s", number, ending);
    return cli_path_join(path, q->out, name);
}

/* A file of this run must not stand where any net is read from, be it one that comes later. */
static rep_status check_target(const quantize_run *q, const char *path) {
    REP_TRY(cli_file_is_replaceable(path));
    for (size_t i = 0; i < q->page.count; i++) {
        const char *weights = rep_config_values(q->configs[i])->model_weight;
        if (!cli_is_same_file(path, weights)) { continue; }
        return rep_fail(REP_ERR_ARGUMENT,
                        "--out: %s would be written over the weights %s; choose another folder",
                        path, weights);
    }
    return REP_OK;
}

static rep_status check_targets(const quantize_run *q) {
    char path[CLI_PATH_BYTES];
    if (!q->out) { return REP_OK; }
    REP_TRY(cli_folder_check(q->out));
    for (size_t i = 0; i < q->page.count * ENDINGS; i++) {
        REP_TRY(name_file(path, q, i / ENDINGS, endings[i % ENDINGS]));
        REP_TRY(check_target(q, path));
    }
    REP_TRY(cli_path_join(path, q->out, "report.html"));
    return check_target(q, path);
}

/* Settings and weights of every net, before the first is worked on. */
static rep_status look_at_nets(quantize_run *q, const cli_words *words) {
    for (size_t i = 0; i < q->page.count; i++) {
        bool is_int8 = false;
        REP_TRY(cli_config_of_weights(&q->configs[i], q->config_file, q->page.nets[i].weights));
        REP_TRY(
            rep_config_merge_pairs(q->configs[i], words->count, (const char *const *)words->items));
        const char *weights = rep_config_values(q->configs[i])->model_weight;
        /* A KEY=VALUE word can take the name away, of which the library has a sentence. */
        if (weights[0]) { REP_TRY(cli_look_at_weights(weights, &is_int8)); }
        if (!is_int8) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: is an int8 net already; give the net that it was made of", weights);
    }
    return check_targets(q);
}

/* ---- the work ---------------------------------------------------------------------------------
 */

/* The same net for other programs. */
static rep_status export_net(quantize_run *q, size_t index, const char *weights) {
    char path[CLI_PATH_BYTES];
    rep_config *config = q->configs[index];
    const rep_export_options options = {
        .config = config, .path = path, .threads = q->options.threads};
    rep_export_result told;
    REP_TRY(name_file(path, q, index, endings[1]));
    REP_TRY(rep_config_merge_pairs(config, 2, (const char *const[]){"MODEL.WEIGHT", weights}));
    return rep_export(&told, &options);
}

static rep_status quantize_net_at(quantize_run *q, size_t index) {
    quantize_net *net = &q->page.nets[index];
    char path[CLI_PATH_BYTES];
    if (q->out) { REP_TRY(name_file(path, q, index, endings[0])); }
    q->options.config = q->configs[index];
    q->options.path = q->out ? path : NULL;
    rep_status status = rep_quantize(&net->result, &q->options);
    if (status == REP_OK && q->out) {
        q->written++;
        status = export_net(q, index, path);
        q->written += status == REP_OK;
    }
    cli_progress_erase(&q->progress);
    if (status == REP_OK) { print_net(q, net); }
    return status;
}

/* A failure leaves the files of the nets before it, whole; says so on one line. */
static void tell_written(const quantize_run *q) {
    char path[CLI_PATH_BYTES];
    for (size_t i = 0; i < q->written; i++) {
        if (name_file(path, q, i / ENDINGS, endings[i % ENDINGS]) != REP_OK) { continue; }
        fprintf(stderr, "%s%s%s", i == 0 ? "written before the failure: " : ", ", path,
                i + 1 == q->written ? "\n" : "");
    }
}

static rep_status write_report(const quantize_run *q) {
    char path[CLI_PATH_BYTES];
    REP_TRY(cli_path_join(path, q->out, "report.html"));
    REP_TRY(quantize_page_write(path, &q->page));
    puts(CLI_UINT8_HINT);
    printf("%s\n", path);
    return REP_OK;
}

static rep_status quantize(quantize_run *q) {
    cli_progress_init(&q->progress, "");
    q->options.stop = cli_stop_on_signals();
    q->options.on_progress = show_progress;
    q->options.context = q;
    rep_log_set(cli_log_line, &q->progress);
    rep_status status = REP_OK;
    for (size_t i = 0; i < q->page.count && status == REP_OK; i++) {
        status = quantize_net_at(q, i);
    }
    rep_log_set(NULL, NULL);
    if (status == REP_OK && q->out) { status = write_report(q); }
    if (status != REP_OK) { tell_written(q); }
    return status;
}

int cmd_quantize(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    quantize_run q = {.page = {.count = 0}};
    rep_status status = take_options(&q, &words);
    if (status == REP_OK) { status = look_at_nets(&q, &words); }
    if (status == REP_OK) { status = quantize(&q); }
    for (size_t i = 0; i < q.page.count; i++) {
        rep_quantize_result_clear(&q.page.nets[i].result);
        rep_config_destroy(q.configs[i]);
    }
    return status == REP_OK ? 0 : cli_fail();
}
