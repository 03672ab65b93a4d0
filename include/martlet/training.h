/*
 * martlet/training.h - training: section 13 of martlet.h, which includes it.
 */
#include "../martlet.h"

#ifndef MARTLET_TRAINING_H
#define MARTLET_TRAINING_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 13. Training
 *
 * What a model of section 12 is trained for, the calls that train, evaluate and predict, and what can be read and set between
 * them. What is said there of every function holds here.
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_LOSS_CROSS_ENTROPY 1        /* -log p[label], or -sum t log p over targets t */
#define MARTLET_LOSS_NLL 2                  /* -x[label]: the output holds log-probabilities */
#define MARTLET_LOSS_BINARY_CROSS_ENTROPY 3 /* mean of -t log p - (1 - t) log(1 - p) */
#define MARTLET_LOSS_MSE 4                  /* mean of (x - t)^2 */
#define MARTLET_LOSS_MAE 5                  /* mean of |x - t| */
#define MARTLET_LOSS_HUBER 6                /* mean of d^2 / 2 where d = |x - t| <= delta, else delta (d - delta / 2) */
#define MARTLET_LOSS_KL_DIVERGENCE 7        /* sum t log(t / x) of each row, both kept within 1e-7 and 1 */
#define MARTLET_LOSS_HINGE 8                /* mean of max(1 - t x, 0), t = -1 or 1; a t of 0 counts as -1 */
#define MARTLET_LOSS_LOG_COSH 9             /* mean of log cosh(x - t) */
#define MARTLET_LOSS_POISSON 10             /* mean of x - t log(x + 1e-7) */
#define MARTLET_LOSS_COSINE 11              /* minus the cosine between each row and its targets, no length under 1e-6 */

/* Cross-entropies whose terms count less the nearer they are to right (Lin, Goyal, Girshick, He, Dollar, 2017), for labels
 * or targets as those have them. */
#define MARTLET_LOSS_FOCAL 12        /* sum of -alpha t (1 - p)^gamma log p over each row */
#define MARTLET_LOSS_BINARY_FOCAL 13 /* mean of a u^gamma times BINARY_CROSS_ENTROPY's, where u = t (1 - p) + (1 - t) p and
                                        a = t alpha + (1 - t)(1 - alpha), 1 where alpha is negative */

/* What the output is to a cross-entropy, or a focal loss. Where that is probabilities which a softmax gives under
 * CROSS_ENTROPY or FOCAL, or a sigmoid under BINARY_CROSS_ENTROPY or BINARY_FOCAL, the loss is worked out together
 * with the activation, from what that is applied to: it has no bounds then, and its gradient, p - t of a
 * cross-entropy, never vanishes however far a wrong answer leads. So it is for an activation of a layer as for one
 * by itself, also with FLATTEN, RESHAPE, a linear ACTIVATION or a DROPOUT of rate 0 behind it; a row of the loss
 * must be a row of the softmax, or a part of one. Predictions and metrics are of the probabilities. */
#define MARTLET_FROM_AUTO 0          /* probabilities where the last layer's activation is softmax or sigmoid, else
                                        logits; pools, FLATTEN, RESHAPE, PERMUTE, DROPOUT and a linear
                                        ACTIVATION behind it do not count. Nodes that are put together, by ADD or
                                        CONCATENATE, are logits */
#define MARTLET_FROM_LOGITS 1
#define MARTLET_FROM_PROBABILITIES 2 /* any others than those are divided by their sum, and kept within 1e-7 of 0 and
                                        1, where the gradient is 0, as Keras does */

/* Metrics, by number: the place of a metric's number in metrics[], and, as 1u << n, its bit in martlet_training.metrics.
 * Those that say "yes" are of outputs that each say yes or no: all of BINARY_CROSS_ENTROPY, BINARY_FOCAL and HINGE, counted
 * together, and of other losses where the last size is 1. Such an output says yes over 1/2, over 0 for logits and HINGE. */
#define MARTLET_METRIC_ACCURACY 0     /* in each row, the last size, the largest output is the label's, or where the
                                         largest target is; where outputs say yes: that they are right */
#define MARTLET_METRIC_TOP_ACCURACY 1 /* the label is among the `top` largest of its row */
#define MARTLET_METRIC_MSE 2          /* this and the next three take targets; labels are an error (TYPE) */
#define MARTLET_METRIC_MAE 3
#define MARTLET_METRIC_RMSE 4         /* the square root of MSE, over all samples */
#define MARTLET_METRIC_R2 5           /* the mean over the output's elements of 1 - (sum of squared errors) / (sum of squares
                                         around the mean), as scikit-learn's r2_score */
