/*
 * A batch led forward and backward around a loss of the caller's own: the gradients of parameters are those of the library's
 * own loss to rounding, those of inputs are central differences, and a training by hand ends where martlet_model_train does;
 * several inputs and outputs, dropout and batch statistics; and what is refused.
 */
#include "network.h"

#define SAMPLES 10
#define FEATURES 6
#define WIDE 3
#define OUTPUTS 2

static float first[SAMPLES * FEATURES], second[SAMPLES * WIDE], targets[SAMPLES * OUTPUTS];

static int32_t add(martlet_model *model, martlet_layer layer, const int32_t *inputs, int64_t count) {
    int32_t node = 0;
    CHECK_OK(martlet_model_add(model, &layer, inputs, count, &node));
    return node;
}

/* Two inputs, and a value that three read; the batch norm has statistics, the dropout draws. */
static martlet_model *make(uint64_t seed, double rate) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){FEATURES}, 1, seed));
    martlet_layer input = network_layer(MARTLET_LAYER_INPUT, 0, MARTLET_ACTIVATION_LINEAR);
    input.rank = 1, input.sizes[0] = WIDE;
    const int32_t other = add(model, input, NULL, 0);
    const int32_t left = add(model, network_layer(MARTLET_LAYER_DENSE, 5, MARTLET_ACTIVATION_TANH), (const int32_t[]){0}, 1);
    const int32_t norm = add(model, network_layer(MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){left}, 1);
    martlet_layer dropout = network_layer(MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    dropout.rate = rate;
    const int32_t dropped = add(model, dropout, (const int32_t[]){norm}, 1);
    const int32_t right = add(model, network_layer(MARTLET_LAYER_DENSE, 5, MARTLET_ACTIVATION_SIGMOID), (const int32_t[]){other}, 1);
    const int32_t sum = add(model, network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){dropped, right, left}, 3);
    const int32_t all = add(model, network_layer(MARTLET_LAYER_CONCATENATE, 0, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){sum, 0}, 2);
    add(model, network_layer(MARTLET_LAYER_DENSE, OUTPUTS, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){all}, 1);
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    return model;
}

/* The mean squared error of outputs, and its slopes. */
static double loss_of(const float *out, float *slopes, int64_t count) {
    double loss = 0;
    for (int64_t k = 0; k < count; k++) {
        const double error = (double)out[k] - (double)targets[k];
        loss += error * error / (double)count;
        slopes[k] = (float)(2 * error / (double)count);
    }
    return loss;
}

static void arrays(martlet_array x[2]) {
    x[0] = check_array(first, LENGTH(first), MARTLET_FP32), x[1] = check_array(second, LENGTH(second), MARTLET_FP32);
}

/* Five steps by hand, and by the library: the same to rounding. */
static void trains(void) {
    martlet_model *by_hand = make(4, 0.3), *whole = make(4, 0.3);
    martlet_array x[2];
    const martlet_array y = check_array(targets, LENGTH(targets), MARTLET_FP32);
    float out[LENGTH(targets)], slopes[LENGTH(targets)], *one = NULL, *two = NULL;
    int64_t count = 0;
    arrays(x);
    for (int step = 0; step < 5; step++) {
        martlet_result result;
        CHECK_OK(martlet_result_init(&result, sizeof result));
        CHECK_OK(martlet_model_forward(by_hand, NULL, out, LENGTH(out), x, NULL, NULL, NULL, 0));
        const double loss = loss_of(out, slopes, LENGTH(out));
        CHECK_OK(martlet_model_backward(by_hand, slopes, LENGTH(slopes), NULL));
        CHECK_OK(martlet_model_differentiate(whole, &result, x, &y, NULL, 0));
        CHECK(fabs(loss - result.loss) < 1e-5 * (1 + loss));
        for (int32_t buffer = 0; buffer < 3; buffer++) {
            CHECK_OK(martlet_model_buffer_get(by_hand, &one, &count, buffer));
            CHECK_OK(martlet_model_buffer_get(whole, &two, NULL, buffer));
            for (int64_t k = 0; k < count; k++)
                CHECK_SAYING(fabsf(one[k] - two[k]) <= 2e-4f * (1 + fabsf(two[k])), "step %d, buffer %d, %ld: %g, wanted %g", step,
                             buffer, (long)k, (double)one[k], (double)two[k]);
        }
        CHECK_OK(martlet_model_step(by_hand));
        CHECK_OK(martlet_model_step(whole));
    }
    CHECK_OK(martlet_model_destroy(by_hand));
    CHECK_OK(martlet_model_destroy(whole));
}

