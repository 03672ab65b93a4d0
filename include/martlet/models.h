/*
 * martlet/models.h - models: section 12 of martlet.h, which includes it.
 */
#include "../martlet.h"

#ifndef MARTLET_MODELS_H
#define MARTLET_MODELS_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 12. Models
 *
 *     const int64_t sizes[] = {784};
 *     martlet_model *model;
 *     martlet_model_create(&model, sizes, 1, seed);
 *     martlet_layer layer;
 *     martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE);
 *     layer.units = 64, layer.activation = MARTLET_ACTIVATION_RELU;
 *     martlet_model_add(model, &layer, NULL, 0, NULL);
 *     layer.units = 10, layer.activation = MARTLET_ACTIVATION_LINEAR;
 *     martlet_model_add(model, &layer, NULL, 0, NULL);
 *     martlet_training training;
 *     martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY);
 *     training.metrics = 1u << MARTLET_METRIC_ACCURACY;
 *     martlet_model_compile(model, &training, NULL);
 *     martlet_array x = {images, 60000 * 784, MARTLET_FP32, 0, NULL, NULL, NULL, 0, 0, 0};
 *     martlet_array y = {digits, 60000, MARTLET_UINT8, 0, NULL, NULL, NULL, 0, 0, 0};
 *     martlet_result result;
 *     martlet_result_init(&result, sizeof result);
 *     martlet_model_fit(model, &result, &x, &y, NULL);
 *     martlet_model_save(model, "digits.safetensors");
 *
 * A handle owns its parameters, their gradients, its statistics and its optimizer. As with optimizers,
 * its value is a token that is never given out twice. Beside the errors it names, every function here
 * answers HANDLE, BUSY and INTERRUPTED, ALIGNMENT for a misaligned pointer, and where it computes something
 * (load does), ARGUMENT for a wrong MARTLET_ISA or MARTLET_NUM_THREADS in the environment. The first call
 * that needs parameters, and succeeds, makes and initialises them: from then on no layer can be added (ORDER).
 *
 * Up to 1,023 threads may be in one model at once with calls that only read it: predict, mode_set to
 * MARTLET_EVALUATION, and whatever ends in _get and _count but score_get and confusion_get. Each gives the bits that it gives
 * alone, and predictions are computed beside one another, as far as there are cores. They have parameters and statistics in
 * common; each has memory of its own for the values of one batch, which the model keeps for the next, of up to 64 of them.
 * Other calls, evaluate among them, which keeps scores, are refused meanwhile, and refuse these (BUSY).
 *
 * The same seed, data and calls give the same bits for any thread count on one instruction set. Numbers
 * too small for the normal range count as zero. A training step allocates nothing once one of its thread
 * has been made.
 * ------------------------------------------------------------------------------------------------- */

typedef struct martlet_model martlet_model;

/* Makes a model of one node, the input, whose samples have these sizes (rank of them, 1 to 8). seed: of
 * initial values, dropout and the order of samples. Fails with NULL, SHAPE and MEMORY. Since 0.1. */
martlet_status martlet_model_create(martlet_model **out_model, const int64_t *sizes, int64_t rank, uint64_t seed);

/* Frees the model and what it owns. NULL is no error. Since 0.1. */
martlet_status martlet_model_destroy(martlet_model *model);

/* Forgets training: initial values, moments, counters and statistics are as in the beginning, also the mean
 * and factor of NORMALIZATION that were written into their buffer. What compile was told stays, and
 * hyperparameters stay as martlet_model_set left them. Fails with MEMORY. Since 0.1. */
martlet_status martlet_model_reset(martlet_model *model);

/* Adds a layer, or with MARTLET_LAYER_INPUT another input, of which there may be 16 with node 0.
 *
 * inputs      input_count nodes that it reads, any that were added before: two or more of ADD, MULTIPLY and CONCATENATE,
 *             none of INPUT, else one, or as many as its kind says; NULL and 0: the one added last
 * out_node    NULL, or receives its node's number
 *
 * The output is that of the layer added last; what it is not made of is not computed. A residual block:
 *
 *     martlet_layer dense, add;
 *     martlet_layer_init(&dense, sizeof dense, MARTLET_LAYER_DENSE);
 *     martlet_layer_init(&add, sizeof add, MARTLET_LAYER_ADD);
 *     dense.units = 64;
 *     int32_t both[2]; // two nodes of 64
 *     martlet_model_add(model, &dense, NULL, 0, &both[0]);
 *     martlet_model_add(model, &dense, NULL, 0, &both[1]);
 *     martlet_model_add(model, &add, both, 2, NULL);
 *
 * Fails with NULL, STRUCT, ARGUMENT (a node that is not there, how many there are, more than 1,023 layers; an input that an
 * EMBEDDING reads, or that MASKING hides steps by, and another layer as numbers), SHAPE (the inputs' do not suit, or there are
 * more than 2^40 elements), UNSUPPORTED (see the layer's fields), ORDER and MEMORY. Since 0.1. */
martlet_status martlet_model_add(martlet_model *model, const martlet_layer *layer, const int32_t *inputs,
                                 int64_t input_count, int32_t *out_node);