#define MARTLET_METRIC_PRECISION 6    /* of the answers of a class, how many are right; of recall's, how many of those that
                                         should be; F1 is the harmonic mean. Of yes, where outputs say that, else the mean over
                                         all classes that were said or right, scikit-learn's "macro"; 0 of none. Up to 1024
                                         classes (UNSUPPORTED). See martlet_model_confusion_get */
#define MARTLET_METRIC_RECALL 7
#define MARTLET_METRIC_F1 8
#define MARTLET_METRIC_AUC 9          /* the area under the ROC curve of outputs that say yes, exact: all answers of a walk are
                                         kept, 8 bytes each. NaN where one kind is missing. ARGUMENT for other outputs */
#define MARTLET_METRIC_PERPLEXITY 10  /* e to the loss of CROSS_ENTROPY or NLL (ARGUMENT: another) */
#define MARTLET_METRIC_COUNT 11
#define MARTLET_METRIC_ROOM 16        /* numbers in metrics[]; those behind the last metric are NaN */

/* A metric's name, as "top_accuracy"; NULL for a number that is none. Valid for ever. Since 0.1. */
const char *martlet_metric_name(int32_t metric);

/* What an output is trained for: one for each of the model's outputs, one after another, all of one struct_size. Of
 * batch_size and state_dtype the first one's count. A from, label_smoothing, delta, gamma or alpha that the loss does not read
 * is an error where it differs from its default (ARGUMENT); top without its metric is passed over. */
typedef struct martlet_training {
    uint32_t struct_size;
    int32_t loss;           /* MARTLET_LOSS_... */
    int32_t from;           /* of cross-entropies and focal losses. Default MARTLET_FROM_AUTO */
    uint32_t metrics;       /* 1u << MARTLET_METRIC_ACCURACY, ... or 0 */
    int64_t batch_size;     /* samples in a training step, 1 to 2^31; smaller batches use the memory planned for
                               it, a larger one plans anew, and only then gives the old plan's back.
                               Default 32 */
    int32_t top;            /* of MARTLET_METRIC_TOP_ACCURACY. Default 5 */
    int32_t state_dtype;    /* what moments are kept in: MARTLET_FP32, the default, MARTLET_BF16 or MARTLET_FP16; or
                               MARTLET_FLOAT16, MARTLET_FLOAT8 and MARTLET_FLOAT4, by which each slot has its type of
                               16, 8 or 4 bits (martlet_slot_get) where it has one: in views of 4,096 elements or more, and where an
                               algorithm sees whole parameters, of rows of a multiple of 256. Each such view then is a
                               parameter by itself. What must be exact is kept in fp32 in any case */
    double label_smoothing; /* 0 <= s < 1, of cross-entropies and focal losses: targets become (1 - s) t + s / classes
                               (s / 2 for the binary one). Default 0 */
    double delta;           /* of MARTLET_LOSS_HUBER, more than 0. Default 1 */
    double gamma;           /* of focal losses, 0 to 100. Default 2 */
    double alpha;           /* of FOCAL, 0 or more: default 0.25; of BINARY_FOCAL, 0 to 1, or negative for none: default -1 */
    double weight;          /* what the output's loss is multiplied by in the sum of all, 0 or more. Default 1 */
} martlet_training;

/* Fills *out_training with a loss's defaults; writes struct_size bytes. Fails with NULL, STRUCT and
 * ARGUMENT. Since 0.1. */
martlet_status martlet_training_init(martlet_training *out_training, size_t struct_size, int32_t loss);

/* Makes the model ready to train: parameters are made if there are none yet, moments start at zero, and
 * memory for batches is planned once. optimizer: NULL for Adam with its defaults; a Schedule-Free one has a beta1, or
 * momentum, of 2^-24 or more (ARGUMENT), here and in martlet_model_set. May be called again.
 * Fails with NULL, STRUCT, ARGUMENT, SHAPE, UNSUPPORTED (a field of optimizer; an output of a sequence with hidden steps and
 * states behind it), ORDER (no layer) and MEMORY.
 * Since 0.1. */
martlet_status martlet_model_compile(martlet_model *model, const martlet_training *training,
                                     const martlet_config *optimizer);

