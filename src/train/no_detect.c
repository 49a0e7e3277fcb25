/* no_detect.c - stands in for detect.c and what a detector's run consists of (eval_detect.c,
 * detection_setup.c, categories.c ...) in a build that cannot decode pictures. */
#include "train/detect.h"

static rep_status no_detector(void) {
    return rep_fail(REP_ERR_CONFIG,
                    "MODEL.BACKBONE.CONV_BODY: this build has no detector, because it cannot "
                    "decode pictures; take RepOpt-VGG, or a build with libjpeg and libpng");
}

static rep_status open_data(rep_task *task, unsigned parts) {
    (void)task;
    (void)parts;
    return no_detector();
}

static void close_data(rep_task *task) { (void)task; }

/* A task that does not open is asked for nothing else. */
const rep_task_class rep_detect = {.open = open_data, .close = close_data};

rep_status rep_categories_write(char **out, const rep_category *categories, size_t count) {
    (void)out;
    (void)categories;
    (void)count;
    return no_detector();
}
