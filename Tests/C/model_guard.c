/*
 * Models at the edges of the caller's memory: samples, labels, targets, rows and outputs that end (or begin)
 * where a page may not be touched, for odd counts of features, units, channels and samples, so that no
 * operation reads or writes past what it was given; and the numbers do not depend on where memory lies.
 */
#include "network.h"

static int models;

/* Copies bytes to where a page that may not be touched follows (or goes before). */
static void *guarded(const void *bytes, size_t size, bool at_end) { return memcpy(check_guarded(size, at_end), bytes, size); }

static void unguard(void *memory, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)memory / page * page;
    const size_t room = (size + page - 1) / page * page;
    REQUIRE(munmap((void *)(begin - page), room + 2 * page) == 0);
}

struct run {
    uint64_t numbers, output;
};

/* Two training steps, one of them over rows, and a prediction; with `edge` 1 or 2 on memory that ends or begins at a
 * page, which is read-only where the library reads it. */
static struct run train(martlet_model *model, const struct network_data *data, int64_t elements, int64_t classes, int64_t count,
                        int32_t type, int edge) {
    const size_t sizes[] = {(size_t)(count * elements) * 4, (size_t)count * (type == MARTLET_FP32 ? (size_t)classes * 4 : type == MARTLET_INT64 ? 8 : type == MARTLET_UINT8 ? 1 : 4),
                            (size_t)count * 8, (size_t)(count * classes) * 4};
    int64_t labels64[NETWORK_SAMPLES], rows[NETWORK_SAMPLES];
    uint8_t labels8[NETWORK_SAMPLES];
    int32_t labels[NETWORK_SAMPLES];
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        labels[k] = (int32_t)(data->labels[k] % classes), labels64[k] = labels[k], labels8[k] = (uint8_t)labels[k];
        rows[k] = (count - 1) * (k % 3 != 0); /* the first and the last */
    }
    float *targets = calloc(sizes[3] + 4, 1), *out = calloc(sizes[3] + 4, 1);
    REQUIRE(targets != NULL && out != NULL);
    for (int64_t k = 0; k < count; k++) targets[k * classes + labels[k]] = 1;
    const void *const y = type == MARTLET_FP32 ? (void *)targets : type == MARTLET_INT64 ? (void *)labels64 : type == MARTLET_UINT8 ? (void *)labels8 : (void *)labels;
    const void *given[] = {data->inputs, y, rows, out};
    void *memory[4] = {NULL, NULL, NULL, out};
    for (int k = 0; k < 4 && edge != 0; k++) {
        given[k] = memory[k] = guarded(given[k], sizes[k], edge == 1);
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)memory[k] / page * page;
        if (k < 3) REQUIRE(mprotect((void *)begin, (sizes[k] + page - 1) / page * page, PROT_READ) == 0);
    }
    const martlet_array x = check_array(given[0], count * elements, MARTLET_FP32);
    const martlet_array expected = check_array(given[1], type == MARTLET_FP32 ? count * classes : count, type);
    CHECK_OK(martlet_model_reset(model));
    CHECK_OK(martlet_model_train(model, NULL, &x, &expected, NULL, 0));
    CHECK_OK(martlet_model_train(model, NULL, &x, &expected, given[2], count));
    CHECK_OK(martlet_model_evaluate(model, NULL, &x, &expected, NULL));
    CHECK_OK(martlet_model_predict(model, memory[3], count * classes, &x, NULL));
    const struct run run = {network_hash(model, true), check_hash(0, memory[3], sizes[3])};
    for (int k = 0; k < 4 && edge != 0; k++) unguard(memory[k], sizes[k]);
    free(targets), free(out);
    return run;
}