/* The same with several groups of parameters, each with an algorithm and hyperparameters of its own: Muon for kernels of
 * hidden layers with AdamW for the rest, no decay on biases, rates by layer.
 *
 *     martlet_config groups[2];
 *     martlet_config_init(&groups[0], sizeof groups[0], MARTLET_MUON);
 *     martlet_config_init(&groups[1], sizeof groups[1], MARTLET_ADAMW);
 *     int32_t view_groups[16]; // no fewer than the model has views
 *     int64_t count = 0;
 *     martlet_model_view_count(model, &count, MARTLET_BUFFER_PARAMETERS);
 *     for (int64_t k = 0; k < count && k < 16; k++) {
 *         martlet_view view;
 *         martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, k);
 *         view_groups[k] = view.rank < 2; // 1, AdamW, for biases
 *     }
 *     martlet_training training;
 *     martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY);
 *     martlet_model_groups_compile(model, &training, groups, 2, view_groups, count);
 *
 * groups        group_count configs, 1 to 1024, one after another, all of one struct_size
 * view_groups   a group for each view of the parameters, in the order of martlet_model_view_get; view_count of them
 *
 * Where an algorithm steps element by element, neighbouring views of a group are stepped as one; else each is a parameter
 * by itself. To Adam-mini, and to one that steps matrices alone, as Muon, a kernel is a matrix of as many rows as there
 * are outputs, its last size, and all its inputs as columns, so that scales and blocks go by outputs; its moments lie so in
 * files.
 * Fails as martlet_model_compile does, with ARGUMENT for a count or a group out of range, and with SHAPE, which names the
 * view, for one that its group's algorithm does not step, as a bias is to Muon. Since 0.1. */
martlet_status martlet_model_groups_compile(martlet_model *model, const martlet_training *training,
                                            const martlet_config *groups, int64_t group_count,
                                            const int32_t *view_groups, int64_t view_count);

/* Borrows an array of all parameters' count, contiguous and of rank 0, in fp32, bf16 or fp16, until compile, reset, destroy
 * or another call: behind each training step that steps them it has the parameters, rounded, at the places that they have
 * in their buffer, for who uses them in that type. NULL ends that. Schedule-Free's are those where gradients are taken. Files
 * have no copies. Fails with NULL, TYPE, SHAPE, ALIGNMENT, OVERLAP (the model's parameters, gradients or statistics),
 * UNSUPPORTED, STRUCT, ORDER before compile, and MEMORY, after which there is no copy. Since 0.1. */
martlet_status martlet_model_copy_set(martlet_model *model, const martlet_array *copy);

/* What training or evaluating gave: means over all samples looked at. */
typedef struct martlet_result {
    uint32_t struct_size;
    int32_t epochs;      /* finished: all samples of each were trained on */
    int64_t batches;     /* of the last epoch */
    int64_t samples;     /* of the last epoch */
    double loss;         /* of the last epoch, the weighted sum of all outputs', and what layers add: each batch's as it
                            was before its step */
    double validation_loss; /* after the last epoch; NaN without validation data, and where that epoch was stopped. So
                               are validation_metrics */
    double metrics[MARTLET_METRIC_ROOM]; /* the first output's, by MARTLET_METRIC_...; NaN where not asked for */
    double validation_metrics[MARTLET_METRIC_ROOM];
} martlet_result;

/* Sets struct_size and NaN or 0 in the rest. Fails with NULL and STRUCT. Since 0.1. */
martlet_status martlet_result_init(martlet_result *out_result, size_t struct_size);

/* The loss, without its weight and what layers add, and the metrics of one output: of the training under way, or the last,
 * and of the last evaluation, by martlet_model_evaluate or of fit's validation data. */
typedef struct martlet_score {
    uint32_t struct_size;
    int32_t reserved;
    double loss;
    double evaluation_loss;
    double metrics[MARTLET_METRIC_ROOM];
    double evaluation_metrics[MARTLET_METRIC_ROOM];
} martlet_score;

/* NaN before the first. Writes struct_size bytes. Fails with NULL, STRUCT, ARGUMENT (no such output), and ORDER before
 * compile. Since 0.1. */
martlet_status martlet_model_score_get(martlet_model *model, martlet_score *out_score, size_t struct_size,
                                       int32_t output);

