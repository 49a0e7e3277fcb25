/* cmd_convert.c - `repopt convert`: a file of tensors in another format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt convert [--take PREFIX | --all] IN OUT\n\n"
    "Writes the net of IN, a safetensors or PyTorch file, as a plain state_dict; OUT's end says "
    "how:\n"
    ".safetensors, or .pth or .pt, which torch.load(OUT, weights_only=True) reads. Elements keep\n"
    "their types, numbers and texts beside the tensors are kept, and what is left out is listed.\n"
    "A 'whole model' becomes a state_dict, too.\n\n"
    "  --take PREFIX  in the net's place the tensors whose names begin so, without it: another\n"
    "                 container that `repopt inspect IN` lists (ema.), or what a training program\n"
    "                 put in front of all names (model.)\n"
    "  --all          every tensor, with the prefix of its container\n\n"
    "Examples:\n"
    "  repopt convert out/repopt/model_final.safetensors model.pth\n"
    "  repopt convert --take ema. checkpoint.pth average.safetensors\n"
    "  repopt convert whole_model.pt model.safetensors\n";

/* What is written: sources, and what they borrow. */
typedef struct job {
    const rep_tensors *file;
    const char *take; /* prefix */
    bool is_all;
    rep_tensor_source *sources;
    struct part {
        const rep_tensors *file;
        const rep_tensor_info *info;
    } * parts;
    size_t count;
    size_t *taken; /* of each container, how many of its tensors */
    rep_metadata_pair *pairs;
    size_t pair_count;
} job;

static rep_status refuse_same_file(const char *in, const char *out) {
    if (!cli_is_same_file(in, out)) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "%s: is the file that is read; give another name for OUT",
                    out);
}

static rep_status fill(void *context, void *elements, size_t count) {
    const struct part *part = context;
    (void)count;
    return rep_tensors_read_raw(part->file, part->info, elements);
}

/* The bytes of `name` that --take names, its dot included; "ema" is as good as "ema.". */
static size_t taken_prefix(const job *j, const char *name) {
    size_t length = strlen(j->take);
    while (length > 0 && j->take[length - 1] == '.') { length--; }
    const bool is_there = length > 0 && strncmp(name, j->take, length) == 0 && name[length] == '.';
    return is_there ? length + 1 : 0;
}

/* Whether a tensor is written, and how much of its name is not. */
static bool is_taken(size_t *skipped, const job *j, const rep_tensor_info *info) {
    const char *container = rep_tensors_container_get(j->file, info->container)->prefix;
    *skipped = j->is_all ? 0 : taken_prefix(j, info->name);
    return j->is_all || *skipped > 0 || (!j->take[0] && !container[0]);
}

static rep_status list_tensors(job *j) {
    const size_t count = rep_tensors_count(j->file);
    j->sources = calloc(count + 1, sizeof *j->sources);
    j->parts = calloc(count + 1, sizeof *j->parts);
    j->taken = calloc(rep_tensors_container_count(j->file) + 1, sizeof *j->taken);
    if (!j->sources || !j->parts || !j->taken) {
        return rep_fail(REP_ERR_MEMORY, "convert: no memory");
    }
    for (size_t i = 0; i < count; i++) {
        const rep_tensor_info *info = rep_tensors_get(j->file, i);
        size_t skipped = 0;
        if (!is_taken(&skipped, j, info)) { continue; }
        j->parts[j->count] = (struct part){j->file, info};
        rep_tensor_source *source = &j->sources[j->count];
        *source = (rep_tensor_source){.name = info->name + skipped,
                                      .type = info->type,
                                      .rank = info->rank,
                                      .fill = fill,
                                      .context = &j->parts[j->count]};
        memcpy(source->shape, info->shape, sizeof source->shape);
        j->taken[info->container]++;
        j->count++;
    }
    if (j->count > 0 || j->is_all) { return REP_OK; }
    if (j->take[0]) {
        return rep_fail(REP_ERR_DATA,
                        "%s: no tensors of \"%s\"; give --take one of the prefixes that `repopt "
                        "inspect` lists, or --all for every tensor",
                        rep_tensors_name(j->file), j->take);
    }
    return rep_fail(
        REP_ERR_DATA,
        "%s: no tensors of a net; give --take %s or another of the prefixes that `repopt "
        "inspect` lists, or --all for every tensor",
        rep_tensors_name(j->file), rep_tensors_container_get(j->file, 0)->prefix);
}

static rep_status list_metadata(job *j) {
    const char *key = NULL, *value = NULL;
    size_t count = 0;
    while (rep_tensors_metadata_at(j->file, count, &key, &value)) { count++; }
    j->pairs = calloc(count + 1, sizeof *j->pairs);
    if (!j->pairs) { return rep_fail(REP_ERR_MEMORY, "convert: no memory"); }
    for (; j->pair_count < count; j->pair_count++) {
        rep_metadata_pair *pair = &j->pairs[j->pair_count];
        (void)rep_tensors_metadata_at(j->file, j->pair_count, &pair->key, &pair->value);
    }
    return REP_OK;
}

static void print_result(const job *j, const char *out) {
    printf("%s: %zu tensors\n", out, j->count);
    for (size_t i = 0; i < rep_tensors_container_count(j->file); i++) {
        const rep_tensors_container *row = rep_tensors_container_get(j->file, i);
        if (j->taken[i] > 0 && row->is_stripped) {
            puts("  \"module.\" was taken from the beginning of their names");
        }
        if (j->taken[i] == row->count) { continue; }
        printf("  left out: %s, %zu tensors%s\n", row->prefix[0] ? row->prefix : "the net",
               row->count - j->taken[i],
               strcmp(row->prefix, "ema.") == 0 ? "; test and predict use them: --take ema." : "");
    }
    for (size_t i = 0; i < rep_tensors_skip_count(j->file); i++) {
        const rep_tensors_skip *skip = rep_tensors_skip_get(j->file, i);
        printf("  left out: %s, %s\n", skip->path, skip->reason);
    }
}

static rep_status convert(job *j, const char *in, const char *out) {
    const rep_tensors_writer write = rep_tensors_writer_of(out);
    rep_tensors *file = NULL;
    if (!write) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: ends neither in .safetensors nor in .pth or .pt",
                        out);
    }
    REP_TRY(refuse_same_file(in, out));
    REP_TRY(rep_tensors_open(&file, in));
    j->file = file;
    rep_status status = list_tensors(j);
    if (status == REP_OK) { status = list_metadata(j); }
    if (status == REP_OK) { status = write(out, j->sources, j->count, j->pairs, j->pair_count); }
    if (status == REP_OK) { print_result(j, out); }
    free(j->sources);
    free(j->parts);
    free(j->taken);
    free(j->pairs);
    rep_tensors_close(file);
    return status;
}

int cmd_convert(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const char *take = NULL;
    job j = {.is_all = cli_take_flag(&words, "--all")};
    rep_status status = cli_take_value(&words, "--take", &take);
    if (status == REP_OK) { status = cli_no_options(&words); }
    if (status == REP_OK && j.is_all && take) {
        status = rep_fail(REP_ERR_ARGUMENT, "--take and --all: give one of them");
    }
    if (status == REP_OK && words.count != 2) {
        status = rep_fail(REP_ERR_ARGUMENT,
                          "convert: %d files given, wanted two; write repopt convert IN OUT",
                          words.count);
    }
    if (status != REP_OK) { return cli_fail(); }
    j.take = take ? take : "";
    return convert(&j, words.items[0], words.items[1]) == REP_OK ? 0 : cli_fail();
}
