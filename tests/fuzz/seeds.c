/* seeds.c - makes the fuzz targets' first inputs of the tests' data: seeds DATA CONFIGS OUT. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "format/zip.h"
#include "repopt/onnx.h"

enum { PATH_BYTES = 1024, MOST_SEED = 1 << 14 };

static const char *data, *configs, *out;

static void fail(const char *what) {
    fprintf(stderr, "seeds: %s: %s\n", what, rep_last_error());
    exit(1);
}

static void put(const char *target, const char *name, const void *bytes, size_t count) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", out, target);
    if (rep_folder_make(path) != REP_OK) { fail(path); }
    snprintf(path, sizeof path, "%s/%s/%s", out, target, name);
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, count, stream) != count || fclose(stream) != 0) { fail(path); }
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

/* Calls use(name, view) for every small file of a folder that ends so. */
static void each(const char *folder, const char *end,
                 void (*use)(const char *name, rep_file_view view)) {
    DIR *list = opendir(folder);
    if (!list) { fail(folder); }
    for (struct dirent *entry; (entry = readdir(list));) {
        char path[PATH_BYTES + 256];
        rep_file_view view;
        if (!ends_with(entry->d_name, end)) { continue; }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (rep_file_open(&view, path) != REP_OK) { fail(path); }
        if (view.count <= MOST_SEED) { use(entry->d_name, view); }
        rep_file_close(&view);
    }
    closedir(list);
}

/* A zip archive is a seed, and so is the pickle in it; what is no archive is a stream. */
static void use_torch(const char *name, rep_file_view view) {
    rep_zip *zip = NULL;
    const bool is_zip = view.count > 4 && memcmp(view.bytes, "PK", 2) == 0;
    put(is_zip ? "zip" : "legacy", name, view.bytes, view.count);
    if (!is_zip || rep_zip_open(&zip, name, view.bytes, view.count) != REP_OK) { return; }
    for (size_t i = 0; i < rep_zip_count(zip); i++) {
        rep_zip_entry *entry = rep_zip_get(zip, i);
        if (!ends_with(entry->name, "data.pkl") || rep_zip_read(zip, entry) != REP_OK) { continue; }
        put("pickle", name, rep_zip_bytes(zip, entry), entry->count);
    }
    rep_zip_close(zip);
}

static void use_safetensors(const char *name, rep_file_view view) {
    put("safetensors", name, view.bytes, view.count);
}

static void use_yaml(const char *name, rep_file_view view) {
    put("yaml", name, view.bytes, view.count);
}

static void use_coco(const char *name, rep_file_view view) {
    put("coco", name, view.bytes, view.count);
}

static void put_voc(void) {
    static const char text[] =
        "<?xml version=\"1.0\"?>\n<annotation><folder>VOC</folder><filename>1.jpg</filename>"
        "<size><width>50</width><height>40</height><depth>3</depth></size>"
        "<object><name>dog</name><pose>Left</pose><difficult>1</difficult><bndbox><xmin>1</xmin>"
        "<ymin>2.5</ymin><xmax>30</xmax><ymax>40</ymax></bndbox><part><name>head</name><bndbox>"
        "<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part></object>"
        "</annotation>\n";
    put("voc", "two.xml", text, sizeof text - 1);
    static const char entity[] = "<!DOCTYPE a [<!ENTITY b \"c\">]><annotation>&b;</annotation>";
    put("voc", "entity.xml", entity, sizeof entity - 1);
}

/* Two pictures of 2 x 2, behind their length; two labels. */
static void put_idx(void) {
    static const uint8_t bytes[] = {24, 0,                                           /* length */
                                    0,  0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, /* head */
                                    1,  2, 3, 4, 5, 6, 7, 8,                         /* pictures */
                                    0,  0, 8, 1, 0, 0, 0, 2, 1, 0};                  /* labels */
    put("idx", "two", bytes, sizeof bytes);
}

static void put_cifar(void) {
    static uint8_t bytes[1 + 2 * 3074];
    put("cifar", "ten", bytes, 1 + 2 * 3073);
    bytes[0] = 1;
    put("cifar", "hundred", bytes, 1 + 2 * 3074);
}

static void put_onnx(void) {
    static const int64_t axes[] = {2, 3};
    char path[PATH_BYTES];
    rep_onnx *net = NULL;
    const rep_onnx_dim dims[] = {{.name = "batch"}, {.size = 3}, {.size = 8}, {.size = 8}};
    if (rep_onnx_create(&net) != REP_OK) { fail("onnx"); }
    rep_onnx_input(net, "image", REP_TENSOR_F32, dims, 4);
    rep_onnx_output(net, "y", REP_TENSOR_F32, dims, 4);
    REP_ONNX_NODE(net, "Conv", "x", "image", "conv.weight", "");
    rep_onnx_node_ints(net, "pads", axes, 2);
    rep_onnx_node_float(net, "epsilon", 0.5f);
    rep_onnx_node_text(net, "mode", "nearest");
    rep_onnx_node_end(net);
    REP_ONNX_NODE(net, "TopK", "y", "x");
    rep_onnx_node_output(net, "places");
    rep_onnx_node_int(net, "axis", -1);
    rep_onnx_node_end(net);
    rep_onnx_floats(net, "conv.weight", (const float[]){1, 2, 3}, (const int64_t[]){1, 3, 1, 1}, 4);
    rep_onnx_whole(net, "axes", axes, (const int64_t[]){2}, 1);
    rep_onnx_metadata(net, "class_names", "cat\ndog");
    put("onnx", "net", "", 0);
    snprintf(path, sizeof path, "%s/onnx/net", out);
    if (rep_onnx_write(net, path) != REP_OK) { fail(path); }
    rep_onnx_destroy(net);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: seeds DATA CONFIGS OUT\n", stderr);
        return 2;
    }
    data = argv[1], configs = argv[2], out = argv[3];
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/torch", data);
    each(path, ".pth", use_torch);
    each(data, ".safetensors", use_safetensors);
    snprintf(path, sizeof path, "%s/oracle/ops", data);
    each(path, ".safetensors", use_safetensors);
    snprintf(path, sizeof path, "%s/oracle/detect", data);
    each(path, "_gt.json", use_coco);
    snprintf(path, sizeof path, "%s/drawn", configs);
    each(path, ".yaml", use_yaml);
    snprintf(path, sizeof path, "%s/fcos", configs);
    each(path, ".yaml", use_yaml);
    put_onnx();
    put_voc();
    put_idx();
    put_cifar();
    return 0;
}
