/*
 * What can be read back of a model: each field of layers of every kind, what nodes read, the training settings and the seed,
 * by which another program makes the same model again; the order of samples, by which whoever walks over batches trains to
 * the bits of fit, also in a model that was saved in between; and notes, which come through files with any text and any key,
 * and of which a call that fails changes none.
 */
#include "network.h"

static void read_layer(martlet_model *model, martlet_layer *layer, int64_t node) {
    memset(layer, 0xAB, sizeof *layer);
    CHECK_OK(martlet_model_layer_get(model, layer, sizeof *layer, node));
}

/* ---- every field ---- */

static void fields(void) {
    for (int32_t kind = MARTLET_LAYER_DENSE; kind <= MARTLET_LAYER_SIMPLE_RNN; kind++) {
        martlet_model *model = NULL;
        martlet_layer given, found;
        REQUIRE(martlet_layer_init(&given, sizeof given, kind) == MARTLET_OK);
        const bool is_dense = kind == MARTLET_LAYER_DENSE, is_image = kind == MARTLET_LAYER_CONV2D, is_recurrent = kind >= MARTLET_LAYER_LSTM && kind <= MARTLET_LAYER_SIMPLE_RNN;
        if (!is_dense && !is_image && !is_recurrent && kind != MARTLET_LAYER_RESHAPE && kind != MARTLET_LAYER_RESCALING && kind != MARTLET_LAYER_BATCH_NORM) continue;
        const int64_t flat[] = {12}, image[] = {6, 6, 4};
        CHECK_OK(martlet_model_create(&model, is_image || is_recurrent ? image : flat, is_image ? 3 : is_recurrent ? 2 : 1, 1));
        given.name = "its name";
        if (is_dense) {
            given.units = 7, given.activation = MARTLET_ACTIVATION_LEAKY_RELU, given.slope = 0.3, given.flags = MARTLET_FROZEN;
            given.kernel_initializer = MARTLET_INITIALIZER_UNIFORM, given.kernel_value = 0.25, given.l1 = 0.5, given.l2 = 0.125;
            given.bias_initializer = MARTLET_INITIALIZER_CONSTANT, given.bias_value = -3;
        }
        if (is_image) {
            given.units = 4, given.groups = 2, given.kernel[0] = 3, given.kernel[1] = 2, given.stride[0] = 2, given.stride[1] = 1;
            given.dilation[1] = 2, given.padding = MARTLET_PADDING_EXPLICIT;
            given.pads[0] = 1, given.pads[1] = 2, given.pads[3] = 2;
        }
        if (is_recurrent) {
            given.units = 5, given.flags |= MARTLET_RETURN_SEQUENCES | MARTLET_GO_BACKWARDS | MARTLET_INPUT_ORDER | MARTLET_ZERO_HIDDEN | MARTLET_RETURN_STATE | MARTLET_STATEFUL, given.groups = 3, given.activation = MARTLET_ACTIVATION_ELU;
            given.recurrent_activation = MARTLET_ACTIVATION_HARD_SIGMOID;
            given.recurrent_initializer = MARTLET_INITIALIZER_CONSTANT, given.recurrent_value = -0.5, given.rate = 0.25, given.recurrent_rate = 0.75;
        }
        if (kind == MARTLET_LAYER_RESHAPE) given.rank = 3, given.sizes[0] = 2, given.sizes[1] = -1, given.sizes[2] = 3;
        if (kind == MARTLET_LAYER_RESCALING) given.scale = 0.1, given.offset = -7;
        if (kind == MARTLET_LAYER_BATCH_NORM) given.momentum = 0.75, given.epsilon = 0.01, given.flags = MARTLET_UNBIASED_VARIANCE;
        CHECK_OK(martlet_model_add(model, &given, NULL, 0, NULL));
        read_layer(model, &found, 1);
        CHECK(strcmp(found.name, given.name) == 0);
        found.name = given.name;
        CHECK_SAYING(memcmp(&found, &given, sizeof given) == 0, "kind %d comes back changed", kind);
        CHECK_OK(martlet_model_destroy(model));
    }
}

/* Of what shares a table: which node has it. */
static void table(void) {
    martlet_model *model = NULL;
    martlet_layer given = network_layer(MARTLET_LAYER_EMBEDDING, 4, MARTLET_ACTIVATION_LINEAR), found;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){3}, 1, 1));
    given.vocabulary = 6, given.still_row = 5, given.name = "rows";
    CHECK_OK(martlet_model_add(model, &given, NULL, 0, NULL));
    read_layer(model, &found, 1);
    found.name = given.name;
    CHECK(memcmp(&found, &given, sizeof given) == 0);
    given = network_layer(MARTLET_LAYER_TIED_DENSE, 0, MARTLET_ACTIVATION_LEAKY_RELU);
    given.table = 1, given.slope = 0.3, given.flags = MARTLET_FROZEN;
    given.bias_initializer = MARTLET_INITIALIZER_CONSTANT, given.bias_value = -3, given.name = "its name";
    CHECK_OK(martlet_model_add(model, &given, NULL, 0, NULL));
    read_layer(model, &found, 2);
    CHECK(strcmp(found.name, given.name) == 0);
    found.name = given.name;
    CHECK(memcmp(&found, &given, sizeof given) == 0);
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- a graph made again ---- */

