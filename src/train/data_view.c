/* data_view.c - the data of a detector's configuration, for who wants to look at them. */
#include "train/train.h"

static rep_status check_body(const rep_values *v) {
    rep_body body;
    REP_TRY(rep_body_from_config(&body, v));
    if (body == REP_BODY_YUMIN) { return REP_OK; }
    return rep_fail(REP_ERR_CONFIG,
                    "MODEL.BACKBONE.CONV_BODY: %s is a classifier, and only a detector's data are "
                    "shown; give a detector's configuration such as configs/fcos/bccd_sgd.yaml",
                    v->model_backbone_conv_body);
}

static rep_status open_and_visit(rep_detection_set **train, rep_detection_set **test,
                                 const rep_values *v,
                                 rep_status (*visit)(void *context, const rep_data_view *view),
                                 void *context) {
    rep_detection_setup setup;
    rep_detection_loader *loader = NULL;
    REP_TRY(rep_setup_detection_set(train, v, true));
    if (v->datasets_test.count > 0) { REP_TRY(rep_setup_detection_set(test, v, false)); }
    REP_TRY(rep_setup_detection(&setup, v, true));
    setup.options.is_bad_skipped = true;
    REP_TRY(rep_detection_loader_create(&loader, *train, &setup.options));
    const rep_data_view view = {
        .train = *train, .test = *test, .options = &setup.options, .loader = loader};
    const rep_status status = visit(context, &view);
    rep_detection_loader_destroy(loader);
    return status;
}

rep_status rep_data_visit(const rep_config *config,
                          rep_status (*visit)(void *context, const rep_data_view *view),
                          void *context) {
    const rep_values *v = rep_config_values(config);
    rep_detection_set *train = NULL, *test = NULL;
    REP_TRY(check_body(v));
    const rep_status status = open_and_visit(&train, &test, v, visit, context);
    rep_detection_set_close(test);
    rep_detection_set_close(train);
    return status;
}