/* A model on ordinary memory and on both edges. */
static void edges(martlet_model *model, int64_t elements, int64_t classes, int64_t count, int32_t type) {
    struct network_data *data = network_data(elements);
    network_compile(model, NETWORK_SAMPLES);
    const struct run plain = train(model, data, elements, classes, count, type, 0);
    for (int edge = 1; edge <= 2; edge++) {
        const struct run run = train(model, data, elements, classes, count, type, edge);
        CHECK_SAYING(memcmp(&run, &plain, sizeof run) == 0, "%ld elements, %ld classes, %ld samples, type %d, edge %d: other bits",
                     (long)elements, (long)classes, (long)count, type, edge);
    }
    models++;
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

static const int32_t types[] = {MARTLET_INT32, MARTLET_FP32, MARTLET_INT64, MARTLET_UINT8};

static void dense(void) {
    for (int64_t features = 1; features <= 70; features += features < 35 ? 1 : 7) {
        martlet_model *model = NULL;
        const int64_t classes = features % 21 + 1;
        CHECK_OK(martlet_model_create(&model, &features, 1, 1));
        if (features % 3 == 0) network_add(model, MARTLET_LAYER_NORMALIZATION, 0, MARTLET_ACTIVATION_LINEAR);
        if (features % 4 == 1) network_add(model, MARTLET_LAYER_ACTIVATION, 0, features % 8 == 1 ? MARTLET_ACTIVATION_SOFTMAX : MARTLET_ACTIVATION_GELU);
        if (features % 5 == 2) network_add(model, MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_LINEAR);
        if (features % 7 == 3) network_add(model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
        network_add(model, MARTLET_LAYER_DENSE, classes, MARTLET_ACTIVATION_LINEAR);
        edges(model, features, classes, features % NETWORK_SAMPLES + 1, types[features % 4]);
    }
}

/* The first layer reads the caller's images where they lie: each kind in turn. */
static void images(void) {
    static const int32_t kinds[] = {MARTLET_LAYER_CONV2D, MARTLET_LAYER_MAX_POOL2D, MARTLET_LAYER_AVERAGE_POOL2D,
                                    MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D, MARTLET_LAYER_PERMUTE, MARTLET_LAYER_NORMALIZATION, MARTLET_LAYER_FLATTEN,
                                    MARTLET_LAYER_DEPTHWISE_CONV2D, MARTLET_LAYER_CONV2D_TRANSPOSE, MARTLET_LAYER_GROUP_NORM, MARTLET_LAYER_ZERO_PADDING2D,
                                    MARTLET_LAYER_UP_SAMPLING2D, MARTLET_LAYER_RESCALING, MARTLET_LAYER_GAUSSIAN_NOISE, MARTLET_LAYER_RANDOM_FLIP,
                                    MARTLET_LAYER_RANDOM_CROP, MARTLET_LAYER_RANDOM_TRANSLATION};
    for (int k = 0; k < 12 * LENGTH(kinds); k++) {
        const int turn = k / LENGTH(kinds);
        const int64_t sizes[] = {3 + k % 6, 3 + k % 5, 1 + k % 19};
        martlet_model *model = NULL;
        martlet_layer layer = network_layer(kinds[k % LENGTH(kinds)], 1 + k % 13, MARTLET_ACTIVATION_LINEAR);
        if (layer.kind == MARTLET_LAYER_DEPTHWISE_CONV2D) layer.units = 1 + turn % 3 / 2;
        if (layer.kind == MARTLET_LAYER_GROUP_NORM) layer.groups = sizes[2] % 2 ? 1 : 2;
        if (layer.kind == MARTLET_LAYER_ZERO_PADDING2D) layer.pads[k % 4] = 1 + k % 2;
        if (layer.kind == MARTLET_LAYER_RANDOM_CROP || layer.kind == MARTLET_LAYER_RANDOM_TRANSLATION) layer.kernel[0] = layer.kernel[1] = 2;
        if (layer.kind == MARTLET_LAYER_CONV2D || layer.kind == MARTLET_LAYER_DEPTHWISE_CONV2D || layer.kind == MARTLET_LAYER_CONV2D_TRANSPOSE) {
            layer.kernel[0] = 1 + k % 3, layer.kernel[1] = 1 + k % 2;
            layer.padding = turn % 2 ? MARTLET_PADDING_SAME : MARTLET_PADDING_VALID;
            layer.stride[0] = 1 + turn / 2 % 2, layer.stride[1] = 1 + turn / 4 % 2;
        }
        if (layer.kind == MARTLET_LAYER_PERMUTE) layer.rank = 3, layer.sizes[0] = 2, layer.sizes[1] = turn % 2, layer.sizes[2] = 1 - turn % 2;
        CHECK_OK(martlet_model_create(&model, sizes, 3, 1));
        CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
        network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
        network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
        edges(model, sizes[0] * sizes[1] * sizes[2], 3, k % 11 + 1, types[k % 4]);
    }
}

/* Steps, units and samples that are no whole sixteens, and that are. */
static void sequences(void) {
    for (int k = 0; k < 36; k++) {
        const int64_t sizes[] = {1 + k % 5, 1 + k % 7};
        martlet_model *model = NULL;
        martlet_layer layer = network_layer(MARTLET_LAYER_LSTM + k % 3, 1 + (k * 5) % 34, MARTLET_ACTIVATION_TANH);
        if (k % 2) layer.flags |= MARTLET_RETURN_SEQUENCES;
        if (k % 4 == 1) layer.flags |= MARTLET_GO_BACKWARDS | (k % 8 == 1 ? MARTLET_INPUT_ORDER : MARTLET_ZERO_HIDDEN);
        CHECK_OK(martlet_model_create(&model, sizes, 2, 1));
        if (k % 3 == 1) network_add(model, MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
        CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
        network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
        network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
        edges(model, sizes[0] * sizes[1], 3, k % 11 + 1, types[k % 4]);
    }
}

int main(void) {
    alarm(110);
    martlet_machine machine = {0};
    REQUIRE(martlet_machine_get(&machine, sizeof machine) == MARTLET_OK);
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++) {
        CHECK_OK(martlet_isa_set(isa));
        dense();
        images();
        sequences();
    }
    printf("%d models on %d instruction sets; ", models, machine.isa_best);
    return check_end();
}
