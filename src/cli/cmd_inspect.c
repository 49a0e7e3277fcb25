/* cmd_inspect.c - `repopt inspect`: what a file of tensors holds. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "repopt/onnx.h"

static const char help[] =
    "usage: repopt inspect [--json] FILE...\n\n"
    "Lists what safetensors and PyTorch files (.pth, .pt: state_dicts, checkpoints, whole models)\n"
    "hold: tensors with type and shape, what they belong to, numbers and texts beside them, and\n"
    "what is not read and why; of an ONNX file inputs, outputs, ops, weights and texts. A file is\n"
    "told by its content; nothing in it is ever executed.\n\n"
    "  --json  one JSON object per file and line\n\n"
    "Examples:\n"
    "  repopt inspect RepOpt-VGG-B1-scales.pth\n"
    "  repopt inspect out/search/model_final.safetensors | grep scale_conv\n"
    "  repopt inspect net.onnx\n"
    "  repopt inspect --json checkpoint.pth | jq '.tensors[] | select(.dtype == \"F16\") | "
    ".name'\n";

static void shape_text(char *text, size_t bytes, const rep_tensor_info *info) {
    size_t used = (size_t)snprintf(text, bytes, "%s", info->rank == 0 ? "scalar" : "");
    for (int32_t i = 0; i < info->rank && used < bytes; i++) {
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%" PRId64, i ? "x" : "", info->shape[i]);
    }
}

static double mebibytes(const rep_tensors *file) {
    double bytes = 0;
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        bytes += (double)info->count * (double)rep_tensor_type_bytes(info->type);
    }
    return bytes / 1048576;
}

/* ---- words ---------------------------------------------------------------------------------- */

void inspect_print_line(const char *text) {
    enum { MOST = 72 };
    int shown = 0;
    for (; *text && *text != '\n' && shown < MOST; text++, shown++) {
        const unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
        const bool is_c1 = c == 0xC2 && next >= 0x80 && next <= 0x9F;
        putchar(c < 0x20 || c == 0x7F || is_c1 ? '?' : c);
        text += is_c1;
    }
    puts(*text ? " ..." : "");
}

static void print_containers(const rep_tensors *file) {
    for (size_t i = 0; i < rep_tensors_container_count(file); i++) {
        const rep_tensors_container *row = rep_tensors_container_get(file, i);
        printf("  %-20s %6zu tensors, %s%s\n", row->prefix[0] ? row->prefix : "(net)", row->count,
               row->kind,
               row->is_stripped ? "; \"module.\" taken from the beginning of their names" : "");
    }
}

static void print_file(const rep_tensors *file) {
    printf("%s: %s, %zu tensors, %.2f MiB\n", rep_tensors_name(file), rep_tensors_format(file),
           rep_tensors_count(file), mebibytes(file));
    print_containers(file);
    puts("");
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        char shape[192];
        shape_text(shape, sizeof shape, info);
        printf("%-48s %-4s %s\n", info->name, rep_tensor_type_name(info->type), shape);
    }
    const char *key = NULL, *value = NULL;
    for (size_t i = 0; rep_tensors_metadata_at(file, i, &key, &value); i++) {
        printf("%s%-24s ", i ? "" : "\nBeside them:\n", key);
        inspect_print_line(value);
    }
    for (size_t i = 0; i < rep_tensors_skip_count(file); i++) {
        const rep_tensors_skip *skip = rep_tensors_skip_get(file, i);
        printf("%s%-32s %s\n", i ? "" : "\nNot read:\n", skip->path, skip->reason);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_containers(cJSON *object, const rep_tensors *file) {
    cJSON *list = cJSON_AddArrayToObject(object, "containers");
    for (size_t i = 0; i < rep_tensors_container_count(file); i++) {
        const rep_tensors_container *row = rep_tensors_container_get(file, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "prefix", row->prefix);
        cJSON_AddStringToObject(item, "kind", row->kind);
        cJSON_AddNumberToObject(item, "tensors", (double)row->count);
        cJSON_AddBoolToObject(item, "module_stripped", row->is_stripped);
        cJSON_AddItemToArray(list, item);
    }
}

static void add_tensors(cJSON *object, const rep_tensors *file) {
    cJSON *list = cJSON_AddArrayToObject(object, "tensors");
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", info->name);
        cJSON_AddStringToObject(item, "dtype", rep_tensor_type_name(info->type));
        cJSON *shape = cJSON_AddArrayToObject(item, "shape");
        for (int32_t d = 0; d < info->rank; d++) {
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)info->shape[d]));
        }
        cJSON_AddNumberToObject(item, "container", (double)info->container);
        cJSON_AddItemToArray(list, item);
    }
}