/* The confusion matrix of the same training or evaluation: how often each class was taken for each, in classes x classes
 * numbers, a row for each class that was right and a column for each that was said; 2 x 2, no before yes, where outputs say
 * yes. mode: MARTLET_TRAINING or MARTLET_EVALUATION; count: all of them (SHAPE). Fails with NULL, ARGUMENT (no such output or
 * mode), ORDER (before compile, and without the metric PRECISION, RECALL or F1, which count) too. Since 0.1. */
martlet_status martlet_model_confusion_get(martlet_model *model, int64_t *out_counts, int64_t count, int32_t output,
                                           int32_t mode);

/* From keeps = 1 on, each martlet_model_train and _differentiate (mode MARTLET_TRAINING), or each martlet_model_evaluate
 * (MARTLET_EVALUATION), adds to one tally, which begins empty: its result, and martlet_model_score_get's, is of all samples
 * since. AUC is worked out by the latter alone, as it sorts all answers. 0, the default: each call's own; so are those of each
 * epoch of fit, which sets it. Fails with ARGUMENT (other numbers), and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_tally_set(martlet_model *model, int32_t mode, int32_t keeps);

/* One training step on one batch.
 *
 * out_result   NULL, or a result with struct_size set; filled on success
 * x            an array for each input, in the order of their nodes: the samples, contiguous; rank 0, or the number of samples
 *              and then the input's sizes. FP32, or UINT8, of which each batch is made fp32; of an input that an EMBEDDING
 *              reads INT32, INT64 or UINT8, each 0 or more and less than its vocabulary (ARGUMENT)
 * y            an array for each output: what they should give, contiguous: INT32, INT64 or UINT8 labels, one for each
 *              row of the output, which is its last size, of 2^31 - 1 classes at most (CROSS_ENTROPY, NLL and FOCAL;
 *              also BINARY_CROSS_ENTROPY, BINARY_FOCAL and HINGE of one output); with a rank, the first size is the number
 *              of samples. Or fp32 targets: rank 0, or the number of samples and then the output's sizes
 * rows         row_count samples that make up the batch, in this order; NULL and 0: all samples of x
 *
 * The loss is the mean over all rows of the batch, and its gradient is what the step follows. NaN and
 * infinities in x and in targets are taken as they come, here and in fit, evaluate and predict: that is
 * chosen, since to look for them is another pass over all samples. One of them can make the loss and every
 * parameter NaN; a loss that is not finite is no error: look at out_result, or at the samples before.
 * Fails with NULL, STRUCT, TYPE, SHAPE (no sample, x and y do not fit), ALIGNMENT, OVERLAP (x, y or rows with
 * the model's parameters, gradients or statistics, which the step writes), UNSUPPORTED (an array's scales;
 * labels of more classes), ARGUMENT (a label or row out of range), ORDER (not compiled) and MEMORY; then
 * nothing has changed. Since 0.1. */
martlet_status martlet_model_train(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                   const martlet_array *y, const int64_t *rows, int64_t row_count);

/* The two halves of a training step, for what comes between them: gradients that are added up over processes
 * (Examples/C/mpi_model.c), or changed. martlet_model_train is the first with the second behind it, to the bit.
 *
 * The first leaves the gradients of the batch's mean loss in MARTLET_BUFFER_GRADIENTS, in place of what was there, and
 * moves moving means and variances as training does; parameters stay. Dropout draws by the steps taken, so that a second
 * call before the step draws the same. Arguments and errors are those of martlet_model_train. Since 0.1. */
martlet_status martlet_model_differentiate(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                           const martlet_array *y, const int64_t *rows, int64_t row_count);
/* The second steps parameters by what then stands in that buffer: sums of other processes' gradients, or whatever
 * the caller wrote there. Zeros after compile. Fails with ORDER (not compiled), ARGUMENT (2^63 - 1 steps are taken)
 * and MEMORY; then nothing has changed. Since 0.1. */
martlet_status martlet_model_step(martlet_model *model);

