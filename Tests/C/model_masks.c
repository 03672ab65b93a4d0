/*
 * Lengths and masks as inputs: MASKING by how many steps are seen, by a number for each step, and by what the steps hold, has
 * the same bits in training, predictions and scores; lengths beyond the sequence and below 0 are refused, with nothing changed;
 * a sequence of length 0 gives the state before the first step; files keep which it is, and nodes say whose mask they read.
 */
#include "network.h"

enum { SAMPLES = 10, STEPS = 6, FEATURES = 4 };
enum way { BY_FEATURES, BY_NUMBERS, BY_OTHERS, BY_LENGTHS };
static float sequences[SAMPLES * STEPS * FEATURES];
static int32_t lengths[SAMPLES], seen[SAMPLES * STEPS], hidden[SAMPLES * STEPS], labels[SAMPLES];

static martlet_model *masked(enum way way) {
    martlet_model *model = NULL;
    int32_t nodes[] = {0, 0};
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){STEPS, FEATURES}, 2, 7));
    if (way != BY_FEATURES) {
        martlet_layer input = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
        input.rank = 1, input.sizes[0] = way == BY_LENGTHS ? 1 : STEPS;
        CHECK_OK(martlet_model_add(model, &input, NULL, 0, &nodes[1]));
    }
    martlet_layer layer = network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
    int32_t node;
    layer.name = "hides";
    layer.flags = way == BY_LENGTHS ? MARTLET_LENGTHS : 0, layer.offset = way == BY_OTHERS ? 1 : 0;
    CHECK_OK(martlet_model_add(model, &layer, nodes, way == BY_FEATURES ? 1 : 2, &node));
    const int32_t own = node;
    layer = network_layer(MARTLET_LAYER_ATTENTION, 0, MARTLET_ACTIVATION_LINEAR);
    layer.groups = 2;
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){node, node, node}, 3, &node));
    layer = network_layer(MARTLET_LAYER_LSTM, 5, MARTLET_ACTIVATION_TANH);
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &node));
    martlet_node found;
    CHECK_OK(martlet_model_node_get(model, &found, own));
    CHECK(found.mask == own && found.reads_mask == own);
    CHECK_OK(martlet_model_node_get(model, &found, node - 1));
    CHECK(found.mask == own && found.reads_mask == own);
    CHECK_OK(martlet_model_node_get(model, &found, node));
    CHECK(found.mask == -1 && found.reads_mask == own);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    network_compile(model, SAMPLES / 2);
    return model;
}

static void samples_of(enum way way, martlet_array x[2]) {
    x[0] = check_array(sequences, LENGTH(sequences), MARTLET_FP32);
    x[1] = way == BY_LENGTHS ? check_array(lengths, SAMPLES, MARTLET_INT32)
                             : check_array(way == BY_OTHERS ? hidden : seen, LENGTH(seen), MARTLET_INT32);
}

static uint64_t trained(enum way way, float *out) {
    martlet_model *model = masked(way);
    martlet_array x[2];
    samples_of(way, x);
    const martlet_array y = check_array(labels, SAMPLES, MARTLET_INT32);
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    for (int k = 0; k < 3; k++) CHECK_OK(martlet_model_train(model, &result, x, &y, NULL, 0));
    CHECK_OK(martlet_model_predict(model, out, SAMPLES * NETWORK_CLASSES, x, NULL));
    CHECK_OK(martlet_model_save(model, "masks.safetensors"));
    martlet_model *loaded = NULL;
    float again[SAMPLES * NETWORK_CLASSES];
    CHECK_OK(martlet_model_load(&loaded, "masks.safetensors"));
    CHECK_OK(martlet_model_predict(loaded, again, LENGTH(again), x, NULL));
    CHECK(memcmp(again, out, sizeof again) == 0);
    int64_t count = 0;
    float *start = NULL;
    CHECK_OK(martlet_model_buffer_get(model, &start, &count, MARTLET_BUFFER_PARAMETERS));
    uint64_t hash = check_hash(0, start, (size_t)count * sizeof *start);
    hash = check_hash(hash, &result.loss, sizeof result.loss);
    CHECK_OK(martlet_model_destroy(loaded));
    CHECK_OK(martlet_model_destroy(model));
    return hash;
}

static void all_ways_have_the_same_bits(void) {
    float wanted[SAMPLES * NETWORK_CLASSES], found[LENGTH(wanted)];
    const uint64_t hash = trained(BY_FEATURES, wanted);
    for (enum way way = BY_NUMBERS; way <= BY_LENGTHS; way++) {
        const uint64_t own = trained(way, found);
        CHECK_SAYING(own == hash && memcmp(found, wanted, sizeof found) == 0, "way %d has other bits", (int)way);
    }
}

