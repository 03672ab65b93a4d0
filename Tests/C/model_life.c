/*
 * A model's life: every kind of layer, default names and given ones, what nodes and views say of it, the order
 * of calls, layers that do not suit their input, calls that fail, reset to the beginning, and thousands of
 * models at a time. What training computes is not asked here.
 */
#include <sys/resource.h>

#include "network.h"

/* ---- nodes and views ---- */

struct node {
    const char *name;
    int32_t kind, rank;
    int64_t sizes[3], parameters, statistics;
};

/* network_image, reckoned by hand. */
static const struct node image_nodes[] = {
    {"input", MARTLET_LAYER_INPUT, 3, {12, 12, 2}, 0, 0},
    {"normalization", MARTLET_LAYER_NORMALIZATION, 3, {12, 12, 2}, 0, 4},
    {"conv2d", MARTLET_LAYER_CONV2D, 3, {12, 12, 6}, 3 * 3 * 2 * 6 + 6, 0},
    {"max_pool2d", MARTLET_LAYER_MAX_POOL2D, 3, {6, 6, 6}, 0, 0},
    {"conv2d_1", MARTLET_LAYER_CONV2D, 3, {4, 4, 8}, 3 * 3 * 6 * 8 + 8, 0},
    {"batch_norm", MARTLET_LAYER_BATCH_NORM, 3, {4, 4, 8}, 16, 16},
    {"average_pool2d", MARTLET_LAYER_AVERAGE_POOL2D, 3, {2, 2, 8}, 0, 0},
    {"permute", MARTLET_LAYER_PERMUTE, 3, {8, 2, 2}, 0, 0},
    {"reshape", MARTLET_LAYER_RESHAPE, 3, {4, 4, 2}, 0, 0},
    {"activation", MARTLET_LAYER_ACTIVATION, 3, {4, 4, 2}, 0, 0},
    {"dropout", MARTLET_LAYER_DROPOUT, 3, {4, 4, 2}, 0, 0},
    {"flatten", MARTLET_LAYER_FLATTEN, 1, {32}, 0, 0},
    {"dense", MARTLET_LAYER_DENSE, 1, {5}, 32 * 5 + 5, 0},
};

static void nodes(void) {
    martlet_model *model = network_image(1);
    int64_t count = 0, sums[2] = {0, 0};
    CHECK_OK(martlet_model_node_count(model, &count));
    CHECK(count == LENGTH(image_nodes));
    for (int k = 0; k < LENGTH(image_nodes); k++) {
        martlet_node node;
        memset(&node, 0xAB, sizeof node);
        CHECK_OK(martlet_model_node_get(model, &node, k));
        const struct node *wanted = &image_nodes[k];
        CHECK_SAYING(strcmp(node.name, wanted->name) == 0, "%s, wanted %s", node.name, wanted->name);
        CHECK(node.kind == wanted->kind && node.rank == wanted->rank);
        for (int d = 0; d < 8; d++) CHECK(node.sizes[d] == (d < wanted->rank ? wanted->sizes[d] : 0));
        CHECK_SAYING(node.parameter_count == wanted->parameters, "%s: %ld", node.name, (long)node.parameter_count);
        CHECK_SAYING(node.statistics_count == wanted->statistics, "%s: %ld", node.name, (long)node.statistics_count);
        CHECK(node.first == -1 && node.input_count == (k > 0) && (k == 0 ? node.inputs == NULL : node.inputs[0] == k - 1));
        CHECK(node.reads_mask == -1 && node.mask == -1 && node.reserved[0] == 0);
        sums[0] += wanted->parameters, sums[1] += wanted->statistics;
    }
    /* Views follow one another and fill each buffer. */
    for (int32_t kind = 0; kind <= 2; kind += 2) {
        int64_t views = 0, total = 0, end = 0;
        float *data = NULL;
        CHECK_OK(martlet_model_buffer_get(model, &data, &total, kind));
        CHECK_OK(martlet_model_view_count(model, &views, kind));
        CHECK(total == sums[kind / 2] && data != NULL);
        for (int64_t k = 0; k < views; k++) {
            martlet_view view;
            memset(&view, 0xAB, sizeof view);
            CHECK_OK(martlet_model_view_get(model, &view, kind, k));
            int64_t product = 1;
            for (int d = 0; d < view.rank; d++) product *= view.sizes[d];
            CHECK_SAYING(view.offset == end && view.count == product, "%s", view.name);
            const char *slash = strchr(view.name, '/');
            CHECK(slash != NULL && strncmp(view.name, image_nodes[view.node].name, (size_t)(slash - view.name)) == 0);
            end += view.count;
        }
        CHECK(end == total);
    }
    martlet_view view;
    CHECK_OK(martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, 0));
    CHECK(strcmp(view.name, "conv2d/kernel") == 0 && view.rank == 4 && view.node == 2);
    CHECK(view.sizes[0] == 3 && view.sizes[1] == 3 && view.sizes[2] == 2 && view.sizes[3] == 6);
    CHECK_OK(martlet_model_destroy(model));
}