/* A batch forward and backward around a loss of the caller's own.
 *
 * The first writes the outputs of a batch as training computes them, with dropout by the steps taken and by the batch's own
 * statistics, which move, and keeps what the way back needs, the samples too, in memory of its own. The batch waits until
 * it has gone back or a step is taken, by whichever function, or another takes its place; compile, reset and load forget it.
 *
 * out_result   NULL, or a result with struct_size set; filled on success: with NaN and zeros without y
 * out          out_count floats: the batch's samples times the output's elements, of each output
 * y            NULL, or an array for each output, as martlet_model_train's: what they should give by the losses that the model
 *              is compiled for, which are then a part of what is gone back from. One with a count of 0: not that output's
 * weights      NULL, or as in martlet_model_weighted_train, for these losses (ARGUMENT: without y)
 *
 * x, rows and row_count are martlet_model_train's. Fails as that does, and with OVERLAP (out with x, y, weights, or the model's
 * parameters, statistics or gradients); then nothing has changed but the mode (martlet_model_mode_set), and a batch that
 * waited does so still, but after STOPPED (martlet_model_own_set). Since 0.1. */
martlet_status martlet_model_forward(martlet_model *model, martlet_result *out_result, float *out, int64_t out_count,
                                     const martlet_array *x, const martlet_array *y, const martlet_array *weights,
                                     const int64_t *rows, int64_t row_count);
/* The second takes slopes, what the loss changes by with each of those outputs, as they lie in out: with probabilities, where
 * a softmax or a sigmoid gives them, whatever loss the model is compiled for. It leaves the gradients of parameters in
 * MARTLET_BUFFER_GRADIENTS, in place of what was there, with those of y's losses and of what layers add, for
 * martlet_model_step.
 *
 * input_slopes   NULL, or an fp32 array for each input, in which the slopes by its samples are written: zeros where no output
 *                depends on them. One with a count of 0 is left alone, as that of an input of an EMBEDDING must be (ARGUMENT)
 *
 * Fails with NULL, TYPE, SHAPE (slope_count, or an array's), ALIGNMENT, OVERLAP (arrays with one another, slopes, or the
 * model's memory), STRUCT, UNSUPPORTED, ORDER (not compiled, or no batch waits) and MEMORY; then nothing has changed but the
 * mode. Since 0.1. */
martlet_status martlet_model_backward(martlet_model *model, const float *slopes, int64_t slope_count,
                                      const martlet_array *input_slopes);

/* martlet_model_train with samples that count more or less.
 *
 * weights     an fp32 number for each sample of x, finite and 0 or more (ARGUMENT), of rank 0 or 1: what its loss, all rows of
 *             it, and that of its gradient is multiplied by, of every output; or one for each sample and output, of rank 0 or
 *             2: samples x outputs. The mean is that of all samples still, as Keras has it: it is not
 *             divided by the weights' sum. A sample that weighs 0 counts 0, also where its target is NaN; metrics know no
 *             weights. NULL: ones
 *
 * Since 0.1. */
martlet_status martlet_model_weighted_train(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                            const martlet_array *y, const martlet_array *weights, const int64_t *rows,
                                            int64_t row_count);

typedef struct martlet_progress {
    uint32_t struct_size;
    int32_t epoch;    /* from 0 */
    int32_t epochs;   /* asked for; 1 in evaluate and predict */
    int32_t reserved;
    int64_t batch;    /* batches done in this epoch, 1 or more */
    int64_t batches;  /* in an epoch */
    int64_t samples;  /* done in this epoch */
    double loss;      /* mean over this epoch's samples so far; NaN in predict */
    double accuracy;  /* the same, of the first output; NaN where not asked for */
    double seconds;   /* since the call */
} martlet_progress;

/* Flags of a loop. */
#define MARTLET_KEEP_ORDER 1u /* fit: samples in their own order; else shuffled anew in each epoch */

/* How fit, evaluate and predict walk over their samples. martlet_loop_init sets the defaults. */
typedef struct martlet_loop {
    uint32_t struct_size;
    uint32_t flags;
    int64_t epochs;     /* fit. Default 1 */
    int64_t batch_size; /* 0, the default: that of compile (32 before it) */
    /* Called after each batch, on the calling thread, with struct_size set; NULL: not called. Nonzero ends the
     * call with MARTLET_STOPPED. Inside it this thread may call the functions of this model that get, count,
     * predict and save, and no other of this model's. It must return: nothing may be thrown out of it, nor may it
     * jump (longjmp). What C++ wants to throw it keeps as a std::exception_ptr, returns nonzero, and throws
     * behind the call: Examples/C/schedule.cpp. */
    int32_t (*progress)(void *user, const martlet_progress *progress);
    void *user;
    const martlet_array *validation_x; /* fit: evaluated after each epoch; NULL, NULL: nothing is */
    const martlet_array *validation_y;
    const martlet_array *weights;      /* fit, evaluate: as in martlet_model_weighted_train; NULL: ones */
    const martlet_array *validation_weights;
} martlet_loop;

