/*
 * Models whose inputs are given other sizes: the bits of one that was made for these, in training, predictions and scores, as
 * batches of several lengths come; what a file says; what is refused, with nothing changed.
 */
#include "network.h"

#define SAMPLES 12
#define FEATURES 5
#define LONGEST 11

static float sequences[SAMPLES * LONGEST * FEATURES], numbers[SAMPLES * LONGEST];
static int32_t words[SAMPLES * LONGEST], labels[SAMPLES];

static void add(martlet_model *model, martlet_layer layer) { CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL)); }

/* Sequences to three classes, through every kind of operation that goes along steps. */
static martlet_model *of_length(int64_t steps) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){steps, FEATURES}, 2, 7));
    add(model, network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR));
    martlet_layer layer = network_layer(MARTLET_LAYER_LSTM, 6, MARTLET_ACTIVATION_TANH);
    layer.flags |= MARTLET_RETURN_SEQUENCES;
    add(model, layer);
    layer = network_layer(MARTLET_LAYER_ATTENTION, 0, MARTLET_ACTIVATION_LINEAR);
    layer.groups = 2;
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){2, 2, 2}, 3, NULL));
    layer = network_layer(MARTLET_LAYER_CONV1D, 4, MARTLET_ACTIVATION_RELU);
    layer.kernel[0] = 3, layer.padding = MARTLET_PADDING_SAME;
    add(model, layer);
    add(model, network_layer(MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR));
    add(model, network_layer(MARTLET_LAYER_GLOBAL_AVERAGE_POOL1D, 0, MARTLET_ACTIVATION_LINEAR));
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

static martlet_status resized(martlet_model *model, int64_t steps) {
    return martlet_model_sizes_set(model, (const int64_t[]){steps, FEATURES}, 2);
}

static martlet_array batch_of(int64_t steps) { return check_array(sequences, SAMPLES * steps * FEATURES, MARTLET_FP32); }

static void compile(martlet_model *model) {
    martlet_training training;
    martlet_config sgd;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.metrics = 1u << MARTLET_METRIC_ACCURACY, training.batch_size = SAMPLES / 2;
    CHECK_OK(martlet_config_init(&sgd, sizeof sgd, MARTLET_SGD));
    sgd.lr = 0.125;
    CHECK_OK(martlet_model_compile(model, &training, &sgd));
}

static float *parameters(martlet_model *model, int64_t *count) {
    float *start = NULL;
    CHECK_OK(martlet_model_buffer_get(model, &start, count, MARTLET_BUFFER_PARAMETERS));
    return start;
}