static martlet_model *graph(void) {
    martlet_model *model = NULL;
    martlet_layer layer = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    int32_t nodes[6];
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){8}, 1, 77));
    layer.rank = 1, layer.sizes[0] = 8;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &nodes[1]));
    layer = network_layer(MARTLET_LAYER_DENSE, 6, MARTLET_ACTIVATION_TANH);
    nodes[0] = 0;
    CHECK_OK(martlet_model_add(model, &layer, nodes, 1, &nodes[2]));
    CHECK_OK(martlet_model_apply(model, nodes[2], &nodes[1], 1, &nodes[3]));
    layer = network_layer(MARTLET_LAYER_CONCATENATE, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &layer, &nodes[2], 2, NULL));
    network_add(model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    return model;
}

/* By what is read of it alone. */
static martlet_model *made_again(martlet_model *old) {
    martlet_model *model = NULL;
    martlet_layer layer;
    martlet_node node;
    int64_t count = 0;
    uint64_t seed = 0;
    CHECK_OK(martlet_model_seed_get(old, &seed));
    CHECK_OK(martlet_model_node_count(old, &count));
    read_layer(old, &layer, 0);
    CHECK(layer.kind == MARTLET_LAYER_INPUT && layer.rank >= 1);
    CHECK_OK(martlet_model_create(&model, layer.sizes, layer.rank, seed));
    for (int64_t k = 1; k < count; k++) {
        CHECK_OK(martlet_model_node_get(old, &node, k));
        read_layer(old, &layer, k);
        CHECK(strcmp(layer.name, node.name) == 0 && layer.kind == node.kind);
        if (node.first >= 0) CHECK_OK(martlet_model_apply(model, node.first, node.inputs, node.input_count, NULL));
        else CHECK_OK(martlet_model_add(model, &layer, node.inputs, node.input_count, NULL));
    }
    return model;
}

static void graphs(void) {
    martlet_model *model = graph(), *again = made_again(model);
    martlet_node node;
    CHECK_OK(martlet_model_node_get(model, &node, 3));
    CHECK(node.first == 2 && node.input_count == 1 && node.inputs[0] == 1);
    CHECK_OK(martlet_model_node_get(model, &node, 4));
    CHECK(node.first == -1 && node.input_count == 2 && node.inputs[0] == 2 && node.inputs[1] == 3);
    CHECK(network_hash(model, false) == network_hash(again, false));
    martlet_model *other = graph();
    CHECK(network_hash(model, false) == network_hash(other, false));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(again));
    CHECK_OK(martlet_model_destroy(other));
    model = network_image(3), again = made_again(model);
    CHECK(network_hash(model, false) == network_hash(again, false));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(again));
}

static void training(void) {
    martlet_model *model = network_dense(8, 6, 1);
    martlet_training given, found;
    CHECK_STATUS(martlet_model_training_get(model, &found, sizeof found, 0), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_training_init(&given, sizeof given, MARTLET_LOSS_CROSS_ENTROPY));
    given.from = MARTLET_FROM_LOGITS, given.metrics = 1u << MARTLET_METRIC_TOP_ACCURACY, given.batch_size = 17, given.top = 3;
    given.state_dtype = MARTLET_BF16, given.label_smoothing = 0.1;
    CHECK_OK(martlet_model_compile(model, &given, NULL));
    memset(&found, 0xAB, sizeof found);
    CHECK_OK(martlet_model_training_get(model, &found, sizeof found, 0));
    CHECK(memcmp(&given, &found, sizeof given) == 0);
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- the order of samples ---- */

static int64_t epochs_of(martlet_model *model) {
    int64_t epoch = -1;
    CHECK_OK(martlet_model_epoch_get(model, &epoch));
    return epoch;
}

/* An epoch as fit would do it. */
static void walk(martlet_model *model, const struct network_data *data, int64_t batch) {
    int64_t rows[NETWORK_SAMPLES];
    const int64_t epoch = epochs_of(model);
    CHECK_OK(martlet_model_order_get(model, rows, NETWORK_SAMPLES, epoch));
    CHECK_OK(martlet_model_epoch_set(model, epoch + 1));
    for (int64_t k = 0; k < NETWORK_SAMPLES; k += batch) {
        const int64_t left = NETWORK_SAMPLES - k;
        CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, rows + k, left < batch ? left : batch));
    }
}

