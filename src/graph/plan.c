/* plan.c - a byte offset for every tensor.
 *
 * State and io tensors lie one after another. Work tensors live from the node that writes them to
 * the last that reads them; largest first, each goes to the lowest gap that fits among the tensors
 * alive at the same time (greedy by size: Pisarchyk and Lee, "Efficient memory management for deep
 * neural net inference", 2020, section 5). Placed tensors follow the block they lie in.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

struct life {
    rep_id id;
    uint32_t first, last; /* nodes */
    size_t bytes;
};

size_t rep_dtype_bytes(rep_dtype dtype, size_t real_bytes) {
    return dtype == REP_F32 ? real_bytes : dtype == REP_F16 ? 2 : 4;
}

static size_t tensor_bytes(const rep_tensor *tensor, size_t real_bytes) {
    const size_t bytes =
        rep_shape_count(tensor->shape) * rep_dtype_bytes(tensor->dtype, real_bytes);
    return (bytes + REP_PLAN_ALIGN - 1) / REP_PLAN_ALIGN * REP_PLAN_ALIGN;
}

static void touch(struct life *lives, rep_id root, uint32_t node) {
    if (node < lives[root].first) { lives[root].first = node; }
    if (node > lives[root].last) { lives[root].last = node; }
}

/* Output 0 of an `alias` node takes over input 0's memory when this node is its last reader: both
 * become one life. *shares[out] is then the tensor whose memory it takes. */
static void join_aliases(const rep_graph *graph, struct life *lives, rep_id *shares) {
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        if (rep_op_info_get(node->op)->mode != REP_MODE_ALIAS) { continue; }
        const rep_id in = node->in[0], out = node->out[0];
        const rep_tensor *a = &graph->tensors[in], *b = &graph->tensors[out];
        if (a->region != REP_WORK || b->region != REP_WORK || a->block || b->block || a->is_kept ||
            b->is_kept || in == out || a->dtype != b->dtype ||
            !rep_shape_equal(a->shape, b->shape)) {
            continue;
        }
        rep_id owner = in;
        while (shares[owner]) { owner = shares[owner]; }
        if (lives[owner].last != n || lives[out].first != n) { continue; }
        bool is_read_twice = false; /* the kernel reads input 0 elsewhere, too */
        for (uint32_t i = 1; i < node->in_count; i++) {
            rep_id other = rep_graph_root(graph, node->in[i]);
            while (shares[other]) { other = shares[other]; }
            is_read_twice = is_read_twice || other == owner;
        }
        if (is_read_twice) { continue; }
        shares[out] = owner;
        lives[owner].last = lives[out].last;
        lives[out].bytes = 0;
    }
}

static int by_size(const void *left, const void *right) {
    const struct life *a = left, *b = right;
    if (a->bytes != b->bytes) { return a->bytes < b->bytes ? 1 : -1; }
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The lowest gap of `bytes` among the placed[0..count) that live at the same time. placed is kept
 * sorted by offset. */
static size_t find_gap(const rep_plan *plan, const struct life *placed, uint32_t count,
                       const struct life *life) {
    size_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct life *other = &placed[i];
        if (other->last < life->first || other->first > life->last) { continue; }
        const size_t begin = plan->offset[other->id];
        if (begin >= offset && begin - offset >= life->bytes) { break; }
        if (begin + other->bytes > offset) { offset = begin + other->bytes; }
    }
    return offset;
}

/* A region that reaches to begin + bytes; one that cannot be addressed is refused. */
static rep_status extend(size_t *region_bytes, size_t begin, size_t bytes) {
    if (begin > PTRDIFF_MAX || bytes > PTRDIFF_MAX - begin) {
        return rep_fail(REP_ERR_MEMORY,
                        "memory plan: more than %zu MiB, which this machine cannot address; use a "
                        "smaller batch, picture or net",
                        (size_t)PTRDIFF_MAX >> 20);
    }
    if (begin + bytes > *region_bytes) { *region_bytes = begin + bytes; }
    return REP_OK;
}

static rep_status place_work(rep_plan *plan, struct life *lives, struct life *placed) {
    qsort(lives, plan->tensor_count, sizeof *lives, by_size);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->tensor_count && lives[i].bytes; i++) {
        const size_t offset = find_gap(plan, placed, count, &lives[i]);
        plan->offset[lives[i].id] = offset;
        REP_TRY(extend(&plan->region_bytes[REP_WORK], offset, lives[i].bytes));
        plan->unplanned_bytes += lives[i].bytes;
        uint32_t at = count++;
        for (; at > 0 && plan->offset[placed[at - 1].id] > offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = lives[i];
    }
    return REP_OK;
}

