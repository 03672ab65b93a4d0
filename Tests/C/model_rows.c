/*
 * Tables that are trained by rows (MARTLET_SPARSE): which rows move, that deferred rows come to the bits of a dense table, a
 * step in halves, steps that allocate nothing, where malloc_count.c is preloaded, and what says that it cannot be.
 */
#include "malloc_count.h"
#include "network.h"

#define LENGTH_OF_TEXT 11
#define VOCABULARY 200
#define COLUMNS 19

static int32_t words[NETWORK_SAMPLES * LENGTH_OF_TEXT], labels[NETWORK_SAMPLES];
static martlet_array x, y;

/* Each sample has words of its own, some of them several times; nearly half of the table's rows nobody names. */
static void make_data(void) {
    for (int k = 0; k < NETWORK_SAMPLES * LENGTH_OF_TEXT; k++) words[k] = (int32_t)(check_bits(7, (uint64_t)k) % VOCABULARY) / 2 * 2;
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        labels[k] = (int32_t)(check_bits(8, (uint64_t)k) % NETWORK_CLASSES);
        words[k * LENGTH_OF_TEXT] = words[k * LENGTH_OF_TEXT + 1];
    }
    x = check_array(words, NETWORK_SAMPLES * LENGTH_OF_TEXT, MARTLET_INT32);
    y = check_array(labels, NETWORK_SAMPLES, MARTLET_INT32);
}

static martlet_layer table_layer(uint32_t flags) {
    martlet_layer layer = network_layer(MARTLET_LAYER_EMBEDDING, COLUMNS, MARTLET_ACTIVATION_LINEAR);
    layer.vocabulary = VOCABULARY, layer.flags = flags;
    return layer;
}

