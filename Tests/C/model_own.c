/*
 * Layers that functions of the caller's compute: beside DENSE, whose numbers theirs are to rounding, through training by every
 * call, at several places, frozen and of several nodes; what is refused, functions that fail, and files.
 */
#include "network.h"

#define SAMPLES 12
#define FEATURES 5
#define UNITS 4
#define OUTPUTS 3

static float samples[SAMPLES * FEATURES];
static int32_t labels[SAMPLES];

/* What the functions count and are told to do. */
struct told {
    int forward, backward;
    int fails_at; /* the call, from 1, that answers 1 */
    martlet_status inside;
    martlet_model *other;
};

static bool fails(struct told *told) { return told->fails_at != 0 && told->forward + told->backward == told->fails_at; }

/* y = tanh(x w + b), as DENSE has it, whose weights lie as w and b here. */
static int32_t dense(void *user, const martlet_own_pass *pass) {
    struct told *told = user;
    const float *x = pass->inputs[0], *w = pass->weights, *b = w + FEATURES * UNITS;
    CHECK(pass->struct_size == sizeof *pass && pass->input_count == 1);
    *(pass->slopes == NULL ? &told->forward : &told->backward) += 1;
    if (fails(told)) return 7;
    if (pass->slopes == NULL) {
        for (int64_t s = 0; s < pass->batch; s++)
            for (int u = 0; u < UNITS; u++) {
                double sum = (double)b[u];
                for (int f = 0; f < FEATURES; f++) sum += (double)x[s * FEATURES + f] * (double)w[f * UNITS + u];
                pass->out[s * UNITS + u] = (float)tanh(sum);
            }
        return 0;
    }
    CHECK(pass->is_training == 1 && pass->out == NULL);
    if (pass->weight_slopes != NULL) memset(pass->weight_slopes, 0, (FEATURES + 1) * UNITS * sizeof(float));
    if (pass->input_slopes[0] != NULL) memset(pass->input_slopes[0], 0, (size_t)(pass->batch * FEATURES) * sizeof(float));
    for (int64_t s = 0; s < pass->batch; s++)
        for (int u = 0; u < UNITS; u++) {
            double sum = (double)b[u];
            for (int f = 0; f < FEATURES; f++) sum += (double)x[s * FEATURES + f] * (double)w[f * UNITS + u];
            const float slope = (float)((double)pass->slopes[s * UNITS + u] * (1 - tanh(sum) * tanh(sum)));
            for (int f = 0; f < FEATURES; f++) {
                if (pass->weight_slopes != NULL) pass->weight_slopes[f * UNITS + u] += slope * x[s * FEATURES + f];
                if (pass->input_slopes[0] != NULL) pass->input_slopes[0][s * FEATURES + f] += slope * w[f * UNITS + u];
            }
            if (pass->weight_slopes != NULL) pass->weight_slopes[FEATURES * UNITS + u] += slope;
        }
    return 0;
}

/* The product of two nodes, of which MULTIPLY is another. */
static int32_t product(void *user, const martlet_own_pass *pass) {
    const float *a = pass->inputs[0], *b = pass->inputs[1];
    CHECK(user == NULL && pass->input_count == 2 && pass->weight_slopes == NULL);
    for (int64_t k = 0; k < pass->batch * UNITS; k++) {
        if (pass->slopes == NULL) pass->out[k] = a[k] * b[k];
        if (pass->slopes != NULL && pass->input_slopes[0] != NULL) pass->input_slopes[0][k] = pass->slopes[k] * b[k];
        if (pass->slopes != NULL && pass->input_slopes[1] != NULL) pass->input_slopes[1][k] = pass->slopes[k] * a[k];
    }
    return 0;
}

static martlet_layer own(int64_t size, int64_t units) {
    martlet_layer layer = network_layer(MARTLET_LAYER_OWN, units, MARTLET_ACTIVATION_LINEAR);
    layer.rank = 1, layer.sizes[0] = size;
    return layer;
}

static int32_t add(martlet_model *model, martlet_layer layer, const int32_t *inputs, int64_t count) {
    int32_t node = 0;
    CHECK_OK(martlet_model_add(model, &layer, inputs, count, &node));
    return node;
}