static void names(void) {
    martlet_model *model = NULL;
    martlet_node node;
    static const char *const given[] = {NULL, "dense_1", NULL, "dense", NULL, "\xC3\xA9t\xC3\xA9", "e\xCC\x81t\xC3\xA9", "a name of its own"};
    static const char *const wanted[] = {"dense", "dense_1", "dense_2", NULL, "dense_3", "\xC3\xA9t\xC3\xA9", "e\xCC\x81t\xC3\xA9", "a name of its own"};
    CHECK_OK(martlet_model_create(&model, (int64_t[]){4}, 1, 0));
    int32_t index = 0;
    for (int k = 0; k < LENGTH(given); k++) {
        martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
        layer.name = given[k];
        int32_t at = -7;
        CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, &at), wanted[k] == NULL ? MARTLET_ERROR_ARGUMENT : MARTLET_OK);
        CHECK(at == (wanted[k] == NULL ? -7 : ++index));
        if (wanted[k] == NULL) continue;
        CHECK_OK(martlet_model_node_get(model, &node, index));
        CHECK_SAYING(strcmp(node.name, wanted[k]) == 0, "%s, wanted %s", node.name, wanted[k]);
    }
    martlet_layer layer = network_layer(MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    const int32_t last[] = {index};
    CHECK_OK(martlet_model_add(model, &layer, last, 1, NULL));
    CHECK_OK(martlet_model_add(model, &layer, last, 1, NULL)); /* another reader of the same node */
    CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[]){index + 3}, 1, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_node_get(model, &node, 1));
    const char *first = node.name; /* good until destroy, whatever comes */
    CHECK_OK(martlet_model_buffer_get(model, NULL, NULL, MARTLET_BUFFER_PARAMETERS));
    CHECK(strcmp(first, "dense") == 0);
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- what is refused ---- */

/* A layer that does not suit is refused by its name, and a good one can be added in its place. */
static void unsuitable(void) {
    static const struct {
        int32_t kind, rank;
        int64_t sizes[3];
    } cases[] = {{MARTLET_LAYER_CONV2D, 1, {9}},          {MARTLET_LAYER_CONV2D, 2, {9, 9}},      {MARTLET_LAYER_CONV2D, 3, {2, 9, 1}},
                 {MARTLET_LAYER_CONV2D, 3, {9, 2, 1}},    {MARTLET_LAYER_MAX_POOL2D, 1, {9}},     {MARTLET_LAYER_MAX_POOL2D, 3, {1, 9, 1}},
                 {MARTLET_LAYER_AVERAGE_POOL2D, 2, {9, 9}}, {MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D, 2, {9, 9}},
                 {MARTLET_LAYER_RESHAPE, 1, {9}},         {MARTLET_LAYER_PERMUTE, 2, {9, 9}}};
    for (int k = 0; k < LENGTH(cases); k++) {
        martlet_model *model = NULL;
        CHECK_OK(martlet_model_create(&model, cases[k].sizes, cases[k].rank, 0));
        martlet_layer layer = network_layer(cases[k].kind, 4, MARTLET_ACTIVATION_LINEAR);
        layer.name = "the odd one";
        if (cases[k].kind == MARTLET_LAYER_CONV2D) layer.kernel[0] = layer.kernel[1] = 3;
        if (cases[k].kind >= MARTLET_LAYER_RESHAPE) layer.rank = 3, layer.sizes[0] = 0, layer.sizes[1] = 1, layer.sizes[2] = 2;
        CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_SHAPE);
        CHECK_SAYING(strstr(martlet_last_error(), "\"the odd one\"") != NULL, "%s", martlet_last_error());
        network_add(model, MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
        network_add(model, MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_LINEAR);
        CHECK_OK(martlet_model_buffer_get(model, NULL, NULL, MARTLET_BUFFER_PARAMETERS));
        CHECK_OK(martlet_model_destroy(model));
    }
}

