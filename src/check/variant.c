/* variant.c - in how many ways a device can compute a row: found by asking, not from a table.
 *
 * For every set of optional parts of shader names the device says what it would dispatch; answers
 * that name other shaders or other element types are other variants. Which tensors of a shader are
 * half precision is read in its SPIR-V.
 */
#include <string.h>

#include "check/run.h"

/* The optional parts of shader names; every set of them is asked for. A new part is a word here. */
static const char *const parts[] = {".vector", ".winograd", ".coop", ".sub"};
enum { PARTS = sizeof parts / sizeof *parts };
#define EVERY_INPUT 0xffffu

/* ---- names ----------------------------------------------------------------------------------- */

static void append(char *text, size_t bytes, const char *part, size_t length) {
    const size_t at = strlen(text);
    if (at + length < bytes) { snprintf(text + at, bytes - at, "%.*s", (int)length, part); }
}

static bool has_part(const char *name, const char *part, size_t length) {
    for (const char *at = strchr(name, '.'); at; at = strchr(at + 1, '.')) {
        if (!strncmp(at, part, length) && (at[length] == '.' || !at[length])) { return true; }
    }
    return false;
}

void rep_variant_name(char *name, size_t bytes, const rep_dispatch *dispatch) {
    name[0] = '\0';
    for (uint32_t pass = 0; pass < dispatch->pass_count; pass++) {
        const char *at = strchr(dispatch->passes[pass].shader, '.');
        while (at) {
            const size_t length = 1 + strcspn(at + 1, ".");
            const bool is_number = at[1] >= '0' && at[1] <= '9';
            if (!is_number && !has_part(name, at, length)) { append(name, bytes, at, length); }
            at = at[length] ? at + length : NULL;
        }
    }
}

void rep_variant_shaders(char *text, size_t bytes, const rep_dispatch *dispatch) {
    text[0] = '\0';
    for (uint32_t pass = 0; pass < dispatch->pass_count; pass++) {
        const char *name = dispatch->passes[pass].shader;
        if (pass > 0) { append(text, bytes, " + ", 3); }
        append(text, bytes, name, strlen(name));
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static rep_status describe(rep_dispatch *out, rep_dtype types[REP_MAX_OUTPUTS], rep_device *device,
                           const rep_case *row, uint32_t half) {
    rep_rig rig;
    rep_status status = rep_rig_build(&rig, row, device, &(rep_rig_options){.half = half});
    if (status == REP_OK) { status = rep_vulkan_describe(out, device, rig.graph, NULL, 0); }
    for (uint32_t o = 0; o < rig.out_count; o++) { types[o] = rig.out[o].dtype; }
    rep_rig_close(&rig);
    return status;
}

/* Whether the shaders declare each output as the shape rule has it. */
static bool do_outputs_agree(const rep_case *row, const rep_dtype *types, uint32_t halves,
                             uint32_t words) {
    const rep_op_info *info = rep_op_info_get(row->op);
    for (uint32_t o = 0; o < info->out_count; o++) {
        const uint32_t bit = 1u << (info->max_in + o);
        const uint32_t as_wanted = types[o] == REP_F16 ? halves : words;
        if (((halves | words) & bit) && !(as_wanted & bit)) { return false; }
    }
    return true;
}

/* *half: the inputs the shaders declare as half precision, 0 when they have no such variant. Inputs
 * that are half choose the shader and the shader says which are: the question is asked until the
 * answer stands. An input no pass looks at follows the others. */
static rep_status ask(rep_dispatch *out, uint32_t *half, rep_device *device, const rep_case *row,
                      bool wants_half) {
    const uint32_t inputs = (1u << rep_case_inputs(row)) - 1;
    uint32_t tried = wants_half ? EVERY_INPUT & inputs : 0;
    for (int i = 0; i < 3; i++) {
        rep_dtype types[REP_MAX_OUTPUTS];
        uint32_t halves = 0, words = 0;
        REP_TRY(describe(out, types, device, row, tried));
        REP_TRY(rep_vulkan_find_types(&halves, &words, out));
        *half = halves && wants_half ? inputs & (halves | ~words) : 0;
        if (*half == tried && do_outputs_agree(row, types, halves, words)) { return REP_OK; }
        if (*half == tried) { break; }
        if (*half == 0) { return REP_OK; }
        tried = *half;
    }
    return rep_fail(REP_ERR_DEVICE,
                    "its shaders and its shape rule disagree about which tensors are "
                    "half precision");
}

static bool is_listed(const rep_variant *list, size_t count, const rep_variant *like) {
    for (size_t i = 0; i < count; i++) {
        if (list[i].half == like->half && !strcmp(list[i].shaders, like->shaders)) { return true; }
    }
    return false;
}

static rep_status add(rep_variant *list, size_t *count, rep_device *device, const rep_case *row,
                      unsigned set, bool wants_half) {
    rep_dispatch dispatch = {0};
    rep_variant v = {.half = 0};
    if (*count == REP_MAX_VARIANTS) { return REP_OK; }
    for (int part = 0; part < PARTS; part++) {
        if (set >> part & 1u) {
            append(v.allowed, sizeof v.allowed, parts[part], strlen(parts[part]));
        }
    }
    rep_vulkan_allow(device, v.allowed);
    const rep_status status = ask(&dispatch, &v.half, device, row, wants_half);
    if (status == REP_ERR_SHADER || status == REP_ERR_MEMORY) { return status; }
    if (status != REP_OK) {
        snprintf(v.fault, sizeof v.fault, "%s", rep_last_error());
        snprintf(v.shaders, sizeof v.shaders, "%.190s", v.fault); /* told once */
        snprintf(v.name, sizeof v.name, "%s", wants_half ? ".f16" : "");
    } else {
        rep_variant_name(v.name, sizeof v.name, &dispatch);
        rep_variant_shaders(v.shaders, sizeof v.shaders, &dispatch);
        if (wants_half && v.half == 0) { return REP_OK; }
    }
    if (!is_listed(list, *count, &v)) { list[(*count)++] = v; }
    return REP_OK;
}

rep_status rep_variant_find(rep_variant list[REP_MAX_VARIANTS], size_t *count, rep_device *device,
                            const rep_case *row) {
    rep_device_info info;
    rep_device_describe(device, &info);
    *count = 0;
    if (!info.is_vulkan) {
        list[(*count)++] = (rep_variant){.half = 0};
        return REP_OK;
    }
    rep_status status = REP_OK;
    for (int half = 0; half < 1 + info.has_f16 && status == REP_OK; half++) {
        for (unsigned set = 0; set < 1u << PARTS && status == REP_OK; set++) {
            status = add(list, count, device, row, set, half);
        }
    }
    rep_vulkan_allow(device, NULL);
    for (size_t i = 0; i < *count; i++) {
        if (list[i].fault[0]) { list[i].shaders[0] = '\0'; }
    }
    return status;
}
