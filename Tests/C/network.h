/*
 * What the programs about models share: layers added in a line, small networks of every kind of layer, data
 * to train them with, and a hash of everything that can be read of a model. It holds no expectation about
 * any number: reference.h and the programs do.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "check.h"

#define NETWORK_SAMPLES 40
#define NETWORK_CLASSES 5
#define NETWORK_SIDE 12         /* of images */
#define NETWORK_SHARED_SIDE 60  /* of images whose layers are work enough to wake threads for */
#define NETWORK_PIXELS(side) ((side) * (side) * 2)
#define NETWORK_STEPS 30        /* of sequences, of so many features */
#define NETWORK_FEATURES 20

UNUSED static martlet_layer network_layer(int32_t kind, int64_t units, int32_t activation) {
    martlet_layer layer;
    REQUIRE(martlet_layer_init(&layer, sizeof layer, kind) == MARTLET_OK);
    layer.units = units;
    layer.activation = activation;
    return layer;
}

UNUSED static void network_add(martlet_model *model, int32_t kind, int64_t units, int32_t activation) {
    const martlet_layer layer = network_layer(kind, units, activation);
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
}

UNUSED static void network_convolve(martlet_model *model, int64_t filters, int32_t padding) {
    martlet_layer layer = network_layer(MARTLET_LAYER_CONV2D, filters, MARTLET_ACTIVATION_RELU);
    layer.kernel[0] = layer.kernel[1] = 3;
    layer.padding = padding;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
}

/* Dense layers with batch normalization and dropout, over samples of this many features. */
UNUSED static martlet_model *network_dense(int64_t features, int64_t hidden, uint64_t seed) {
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, &features, 1, seed) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, hidden, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_RELU);
    network_add(model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

/* Every kind of layer that reads step by step, and attention, over sequences of NETWORK_STEPS * NETWORK_FEATURES numbers. */
UNUSED static martlet_model *network_sequence(int64_t units, uint64_t seed) {
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, (const int64_t[]){NETWORK_STEPS, NETWORK_FEATURES}, 2, seed) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
    martlet_layer layer = network_layer(MARTLET_LAYER_LSTM, units, MARTLET_ACTIVATION_TANH);
    layer.flags |= MARTLET_RETURN_SEQUENCES | MARTLET_ZERO_HIDDEN;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_POSITION, 0, MARTLET_ACTIVATION_LINEAR);
    REQUIRE(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_ADD) == MARTLET_OK);
    int32_t nodes[] = {2, 3, 4};
    REQUIRE(martlet_model_add(model, &layer, nodes, 2, NULL) == MARTLET_OK);
    REQUIRE(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_ATTENTION) == MARTLET_OK);
    layer.groups = units % 4 == 0 ? 4 : 1, layer.flags = MARTLET_CAUSAL, nodes[0] = nodes[1] = 4;
    REQUIRE(martlet_model_add(model, &layer, nodes, 3, NULL) == MARTLET_OK);
    layer = network_layer(MARTLET_LAYER_GRU, units + 1, MARTLET_ACTIVATION_TANH);
    layer.flags |= MARTLET_RETURN_SEQUENCES | MARTLET_GO_BACKWARDS | MARTLET_INPUT_ORDER;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    layer.units = units, layer.flags = MARTLET_RETURN_SEQUENCES | MARTLET_RESET_FIRST;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_SIMPLE_RNN, units, MARTLET_ACTIVATION_RELU);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