/* Every call that needs another one before it, or none. */
static void order(void) {
    martlet_model *model = NULL;
    struct network_data *data = network_data(8);
    double number = 0;
    int64_t step = 0;
    float *memory = NULL, out[NETWORK_SAMPLES * NETWORK_CLASSES];
    const martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    CHECK_OK(martlet_model_create(&model, (int64_t[]){8}, 1, 0));
    CHECK_STATUS(martlet_model_compile(model, &training, NULL), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), &data->x, NULL), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_save(model, "early.safetensors"), MARTLET_ERROR_ORDER);
    CHECK(access("early.safetensors", F_OK) != 0);
    CHECK_STATUS(martlet_model_buffer_get(model, &memory, NULL, MARTLET_BUFFER_PARAMETERS), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_reset(model));
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_model_reset(model)); /* makes nothing: */
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &data->x, NULL));
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0), MARTLET_ERROR_ORDER);
    CHECK_STATUS(network_fit(model, data, 1, 0), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_evaluate(model, NULL, &data->x, &data->y, NULL), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_set(model, MARTLET_LR, 0.1), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_get(model, &number, MARTLET_LR), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_step_get(model, &step), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_grad_norm_get(model, &number), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_buffer_get(model, &memory, NULL, MARTLET_BUFFER_GRADIENTS), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_copy_set(model, NULL), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    CHECK_OK(martlet_model_grad_norm_get(model, &number));
    CHECK(isnan(number));
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK_OK(martlet_model_step_get(model, &step));
    CHECK(step == 2); /* 40 samples, 32 in a batch */
    CHECK_OK(martlet_model_grad_norm_get(model, &number));
    CHECK(number > 0);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_STATUS(martlet_model_step_get(model, &step), MARTLET_ERROR_HANDLE);
    CHECK_STATUS(martlet_model_destroy(model), MARTLET_ERROR_HANDLE);
    CHECK_OK(martlet_model_destroy(NULL));
    network_data_free(data);
}