/* The slopes by inputs, against differences of the loss; rows of the samples make up the batch. */
static void inputs(void) {
    martlet_model *model = make(7, 0.25);
    martlet_array x[2], into[2];
    const int64_t rows[] = {1, 8, 3, 4, 0};
    float out[LENGTH(rows) * OUTPUTS], slopes[LENGTH(out)], scratch[LENGTH(out)], gradients[2][LENGTH(rows) * FEATURES];
    arrays(x);
    into[0] = check_array(gradients[0], LENGTH(rows) * FEATURES, MARTLET_FP32);
    into[1] = check_array(gradients[1], LENGTH(rows) * WIDE, MARTLET_FP32);
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, rows, LENGTH(rows)));
    loss_of(out, slopes, LENGTH(out));
    CHECK_OK(martlet_model_backward(model, slopes, LENGTH(slopes), into));
    for (int number = 0; number < 2; number++)
        for (int64_t k = 0; k < into[number].count; k++) {
            const int64_t each = number == 0 ? FEATURES : WIDE;
            float *at = (number == 0 ? first : second) + rows[k / each] * each + k % each;
            const float kept = *at;
            double sides[2];
            for (int side = 0; side < 2; side++) {
                *at = kept + (side == 0 ? 5e-3f : -5e-3f);
                CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, rows, LENGTH(rows)));
                sides[side] = loss_of(out, scratch, LENGTH(out));
            }
            *at = kept;
            const double slope = (sides[0] - sides[1]) / 1e-2, given = (double)gradients[number][k];
            CHECK_SAYING(fabs(slope - given) < 2e-3 * (1 + fabs(slope)), "input %d, %ld: %g, wanted %g", number, (long)k, given, slope);
        }
    CHECK_OK(martlet_model_destroy(model));
}

/* Two outputs of which the library scores the first, with weights: what it leaves is differentiate's, of both, where the slopes
 * of the second are its loss's. */