/* Adds the layer of a node once more, over other nodes: with the same parameters, whose gradient is the sum of both places',
 * and the same statistics. Arguments and errors as those of martlet_model_add; SHAPE: the parameters would have other sizes;
 * ARGUMENT: node has no layer. Since 0.1. */
martlet_status martlet_model_apply(martlet_model *model, int32_t node, const int32_t *inputs, int64_t input_count,
                                   int32_t *out_node);

/* What the function of a layer of kind OWN is told of a batch; pointers are to whole batches, and valid until it returns. */
typedef struct martlet_own_pass {
    uint32_t struct_size;       /* set by the library */
    int32_t is_training;        /* 1 where a batch is trained on, else 0 */
    int64_t batch;              /* samples */
    int64_t input_count;        /* nodes that the layer reads */
    const float *const *inputs; /* their samples */
    const float *weights;       /* the layer's own numbers, units of them */
    float *out;                 /* forward: where what it gives goes, all of it; NULL backward */
    const float *slopes;        /* backward: what the loss changes by with what it gave; NULL forward */
    float *const *input_slopes; /* backward: where the slopes by each node's samples go, all of them; NULL among them where
                                   nobody needs these */
    float *weight_slopes;       /* backward: the same for weights; NULL where there are none, or training leaves them alone */
} martlet_own_pass;

/* Computes a layer forward, or, where slopes is not NULL, backward; returns 0. Another number ends the call with
 * MARTLET_STOPPED: no step was taken, and nothing has changed but gradients, tallies and the mode. It is called on the thread
 * of the call, and by several that predict at once on each, and must return: nothing may be thrown out of it, nor may it jump
 * (longjmp). Inside it, functions that compute are refused (BUSY), of any handle. */
typedef int32_t (*martlet_own_function)(void *user, const martlet_own_pass *pass);

/* Has the layer of a node, of kind OWN, computed by a function, which is called with user, wherever the layer is; NULL: by
 * none, as in the beginning and in a model that was loaded, and calls that need it fail with ORDER. Fails with ARGUMENT: the
 * node is none of such a layer. Since 0.1. */
martlet_status martlet_model_own_set(martlet_model *model, int32_t node, martlet_own_function function, void *user);

/* Names the nodes that are the model's outputs, 1 to 16 layers' nodes, each once (ARGUMENT), before parameters are made
 * (ORDER); without this that is the node added last. With several, training is one martlet_training, and y one martlet_array,
 * for each, in this order; what is trained for is the sum of the losses times their weights; predictions of all samples for
 * one output lie behind those for the one before. Fails with NULL too. Since 0.1. */
martlet_status martlet_model_outputs_set(martlet_model *model, const int32_t *nodes, int64_t count);
/* Gives the inputs other sizes, those of one behind those of the input before, count of them in all, each input as many as it
 * has: sequences of another length, images of another height. From here on calls read samples of these sizes, and nodes tell
 * theirs; parameters, moments and counters stay, and so do tallies: each batch that is trained on may be of sequences as long
 * as its longest. Memory is planned anew by the next call that needs it. A batch that was run forward by hand has no backward
 * pass any more, and sequences that were read some steps at a time end.
 * Fails with NULL, ARGUMENT (count is another), SHAPE (a layer cannot read these, or its parameters would have other sizes, as a
 * dense layer's behind FLATTEN; the message names it), UNSUPPORTED (a layer of kind OWN; R2, PRECISION, RECALL and F1 where the
 * outputs would have other sizes) and MEMORY, with nothing changed. Since 0.1. */
martlet_status martlet_model_sizes_set(martlet_model *model, const int64_t *sizes, int64_t count);

/* How many outputs there are, and the node of one, counted from 0. Fail with NULL and ARGUMENT. Since 0.1. */
martlet_status martlet_model_output_count(martlet_model *model, int64_t *out_count);
martlet_status martlet_model_output_get(martlet_model *model, int32_t *out_node, int32_t output);

/* A model's numbers lie in three flat buffers; views say what lies where. */
#define MARTLET_BUFFER_PARAMETERS 0 /* what training changes */
#define MARTLET_BUFFER_GRADIENTS 1  /* the latest batch's; views are those of the parameters. ORDER before compile */
#define MARTLET_BUFFER_STATISTICS 2 /* moving means and variances; NORMALIZATION's mean and factor */

typedef struct martlet_view {
    const char *name;     /* "dense/kernel"; valid until destroy */
    int32_t node;         /* whose */
    int32_t rank;
    int64_t sizes[8];
    int64_t offset;       /* first element in the buffer */
    int64_t count;
    int32_t group;        /* of a parameter, whose configuration steps it (martlet_model_groups_compile); else 0 */
    int32_t reserved_too; /* 0 */
    uint64_t reserved[3]; /* 0 */
} martlet_view;           /* 128 bytes, for good */

/* A buffer's address and elements. It may be read and written while no call is inside; it is the model's own and
 * valid until destroy, gradients until compile or reset. out_data or out_count may be NULL. Fails with ARGUMENT
 * (no such buffer), ORDER (no layer; gradients before compile), SHAPE (more than 2^40 parameters) and MEMORY.
 * Since 0.1. */
