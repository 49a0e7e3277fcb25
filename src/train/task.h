/* task.h - what a run trains: a network, the pictures it learns from, what its answers are worth.
 *
 * The step loop, checkpoints and optimizers are the same for all of them; what differs is behind
 * these functions: classify.c (a class per picture) and detect.c (boxes and keypoints).
 */
#ifndef REP_TRAIN_TASK_H
#define REP_TRAIN_TASK_H

#include "repopt/train.h"

enum { REP_TASK_SHAPES = 8 };

/* A training batch, as far as every task has it. Borrowed from the loader until the next one. */
typedef struct rep_task_batch {
    uint64_t index, epoch; /* number since the start of training; epoch number */
    int32_t valid;         /* pictures that count */
    const uint32_t *ids;   /* each picture's index in the data set */
    const float *images;   /* batch x height x width x channels */
    const int32_t *labels; /* a class per picture; NULL: the task has none */
    size_t shape;          /* of the pictures, which of the task's */
    const void *content;   /* the loader's own batch */
} rep_task_batch;

/* A network to build. */
typedef struct rep_task_net {
    rep_mode mode;
    bool is_training;
    bool is_reference; /* in full precision whatever DTYPE says */
    int32_t batch;
    size_t shape;
} rep_task_net;

typedef struct rep_task rep_task;
typedef struct rep_evaluator rep_evaluator;

/* A column of metrics.csv, and its name in the TensorBoard file. */
enum { REP_METRIC_COLUMNS = 12 };
typedef struct rep_metric_column {
    const char *name, *tag;
} rep_metric_column;

typedef enum rep_task_part {                     /* what of the data is opened */
                             REP_TASK_SHAPE = 0, /* what the net's input follows from, no more */
                             REP_TASK_TRAIN = 1,
                             REP_TASK_TEST = 2
} rep_task_part;

typedef struct rep_task_class {
    /* Fills a zeroed task for the given parts. After a failure it is closed as it is. */
    rep_status (*open)(rep_task *task, unsigned parts);
    void (*close)(rep_task *task);
    rep_status (*build)(const rep_task *task, rep_model **model, rep_graph *graph,
                        const rep_task_net *net);
    /* Starts the training loader behind the first so many batches. */
    rep_status (*start)(rep_task *task, uint64_t first_batch);
    rep_status (*next)(rep_task *task, rep_task_batch *out);
    /* The batch that `next` gives next; false when it is not made yet. */
    bool (*peek)(rep_task *task, rep_task_batch *out);
    /* Pictures and targets into a program of that shape. */
    rep_status (*write)(const rep_task *task, const rep_model *model, rep_program *program,
                        const rep_task_batch *batch);
    /* The task's columns known after every step of a program; NULL: there are none. */
    rep_status (*measure)(const rep_task *task, const rep_model *model, rep_program *program,
                          double *own);
    /* Those of an evaluation. */
    void (*tabulate)(const rep_task *task, const rep_eval_result *result, double *own);
    /* The test split on the device; as rep_evaluator_create. */
    rep_status (*evaluate)(rep_evaluator **out, const rep_task *task, rep_device *device,
                           rep_mode mode, rep_program *state_of, const char *prefix);
} rep_task_class;

struct rep_task {
    const rep_task_class *methods;
    const rep_values *values;
    const char *score;                /* what rep_eval_result.score is: "top-1" */
    const rep_metric_column *columns; /* at most REP_METRIC_COLUMNS */
    size_t column_count;
    const char *kind;   /* of the data set */
    size_t train_count; /* pictures; 0: not opened */
    bool has_test;      /* there is a test split, and it was opened */
    int32_t channels, class_count;
    const char *const *class_names; /* NULL: not opened */
    /* class_count of them, borrowed; NULL: classes are names and nothing else. */
    const rep_category *categories;
    bool is_folded;         /* the weights are a folded net's: evaluation nets have no BN */
    bool is_int8;           /* and in whole numbers: evaluation nets work in them (nn/int8.h) */
    const char *int8_layer; /* only this layer does; NULL: all */
    size_t shape_count;
    struct {
        int32_t height, width;
    } shapes[REP_TASK_SHAPES];
    void *state; /* its own */
};

/* task.c: the task of a configuration. */
REP_NODISCARD rep_status rep_task_open(rep_task **out, const rep_values *values, unsigned parts);
void rep_task_close(rep_task *task);
/* What MODEL.WEIGHT says of its net: sets is_folded and is_int8. Before a net is built to load it
 * into. */
REP_NODISCARD rep_status rep_task_look_at_weight(rep_task *task);
/* What `build` does at its end: a net of whole numbers becomes one. */
REP_NODISCARD rep_status rep_task_finish_net(const rep_task *task, rep_graph *graph);
/* setup.c: whether it computes in double precision. */
bool rep_setup_is_double(const rep_device *device);
/* MODEL.WEIGHT into an evaluator's programs, by its moving average where it has one. */
REP_NODISCARD rep_status rep_task_load_weight(const rep_task *task, rep_evaluator *evaluator,
                                              const rep_device *device);
extern const rep_task_class rep_classify, rep_detect;

/* ---- evaluation of a program's state over the test split ---------------------------------------
 */
typedef struct rep_evaluator_class {
    rep_status (*run)(rep_evaluator *evaluator, rep_eval_result *out,
                      const rep_train_options *options);
    void (*destroy)(rep_evaluator *evaluator);
    /* Class probabilities of pictures as the data set has them; NULL: the task has no classes. */
    rep_status (*predict)(rep_evaluator *evaluator, float *probabilities, const uint8_t *pixels,
                          size_t count);
} rep_evaluator_class;
struct rep_evaluator {
    const rep_evaluator_class *methods;
    rep_graph *graph; /* of the first shape; other programs share its state */
    rep_program *program;
};
/* Builds the evaluation program. With `state_of` (a training program) its state is shared, under
 * `prefix` ("ema." or NULL). */
REP_NODISCARD rep_status rep_evaluator_create(rep_evaluator **out, const rep_task *task,
                                              rep_device *device, rep_mode mode,
                                              rep_program *state_of, const char *prefix);
void rep_evaluator_destroy(rep_evaluator *evaluator);
/* Passes over the split once. Leaves with REP_ERR_INTERRUPTED when *options->stop becomes
 * non-zero; hands what it finds to options->on_prediction. */
REP_NODISCARD rep_status rep_evaluator_run(rep_evaluator *evaluator, rep_eval_result *out,
                                           const rep_train_options *options);

#endif