static void lengths_that_cannot_be(void) {
    martlet_model *model = masked(BY_LENGTHS);
    martlet_array x[2];
    samples_of(BY_LENGTHS, x);
    const martlet_array y = check_array(labels, SAMPLES, MARTLET_INT32);
    float out[SAMPLES * NETWORK_CLASSES];
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_model_train(model, NULL, x, &y, NULL, 0));
    const uint64_t before = network_hash(model, true);
    const int32_t bad[] = {-1, STEPS + 1, INT32_MIN, INT32_MAX};
    for (int k = 0; k < LENGTH(bad); k++) {
        const int32_t kept = lengths[SAMPLES - 1];
        lengths[SAMPLES - 1] = bad[k];
        CHECK_STATUS(martlet_model_train(model, NULL, x, &y, NULL, 0), MARTLET_ERROR_ARGUMENT);
        CHECK(strstr(martlet_last_error(), "x[1][9] is ") && strstr(martlet_last_error(), "0 ..< 7, how many steps are seen by layer \"hides\""));
        CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), x, NULL), MARTLET_ERROR_ARGUMENT);
        CHECK_STATUS(martlet_model_evaluate(model, &result, x, &y, NULL), MARTLET_ERROR_ARGUMENT);
        lengths[SAMPLES - 1] = kept;
        CHECK(network_hash(model, true) == before);
    }
    /* Of shorter sequences there are fewer, whatever there was before. */
    const int64_t shorter[] = {STEPS - 2, FEATURES, 1};
    float few[SAMPLES * (STEPS - 2) * FEATURES];
    check_fill(few, LENGTH(few), 3);
    x[0] = check_array(few, LENGTH(few), MARTLET_FP32);
    CHECK_OK(martlet_model_sizes_set(model, shorter, 3));
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), x, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK(strstr(martlet_last_error(), "0 ..< 5"));
    /* Fractions are none. */
    float fractions[SAMPLES] = {0.5f};
    x[1] = check_array(fractions, SAMPLES, MARTLET_FP32);
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), x, NULL), MARTLET_ERROR_TYPE);
    CHECK_OK(martlet_model_destroy(model));
}

/* Two layers that hide the same steps of an input, and one of them once more, make one mask; another number makes another. */
static void a_mask_that_is_made_twice_is_one(void) {
    martlet_model *model = NULL;
    martlet_node found;
    int32_t node, first;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){STEPS, FEATURES}, 2, 7));
    martlet_layer layer = network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){0}, 1, &first));
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){0}, 1, &node));
    CHECK_OK(martlet_model_apply(model, first, (const int32_t[]){0}, 1, &node));
    layer = network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){first, first + 1, node}, 3, &node));
    for (int32_t k = first; k <= node; k++) {
        CHECK_OK(martlet_model_node_get(model, &found, k));
        CHECK(found.mask == first && found.reads_mask == (k == node ? -1 : first));
    }
    const int32_t sum = node;
    layer = network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
    layer.offset = 1;
    CHECK_OK(martlet_model_add(model, &layer, (const int32_t[]){0}, 1, &node));
    CHECK_OK(martlet_model_node_get(model, &found, node));
    CHECK(found.mask == node);
    layer = network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[]){sum, node}, 2, &node), MARTLET_ERROR_UNSUPPORTED);
    CHECK_OK(martlet_model_destroy(model));
}

static void nodes_that_cannot_be(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){STEPS, FEATURES}, 2, 7));
    martlet_layer input = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    int32_t node;
    input.rank = 1, input.sizes[0] = STEPS - 1;
    CHECK_OK(martlet_model_add(model, &input, NULL, 0, &node));
    martlet_layer layer = network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR);
    for (int k = 0; k < 2; k++) {
        layer.flags = k == 0 ? 0 : MARTLET_LENGTHS;
        CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[]){0, node}, 2, NULL), MARTLET_ERROR_SHAPE);
        CHECK(strstr(martlet_last_error(), "inputs[1] is (5); expected ") != NULL);
    }
    CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[]){0}, 1, NULL), MARTLET_ERROR_ARGUMENT);
    /* Numbers that a layer gives are no lengths. */
    input.sizes[0] = 3;
    CHECK_OK(martlet_model_add(model, &input, NULL, 0, &node));
    const martlet_layer dense = network_layer(MARTLET_LAYER_DENSE, 1, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &dense, &node, 1, &node));
    CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[]){0, node}, 2, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_destroy(model));
}

static void no_steps_are_the_state_before(void) {
    martlet_model *model = NULL;
    martlet_layer layer = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    int32_t nodes[3] = {0};
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){STEPS, FEATURES}, 2, 7));
    layer.rank = 1, layer.sizes[0] = 1;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &nodes[1]));
    layer.sizes[0] = 5;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &nodes[2]));
    layer = network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR), layer.flags = MARTLET_LENGTHS;
    CHECK_OK(martlet_model_add(model, &layer, nodes, 2, &nodes[1]));
    layer = network_layer(MARTLET_LAYER_GRU, 5, MARTLET_ACTIVATION_TANH);
    CHECK_OK(martlet_model_add(model, &layer, nodes + 1, 2, NULL));
    int32_t none[SAMPLES] = {0};
    float states[SAMPLES * 5], out[LENGTH(states)];
    check_fill(states, LENGTH(states), 9);
    const martlet_array x[] = {check_array(sequences, LENGTH(sequences), MARTLET_FP32), check_array(none, SAMPLES, MARTLET_INT32),
                               check_array(states, LENGTH(states), MARTLET_FP32)};
    CHECK_OK(martlet_model_predict(model, out, LENGTH(out), x, NULL));
    CHECK(memcmp(out, states, sizeof out) == 0);
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    check_fill(sequences, LENGTH(sequences), 1);
    for (int k = 0; k < SAMPLES; k++) {
        lengths[k] = k % (STEPS + 1), labels[k] = k % NETWORK_CLASSES;
        for (int step = 0; step < STEPS; step++) {
            seen[k * STEPS + step] = step < lengths[k] ? 3 : 0, hidden[k * STEPS + step] = step >= lengths[k];
            if (step >= lengths[k]) memset(sequences + (k * STEPS + step) * FEATURES, 0, FEATURES * sizeof *sequences);
        }
    }
    all_ways_have_the_same_bits();
    lengths_that_cannot_be();
    a_mask_that_is_made_twice_is_one();
    nodes_that_cannot_be();
    no_steps_are_the_state_before();
    return check_end();
}