static void shares(void) {
    static float weights[SAMPLES], out[2 * SAMPLES * OUTPUTS], slopes[LENGTH(out)], *one = NULL, *two = NULL;
    martlet_model *models[2];
    martlet_training training[2];
    martlet_result results[2];
    martlet_score scores[2];
    int64_t count = 0;
    for (int k = 0; k < 2; k++) {
        CHECK_OK(martlet_model_create(&models[k], (const int64_t[]){FEATURES}, 1, 3));
        martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, 4, MARTLET_ACTIVATION_TANH);
        layer.l2 = 0.01;
        const int32_t hidden = add(models[k], layer, (const int32_t[]){0}, 1);
        const int32_t norm = add(models[k], network_layer(MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){hidden}, 1);
        const int32_t left = add(models[k], network_layer(MARTLET_LAYER_DENSE, OUTPUTS, MARTLET_ACTIVATION_SOFTMAX), (const int32_t[]){norm}, 1);
        const int32_t right = add(models[k], network_layer(MARTLET_LAYER_DENSE, OUTPUTS, MARTLET_ACTIVATION_LINEAR), (const int32_t[]){norm}, 1);
        CHECK_OK(martlet_model_outputs_set(models[k], (const int32_t[]){left, right}, 2));
        CHECK_OK(martlet_training_init(&training[0], sizeof training[0], MARTLET_LOSS_CROSS_ENTROPY));
        CHECK_OK(martlet_training_init(&training[1], sizeof training[1], MARTLET_LOSS_MSE));
        training[0].metrics = 1u << MARTLET_METRIC_ACCURACY, training[0].weight = 0.5;
        CHECK_OK(martlet_model_compile(models[k], training, NULL));
        CHECK_OK(martlet_result_init(&results[k], sizeof results[k]));
    }
    const int32_t labels[SAMPLES] = {0, 1, 1, 0, 0, 1, 0, 1, 1, 1};
    for (int k = 0; k < SAMPLES; k++) weights[k] = 1;
    martlet_array y[2] = {check_array(labels, SAMPLES, MARTLET_INT32), check_array(targets, LENGTH(targets), MARTLET_FP32)};
    const martlet_array x = check_array(first, LENGTH(first), MARTLET_FP32), weight = check_array(weights, SAMPLES, MARTLET_FP32);
    for (int step = 0; step < 4; step++) {
        y[1].count = LENGTH(targets);
        CHECK_OK(martlet_model_differentiate(models[1], &results[1], &x, y, NULL, 0));
        y[1].count = step == 3 ? LENGTH(targets) : 0; /* the last by the library alone */
        CHECK_OK(martlet_model_forward(models[0], &results[0], out, LENGTH(out), &x, y, &weight, NULL, 0));
        memset(slopes, 0, sizeof slopes);
        double loss = results[0].loss;
        if (step < 3) loss += loss_of(out + SAMPLES * OUTPUTS, slopes + SAMPLES * OUTPUTS, SAMPLES * OUTPUTS);
        CHECK(fabs(loss - results[1].loss) < 1e-5);
        CHECK(results[0].metrics[MARTLET_METRIC_ACCURACY] == results[1].metrics[MARTLET_METRIC_ACCURACY]);
        CHECK_OK(martlet_model_backward(models[0], slopes, LENGTH(slopes), NULL));
        CHECK_OK(martlet_model_buffer_get(models[0], &one, &count, MARTLET_BUFFER_GRADIENTS));
        CHECK_OK(martlet_model_buffer_get(models[1], &two, NULL, MARTLET_BUFFER_GRADIENTS));
        for (int64_t k = 0; k < count; k++)
            CHECK_SAYING(fabsf(one[k] - two[k]) <= 1e-4f * (1 + fabsf(two[k])), "step %d, %ld: %g, wanted %g", step, (long)k, (double)one[k], (double)two[k]);
        for (int k = 0; k < 2; k++) {
            CHECK_OK(martlet_model_score_get(models[k], &scores[k], sizeof scores[k], 1));
            CHECK_OK(martlet_model_step(models[k]));
        }
        CHECK(step == 3 ? fabs(scores[0].loss - scores[1].loss) < 1e-5 : isnan(scores[0].loss));
    }
    /* Weights count: of none, regularizers alone are left, and the loss of evaluate is what is scored. */
    memset(weights, 0, sizeof weights);
    y[1].count = 0;
    CHECK_OK(martlet_model_forward(models[0], &results[0], out, LENGTH(out), &x, y, &weight, NULL, 0));
    y[0].count = 0;
    CHECK_OK(martlet_model_evaluate(models[0], &results[1], &x, y, NULL));
    CHECK(results[0].loss > 0 && fabs(results[0].loss - results[1].loss) < 1e-6);
    CHECK_STATUS(martlet_model_train(models[0], NULL, &x, y, NULL, 0), MARTLET_ERROR_SHAPE);
    CHECK_STATUS(martlet_model_forward(models[0], NULL, out, LENGTH(out), &x, NULL, &weight, NULL, 0), MARTLET_ERROR_ARGUMENT);
    y[1].count = LENGTH(targets);
    CHECK_STATUS(martlet_model_forward(models[0], NULL, targets, LENGTH(out), &x, y, NULL, NULL, 0), MARTLET_ERROR_OVERLAP);
    CHECK_OK(martlet_model_forward(models[0], &results[0], out, LENGTH(out), &x, NULL, NULL, NULL, 0));
    CHECK(isnan(results[0].loss) && results[0].samples == 0);
    for (int k = 0; k < 2; k++) CHECK_OK(martlet_model_destroy(models[k]));
}

