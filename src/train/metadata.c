/* metadata.c - the texts beside a net's tensors: what it is, what it finds, how it was trained. */
#include "train/metadata.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "repopt/version.h"
#include "train/detect.h"

void rep_metadata_add(rep_metadata *m, const char *key, const char *value) {
    m->pairs[m->count++] = (rep_metadata_pair){key, value};
}

void rep_metadata_add_number(rep_metadata *m, const char *key, uint64_t value) {
    char *text = m->numbers[m->count];
    snprintf(text, REP_METADATA_NUMBER_BYTES, "%" PRIu64, value);
    rep_metadata_add(m, key, text);
}

void rep_metadata_add_real(rep_metadata *m, const char *key, double value) {
    char *text = m->numbers[m->count];
    int digits = 15;
    do {
        snprintf(text, REP_METADATA_NUMBER_BYTES, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    rep_metadata_add(m, key, text);
}

void rep_metadata_add_folded(rep_metadata *m) {
    rep_metadata_add(m, REP_METADATA_FOLDED, "one convolution with bias per block, no BN");
}

void rep_metadata_add_int8(rep_metadata *m, bool has_uint8_weights) {
    rep_metadata_add(m, REP_METADATA_INT8,
                     has_uint8_weights
                         ? "weights U8 around 128 per output channel, inputs U8 per tensor, biases "
                           "I32"
                         : "weights I8 per output channel, inputs U8 per tensor, biases I32");
}

void rep_metadata_copy_int8(rep_metadata *m, const rep_tensors *file, bool has_uint8_weights) {
    static const char *const kept[] = {REP_METADATA_CALIBRATION, REP_METADATA_PERCENTILE,
                                       REP_METADATA_PICTURES};
    rep_metadata_add_int8(m, has_uint8_weights);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const char *value = rep_tensors_metadata(file, kept[i]);
        if (value != NULL) { rep_metadata_add(m, kept[i], value); }
    }
}

/* Class names joined by newlines; malloc'd, NULL without memory. */
static char *join_names(const rep_task *task) {
    size_t bytes = 1;
    for (int32_t i = 0; i < task->class_count; i++) { bytes += strlen(task->class_names[i]) + 1; }
    char *text = calloc(bytes, 1);
    char *end = text;
    for (int32_t i = 0; i < task->class_count && text != NULL; i++) {
        end += snprintf(end, bytes - (size_t)(end - text), "%s%s", i > 0 ? "\n" : "",
                        task->class_names[i]);
    }
    return text;
}

static rep_status make_texts(rep_metadata *m, const rep_task *task, const rep_config *config) {
    if (task->class_names != NULL) {
        m->names = join_names(task);
        if (m->names == NULL) { return rep_fail(REP_ERR_MEMORY, "metadata: no memory"); }
    }
    if (task->categories != NULL) {
        REP_TRY(rep_categories_write(&m->categories, task->categories, (size_t)task->class_count));
    }
    return rep_config_dump(config, false, &m->yaml);
}

rep_status rep_metadata_init(rep_metadata *out, const rep_task *task, const rep_config *config) {
    rep_mode mode;
    REP_TRY(rep_mode_parse(&mode, task->values->training_mode));
    *out = (rep_metadata){0};
    const rep_status status = make_texts(out, task, config);
    if (status != REP_OK) {
        rep_metadata_clear(out);
        return status;
    }
    rep_metadata_add(out, "format", "pt");
    rep_metadata_add(out, "repopt", REP_VERSION);
    rep_metadata_add(out, "mode", rep_mode_name(mode));
    if (out->names != NULL) { rep_metadata_add(out, "class_names", out->names); }
    if (out->categories != NULL) { rep_metadata_add(out, "categories", out->categories); }
    rep_metadata_add(out, "config", out->yaml);
    return REP_OK;
}

void rep_metadata_clear(rep_metadata *m) {
    free(m->yaml);
    free(m->names);
    free(m->categories);
    *m = (rep_metadata){0};
}