/* Fills *out_loop with the defaults; writes struct_size bytes. Fails with NULL and STRUCT. Since 0.1. */
martlet_status martlet_loop_init(martlet_loop *out_loop, size_t struct_size);

/* Trains for some epochs: shuffles, and steps batch by batch; the last batch of an epoch may be smaller. x and y
 * as in martlet_model_train, of any count of samples; loop: NULL for the defaults. out_result is also filled
 * on MARTLET_STOPPED; an epoch stopped at its last batch is finished, but not validated. Fits one after another
 * give the bits of one fit of all their epochs, so a schedule sets MARTLET_LR between them (martlet_model_set);
 * early stopping belongs in the progress function (Examples/C/stopping.c). Everything is checked before the first
 * step. Fails with NULL, STRUCT, TYPE, SHAPE, ALIGNMENT, OVERLAP (x, y or validation data with the model's
 * parameters, gradients or statistics), UNSUPPORTED, ARGUMENT (a label out of range, a field of loop), ORDER (not
 * compiled) and MEMORY. Since 0.1. */
martlet_status martlet_model_fit(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                 const martlet_array *y, const martlet_loop *loop);

/* Loss and metrics over all samples, nothing changed but the mode (martlet_model_mode_set) and what
 * martlet_model_score_get tells of the last evaluation. Arguments and errors as in martlet_model_fit, but that an array of y
 * whose count is 0 says that its output is not scored; of loop only batch_size and progress are used, and x and y may lie in
 * the model's buffers, which are only read. Since 0.1. */
martlet_status martlet_model_evaluate(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                      const martlet_array *y, const martlet_loop *loop);

/* The output of every sample: the same to the bit whatever batch the sample comes in, by itself or among others.
 *
 * out    out_count floats: samples times the output's elements, of each output; may not overlap x, nor the model's parameters
 *        and statistics (OVERLAP)
 * loop   as in martlet_model_evaluate
 *
 * Fails as martlet_model_fit does, and needs no compile; ORDER: there is no layer. Since 0.1. */
martlet_status martlet_model_predict(martlet_model *model, float *out, int64_t out_count, const martlet_array *x,
                                     const martlet_loop *loop);

/* Begins count sequences, 1 to 2^31, that a model of sequences is run along some steps at a time, as to sample from a language
 * model. What steps see of those before them, keys and values of attention and states of recurrent layers, is kept in memory
 * that is planned here for as many steps as the inputs have.
 *
 *     int32_t word = 0;
 *     float logits[65];
 *     martlet_array x = {&word, 1, MARTLET_INT32, 0, NULL, NULL, NULL, 0, 0, 0};
 *     martlet_model_sequence_reset(model, 1);
 *     for (int step = 0; step < 64; step++) {
 *         martlet_model_sequence_predict(model, logits, 65, &x);
 *         for (int k = word = 0; k < 65; k++) if (logits[k] > logits[word]) word = k;
 *         printf("%d\n", (int)word);
 *     }
 *
 * Layers are those of which each step gives what it does by itself: DENSE, TIED_DENSE, ACTIVATION, EMBEDDING, LAYER_NORM,
 * RMS_NORM, BATCH_NORM, NORMALIZATION, RESCALING, DROPOUT, GAUSSIAN_NOISE, MASKING, ADD, MULTIPLY, CONCATENATE of features; and
 * POSITION, ATTENTION with MARTLET_CAUSAL and without hidden steps, and LSTM, GRU and SIMPLE_RNN with MARTLET_RETURN_SEQUENCES,
 * none of MARTLET_GO_BACKWARDS and MARTLET_RETURN_STATE, and no states as inputs. Their states are zeros before the first step;
 * those that MARTLET_STATEFUL keeps are neither read nor moved. Fails with ARGUMENT, UNSUPPORTED (another layer, or
 * a softmax or norm along the steps), SHAPE (inputs of different lengths), MEMORY and ORDER (there is no layer); sequences that
 * were begun before go on then. Since 0.1. */
martlet_status martlet_model_sequence_reset(martlet_model *model, int64_t count);