static void steps_are_those_of_a_model_of_that_length(void) {
    const int64_t lengths[] = {4, 9, 1, LONGEST, 4};
    const martlet_array y = check_array(labels, SAMPLES, MARTLET_INT32);
    martlet_model *model = of_length(6);
    compile(model);
    for (int k = 0; k < LENGTH(lengths); k++) {
        const martlet_array x = batch_of(lengths[k]);
        martlet_model *other = of_length(lengths[k]);
        compile(other);
        int64_t count = 0, step = 0;
        float *const own = parameters(model, &count), *const theirs = parameters(other, &count);
        memcpy(theirs, own, (size_t)count * sizeof *own);
        /* Dropout's numbers depend on the steps taken: as many of nothing. */
        CHECK_OK(martlet_model_set(other, MARTLET_LR, 0));
        for (int before = 0; before < k; before++) CHECK_OK(martlet_model_train(other, NULL, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_set(other, MARTLET_LR, 0.125));
        CHECK_OK(resized(model, lengths[k]));
        martlet_result found, wanted;
        CHECK_OK(martlet_result_init(&found, sizeof found));
        CHECK_OK(martlet_result_init(&wanted, sizeof wanted));
        CHECK_OK(martlet_model_train(model, &found, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_train(other, &wanted, &x, &y, NULL, 0));
        CHECK(found.loss == wanted.loss);
        CHECK(memcmp(own, theirs, (size_t)count * sizeof *own) == 0);
        CHECK_OK(martlet_model_step_get(model, &step));
        CHECK(step == k + 1);
        float given[SAMPLES * NETWORK_CLASSES], right[LENGTH(given)];
        CHECK_OK(martlet_model_predict(model, given, LENGTH(given), &x, NULL));
        CHECK_OK(martlet_model_predict(other, right, LENGTH(right), &x, NULL));
        CHECK(memcmp(given, right, sizeof given) == 0);
        CHECK_OK(martlet_model_destroy(other));
    }
    CHECK_OK(martlet_model_destroy(model));
}

static void tallies_and_moments_go_on(void) {
    const martlet_array y = check_array(labels, SAMPLES, MARTLET_INT32);
    martlet_model *model = of_length(6);
    network_compile(model, SAMPLES); /* by Adam */
    CHECK_OK(martlet_model_tally_set(model, MARTLET_TRAINING, 1));
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    for (int64_t steps = 2; steps < 6; steps++) {
        const martlet_array x = batch_of(steps);
        CHECK_OK(resized(model, steps));
        CHECK_OK(martlet_model_differentiate(model, &result, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_step(model));
    }
    CHECK(result.samples == 4 * SAMPLES && result.batches == 4);
    CHECK_OK(martlet_model_save(model, "lengths.safetensors"));
    martlet_model *loaded = NULL;
    martlet_node node;
    CHECK_OK(martlet_model_load(&loaded, "lengths.safetensors"));
    CHECK_OK(martlet_model_node_get(loaded, &node, 0));
    CHECK(node.rank == 2 && node.sizes[0] == 5 && node.sizes[1] == FEATURES); /* those that it has now */
    for (int64_t steps = 3; steps < 9; steps += 5) {
        const martlet_array x = batch_of(steps);
        CHECK_OK(resized(model, steps));
        CHECK_OK(resized(loaded, steps));
        CHECK_OK(martlet_model_train(model, NULL, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_train(loaded, NULL, &x, &y, NULL, 0));
    }
    CHECK(network_hash(model, true) == network_hash(loaded, true));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
}

/* Rows of a table, some of which longer batches name and shorter ones do not, and a number for each step. */
static martlet_model *of_words(int64_t steps) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, &steps, 1, 3));
    martlet_layer layer = network_layer(MARTLET_LAYER_EMBEDDING, 4, MARTLET_ACTIVATION_LINEAR);
    layer.vocabulary = 50, layer.flags |= MARTLET_SPARSE;
    add(model, layer);
    network_add(model, MARTLET_LAYER_DENSE, 1, MARTLET_ACTIVATION_TANH);
    return model;
}

static void tables_by_rows_follow(void) {
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    martlet_model *model = of_words(LONGEST);
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    float *gradients = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &gradients, &count, MARTLET_BUFFER_GRADIENTS));
    for (int64_t steps = LONGEST; steps > 0; steps -= 5) {
        const martlet_array x = check_array(words, SAMPLES * steps, MARTLET_INT32);
        const martlet_array y = check_array(numbers, SAMPLES * steps, MARTLET_FP32);
        CHECK_OK(martlet_model_sizes_set(model, &steps, 1));
        CHECK_OK(martlet_model_differentiate(model, NULL, &x, &y, NULL, 0));
        martlet_model *other = of_words(steps);
        CHECK_OK(martlet_model_compile(other, &training, NULL));
        float *wanted = NULL;
        memcpy(parameters(other, &count), parameters(model, &count), (size_t)count * sizeof *wanted);
        CHECK_OK(martlet_model_differentiate(other, NULL, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_buffer_get(other, &wanted, &count, MARTLET_BUFFER_GRADIENTS));
        CHECK(memcmp(gradients, wanted, (size_t)count * sizeof *wanted) == 0);
        CHECK_OK(martlet_model_step(model));
        CHECK_OK(martlet_model_destroy(other));
    }
    CHECK_OK(martlet_model_destroy(model));
}