/* Every kind of layer, over images of NETWORK_PIXELS(side) numbers. */
UNUSED static martlet_model *network_image_of(int64_t side, uint64_t seed) {
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, (const int64_t[]){side, side, 2}, 3, seed) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_NORMALIZATION, 0, MARTLET_ACTIVATION_LINEAR);
    network_convolve(model, 6, MARTLET_PADDING_SAME);
    network_add(model, MARTLET_LAYER_MAX_POOL2D, 0, MARTLET_ACTIVATION_LINEAR);
    network_convolve(model, 8, MARTLET_PADDING_VALID);
    network_add(model, MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_SILU);
    network_add(model, MARTLET_LAYER_AVERAGE_POOL2D, 0, MARTLET_ACTIVATION_LINEAR);
    martlet_layer layer = network_layer(MARTLET_LAYER_PERMUTE, 0, MARTLET_ACTIVATION_LINEAR);
    layer.rank = 3, layer.sizes[0] = 2, layer.sizes[1] = 0, layer.sizes[2] = 1;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    layer = network_layer(MARTLET_LAYER_RESHAPE, 0, MARTLET_ACTIVATION_LINEAR);
    layer.rank = 3, layer.sizes[0] = layer.sizes[1] = 4, layer.sizes[2] = -1;
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, NULL) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_ACTIVATION, 0, MARTLET_ACTIVATION_TANH);
    network_add(model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

UNUSED static martlet_model *network_image(uint64_t seed) { return network_image_of(NETWORK_SIDE, seed); }

UNUSED static void network_compile(martlet_model *model, int64_t batch_size) {
    martlet_training training;
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    training.batch_size = batch_size;
    training.metrics = 1u << MARTLET_METRIC_ACCURACY;
    REQUIRE(martlet_model_compile(model, &training, NULL) == MARTLET_OK);
}

/* Samples and labels; the same for the same count of elements. */
struct network_data {
    float *inputs;
    int32_t labels[NETWORK_SAMPLES];
    martlet_array x, y;
};

UNUSED static struct network_data *network_data(int64_t elements) {
    struct network_data *data = malloc(sizeof *data);
    REQUIRE(data != NULL && (data->inputs = malloc((size_t)elements * NETWORK_SAMPLES * sizeof(float))) != NULL);
    check_fill(data->inputs, elements * NETWORK_SAMPLES, 4);
    for (int k = 0; k < NETWORK_SAMPLES; k++) data->labels[k] = (int32_t)(check_bits(5, (uint64_t)k) % NETWORK_CLASSES);
    data->x = check_array(data->inputs, elements * NETWORK_SAMPLES, MARTLET_FP32);
    data->y = check_array(data->labels, NETWORK_SAMPLES, MARTLET_INT32);
    return data;
}

UNUSED static void network_data_free(struct network_data *data) { free(data->inputs), free(data); }

/* One epoch over all samples in batches, shuffled unless told. */
UNUSED static martlet_status network_fit(martlet_model *model, const struct network_data *data, int64_t epochs, uint32_t flags) {
    martlet_loop loop;
    REQUIRE(martlet_loop_init(&loop, sizeof loop) == MARTLET_OK);
    loop.epochs = epochs;
    loop.flags = flags;
    return martlet_model_fit(model, NULL, &data->x, &data->y, &loop);
}

/* Parameters and statistics; with `compiled` gradients, counters and hyperparameters too. */
UNUSED static uint64_t network_hash(martlet_model *model, bool compiled) {
    uint64_t hash = 0;
    for (int32_t kind = 0; kind < 3; kind++) {
        float *data = NULL;
        int64_t count = -1, views = -1;
        if (kind == MARTLET_BUFFER_GRADIENTS && !compiled) continue;
        CHECK_OK(martlet_model_buffer_get(model, &data, &count, kind));
        CHECK_OK(martlet_model_view_count(model, &views, kind));
        hash = check_hash(hash, &views, sizeof views);
        hash = check_hash(hash, data, (size_t)count * sizeof *data);
    }
    if (!compiled) return hash;
    int64_t step = -1;
    double norm = 0, value = 0;
    CHECK_OK(martlet_model_step_get(model, &step));
    CHECK_OK(martlet_model_grad_norm_get(model, &norm));
    hash = check_hash(hash, &step, sizeof step);
    if (norm == norm) hash = check_hash(hash, &norm, sizeof norm);
    for (int32_t number = MARTLET_LR; number <= MARTLET_WEIGHT_DECAY; number++) {
        if (number == MARTLET_BETA3) continue;
        CHECK_OK(martlet_model_get(model, &value, number));
        hash = check_hash(hash, &value, sizeof value);
    }
    return hash;
}

/* The output of all samples, hashed. */
UNUSED static uint64_t network_output(martlet_model *model, const struct network_data *data) {
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    memset(out, 0xEE, sizeof out);
    CHECK_OK(martlet_model_predict(model, out, NETWORK_SAMPLES * NETWORK_CLASSES, &data->x, NULL));
    return check_hash(0, out, sizeof out);
}

#endif