/* The table is there twice, for the same words in the same order. */
static martlet_model *model_of(uint32_t flags) {
    martlet_model *model = NULL;
    const int64_t length = LENGTH_OF_TEXT;
    int32_t table = -1, again = -1, node = -1;
    const int32_t input = 0;
    REQUIRE(martlet_model_create(&model, &length, 1, 9) == MARTLET_OK);
    const martlet_layer layer = table_layer(flags), sum = network_layer(MARTLET_LAYER_MULTIPLY, 0, MARTLET_ACTIVATION_LINEAR);
    REQUIRE(martlet_model_add(model, &layer, NULL, 0, &table) == MARTLET_OK);
    REQUIRE(martlet_model_apply(model, table, &input, 1, &again) == MARTLET_OK);
    REQUIRE(martlet_model_add(model, &sum, (int32_t[]){table, again}, 2, &node) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

static martlet_status compiled(martlet_model *model, martlet_config config) {
    martlet_training training;
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    training.batch_size = 8;
    return martlet_model_compile(model, &training, &config);
}

static martlet_config config_of(int32_t algorithm) {
    martlet_config config;
    REQUIRE(martlet_config_init(&config, sizeof config, algorithm) == MARTLET_OK);
    config.lr = 0.01;
    return config;
}

static const float *buffer(martlet_model *model, int32_t kind) {
    float *data = NULL;
    CHECK_OK(martlet_model_buffer_get(model, &data, NULL, kind));
    return data;
}

static void train(martlet_model *model, int from, int count) {
    int64_t rows[NETWORK_SAMPLES];
    for (int k = 0; k < count; k++) rows[k] = (from + k) % NETWORK_SAMPLES;
    CHECK_OK(martlet_model_train(model, NULL, &x, &y, rows, count));
}

static bool is_named(int row, int from, int count) {
    for (int k = from * LENGTH_OF_TEXT; k < (from + count) * LENGTH_OF_TEXT; k++)
        if (words[k] == row) return true;
    return false;
}

/* Rows that a batch names move, and no other; the gradients of the others are zeros; a step in halves is one. */
static void moves(int32_t algorithm) {
    martlet_model *model = model_of(MARTLET_SPARSE), *halves = model_of(MARTLET_SPARSE);
    CHECK_OK(compiled(model, config_of(algorithm)));
    CHECK_OK(compiled(halves, config_of(algorithm)));
    float before[VOCABULARY * COLUMNS];
    for (int from = 0; from < 24; from += 8) {
        memcpy(before, buffer(model, MARTLET_BUFFER_PARAMETERS), sizeof before);
        train(model, from, 8);
        int64_t rows[8];
        for (int k = 0; k < 8; k++) rows[k] = from + k;
        CHECK_OK(martlet_model_differentiate(halves, NULL, &x, &y, rows, 8));
        CHECK_OK(martlet_model_step(halves));
        CHECK(network_hash(model, false) == network_hash(halves, false));
        const float *now = buffer(model, MARTLET_BUFFER_PARAMETERS), *gradient = buffer(model, MARTLET_BUFFER_GRADIENTS);
        for (int row = 0; row < VOCABULARY; row++) {
            const bool moved = memcmp(now + row * COLUMNS, before + row * COLUMNS, COLUMNS * sizeof *now) != 0;
            bool isZero = true;
            for (int k = 0; k < COLUMNS; k++) isZero = isZero && gradient[row * COLUMNS + k] == 0;
            CHECK_SAYING(moved == is_named(row, from, 8) && isZero == !moved, "algorithm %d, row %d", algorithm, row);
        }
    }
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(halves));
}

/* With deferred rows: the bits of a dense table, after steps of other rows, an epoch, and from a file. */
static void defers(int32_t algorithm, double max_norm) {
    martlet_config dense = config_of(algorithm);
    dense.max_norm = max_norm, dense.weight_decay = 0.01;
    martlet_config deferring = dense;
    deferring.flags |= MARTLET_DEFER_ROWS;
    for (int32_t threads = 1; threads <= 4; threads += 3) {
        CHECK_OK(martlet_threads_set(threads));
        martlet_model *one = model_of(MARTLET_SPARSE), *other = model_of(0), *loaded = NULL;
        CHECK_OK(compiled(one, deferring));
        CHECK_OK(compiled(other, dense));
        for (int k = 0; k < 9; k++) train(one, 5 * k, 3 + k % 4), train(other, 5 * k, 3 + k % 4);
        CHECK_OK(martlet_model_mode_set(one, MARTLET_EVALUATION));
        CHECK(network_hash(one, false) == network_hash(other, false));
        CHECK_OK(martlet_model_save(one, "model_rows.safetensors"));
        CHECK_OK(martlet_model_load(&loaded, "model_rows.safetensors"));
        CHECK_OK(martlet_model_fit(one, NULL, &x, &y, NULL));
        CHECK_OK(martlet_model_fit(other, NULL, &x, &y, NULL));
        CHECK_OK(martlet_model_fit(loaded, NULL, &x, &y, NULL));
        CHECK(network_hash(one, false) == network_hash(other, false));
        CHECK(network_hash(loaded, false) == network_hash(other, false));
        /* Compiled anew nothing is left behind. */
        train(one, 0, 2), train(other, 0, 2);
        CHECK_OK(compiled(one, deferring));
        CHECK_OK(compiled(other, dense));
        CHECK(network_hash(one, false) == network_hash(other, false));
        CHECK_OK(martlet_model_destroy(one));
        CHECK_OK(martlet_model_destroy(other));
        CHECK_OK(martlet_model_destroy(loaded));
    }
}

/* The first batch is small, and names fewer rows than others. */
static void quiet(uint32_t flags) {
    if (malloc_count_start == NULL || malloc_count_stop == NULL) return;
    martlet_model *model = model_of(MARTLET_SPARSE);
    martlet_config config = config_of(MARTLET_ADAM);
    config.flags |= flags, config.max_norm = 1;
    CHECK_OK(compiled(model, config));
    check_start_threads();
    for (int k = 0; k < 20; k++) {
        if (k == 1) malloc_count_start(0, 0);
        train(model, 3 * k, k == 0 ? 1 : 8);
    }
    const long seen = malloc_count_stop();
    CHECK_SAYING(seen == 0, "%ld allocations in 19 steps", seen);
    CHECK_OK(martlet_model_destroy(model));
}

static void refused(void) {
    martlet_model *model = model_of(MARTLET_SPARSE);
    CHECK_STATUS(compiled(model, config_of(MARTLET_LAMB)), MARTLET_ERROR_UNSUPPORTED);
    CHECK_SAYING(strstr(martlet_last_error(), "\"embedding/embeddings\" is trained by rows, since its layer is sparse, and lamb") != NULL,
                 "%s", martlet_last_error());
    martlet_config config = config_of(MARTLET_ADAM);
    config.accumulate = 2;
    CHECK_STATUS(compiled(model, config), MARTLET_ERROR_UNSUPPORTED);
    CHECK_SAYING(strstr(martlet_last_error(), "ACCUMULATE keeps a mean") != NULL, "%s", martlet_last_error());
    CHECK_OK(compiled(model, config_of(MARTLET_ADAM)));
    float copy[VOCABULARY * COLUMNS + (COLUMNS * LENGTH_OF_TEXT + 1) * NETWORK_CLASSES];
    const martlet_array array = check_array(copy, (int64_t)(sizeof copy / sizeof *copy), MARTLET_FP32);
    CHECK_STATUS(martlet_model_copy_set(model, &array), MARTLET_ERROR_UNSUPPORTED);
    CHECK_OK(martlet_model_destroy(model));
    const int64_t length = LENGTH_OF_TEXT;
    REQUIRE(martlet_model_create(&model, &length, 1, 9) == MARTLET_OK);
    martlet_layer layer = table_layer(MARTLET_SPARSE);
    layer.l2 = 0.1;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "layer.l2 is 0.1; expected 0 of a sparse table") != NULL, "%s", martlet_last_error());
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    alarm(60);
    make_data();
    quiet(0), quiet(MARTLET_DEFER_ROWS);
    moves(MARTLET_ADAM), moves(MARTLET_SGD), moves(MARTLET_ADAGRAD);
    defers(MARTLET_ADAM, INFINITY), defers(MARTLET_ADAMW, 0.01), defers(MARTLET_ADAGRAD, INFINITY), defers(MARTLET_RMSPROP, 0.05);
    refused();
    return check_end();
}
