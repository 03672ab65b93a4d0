/*
 * What a model keeps in other types: moments by martlet_training's state_dtype, through a file and with any number of
 * threads the same bits; and a copy of the parameters, which each step leaves rounded to nearest, and nothing beside it; for
 * a step that allocates nothing. malloc_count.c must be preloaded. Which bits they are is known from Python, beside arrays.
 */
#include "malloc_count.h"
#include "network.h"

#define PATH "storage.safetensors"
#define FEATURES 80
#define HIDDEN 64 /* a kernel of 5,120 */
#define MORE 8    /* of what lies behind a copy */

static const int32_t types[] = {MARTLET_FP32, MARTLET_BF16, MARTLET_FP16, MARTLET_FLOAT16, MARTLET_FLOAT8, MARTLET_FLOAT4};

static martlet_model *made(int32_t state_dtype) {
    martlet_model *model = network_dense(FEATURES, HIDDEN, 3);
    martlet_training training;
    martlet_config config = check_config(MARTLET_ADAM);
    config.seed = 9;
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    CHECK(training.state_dtype == MARTLET_FP32);
    training.state_dtype = state_dtype;
    CHECK_OK(martlet_model_compile(model, &training, &config));
    return model;
}

static uint64_t parameters_hash(martlet_model *model) {
    float *data = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &data, &count, MARTLET_BUFFER_PARAMETERS));
    return check_hash(1, data, (size_t)count * sizeof *data);
}

/* Trained in one piece, on several threads, and through a file. */
static void moments(int32_t state_dtype, const struct network_data *data, uint64_t *seen) {
    uint64_t hashes[3];
    for (int way = 0; way < 3; way++) {
        CHECK_OK(martlet_threads_set(way == 1 ? 3 : 1));
        martlet_model *model = made(state_dtype);
        CHECK_OK(network_fit(model, data, 2, 0));
        if (way == 2) {
            CHECK_OK(martlet_model_save(model, PATH));
            CHECK_OK(martlet_model_destroy(model));
            CHECK_OK(martlet_model_load(&model, PATH));
            martlet_config config;
            CHECK_OK(martlet_model_config_get(model, &config, sizeof config, 0));
            CHECK(config.seed == 9);
        }
        CHECK_OK(network_fit(model, data, 3, 0));
        hashes[way] = parameters_hash(model);
        CHECK_OK(martlet_model_reset(model)); /* the settings stay */
        CHECK_OK(network_fit(model, data, 2, 0));
        CHECK_OK(network_fit(model, data, 3, 0));
        CHECK(parameters_hash(model) == hashes[way]);
        CHECK_OK(martlet_model_destroy(model));
    }
    CHECK(hashes[0] == hashes[1] && hashes[0] == hashes[2]);
    *seen = hashes[0];
}

/* A number of fp32 rounded to bf16, to nearest and ties to even. */
static uint16_t bf16(float number) {
    uint32_t bits;
    memcpy(&bits, &number, 4);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void copies(int32_t state_dtype, const struct network_data *data) {
    martlet_model *model = made(state_dtype), *plain = made(state_dtype);
    float *values = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &values, &count, MARTLET_BUFFER_PARAMETERS));
    uint16_t *copy = malloc((size_t)(count + MORE) * sizeof *copy), *before = malloc((size_t)count * sizeof *copy);
    REQUIRE(copy != NULL && before != NULL);
    memset(copy, 0xAB, (size_t)(count + MORE) * sizeof *copy);
    const martlet_array array = check_array(copy, count, MARTLET_BF16);
    martlet_array wrong = array;
    wrong.count--;
    CHECK_STATUS(martlet_model_copy_set(model, &wrong), MARTLET_ERROR_SHAPE);
    CHECK_OK(martlet_model_copy_set(model, &array));
    CHECK(copy[0] == 0xABAB); /* which the first step writes */
    for (int step = 0; step < 3; step++) {
        if (step == 2 && malloc_count_start != NULL) malloc_count_start(0, 0);
        const martlet_status status = martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0);
        if (step == 2 && malloc_count_stop != NULL) CHECK(malloc_count_stop() == 0);
        CHECK_OK(status);
        CHECK_OK(martlet_model_train(plain, NULL, &data->x, &data->y, NULL, 0));
        for (int64_t k = 0; k < count; k++) CHECK(copy[k] == bf16(values[k]));
        for (int64_t k = count; k < count + MORE; k++) CHECK(copy[k] == 0xABAB);
        CHECK(parameters_hash(model) == parameters_hash(plain));
    }
    memcpy(before, copy, (size_t)count * sizeof *copy);
    CHECK_OK(martlet_model_copy_set(model, NULL));
    CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0));
    CHECK(memcmp(before, copy, (size_t)count * sizeof *copy) == 0);
    CHECK_OK(martlet_model_copy_set(model, &array));
    CHECK_OK(martlet_model_reset(model)); /* ends it */
    CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0));
    CHECK(memcmp(before, copy, (size_t)count * sizeof *copy) == 0);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(plain));
    free(copy), free(before);
}

int main(void) {
    struct network_data *data = network_data(FEATURES);
    uint64_t hashes[LENGTH(types)];
    for (int k = 0; k < LENGTH(types); k++) {
        moments(types[k], data, &hashes[k]);
        copies(types[k], data);
        for (int j = 0; j < k; j++) CHECK(hashes[j] != hashes[k]);
    }
    network_data_free(data);
    return check_end();
}