/* Lives of all work tensors; a kept tensor lives to the end. */
static void find_lives(const rep_graph *graph, struct life *lives, size_t real_bytes) {
    for (rep_id id = 0; id < graph->tensor_count; id++) {
        lives[id] = (struct life){.id = id, .first = REP_NO_NODE, .last = 0};
    }
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        for (uint32_t i = 0; i < node->in_count; i++) {
            touch(lives, rep_graph_root(graph, node->in[i]), n);
        }
        for (uint32_t o = 0; o < node->out_count; o++) {
            touch(lives, rep_graph_root(graph, node->out[o]), n);
        }
    }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->region != REP_WORK || tensor->block || lives[id].first == REP_NO_NODE) {
            lives[id].bytes = 0;
            continue;
        }
        lives[id].bytes = tensor_bytes(tensor, real_bytes);
    }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].is_kept) {
            lives[rep_graph_root(graph, id)].last = graph->node_count;
        }
    }
    lives[0].bytes = 0;
}

static rep_status share_state(rep_plan *plan, const rep_graph *graph, rep_id id,
                              const rep_plan *base, const rep_graph *base_graph,
                              const char *prefix) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", prefix ? prefix : "", graph->tensors[id].name);
    rep_id other = rep_graph_find(base_graph, name);
    /* A tensor outside the average (a constant scale, a counter) is the base's own. */
    if (!other && prefix) { other = rep_graph_find(base_graph, graph->tensors[id].name); }
    if (!other || base_graph->tensors[other].region != REP_STATE ||
        !rep_shape_equal(base_graph->tensors[other].shape, graph->tensors[id].shape)) {
        return rep_fail(REP_ERR_SHAPE, "%s: the program whose state is shared has no such tensor",
                        name);
    }
    plan->offset[id] = base->offset[other];
    plan->is_shared[id] = true;
    return REP_OK;
}

static rep_status place_fixed(rep_plan *plan, const rep_graph *graph, size_t real_bytes,
                              const rep_plan *base, const rep_graph *base_graph,
                              const char *prefix) {
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->block || tensor->region == REP_WORK) { continue; }
        if (tensor->region == REP_STATE && base) {
            REP_TRY(share_state(plan, graph, id, base, base_graph, prefix));
            continue;
        }
        plan->offset[id] = plan->region_bytes[tensor->region];
        REP_TRY(extend(&plan->region_bytes[tensor->region], plan->offset[id],
                       tensor_bytes(tensor, real_bytes)));
    }
    return REP_OK;
}

rep_status rep_plan_create(rep_plan **out, const rep_graph *graph, size_t real_bytes,
                           const rep_plan *base, const rep_graph *base_graph, const char *prefix) {
    const uint32_t count = graph->tensor_count;
    rep_plan *plan = calloc(1, sizeof *plan);
    struct life *lives = calloc(2 * (size_t)count, sizeof *lives);
    rep_id *shares = calloc(count, sizeof *shares);
    rep_status status = REP_OK;
    if (plan) {
        plan->tensor_count = count;
        plan->offset = calloc(count, sizeof *plan->offset);
        plan->is_shared = calloc(count, sizeof *plan->is_shared);
    }
    if (!plan || !lives || !shares || !plan->offset || !plan->is_shared) {
        status = rep_fail(REP_ERR_MEMORY, "memory plan: out of memory");
        goto done;
    }
    status = place_fixed(plan, graph, real_bytes, base, base_graph, prefix);
    if (status != REP_OK) { goto done; }
    find_lives(graph, lives, real_bytes);
    join_aliases(graph, lives, shares);
    status = place_work(plan, lives, lives + count);
    if (status != REP_OK) { goto done; }
    for (rep_id id = 1; id < count; id++) {
        rep_id owner = id;
        while (shares[owner]) { owner = shares[owner]; }
        plan->offset[id] = plan->offset[owner];
    }
    for (rep_id id = 1; id < count; id++) {
        size_t inside = 0;
        rep_id root = id;
        for (; graph->tensors[root].block; root = graph->tensors[root].block) {
            inside += graph->tensors[root].offset;
        }
        if (root == id) { continue; }
        plan->offset[id] =
            plan->offset[root] + inside * rep_dtype_bytes(graph->tensors[id].dtype, real_bytes);
        plan->is_shared[id] = plan->is_shared[root];
    }
done:
    free(lives);
    free(shares);
    if (status != REP_OK) {
        rep_plan_destroy(plan);
        return status;
    }
    *out = plan;
    return REP_OK;
}

void rep_plan_destroy(rep_plan *plan) {
    if (!plan) { return; }
    free(plan->offset);
    free(plan->is_shared);
    free(plan);
}