/* A batch norm, a dense layer at two places, their product, and classes; own: with functions. */
static martlet_model *make(bool is_own, bool frozen, struct told *told) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){FEATURES}, 1, 9));
    const int32_t norm = add(model, network_layer(MARTLET_LAYER_BATCH_NORM, 0, 0), (const int32_t[]){0}, 1);
    martlet_layer layer = is_own ? own(UNITS, (FEATURES + 1) * UNITS) : network_layer(MARTLET_LAYER_DENSE, UNITS, MARTLET_ACTIVATION_TANH);
    if (frozen) layer.flags |= MARTLET_FROZEN;
    layer.name = "hidden";
    int32_t both[2] = {add(model, layer, &norm, 1), 0};
    CHECK_OK(martlet_model_apply(model, both[0], (const int32_t[]){0}, 1, &both[1]));
    const int32_t joined = add(model, is_own ? own(UNITS, 0) : network_layer(MARTLET_LAYER_MULTIPLY, 0, 0), both, 2);
    add(model, network_layer(MARTLET_LAYER_DENSE, OUTPUTS, MARTLET_ACTIVATION_LINEAR), &joined, 1);
    if (is_own) {
        CHECK_OK(martlet_model_own_set(model, both[1], dense, told)); /* at both places */
        CHECK_OK(martlet_model_own_set(model, joined, product, NULL));
    }
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    float *parameters = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &parameters, &count, MARTLET_BUFFER_PARAMETERS));
    CHECK(count == 2 * FEATURES + (FEATURES + 1) * UNITS + (UNITS + 1) * OUTPUTS);
    for (int64_t k = 0; k < (FEATURES + 1) * UNITS; k++) CHECK(!is_own || parameters[2 * FEATURES + k] == 0);
    check_fill(parameters, count, 4); /* else the last layer's would differ: they are drawn by the number of the view */
    training.batch_size = 4;
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    return model;
}

static void same(martlet_model *one, martlet_model *other, int32_t buffer) {
    float *first = NULL, *second = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(one, &first, &count, buffer));
    CHECK_OK(martlet_model_buffer_get(other, &second, NULL, buffer));
    for (int64_t k = 0; k < count; k++)
        CHECK_SAYING(fabsf(first[k] - second[k]) <= 2e-4f * (1 + fabsf(second[k])), "buffer %d, %ld: %g, wanted %g", buffer, (long)k,
                     (double)first[k], (double)second[k]);
}

static void trains(bool frozen) {
    struct told told = {0};
    martlet_model *models[] = {make(true, frozen, &told), make(false, frozen, NULL)};
    const martlet_array x = check_array(samples, LENGTH(samples), MARTLET_FP32), y = check_array(labels, SAMPLES, MARTLET_INT32);
    float out[2][SAMPLES * OUTPUTS], slopes[2][SAMPLES * FEATURES];
    martlet_result results[2];
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = 5, loop.epochs = 3, loop.validation_x = &x, loop.validation_y = &y;
    for (int k = 0; k < 2; k++) {
        const martlet_array into = check_array(slopes[k], LENGTH(slopes[k]), MARTLET_FP32);
        CHECK_OK(martlet_result_init(&results[k], sizeof results[k]));
        CHECK_OK(martlet_model_train(models[k], NULL, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_fit(models[k], &results[k], &x, &y, &loop));
        CHECK_OK(martlet_model_predict(models[k], out[k], LENGTH(out[k]), &x, NULL));
        memset(out[k], 0, sizeof out[k]);
        CHECK_OK(martlet_model_forward(models[k], NULL, out[k], LENGTH(out[k]), &x, &y, NULL, NULL, 0));
        CHECK_OK(martlet_model_backward(models[k], out[k], LENGTH(out[k]), &into));
    }
    CHECK(fabs(results[0].loss - results[1].loss) < 1e-4 && fabs(results[0].validation_loss - results[1].validation_loss) < 1e-4);
    for (int k = 0; k < LENGTH(out[0]); k++) CHECK(fabsf(out[0][k] - out[1][k]) < 1e-3f);
    for (int k = 0; k < LENGTH(slopes[0]); k++) CHECK(fabsf(slopes[0][k] - slopes[1][k]) < 1e-3f);
    same(models[0], models[1], MARTLET_BUFFER_PARAMETERS), same(models[0], models[1], MARTLET_BUFFER_GRADIENTS);
    same(models[0], models[1], MARTLET_BUFFER_STATISTICS);
    /* Frozen over an input, whose slopes only the last asks for, it has no way back. */
    CHECK(told.backward == (frozen ? 1 + 3 * 3 + 2 : 2 * (1 + 3 * 3 + 1)) && told.forward > told.backward);
    for (int k = 0; k < 2; k++) CHECK_OK(martlet_model_destroy(models[k]));
}

/* A function that fails, at whichever of its calls: what was called says so, and has changed nothing; the next one goes on. */
static void stops(void) {
    struct told told = {0}, quiet = {0};
    martlet_model *model = make(true, false, &told), *fresh = make(true, false, &quiet);
    const martlet_array x = check_array(samples, LENGTH(samples), MARTLET_FP32), y = check_array(labels, SAMPLES, MARTLET_INT32);
    float out[SAMPLES * OUTPUTS];
    for (int call = 1; call <= 4; call++) {
        told.forward = told.backward = 0, told.fails_at = call;
        CHECK_STATUS(martlet_model_train(model, NULL, &x, &y, NULL, 0), MARTLET_STOPPED);
        CHECK(strstr(martlet_last_error(), "layer \"") != NULL);
    }
    told.forward = told.backward = 0, told.fails_at = 2;
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), &x, NULL), MARTLET_STOPPED);
    told.forward = told.backward = 0, told.fails_at = 1;
    CHECK_STATUS(martlet_model_evaluate(model, NULL, &x, &y, NULL), MARTLET_STOPPED);
    told.forward = told.backward = 0, told.fails_at = 2;
    CHECK_STATUS(martlet_model_forward(model, NULL, out, LENGTH(out), &x, NULL, NULL, NULL, 0), MARTLET_STOPPED);
    CHECK_STATUS(martlet_model_backward(model, out, LENGTH(out), NULL), MARTLET_ERROR_ORDER);
    told.fails_at = 0;
    for (int step = 0; step < 2; step++) {
        CHECK_OK(martlet_model_train(model, NULL, &x, &y, NULL, 0));
        CHECK_OK(martlet_model_train(fresh, NULL, &x, &y, NULL, 0));
    }
    CHECK(network_hash(model, true) == network_hash(fresh, true));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(fresh));
}