/* What an array is refused for is said of it by its name, and as it is used. */
static void named(void) {
    martlet_model *model = network_dense(8, 7, 3);
    struct network_data *data = network_data(8);
    float *numbers = NULL;
    int64_t rows[1] = {0};
    martlet_array x = data->x, y = data->y;
    network_compile(model, 8);
    x.dtype = y.dtype = MARTLET_FP64;
    CHECK_STATUS(martlet_model_train(model, NULL, &x, &data->y, NULL, 0), MARTLET_ERROR_TYPE);
    CHECK_SAYING(strstr(martlet_last_error(), "x.dtype is 1; expected MARTLET_FP32") != NULL, "%s", martlet_last_error());
    CHECK_STATUS(martlet_model_train(model, NULL, &data->x, &y, NULL, 0), MARTLET_ERROR_TYPE);
    CHECK_SAYING(strstr(martlet_last_error(), "y.dtype is 1; expected MARTLET_FP32, or for whole numbers MARTLET_INT32") != NULL, "%s", martlet_last_error());
    CHECK_OK(martlet_model_buffer_get(model, &numbers, NULL, MARTLET_BUFFER_GRADIENTS));
    x = data->x, x.data = numbers, y = data->y, y.data = numbers;
    CHECK_STATUS(martlet_model_train(model, NULL, &x, &data->y, rows, 1), MARTLET_ERROR_OVERLAP);
    CHECK_SAYING(strstr(martlet_last_error(), "x overlaps the model's gradients") != NULL, "%s", martlet_last_error());
    CHECK_STATUS(martlet_model_train(model, NULL, &data->x, &data->y, (int64_t *)(void *)numbers, 1), MARTLET_ERROR_OVERLAP);
    CHECK_SAYING(strstr(martlet_last_error(), "rows overlaps the model's gradients") != NULL, "%s", martlet_last_error());
    CHECK_STATUS(martlet_model_fit(model, NULL, &data->x, &y, NULL), MARTLET_ERROR_OVERLAP);
    CHECK_SAYING(strstr(martlet_last_error(), "y overlaps the model's gradients") != NULL, "%s", martlet_last_error());
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

/* A call that fails before it needs parameters makes none: layers can be added as before. */
static void unchanged(void) {
    martlet_model *model = NULL;
    martlet_view view;
    martlet_training training;
    float x[8] = {0}, out[NETWORK_CLASSES];
    const martlet_array sample = check_array(x, 8, MARTLET_FP32);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.metrics = 1u << MARTLET_METRIC_TOP_ACCURACY, training.top = 50;
    CHECK_OK(martlet_model_create(&model, (int64_t[]){8}, 1, 0));
    network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_predict(model, out, 99, &sample, NULL), MARTLET_ERROR_SHAPE);
    network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_compile(model, &training, NULL), MARTLET_ERROR_ARGUMENT);
    network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_save(model, "missing/folder/model"), MARTLET_ERROR_FILE);
    network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, 8), MARTLET_ERROR_ARGUMENT);
    network_add(model, MARTLET_LAYER_DENSE, 3, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, 9));
    const martlet_layer layer = network_layer(MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- the beginning, again ---- */

/* Initial values depend on the seed and the layers alone; reset, and compiling anew, do what they say. */
static void beginnings(void) {
    struct network_data *data = network_data(8);
    martlet_model *one = network_dense(8, 7, 3), *same = network_dense(8, 7, 3), *other = network_dense(8, 7, 4);
    const uint64_t first = network_hash(one, false);
    CHECK(first == network_hash(same, false) && first != network_hash(other, false));
    CHECK(network_output(one, data) == network_output(same, data) && network_output(one, data) != network_output(other, data));
    network_compile(one, 8), network_compile(same, 8);
    CHECK(network_hash(one, false) == first);
    CHECK_OK(network_fit(one, data, 2, 0));
    CHECK_OK(network_fit(same, data, 2, 0));
    const uint64_t trained = network_hash(one, true);
    CHECK(network_hash(one, false) != first && trained == network_hash(same, true));
    CHECK_OK(martlet_model_reset(one));
    CHECK(network_hash(one, false) == first);
    CHECK_OK(network_fit(one, data, 2, 0)); /* the same order of samples, the same dropout */
    CHECK(network_hash(one, true) == trained);
    int64_t step = -1;
    network_compile(same, 8);
    CHECK_OK(martlet_model_step_get(same, &step));
    CHECK(step == 0 && network_hash(same, false) == network_hash(one, false));
    CHECK_OK(martlet_model_destroy(one));
    CHECK_OK(martlet_model_destroy(same));
    CHECK_OK(martlet_model_destroy(other));
    network_data_free(data);
}

/* Thousands at a time, destroyed in another order; a token is never given out twice. */
static void many(void) {
    enum { count = 3000 };
    static martlet_model *models[count], *gone[count];
    for (int k = 0; k < count; k++) {
        CHECK_OK(martlet_model_create(&models[k], (int64_t[]){3, 2}, 2, (uint64_t)k));
        network_add(models[k], MARTLET_LAYER_DENSE, k % 5 + 1, MARTLET_ACTIVATION_GELU);
        if (k % 3 == 0) CHECK_OK(martlet_model_buffer_get(models[k], NULL, NULL, MARTLET_BUFFER_PARAMETERS));
    }
    for (int k = 0; k < count; k++) {
        gone[k] = models[k * 7 % count];
        CHECK_OK(martlet_model_destroy(gone[k]));
    }
    martlet_model *fresh = NULL;
    int64_t nodes = 0;
    CHECK_OK(martlet_model_create(&fresh, (int64_t[]){1}, 1, 0));
    for (int k = 0; k < count; k++) {
        CHECK(gone[k] != fresh);
        CHECK_STATUS(martlet_model_node_count(gone[k], &nodes), MARTLET_ERROR_HANDLE);
    }
    /* As many nodes as a model may have. */
    martlet_status status = MARTLET_OK;
    const martlet_layer layer = network_layer(MARTLET_LAYER_ACTIVATION, 0, MARTLET_ACTIVATION_TANH);
    for (int k = 0; k < 5000 && status == MARTLET_OK; k++) status = martlet_model_add(fresh, &layer, NULL, 0, NULL);
    CHECK(status == MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_node_count(fresh, &nodes));
    CHECK(nodes >= 1000);
    float x[1] = {0.5f}, out[1] = {7};
    const martlet_array sample = check_array(x, 1, MARTLET_FP32);
    CHECK_OK(martlet_model_predict(fresh, out, 1, &sample, NULL));
    double wanted = 0.5;
    for (int64_t k = 1; k < nodes; k++) wanted = tanh(wanted);
    CHECK_SAYING(fabs((double)out[0] - wanted) < 1e-4, "%g, wanted %g", (double)out[0], wanted);
    CHECK_OK(martlet_model_destroy(fresh));
}

int main(void) {
    alarm(110);
    const struct rlimit room = {(rlim_t)4 << 30, (rlim_t)4 << 30}; /* what is out of proportion fails */
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
    nodes();
    names();
    unsuitable();
    order();
    named();
    unchanged();
    beginnings();
    many();
    return check_end();
}
