/* verify_cases.h - what `verify` trains: every row is a layout, a kernel size and a recipe. */
#ifndef REP_TRAIN_VERIFY_CASES_H
#define REP_TRAIN_VERIFY_CASES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rep_twist {
    TWIST_NONE,
    TWIST_CONSTANT_IDENTITY, /* u is no parameter: no + 1 in the mask; exact without decay */
    TWIST_NO_MASK,           /* control */
    TWIST_PLAIN_CLIP,        /* control: the norm of the plain net's own gradient */
    TWIST_SIGNED_MASK,       /* control: the published AdamW mask on scales of both signs */
    TWIST_ABS_MASK           /* control: its correction, which forgets eps */
} rep_twist;

typedef enum rep_layout { PAIR, TRIPLE, NET } rep_layout;
static const char *const layout_names[] = {"pair", "triple", "net"};

/* How the two nets are trained. */
struct recipe {
    const char *label;
    bool is_adamw, nesterov;
    float momentum, dampening, weight_decay, clip_norm;
    rep_twist twist;
    bool is_control;
};
#define ADAMW .is_adamw = true, .weight_decay = 0.1f
#define NESTEROV .nesterov = true, .momentum = 0.9f
static const struct recipe plain = {.label = "SGD"};
static const struct recipe heavy = {
    .label = "SGD momentum decay", .momentum = 0.9f, .weight_decay = 0.1f};
static const struct recipe nesterov = {
    .label = "SGD nesterov decay", NESTEROV, .weight_decay = 0.1f};
static const struct recipe dampened = {
    .label = "SGD dampening decay", .momentum = 0.9f, .dampening = 0.1f, .weight_decay = 0.1f};
static const struct recipe clipped = {
    .label = "SGD nesterov decay clipping", NESTEROV, .weight_decay = 0.1f, .clip_norm = 0.5f};
static const struct recipe constant = {
    .label = "SGD nesterov, constant identity", NESTEROV, .twist = TWIST_CONSTANT_IDENTITY};
static const struct recipe adamw = {.label = "AdamW decay", ADAMW};
static const struct recipe adamw_clipped = {
    .label = "AdamW decay clipping", ADAMW, .clip_norm = 0.5f};
static const struct recipe adamw_constant = {
    .label = "AdamW, constant identity", .is_adamw = true, .twist = TWIST_CONSTANT_IDENTITY};

static const struct recipe no_mask = {.label = "SGD nesterov decay, no mask",
                                      NESTEROV,
                                      .weight_decay = 0.1f,
                                      .twist = TWIST_NO_MASK,
                                      .is_control = true};
static const struct recipe plain_clip = {.label = "SGD nesterov decay, plain clipping",
                                         NESTEROV,
                                         .weight_decay = 0.1f,
                                         .clip_norm = 2.0f,
                                         .twist = TWIST_PLAIN_CLIP,
                                         .is_control = true};
static const struct recipe decayed_constant = {.label = "SGD nesterov decay, constant identity",
                                               NESTEROV,
                                               .weight_decay = 0.1f,
                                               .twist = TWIST_CONSTANT_IDENTITY,
                                               .is_control = true};
static const struct recipe adamw_no_mask = {
    .label = "AdamW decay, no mask", ADAMW, .twist = TWIST_NO_MASK, .is_control = true};
static const struct recipe adamw_signed = {
    .label = "AdamW decay, signed mask", ADAMW, .twist = TWIST_SIGNED_MASK, .is_control = true};
static const struct recipe adamw_abs = {
    .label = "AdamW decay, abs mask", ADAMW, .twist = TWIST_ABS_MASK, .is_control = true};

struct variant {
    rep_layout layout;
    int32_t kernel;
    const struct recipe *recipe;
};
static const struct variant variants[] = {
    {PAIR, 3, &plain},
    {PAIR, 3, &heavy},
    {PAIR, 1, &nesterov},
    {PAIR, 3, &nesterov},
    {PAIR, 5, &nesterov},
    {PAIR, 3, &dampened},
    {TRIPLE, 3, &plain},
    {TRIPLE, 3, &heavy},
    {TRIPLE, 1, &nesterov},
    {TRIPLE, 3, &nesterov},
    {TRIPLE, 5, &nesterov},
    {TRIPLE, 3, &dampened},
    {TRIPLE, 3, &clipped},
    {TRIPLE, 3, &constant},
    {PAIR, 1, &adamw},
    {PAIR, 3, &adamw},
    {PAIR, 5, &adamw},
    {TRIPLE, 1, &adamw},
    {TRIPLE, 3, &adamw},
    {TRIPLE, 5, &adamw},
    {TRIPLE, 3, &adamw_clipped},
    {TRIPLE, 3, &adamw_constant},
    {NET, 3, &nesterov},
    {NET, 3, &adamw},
    {TRIPLE, 3, &no_mask},
    {TRIPLE, 3, &plain_clip},
    {TRIPLE, 3, &decayed_constant},
    {TRIPLE, 3, &adamw_no_mask},
    {TRIPLE, 3, &adamw_signed},
    {TRIPLE, 3, &adamw_abs},
};

#undef ADAMW
#undef NESTEROV

#endif
