/*
 * The memory behind hostile calls of the model functions and the matrix product: four models in the states
 * that calls meet (trained, made, and two without a layer), samples and labels of every type. Included by
 * hostile_world.h, whose struct world holds a struct model_world as `m`. The good calls and what is looked
 * at after a call are in hostile_model_run.h.
 */
#ifndef HOSTILE_MODEL_WORLD_H
#define HOSTILE_MODEL_WORLD_H

#include "reference.h"

#define SAMPLES 12
#define FEATURES 8
#define CLASSES 4
#define BATCH 4
#define ROWS 6 /* of the matrix product */
#define INNER 5
#define COLUMNS 7

struct model_world {
    struct {
        martlet_layer layer;
        unsigned char tail[4096];
    } layer;
    struct {
        martlet_training training;
        unsigned char tail[4096];
    } training;
    struct {
        martlet_result result;
        unsigned char tail[4096];
    } result;
    struct {
        martlet_score score;
        unsigned char tail[4096];
    } score;
    struct {
        martlet_loop loop;
        unsigned char tail[4096];
    } loop;
    float inputs[SAMPLES * FEATURES], targets[SAMPLES * CLASSES], out[SAMPLES * CLASSES];
    int32_t labels[SAMPLES];
    int64_t labels64[SAMPLES];
    uint8_t labels8[SAMPLES];
    martlet_array x, y;
    int64_t rows[BATCH + 1], sizes[8], strides[8], input[8];
    int32_t nodes[4], of_view[2];
    martlet_view view;
    martlet_node node;
    float *data;
    const char *text;
    uint64_t seed;
    float left[ROWS * INNER], right[INNER * COLUMNS], product[ROWS * COLUMNS];
    char name[256];
    martlet_model *model;        /* compiled, and trained by a step */
    martlet_model *plain;        /* its parameters are made, but it is not compiled */
    martlet_model *image, *flat; /* without a layer: of 8 x 8 x 3, of FEATURES */
    martlet_model *gone, *out_model;
    martlet_model *along;        /* run along SAMPLES sequences of 2 steps */
    float weights[SAMPLES];
    int64_t counts[CLASSES * CLASSES];
};

/* The layer of a world becomes a good one of another kind, for images where its kind reads these. */
UNUSED static martlet_layer *make_layer(struct model_world *m, int32_t kind) {
    martlet_layer *layer = &m->layer.layer;
    REQUIRE(martlet_layer_init(layer, sizeof *layer, kind) == MARTLET_OK);
    if (kind == MARTLET_LAYER_DENSE || kind == MARTLET_LAYER_CONV2D || kind == MARTLET_LAYER_CONV1D) layer->units = 6;
    if (kind == MARTLET_LAYER_LSTM || kind == MARTLET_LAYER_GRU || kind == MARTLET_LAYER_SIMPLE_RNN) layer->units = 6;
    if (kind == MARTLET_LAYER_CONV2D_TRANSPOSE || kind == MARTLET_LAYER_DEPTHWISE_CONV2D) layer->units = 2;
    if (kind == MARTLET_LAYER_CONV2D || kind == MARTLET_LAYER_CONV1D || layer->units == 2) layer->kernel[0] = layer->kernel[1] = 3;
    if (kind == MARTLET_LAYER_GROUP_NORM) layer->groups = 3;
    if (kind == MARTLET_LAYER_RANDOM_CROP) layer->kernel[0] = layer->kernel[1] = 6;
    if (kind == MARTLET_LAYER_EMBEDDING) layer->units = 4, layer->vocabulary = 10;
    if (kind == MARTLET_LAYER_INPUT) layer->rank = 1, layer->sizes[0] = 5;
    if (kind == MARTLET_LAYER_RESHAPE) layer->rank = 2, layer->sizes[0] = 48, layer->sizes[1] = -1;
    if (kind == MARTLET_LAYER_PERMUTE) layer->rank = 3, layer->sizes[0] = 2, layer->sizes[2] = 1;
    return layer;
}

/* Adds a dense layer to a model that may take one. */
UNUSED static void add_dense(martlet_model *model, int64_t units) {
    martlet_layer layer;
    REQUIRE(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE) == MARTLET_OK);
    layer.units = units;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
}

/* A compiled model of one feature whose output has 1,024 rows. */
UNUSED static martlet_model *rows_model(struct model_world *m) {
    martlet_model *model = NULL;
    martlet_layer layer;
    REQUIRE(martlet_model_create(&model, (const int64_t[]){1}, 1, 0) == MARTLET_OK);
    add_dense(model, 1024);
    REQUIRE(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_RESHAPE) == MARTLET_OK);
    layer.rank = 2, layer.sizes[0] = 1024, layer.sizes[1] = 1;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    REQUIRE(martlet_model_compile(model, &m->training.training, NULL) == MARTLET_OK);
    return model;
}

/* An array becomes weights of a world's samples. */
UNUSED static void weigh(struct model_world *m, martlet_array *array) {
    for (int k = 0; k < SAMPLES; k++) m->weights[k] = (float)(k % 3);
    *array = check_array(m->weights, SAMPLES, MARTLET_FP32);
}

/* Gives an array of a world's samples its sizes: the samples' number, then that of each one's elements. */
UNUSED static void lay(struct model_world *m, martlet_array *array) {
    array->rank = 2;
    array->sizes = m->sizes, array->strides = m->strides;
    m->sizes[0] = SAMPLES, m->sizes[1] = array->count / SAMPLES;
    m->strides[0] = m->sizes[1], m->strides[1] = 1;
}

/* The labels of y in another type, one of them with a value of its own. */
UNUSED static void label_as(struct model_world *m, martlet_array *y, int32_t dtype, int64_t value) {
    for (int k = 0; k < SAMPLES; k++) m->labels64[k] = k % CLASSES, m->labels8[k] = (uint8_t)(k % CLASSES);
    m->labels[3] = (int32_t)value, m->labels64[3] = value, m->labels8[3] = (uint8_t)value;
    y->dtype = dtype;
    y->data = dtype == MARTLET_INT32 ? (void *)m->labels : dtype == MARTLET_INT64 ? (void *)m->labels64 : (void *)m->labels8;
}

#endif