static void print_json(const rep_tensors *file) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", rep_tensors_name(file));
    cJSON_AddStringToObject(object, "format", rep_tensors_format(file));
    add_containers(object, file);
    add_tensors(object, file);
    cJSON *metadata = cJSON_AddObjectToObject(object, "metadata");
    const char *key = NULL, *value = NULL;
    for (size_t i = 0; rep_tensors_metadata_at(file, i, &key, &value); i++) {
        cJSON_AddStringToObject(metadata, key, value);
    }
    cJSON *skipped = cJSON_AddArrayToObject(object, "not_read");
    for (size_t i = 0; i < rep_tensors_skip_count(file); i++) {
        const rep_tensors_skip *skip = rep_tensors_skip_get(file, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "path", skip->path);
        cJSON_AddStringToObject(item, "reason", skip->reason);
        cJSON_AddItemToArray(skipped, item);
    }
    char *text = cJSON_PrintUnformatted(object);
    if (text) { puts(text); }
    cJSON_free(text);
    cJSON_Delete(object);
}

static void print_and_close(rep_tensors *file, bool is_json) {
    if (is_json) {
        print_json(file);
    } else {
        print_file(file);
    }
    rep_tensors_close(file);
}

/* What can be read only once: a pipe. */
static rep_status read_stream(uint8_t **out, size_t *out_count, const char *path) {
    static const size_t most_bytes = (size_t)1 << 30;
    FILE *stream = fopen(path, "rb");
    if (!stream) { return rep_fail(REP_ERR_IO, "%s: cannot be opened", path); }
    size_t capacity = 1 << 16, count = 0;
    uint8_t *bytes = malloc(capacity), *grown = bytes;
    while (grown && (count += fread(bytes + count, 1, capacity - count, stream)) == capacity &&
           capacity <= most_bytes) {
        capacity *= 2;
        grown = realloc(bytes, capacity);
        if (grown) { bytes = grown; }
    }
    const bool has_failed = ferror(stream) != 0;
    fclose(stream);
    *out = bytes;
    *out_count = count;
    if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for it", path); }
    if (count <= most_bytes && !has_failed) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%s: %s; copy it to a regular file", path,
                    has_failed ? "cannot be read" : "a pipe with more than 1 GiB");
}

static rep_status inspect_stream(const char *path, bool is_json) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    rep_tensors *file = NULL;
    rep_status status = read_stream(&bytes, &count, path);
    if (status == REP_OK && rep_onnx_is_like(bytes, count)) {
        status = inspect_onnx(path, bytes, count, is_json);
    } else if (status == REP_OK) {
        status = rep_tensors_parse(&file, path, bytes, count);
        if (status == REP_OK) { print_and_close(file, is_json); }
    }
    free(bytes);
    return status;
}

static rep_status inspect(const char *path, bool is_json) {
    struct stat facts;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) {
        return inspect_stream(path, is_json);
    }
    if (rep_onnx_file_is_like(path)) { return inspect_onnx(path, NULL, 0, is_json); }
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    print_and_close(file, is_json);
    return REP_OK;
}

int cmd_inspect(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_json = cli_take_flag(&words, "--json");
    if (words.count == 0) {
        (void)!rep_fail(REP_ERR_ARGUMENT, "inspect: no file given; write repopt inspect FILE");
        return cli_fail();
    }
    if (cli_no_options(&words) != REP_OK) { return cli_fail(); }
    for (int i = 0; i < words.count; i++) {
        if (i > 0 && !is_json) { puts(""); }
        if (inspect(words.items[i], is_json) != REP_OK) { return cli_fail(); }
    }
    return 0;
}