static void orders(void) {
    enum { BATCH = 16 };
    struct network_data *data = network_data(8);
    martlet_model *fitted = network_dense(8, 6, 9), *walked = network_dense(8, 6, 9), *loaded = NULL;
    CHECK_STATUS(martlet_model_epoch_set(fitted, 0), MARTLET_ERROR_ORDER);
    network_compile(fitted, BATCH), network_compile(walked, BATCH);
    CHECK_OK(network_fit(fitted, data, 3, 0));
    for (int k = 0; k < 3; k++) walk(walked, data, BATCH);
    CHECK(epochs_of(fitted) == 3 && epochs_of(walked) == 3);
    CHECK(network_hash(fitted, true) == network_hash(walked, true));
    CHECK_OK(martlet_model_save(walked, "walked.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "walked.safetensors"));
    CHECK(epochs_of(loaded) == 3);
    CHECK_OK(network_fit(fitted, data, 1, 0));
    walk(loaded, data, BATCH), walk(walked, data, BATCH);
    CHECK(network_hash(fitted, true) == network_hash(walked, true));
    CHECK(network_hash(loaded, false) == network_hash(fitted, false));
    /* Every sample once, another order in another epoch and for another seed, and none without samples. */
    int64_t rows[3][NETWORK_SAMPLES], seen[NETWORK_SAMPLES] = {0};
    martlet_model *other = network_dense(8, 6, 10);
    CHECK_OK(martlet_model_order_get(fitted, rows[0], NETWORK_SAMPLES, 5));
    CHECK_OK(martlet_model_order_get(fitted, rows[1], NETWORK_SAMPLES, 6));
    CHECK_OK(martlet_model_order_get(other, rows[2], NETWORK_SAMPLES, 5)); /* which is not compiled */
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        REQUIRE(rows[0][k] >= 0 && rows[0][k] < NETWORK_SAMPLES);
        seen[rows[0][k]]++;
    }
    for (int k = 0; k < NETWORK_SAMPLES; k++) CHECK(seen[k] == 1);
    CHECK(memcmp(rows[0], rows[1], sizeof rows[0]) != 0 && memcmp(rows[0], rows[2], sizeof rows[0]) != 0);
    CHECK_OK(martlet_model_order_get(fitted, rows[0], 0, 0));
    CHECK_OK(martlet_model_reset(fitted));
    CHECK(epochs_of(fitted) == 0);
    martlet_model *const all[] = {fitted, walked, loaded, other};
    for (int k = 0; k < LENGTH(all); k++) CHECK_OK(martlet_model_destroy(all[k]));
    remove("walked.safetensors");
    network_data_free(data);
}

/* ---- notes ---- */

static void expect_note(martlet_model *model, const char *key, const char *wanted) {
    const char *found = "never written";
    CHECK_OK(martlet_model_note_get(model, &found, key));
    CHECK_SAYING((found == NULL) == (wanted == NULL) && (found == NULL || strcmp(found, wanted) == 0), "%s: %.40s", key, found == NULL ? "NULL" : found);
}

static void notes(void) {
    static char large[100001];
    martlet_model *model = network_dense(8, 6, 1), *loaded = NULL;
    memset(large, 'x', sizeof large - 1);
    const char *const keys[] = {"python", "a key with \"quotes\", \\ and \n", "\xc3\xa9\xe2\x82\xac", "format", "note.x", "large", "empty"};
    const char *const texts[] = {"{\"name\": 1}", "\t\x01 a text\nof lines \\ \"", "\xf0\x9f\xa6\x8a", "x", "y", large, ""};
    expect_note(model, "python", NULL);
    CHECK_OK(martlet_model_note_set(model, "python", NULL)); /* which there is none of */
    for (int k = 0; k < LENGTH(keys); k++) CHECK_OK(martlet_model_note_set(model, keys[k], k == 0 ? "another" : texts[k]));
    CHECK_OK(martlet_model_note_set(model, keys[0], texts[0]));
    for (int k = 0; k < LENGTH(keys); k++) expect_note(model, keys[k], texts[k]);
    CHECK_STATUS(martlet_model_note_set(model, "python", "\xff"), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_note_set(model, "", "x"), MARTLET_ERROR_ARGUMENT);
    expect_note(model, "python", texts[0]);
    CHECK_OK(martlet_model_save(model, "noted.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "noted.safetensors"));
    for (int k = 0; k < LENGTH(keys); k++) expect_note(loaded, keys[k], texts[k]);
    for (int k = 0; k < LENGTH(keys); k += 2) CHECK_OK(martlet_model_note_set(loaded, keys[k], NULL));
    for (int k = 0; k < LENGTH(keys); k++) expect_note(loaded, keys[k], k % 2 == 0 ? NULL : texts[k]);
    CHECK(network_hash(model, false) == network_hash(loaded, false));
    CHECK_OK(martlet_model_destroy(loaded));
    char key[32];
    for (int k = LENGTH(keys); k < 1000; k++) {
        snprintf(key, sizeof key, "%d", k);
        CHECK_OK(martlet_model_note_set(model, key, "n"));
    }
    CHECK_STATUS(martlet_model_note_set(model, "one more", "n"), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_note_set(model, "999", "another"));
    CHECK_OK(martlet_model_save(model, "noted.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "noted.safetensors"));
    expect_note(loaded, "999", "another");
    CHECK_OK(martlet_model_destroy(loaded));
    CHECK_OK(martlet_model_destroy(model));
    remove("noted.safetensors");
}

int main(void) {
    alarm(60);
    fields();
    table();
    graphs();
    training();
    orders();
    notes();
    return check_end();
}