martlet_status martlet_model_buffer_get(martlet_model *model, float **out_data, int64_t *out_count, int32_t buffer);
/* How many views a buffer has. Fails as martlet_model_buffer_get does, and with NULL. Since 0.1. */
martlet_status martlet_model_view_count(martlet_model *model, int64_t *out_count, int32_t buffer);
/* One of them, counted from 0. Fails as martlet_model_view_count does; ARGUMENT: there is none. Since 0.1. */
martlet_status martlet_model_view_get(martlet_model *model, martlet_view *out_view, int32_t buffer, int64_t index);

typedef struct martlet_node {
    const char *name;         /* the layer's; "input" for node 0; valid until destroy */
    int32_t kind;             /* MARTLET_LAYER_... */
    int32_t rank;
    int64_t sizes[8];         /* of one sample of its output */
    int64_t parameter_count;  /* elements that training changes */
    int64_t statistics_count; /* elements that it does not */
    const int32_t *inputs;    /* the nodes that it reads, input_count of them; valid until destroy. NULL: none */
    int32_t input_count;
    int32_t first;            /* the node whose layer this is once more (martlet_model_apply); -1: it is its own */
    int32_t reads_mask;       /* the node, a MASKING or EMBEDDING, that made the mask which it reads, its own too; -1: none */
    int32_t mask;             /* the one that made the mask of the steps which it gives; -1: all are seen */
    uint64_t reserved[1];     /* 0 */
} martlet_node;               /* 128 bytes, for good */

/* How many nodes there are, the input among them. Fails with NULL. Since 0.1. */
martlet_status martlet_model_node_count(martlet_model *model, int64_t *out_count);
/* One of them. Fails with ARGUMENT and NULL. Since 0.1. */
martlet_status martlet_model_node_get(martlet_model *model, martlet_node *out_node, int64_t index);

/* What was said of a model, read back: enough to make it again, whoever made it.
 *
 * The layer of a node, as it was given; fields that were not set have their kind's defaults. name is the one that it has, with
 * or without one given, and valid until destroy; of an input, sizes are those of a sample. Writes struct_size bytes. Fails with
 * NULL, STRUCT and ARGUMENT (no such node). Since 0.1. */
martlet_status martlet_model_layer_get(martlet_model *model, martlet_layer *out_layer, size_t struct_size, int64_t index);
/* The seed that the model was made with. Fails with NULL. Since 0.1. */
martlet_status martlet_model_seed_get(martlet_model *model, uint64_t *out_seed);

/* Notes: texts under keys, which save writes and load brings back, for whoever uses the model. The library reads none.
 *
 * key    UTF-8 of 1 to 200 bytes; Python's package has "python"
 * text   UTF-8 of 2^24 bytes at most, copied; NULL takes the note away. A model has up to 1,000
 *
 * Fails with NULL (key), ARGUMENT and MEMORY; then nothing has changed. Since 0.1. */
martlet_status martlet_model_note_set(martlet_model *model, const char *key, const char *text);
/* The text under a key, valid until it is set again or the model destroyed; NULL where there is none. Fails with NULL.
 * Since 0.1. */
martlet_status martlet_model_note_get(martlet_model *model, const char **out_text, const char *key);

/* Saves the layers and what each reads, notes, parameters and statistics, and after compile what training needs to go
 * on to the bit: the loss, the optimizer's hyperparameters and moments, counters. A safetensors file, written as
 * martlet_optimizer_save does. Fails with NULL, FILE, ORDER (no layer), ARGUMENT (names and notes make a header of more than
 * 100,000,000 bytes, the format's bound) and MEMORY; what was at path stays then. Since 0.1. */
martlet_status martlet_model_save(martlet_model *model, const char *path);
/* Writes what the model predicts by as one file of C99, which needs libm and nothing else: weights as constant arrays, and
 *
 *     void digits_predict(const float *x0, float *y0, float *m);
 *
 * for one sample, where path is "digits.c": its name up to the first dot, with _ for what C does not take ("model" before it
 * where it begins with no letter). x0, x1, ... are the inputs, of const int * where whole numbers are read, y0, y1, ... the
 * outputs, m is memory for as many floats as the file's head says, in which nothing is kept, so that threads may be inside
 * at once. Nothing is allocated, and every array's size is a constant. As in predict, dropout and the like are left out, and
 * moving statistics are taken. A row that a table has not is zeros. Predictions are predict's but for rounding.
 *
 * Written as martlet_model_save does. Fails with NULL, FILE, ORDER (no layer), UNSUPPORTED (a layer that has no C; more than
 * 2^31 - 1 numbers) and MEMORY; what was at path stays then. Since 0.1. */
martlet_status martlet_model_export(martlet_model *model, const char *path);

/* Makes a model from what save wrote, compiled if it was. Destroy it with martlet_model_destroy. Fails with NULL,
 * FILE, FORMAT and MEMORY. Since 0.1. */
martlet_status martlet_model_load(martlet_model **out_model, const char *path);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_MODELS_H */