/* The outputs at the next steps of the sequences, to the bit what martlet_model_predict gives there for the whole ones.
 * Allocates nothing. Steps that were read stay those of the weights of their time.
 *
 * out    out_count floats: of the first output sequences x steps x its elements at a step, then of the next; may not overlap
 *        x, nor the model's parameters and statistics (OVERLAP)
 * x      an array for each input, as in martlet_model_fit: of each sequence 1 or more steps, as many of each and no more
 *        than are left of the inputs'; in a model without POSITION and ATTENTION as many as these are in each call (SHAPE)
 *
 * Fails as martlet_model_predict does, and with ORDER where no sequences have been begun; they stay where they were then.
 * Since 0.1. */
martlet_status martlet_model_sequence_predict(martlet_model *model, float *out, int64_t out_count, const martlet_array *x);

/* Sets, or reads, a hyperparameter (MARTLET_LR, ...) of the model's optimizer: of group 0, where there are several.
 * MARTLET_LR moves those of all groups, as a schedule does: each is the share of group 0's that it was when the model was
 * compiled, or when one of the two was last set by martlet_model_group_set; where group 0's was 0 then, the others stay.
 * Fails with ARGUMENT, also for a group's rate that would be out of range, with ORDER before compile, and where it reads
 * with NULL. Since 0.1. */
martlet_status martlet_model_set(martlet_model *model, int32_t hyperparameter, double value);
martlet_status martlet_model_get(martlet_model *model, double *out_value, int32_t hyperparameter);

/* How many groups there are: 1 after martlet_model_compile. Fails with NULL, and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_group_count(martlet_model *model, int64_t *out_count);
/* Sets a hyperparameter of one group alone. Fails with ARGUMENT, and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_group_set(martlet_model *model, int32_t group, int32_t hyperparameter, double value);
/* The algorithm and hyperparameters of a group, as they are now; writes struct_size bytes. Fails with NULL, STRUCT,
 * ARGUMENT (no such group), and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_config_get(martlet_model *model, martlet_config *out_config, size_t struct_size,
                                        int32_t group);

/* Moves the parameters of a model whose optimizer is Schedule-Free to where gradients are taken (MARTLET_TRAINING) or to
 * the trained point (MARTLET_EVALUATION), which the way there and back changes by no more than rounding; others stay as
 * they are. Calls move them by themselves: train and fit begin in TRAINING; predict, evaluate, save and each epoch of fit
 * end in EVALUATION. This is for who reads or writes the parameters' buffer after martlet_model_train. Before compile
 * there is nothing to move. Fails with ARGUMENT (mode) and MEMORY. Since 0.1. */
martlet_status martlet_model_mode_set(martlet_model *model, int32_t mode);

/* Training steps done since compile. Fails with NULL, and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_step_get(martlet_model *model, int64_t *out_step);

/* The Euclidean norm of what stands in MARTLET_BUFFER_GRADIENTS; NaN before the first training step, or half of one, since
 * compile, reset or load, as a file holds no gradients. Fails with NULL, ORDER (not compiled) and MEMORY. Since 0.1. */
martlet_status martlet_model_grad_norm_get(martlet_model *model, double *out_norm);

/* What compile was told of an output, from 0. Writes struct_size bytes. Fails with NULL, STRUCT, ARGUMENT (no such output), and
 * ORDER before compile. Since 0.1. */
martlet_status martlet_model_training_get(martlet_model *model, martlet_training *out_training, size_t struct_size,
                                          int32_t output);
/* The order in which martlet_model_fit takes count samples in an epoch, for who walks over batches by martlet_model_train. The
 * bits are fit's where each epoch begins with the order of the number that martlet_model_epoch_get tells, which is then set to
 * one more, and train is given its rows, batch by batch.
 *
 * out_rows   count numbers, 0 to 2^40 of them: 0 to count - 1 in an order of the model's seed and the epoch's number, 0 or more
 *
 * Fails with NULL, ARGUMENT and MEMORY. Since 0.1. */
martlet_status martlet_model_order_get(martlet_model *model, int64_t *out_rows, int64_t count, int64_t epoch);
/* The epochs that have been begun since compile, by fit or as the second function says; files keep the count. The second fails
 * with ARGUMENT where it is less than 0, the first with NULL, and both with ORDER before compile. Since 0.1. */
martlet_status martlet_model_epoch_get(martlet_model *model, int64_t *out_epoch);
martlet_status martlet_model_epoch_set(martlet_model *model, int64_t epoch);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_TRAINING_H */
