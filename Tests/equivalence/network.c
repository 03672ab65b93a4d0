/*
 * A network that every language trains: convolutions, batch normalization, pooling, dropout and a dense
 * layer, on images and labels from integers, in their own order. Prints what network.py and
 * swift/Network.swift print too: a hash of every buffer, of the loss and of the predictions.
 */
#include "trajectory.h"

#define SAMPLES 96
#define SIDE 16
#define CHANNELS 3
#define CLASSES 10
#define IMAGE (SIDE * SIDE * CHANNELS)

static void add(martlet_model *model, int32_t kind, int64_t units, int64_t kernel, int32_t activation) {
    martlet_layer layer;
    check(martlet_layer_init(&layer, sizeof layer, kind));
    if (units > 0) layer.units = units;
    if (kernel > 0) {
        layer.kernel[0] = layer.kernel[1] = kernel;
        layer.padding = MARTLET_PADDING_SAME;
    }
    layer.activation = activation;
    if (kind == MARTLET_LAYER_DROPOUT) layer.rate = 0.25;
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
}

static martlet_model *make_network(void) {
    const int64_t sizes[3] = {SIDE, SIDE, CHANNELS};
    martlet_model *model;
    check(martlet_model_create(&model, sizes, 3, 11));
    add(model, MARTLET_LAYER_CONV2D, 32, 3, MARTLET_ACTIVATION_RELU);
    add(model, MARTLET_LAYER_BATCH_NORM, 0, 0, MARTLET_ACTIVATION_LINEAR);
    add(model, MARTLET_LAYER_MAX_POOL2D, 0, 0, MARTLET_ACTIVATION_LINEAR);
    add(model, MARTLET_LAYER_CONV2D, 24, 5, MARTLET_ACTIVATION_TANH);
    add(model, MARTLET_LAYER_FLATTEN, 0, 0, MARTLET_ACTIVATION_LINEAR);
    add(model, MARTLET_LAYER_DROPOUT, 0, 0, MARTLET_ACTIVATION_LINEAR);
    add(model, MARTLET_LAYER_DENSE, CLASSES, 0, MARTLET_ACTIVATION_LINEAR);
    return model;
}

static void describe(const char *name, const void *bytes, int64_t words) {
    printf("%s %016llx\n", name, (unsigned long long)trajectory_hash(bytes, words));
}

int main(void) {
    static float images[SAMPLES * IMAGE], out[SAMPLES * CLASSES];
    static int32_t labels[SAMPLES];
    const char *const names[3] = {"parameters", "gradients", "statistics"};
    for (int64_t i = 0; i < SAMPLES * IMAGE; i++) images[i] = trajectory_number(0, (uint64_t)i);
    for (int32_t i = 0; i < SAMPLES; i++) labels[i] = i * 7 % CLASSES;

    martlet_model *model = make_network();
    martlet_training training;
    martlet_config adam;
    martlet_loop loop;
    martlet_result result;
    check(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    check(martlet_config_init(&adam, sizeof adam, MARTLET_ADAM));
    adam.lr = 0.01;
    check(martlet_model_compile(model, &training, &adam));
    check(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 4;
    loop.flags = MARTLET_KEEP_ORDER;
    martlet_array x = trajectory_array(images, SAMPLES * IMAGE), y = x;
    y.data = labels;
    y.count = SAMPLES;
    y.dtype = MARTLET_INT32;
    check(martlet_result_init(&result, sizeof result));
    check(martlet_model_fit(model, &result, &x, &y, &loop));
    check(martlet_model_predict(model, out, SAMPLES * CLASSES, &x, NULL));

    describe("loss", &result.loss, 2);
    for (int32_t buffer = 0; buffer < 3; buffer++) {
        float *data;
        int64_t count;
        check(martlet_model_buffer_get(model, &data, &count, buffer));
        describe(names[buffer], data, count);
    }
    describe("predictions", out, SAMPLES * CLASSES);
    return 0;
}