/* What computes is refused inside a function, of this model and of any other. */
static int32_t calls(void *user, const martlet_own_pass *pass) {
    struct told *told = user;
    float product_of[1], one[1] = {1};
    CHECK_STATUS(martlet_matmul(product_of, one, one, 1, 1, 1, 0), MARTLET_ERROR_BUSY);
    CHECK_STATUS(martlet_model_train(told->other, NULL, NULL, NULL, NULL, 0), MARTLET_ERROR_BUSY);
    CHECK_OK(martlet_threads_set(3)); /* and back in the end */
    memset(pass->out, 0, (size_t)pass->batch * UNITS * sizeof(float));
    return 0;
}

static void refuses(void) {
    martlet_model *model = NULL, *loaded = NULL;
    martlet_layer layer = own(UNITS, 2);
    const martlet_array x = check_array(samples, LENGTH(samples), MARTLET_FP32);
    float out[SAMPLES * UNITS];
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){FEATURES}, 1, 1));
    layer.units = -1;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ARGUMENT);
    layer.units = 2, layer.rank = 0;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_SHAPE);
    layer.rank = 1, layer.sizes[0] = -1;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_SHAPE);
    layer.sizes[0] = UNITS, layer.activation = MARTLET_ACTIVATION_RELU;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ARGUMENT);
    layer.activation = MARTLET_ACTIVATION_LINEAR, layer.l2 = 1;
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ARGUMENT);
    layer.l2 = 0;
    CHECK_STATUS(martlet_model_add(model, &layer, (const int32_t[17]){0}, 17, NULL), MARTLET_ERROR_ARGUMENT);
    add(model, layer, (const int32_t[]){0}, 1);
    CHECK_STATUS(martlet_model_own_set(model, 0, dense, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_own_set(model, 2, dense, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_own_set(model, -1, NULL, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), &x, NULL), MARTLET_ERROR_ORDER);
    int32_t threads = 0;
    CHECK_OK(martlet_threads_get(&threads));
    struct told told = {.other = model};
    CHECK_OK(martlet_model_own_set(model, 1, calls, &told));
    CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &x, NULL));
    CHECK_OK(martlet_threads_set(threads));
    /* A file has the layer and its numbers, and no function. */
    float *parameters = NULL, *read = NULL;
    CHECK_OK(martlet_model_buffer_get(model, &parameters, NULL, MARTLET_BUFFER_PARAMETERS));
    parameters[0] = 3, parameters[1] = 4;
    CHECK_OK(martlet_model_save(model, "own.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "own.safetensors"));
    CHECK_OK(martlet_model_buffer_get(loaded, &read, NULL, MARTLET_BUFFER_PARAMETERS));
    CHECK(read[0] == 3 && read[1] == 4);
    CHECK_STATUS(martlet_model_predict(loaded, out, LENGTH(out), &x, NULL), MARTLET_ERROR_ORDER);
    told.other = loaded;
    CHECK_OK(martlet_model_own_set(loaded, 1, calls, &told));
    CHECK_OK(martlet_model_predict(loaded, out, LENGTH(out), &x, NULL));
    CHECK_OK(martlet_model_own_set(loaded, 1, NULL, NULL));
    CHECK_STATUS(martlet_model_predict(loaded, out, LENGTH(out), &x, NULL), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
}

int main(void) {
    check_fill(samples, LENGTH(samples), 1);
    for (int k = 0; k < SAMPLES; k++) labels[k] = k % OUTPUTS;
    trains(false), trains(true);
    stops();
    refuses();
    return check_end();
}
