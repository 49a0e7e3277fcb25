/* drawn_figures.c - arrow, house and fish: outlines, parts, and which corners are keypoints.
 *
 * Vertices are in 1/127 of the radius, y downwards. The keypoints are sharp corners of the outline,
 * so that anybody would put them in the same place. Sigmas are chosen, not measured: of the size of
 * COCO's shoulders and hips, smaller for the corner that leads each figure. */
#include "data/drawn_scene.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define PART(list, tone)                                                                           \
    { list, COUNT(list), tone }

/* Points up; its tail is notched, so that it cannot be taken for a house. */
static const int8_t arrow[][2] = {{0, -124}, {94, -26},  {40, -26},  {48, 118},
                                  {0, 88},   {-48, 118}, {-40, -26}, {-94, -26}};
static const int8_t arrow_head[][2] = {{0, -84}, {46, -38}, {-46, -38}};
static const int8_t arrow_band[][2] = {{43, 26}, {45, 62}, {0, 34}, {-45, 62}, {-43, 26}, {0, -2}};
static const rep_figure_part arrow_parts[] = {PART(arrow_head, 0.45f), PART(arrow_band, -0.4f)};

static const int8_t house[][2] = {{0, -118},  {112, -18}, {80, -18},  {80, 100},
                                  {-80, 100}, {-80, -18}, {-112, -18}};
static const int8_t house_roof[][2] = {{0, -118}, {112, -18}, {-112, -18}};
static const int8_t house_door[][2] = {{20, 100}, {20, 34}, {-20, 34}, {-20, 100}};
static const int8_t house_left[][2] = {{-36, 4}, {-36, 40}, {-66, 40}, {-66, 4}};
static const int8_t house_right[][2] = {{66, 4}, {66, 40}, {36, 40}, {36, 4}};
static const int8_t house_round[][2] = {{0, -74}, {13, -69},  {18, -56},  {13, -43},
                                        {0, -38}, {-13, -43}, {-18, -56}, {-13, -69}};
static const rep_figure_part house_parts[] = {PART(house_roof, -0.45f), PART(house_door, -0.6f),
                                              PART(house_left, 0.7f), PART(house_right, 0.7f),
                                              PART(house_round, 0.5f)};

/* Swims to the right, its larger fin above. */
static const int8_t fish[][2] = {{124, 4},   {104, -24}, {74, -46},  {40, -56},   {-14, -112},
                                 {-32, -46}, {-62, -18}, {-86, -56}, {-120, -72}, {-106, 0},
                                 {-120, 72}, {-86, 56},  {-62, 18},  {-32, 44},   {-12, 54},
                                 {-16, 100}, {36, 58},   {74, 48},   {104, 28}};
static const int8_t fish_fin[][2] = {{34, -50}, {-10, -94}, {-26, -46}, {0, -36}};
static const int8_t fish_front[][2] = {{50, -54}, {34, -57}, {22, -30}, {18, 0}, {22, 30},
                                       {34, 58},  {50, 55},  {38, 28},  {34, 0}, {38, -28}};
static const int8_t fish_back[][2] = {{-22, -49}, {-36, -43}, {-42, 0}, {-36, 42},
                                      {-22, 49},  {-28, 24},  {-30, 0}, {-28, -24}};
static const int8_t fish_eye[][2] = {{80, -32}, {90, -28}, {94, -18}, {90, -8},
                                     {80, -4},  {70, -8},  {66, -18}, {70, -28}};
static const int8_t fish_pupil[][2] = {{82, -25}, {87, -23}, {89, -18}, {87, -13},
                                       {82, -11}, {77, -13}, {75, -18}, {77, -23}};
static const rep_figure_part fish_parts[] = {PART(fish_fin, -0.35f), PART(fish_front, 0.45f),
                                             PART(fish_back, -0.45f), PART(fish_eye, 1),
                                             PART(fish_pupil, -1)};

const rep_figure_class rep_figure_classes[REP_FIGURE_CLASSES] = {
    {.name = "arrow",
     .vertices = arrow,
     .count = COUNT(arrow),
     .parts = arrow_parts,
     .part_count = COUNT(arrow_parts),
     .keypoints = {"tip", "left_barb", "right_barb", "left_tail", "right_tail"},
     .corners = {0, 7, 1, 5, 3},
     .sigmas = {0.07, 0.09, 0.09, 0.09, 0.09},
     .tilt = 0.5f},
    {.name = "house",
     .vertices = house,
     .count = COUNT(house),
     .parts = house_parts,
     .part_count = COUNT(house_parts),
     .keypoints = {"ridge", "left_eave", "right_eave", "left_base", "right_base"},
     .corners = {0, 6, 1, 4, 3},
     .sigmas = {0.07, 0.09, 0.09, 0.09, 0.09},
     .tilt = 0.07f},
    {.name = "fish",
     .vertices = fish,
     .count = COUNT(fish),
     .parts = fish_parts,
     .part_count = COUNT(fish_parts),
     .keypoints = {"nose", "upper_fin", "lower_fin", "upper_tail", "lower_tail"},
     .corners = {0, 4, 15, 8, 10},
     .sigmas = {0.07, 0.09, 0.09, 0.09, 0.09},
     .tilt = 0.1f,
     .is_mirrored = true},
};