static void refuses(void) {
    martlet_model *model = make(2, 0), *table = NULL;
    martlet_array x[2], into[2];
    float out[LENGTH(targets)], slopes[LENGTH(targets)] = {0}, gradients[SAMPLES * FEATURES];
    arrays(x), arrays(into);
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), NULL), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_forward(model, NULL, out, LENGTH(out) - 1, x, NULL, NULL, NULL, 0), MARTLET_ERROR_SHAPE);
    CHECK_STATUS(martlet_model_forward(model, NULL, first, LENGTH(out), x, NULL, NULL, NULL, 0), MARTLET_ERROR_OVERLAP);
    CHECK_STATUS(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, (const int64_t[]){SAMPLES}, 1), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), NULL), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, NULL, 0));
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes) - 1, NULL), MARTLET_ERROR_SHAPE);
    into[0].data = gradients, into[0].count = FEATURES;
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), into), MARTLET_ERROR_SHAPE);
    into[0].count = LENGTH(gradients), into[0].dtype = MARTLET_INT32;
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), into), MARTLET_ERROR_TYPE);
    into[0].dtype = MARTLET_FP32, into[1].data = gradients;
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), into), MARTLET_ERROR_OVERLAP);
    into[1].count = 0; /* left alone */
    memset(gradients, 0x7f, sizeof gradients);
    CHECK_OK(martlet_model_backward(model, slopes, LENGTH(slopes), into));
    for (int k = 0; k < LENGTH(gradients); k++) CHECK(gradients[k] == 0);
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), NULL), MARTLET_ERROR_ORDER); /* once */
    /* An empty array overlaps nothing, wherever it points. */
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, NULL, 0));
    into[0].count = 0, into[0].data = gradients + 1, into[1].count = SAMPLES * WIDE;
    CHECK_OK(martlet_model_backward(model, slopes, LENGTH(slopes), into));
    CHECK_OK(martlet_model_forward(model, NULL, out, LENGTH(out), x, NULL, NULL, NULL, 0));
    CHECK_OK(martlet_model_step(model));
    CHECK_STATUS(martlet_model_backward(model, slopes, LENGTH(slopes), NULL), MARTLET_ERROR_ORDER); /* before a step */
    CHECK_OK(martlet_model_destroy(model));
    /* Rows of a table have no slopes. */
    const int32_t ids[] = {0, 2, 1, 1};
    const martlet_array words = check_array(ids, 4, MARTLET_INT32);
    martlet_training training;
    CHECK_OK(martlet_model_create(&table, (const int64_t[]){2}, 1, 1));
    martlet_layer layer = network_layer(MARTLET_LAYER_EMBEDDING, 3, MARTLET_ACTIVATION_LINEAR);
    layer.vocabulary = 3;
    CHECK_OK(martlet_model_add(table, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    CHECK_OK(martlet_model_compile(table, &training, NULL));
    CHECK_OK(martlet_model_forward(table, NULL, out, 2 * 2 * 3, &words, NULL, NULL, NULL, 0));
    /* A forward that is refused leaves the batch that waits. */
    const int32_t beyond[] = {0, 0, 0, 3};
    const martlet_array wrong = check_array(beyond, 4, MARTLET_INT32);
    CHECK_STATUS(martlet_model_forward(table, NULL, out, 2 * 2 * 3, &wrong, NULL, NULL, NULL, 0), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_forward(table, NULL, out, 2 * 2 * 3, &words, NULL, NULL, (const int64_t[]){0, 2}, 2), MARTLET_ERROR_ARGUMENT);
    into[0] = check_array(gradients, 4, MARTLET_FP32);
    CHECK_STATUS(martlet_model_backward(table, slopes, 2 * 2 * 3, into), MARTLET_ERROR_ARGUMENT);
    for (int k = 0; k < 12; k++) slopes[k] = 1;
    CHECK_OK(martlet_model_backward(table, slopes, 2 * 2 * 3, NULL));
    float *all = NULL;
    CHECK_OK(martlet_model_buffer_get(table, &all, NULL, MARTLET_BUFFER_GRADIENTS));
    for (int k = 0; k < 9; k++) CHECK(all[k] == (k / 3 == 1 ? 2 : 1)); /* the second row was named twice */
    /* A row that is not in the batch may name no row of the table. */
    CHECK_OK(martlet_model_forward(table, NULL, out, 2 * 3, &wrong, NULL, NULL, (const int64_t[]){0}, 1));
    CHECK_OK(martlet_model_destroy(table));
}

int main(void) {
    check_fill(first, LENGTH(first), 1), check_fill(second, LENGTH(second), 2), check_fill(targets, LENGTH(targets), 3);
    trains();
    inputs();
    shares();
    refuses();
    return check_end();
}