static void refusals_change_nothing(void) {
    const int64_t steps[] = {3, FEATURES};
    martlet_model *model = of_length(6);
    network_compile(model, SAMPLES);
    const uint64_t before = network_hash(model, true);
    CHECK_STATUS(martlet_model_sizes_set(model, steps, 1), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_sizes_set(model, NULL, 2), MARTLET_ERROR_NULL);
    CHECK_STATUS(martlet_model_sizes_set(model, (const int64_t[]){0, FEATURES}, 2), MARTLET_ERROR_SHAPE);
    CHECK_STATUS(martlet_model_sizes_set(model, (const int64_t[]){3, FEATURES + 1}, 2), MARTLET_ERROR_SHAPE);
    CHECK(strstr(martlet_last_error(), "layer \"lstm\"") != NULL);
    martlet_node node;
    CHECK_OK(martlet_model_node_get(model, &node, 2));
    CHECK(node.sizes[0] == 6 && network_hash(model, true) == before);
    CHECK_OK(martlet_model_destroy(model));

    CHECK_OK(martlet_model_create(&model, (const int64_t[]){6, FEATURES}, 2, 7));
    network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(resized(model, 3), MARTLET_ERROR_SHAPE);
    CHECK(strstr(martlet_last_error(), "layer \"dense\" would have arrays of (15, 2), (2); expected (30, 2), (2)") != NULL);
    CHECK_OK(martlet_model_destroy(model));

    /* What counts for each element of a sample. */
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    training.metrics = 1u << MARTLET_METRIC_R2;
    model = of_words(6);
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    CHECK_STATUS(martlet_model_sizes_set(model, steps, 1), MARTLET_ERROR_UNSUPPORTED);
    CHECK_OK(martlet_model_destroy(model));
}

/* A batch that was run forward has the sizes of before. */
static void a_batch_by_hand_ends(void) {
    float out[SAMPLES * NETWORK_CLASSES] = {0};
    martlet_model *model = of_length(6);
    compile(model);
    martlet_array x = batch_of(6);
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), &x, NULL, NULL, NULL, 0));
    CHECK_OK(resized(model, 4));
    CHECK_STATUS(martlet_model_backward(model, out, LENGTH(out), NULL), MARTLET_ERROR_ORDER);
    x = batch_of(4);
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), &x, NULL, NULL, NULL, 0));
    CHECK_OK(martlet_model_backward(model, out, LENGTH(out), NULL));
    CHECK_OK(martlet_model_step(model));
    CHECK_OK(martlet_model_destroy(model));
}

/* Each input has the sizes of now, and what is read of them is what the file says. */
static void files_have_the_sizes_of_every_input(void) {
    martlet_model *model = of_length(6), *loaded = NULL;
    martlet_layer layer = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    int32_t both[2] = {0, 0};
    layer.rank = 2, layer.sizes[0] = 6, layer.sizes[1] = FEATURES;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &both[1]));
    layer = network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &layer, both, 2, NULL));
    CHECK_OK(martlet_model_sizes_set(model, (const int64_t[]){4, FEATURES, 4, FEATURES}, 4));
    CHECK_OK(martlet_model_save(model, "lengths.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "lengths.safetensors"));
    for (int k = 0; k < 2; k++) {
        CHECK_OK(martlet_model_layer_get(k ? loaded : model, &layer, sizeof layer, both[1]));
        CHECK(layer.rank == 2 && layer.sizes[0] == 4 && layer.sizes[1] == FEATURES);
    }
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
}

int main(void) {
    check_fill(sequences, LENGTH(sequences), 4);
    check_fill(numbers, LENGTH(numbers), 5);
    for (int k = 0; k < LENGTH(words); k++) words[k] = (int32_t)(check_bits(6, (uint64_t)k) % 50);
    for (int k = 0; k < SAMPLES; k++) {
        labels[k] = k % NETWORK_CLASSES;
        /* Some steps are masked away: they are zeros. */
        memset(sequences + k * FEATURES * 4, 0, FEATURES * sizeof *sequences);
    }
    steps_are_those_of_a_model_of_that_length();
    tallies_and_moments_go_on();
    tables_by_rows_follow();
    refusals_change_nothing();
    a_batch_by_hand_ends();
    files_have_the_sizes_of_every_input();
    return check_end();
}
