/* vk_spirv.c - what a SPIR-V module says about itself: bindings, 16-bit elements, the workgroup's
 * size and shared memory, the capabilities it asks for.
 *
 * Modules may come from a folder (`repopt check --replay`), so every word is distrusted: ids below
 * the bound, instructions within the file, types nested a few levels deep. Numbers of opcodes and
 * decorations are those of the SPIR-V specification, sections 3.20 and 3.49.
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_dispatch.h"

enum {
    MAGIC = 0x07230203,
    HEADER_WORDS = 5,
    MOST_IDS = 1 << 18,
    DEEPEST = 12,

    OP_ENTRY_POINT = 15,
    OP_EXECUTION_MODE = 16,
    OP_CAPABILITY = 17,
    OP_TYPE_BOOL = 20,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23,
    OP_TYPE_MATRIX = 24,
    OP_TYPE_ARRAY = 28,
    OP_TYPE_RUNTIME_ARRAY = 29,
    OP_TYPE_STRUCT = 30,
    OP_TYPE_POINTER = 32,
    OP_CONSTANT = 43,
    OP_CONSTANT_COMPOSITE = 44,
    OP_SPEC_CONSTANT = 50,
    OP_SPEC_CONSTANT_COMPOSITE = 51,
    OP_SPEC_CONSTANT_OP = 52,
    OP_FUNCTION = 54,
    OP_FUNCTION_END = 56,
    OP_VARIABLE = 59,
    OP_DECORATE = 71,

    MODE_LOCAL_SIZE = 17,
    DECORATION_SPEC_ID = 1,
    DECORATION_BUILT_IN = 11,
    DECORATION_BINDING = 33,
    BUILT_IN_WORKGROUP_SIZE = 25,
    CLASS_WORKGROUP = 4
};

/* The instruction that defines an id, and what decorates it. */
typedef struct definition {
    const uint32_t *words;
    uint32_t count, op;
    uint32_t spec_id, binding; /* NOTHING: none */
} definition;
#define NOTHING 0xffffffffu

typedef struct module {
    const uint32_t *words;
    size_t count;
    definition *ids;
    uint32_t bound;
    uint32_t entries, functions, ends;
    uint32_t group_id; /* what is decorated as the workgroup's size; 0: nothing */
    const uint32_t *spec;
    uint32_t spec_count;
} module;

static const definition *find(const module *m, uint32_t id) {
    static const definition none = {.op = 0};
    return id < m->bound && m->ids[id].words ? &m->ids[id] : &none;
}

/* ---- constants ------------------------------------------------------------------------------- */

static bool value_of(const module *m, uint32_t id, uint32_t part, int depth, uint32_t *out);

/* glslang's arithmetic on specialization constants. */
static bool operate(const module *m, const definition *d, int depth, uint32_t *out) {
    uint32_t a = 0, b = 0;
    if (d->count < 6) { return false; }
    const uint32_t op = d->words[3];
    if (op == 81) { return value_of(m, d->words[4], d->words[5], depth, out); } /* extract */
    if (!value_of(m, d->words[4], 0, depth, &a) || !value_of(m, d->words[5], 0, depth, &b)) {
        return false;
    }
    switch (op) {
    case 128: /* IAdd */
        *out = a + b;
        return true;
    case 130: /* ISub */
        *out = a - b;
        return true;
    case 132: /* IMul */
        *out = a * b;
        return true;
    case 134: /* UDiv, SDiv of what is never negative */
    case 135:
        *out = b ? a / b : 0;
        return b != 0;
    case 137: /* UMod */
        *out = b ? a % b : 0;
        return b != 0;
    case 194: /* shifts */
        *out = b < 32 ? a >> b : 0;
        return true;
    case 196:
        *out = b < 32 ? a << b : 0;
        return true;
    default:
        return false;
    }
}

/* Component `part` of a 32-bit constant, as specialized. */
static bool value_of(const module *m, uint32_t id, uint32_t part, int depth, uint32_t *out) {
    const definition *d = find(m, id);
    if (depth > DEEPEST) { return false; }
    switch (d->op) {
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
        if (d->count < 4) { return false; }
        *out = d->spec_id < m->spec_count ? m->spec[d->spec_id] : d->words[3];
        return true;
    case OP_CONSTANT_COMPOSITE:
    case OP_SPEC_CONSTANT_COMPOSITE:
        return part < d->count - 3 && value_of(m, d->words[3 + part], 0, depth + 1, out);
    case OP_SPEC_CONSTANT_OP:
        return operate(m, d, depth + 1, out);
    default:
        return false;
    }
}

/* ---- types ----------------------------------------------------------------------------------- */

/* Bytes of a type without padding; 0 where it has none that is known. */
static uint64_t size_of(const module *m, uint32_t id, int depth) {
    const definition *d = find(m, id);
    uint32_t length = 0;
    uint64_t sum = 0;
    if (depth > DEEPEST) { return 0; }
    switch (d->op) {
    case OP_TYPE_BOOL:
        return 4;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT:
        return d->words[2] / 8;
    case OP_TYPE_VECTOR:
    case OP_TYPE_MATRIX:
        return d->words[3] * size_of(m, d->words[2], depth + 1);
    case OP_TYPE_ARRAY:
        if (!value_of(m, d->words[3], 0, 0, &length)) { return 0; }
        return length * size_of(m, d->words[2], depth + 1);
    case OP_TYPE_STRUCT:
        for (uint32_t i = 2; i < d->count; i++) { sum += size_of(m, d->words[i], depth + 1); }
        return sum;
    default:
        return 0;
    }
}

/* Whether elements under a type have 16 bits. */
static bool is_half(const module *m, uint32_t id, int depth) {
    const definition *d = find(m, id);
    if (depth > DEEPEST) { return false; }
    if (d->op == OP_TYPE_FLOAT) { return d->words[2] == 16; }
    const bool has_inside = d->op == OP_TYPE_VECTOR || d->op == OP_TYPE_ARRAY ||
                            d->op == OP_TYPE_RUNTIME_ARRAY || d->op == OP_TYPE_STRUCT;
    return has_inside && d->count > 2 && is_half(m, d->words[2], depth + 1);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The word that holds an instruction's result id, and the fewest words it has; 0: not of interest.
 */
static uint32_t result_at(uint32_t op, uint32_t *least) {
    switch (op) {
    case OP_TYPE_BOOL:
    case OP_TYPE_STRUCT:
        *least = 2;
        return 1;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT:
    case OP_TYPE_RUNTIME_ARRAY:
        *least = 3;
        return 1;
    case OP_TYPE_VECTOR:
    case OP_TYPE_MATRIX:
    case OP_TYPE_ARRAY:
    case OP_TYPE_POINTER:
        *least = 4;
        return 1;
    case OP_CONSTANT_COMPOSITE:
    case OP_SPEC_CONSTANT_COMPOSITE:
        *least = 3;
        return 2;
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
    case OP_SPEC_CONSTANT_OP:
    case OP_VARIABLE:
        *least = 4;
        return 2;
    default:
        return 0;
    }
}

static void decorate(module *m, const uint32_t *words, uint32_t count) {
    if (count < 4 || words[1] >= m->bound) { return; }
    definition *d = &m->ids[words[1]];
    if (words[2] == DECORATION_SPEC_ID) { d->spec_id = words[3]; }
    if (words[2] == DECORATION_BINDING) { d->binding = words[3]; }
    if (words[2] == DECORATION_BUILT_IN && words[3] == BUILT_IN_WORKGROUP_SIZE) {
        m->group_id = words[1];
    }
}

static void take(module *m, rep_vk_module *out, const uint32_t *words, uint32_t count) {
    const uint32_t op = words[0] & 0xffffu;
    uint32_t least = 0;
    const uint32_t at = result_at(op, &least);
    m->entries += op == OP_ENTRY_POINT;
    m->functions += op == OP_FUNCTION;
    m->ends += op == OP_FUNCTION_END;
    if (op == OP_DECORATE) { decorate(m, words, count); }
    if (op == OP_CAPABILITY && count > 1 && out->capability_count < REP_VK_MAX_CAPABILITIES) {
        out->capabilities[out->capability_count++] = words[1];
    }
    if (op == OP_EXECUTION_MODE && count >= 6 && words[2] == MODE_LOCAL_SIZE) {
        memcpy(out->group, words + 3, sizeof out->group);
    }
    if (at && count >= least && words[at] < m->bound) {
        definition *d = &m->ids[words[at]];
        d->words = words;
        d->count = count;
        d->op = op;
    }
}

static rep_status walk(module *m, rep_vk_module *out, const char *name) {
    for (uint32_t i = 0; i < m->bound; i++) { m->ids[i].spec_id = m->ids[i].binding = NOTHING; }
    for (size_t at = HEADER_WORDS; at < m->count;) {
        const uint32_t count = m->words[at] >> 16;
        if (count == 0 || count > m->count - at) {
            return rep_fail(REP_ERR_DATA, "%s: damaged SPIR-V at word %zu of %zu", name, at,
                            m->count);
        }
        take(m, out, m->words + at, count);
        at += count;
    }
    if (m->entries != 1 || m->functions == 0 || m->ends != m->functions) {
        return rep_fail(REP_ERR_DATA, "%s: SPIR-V without an entry point, or cut off", name);
    }
    return REP_OK;
}

static void summarize(const module *m, rep_vk_module *out) {
    for (uint32_t id = 0; id < m->bound; id++) {
        const definition *d = find(m, id);
        if (d->op != OP_VARIABLE) { continue; }
        const definition *pointer = find(m, d->words[1]);
        if (pointer->op != OP_TYPE_POINTER) { continue; }
        if (d->words[3] == CLASS_WORKGROUP) {
            out->shared_bytes += size_of(m, pointer->words[3], 0);
        }
        if (d->binding < 32) {
            const bool half = is_half(m, pointer->words[3], 0);
            out->halves |= (uint32_t)half << d->binding;
            out->words |= (uint32_t)!half << d->binding;
        }
    }
    for (uint32_t axis = 0; m->group_id && axis < 3; axis++) {
        (void)value_of(m, m->group_id, axis, 0, &out->group[axis]);
    }
}

rep_status rep_vk_module_read(rep_vk_module *out, const char *name, const uint32_t *words,
                              size_t bytes, const uint32_t *spec, uint32_t spec_count) {
    *out = (rep_vk_module){0};
    if (bytes < 4 * HEADER_WORDS || bytes % 4 || words[0] != MAGIC) {
        return rep_fail(REP_ERR_DATA, "%s: no SPIR-V module", name);
    }
    module m = {.words = words,
                .count = bytes / 4,
                .bound = words[3],
                .spec = spec,
                .spec_count = spec_count};
    if (m.bound > MOST_IDS) {
        return rep_fail(REP_ERR_DATA, "%s: SPIR-V with %u ids, at most %d are read", name, m.bound,
                        MOST_IDS);
    }
    m.ids = calloc(m.bound + 1u, sizeof *m.ids);
    if (!m.ids) { return rep_fail(REP_ERR_MEMORY, "%s: no memory to read it", name); }
    const rep_status status = walk(&m, out, name);
    if (status == REP_OK) { summarize(&m, out); }
    free(m.ids);
    return status;
}
