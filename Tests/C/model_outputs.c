/*
 * Models of several outputs: the sum of their losses, metrics of each against counts of the program's own, tallies over
 * several calls, the confusion matrix, files, and what is refused. Whether losses and gradients are right is asked in
 * model_scores.c and Tests/Models/OutputTests.swift.
 */
#include "network.h"

#define SAMPLES 60
#define FEATURES 6
#define CLASSES 3

static float inputs[SAMPLES * FEATURES], numbers[SAMPLES * 2];
static int32_t classes[SAMPLES];

/* Node 1 is shared; 2 gives classes, 3 numbers, which are the first output. */
static martlet_model *make(void) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){FEATURES}, 1, 5));
    network_add(model, MARTLET_LAYER_DENSE, 8, MARTLET_ACTIVATION_TANH);
    network_add(model, MARTLET_LAYER_DENSE, CLASSES, MARTLET_ACTIVATION_SOFTMAX);
    const martlet_layer last = network_layer(MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_add(model, &last, (const int32_t[]){1}, 1, NULL));
    CHECK_OK(martlet_model_outputs_set(model, (const int32_t[]){3, 2}, 2));
    return model;
}

static void compile(martlet_model *model) {
    martlet_training training[2];
    CHECK_OK(martlet_training_init(&training[0], sizeof *training, MARTLET_LOSS_MSE));
    CHECK_OK(martlet_training_init(&training[1], sizeof *training, MARTLET_LOSS_CROSS_ENTROPY));
    training[0].metrics = 1u << MARTLET_METRIC_MAE, training[0].weight = 0.25, training[0].batch_size = SAMPLES;
    training[1].metrics = (1u << MARTLET_METRIC_ACCURACY) | (1u << MARTLET_METRIC_RECALL);
    CHECK_OK(martlet_model_compile(model, training, NULL));
}

static martlet_score score_of(martlet_model *model, int32_t output) {
    martlet_score score;
    CHECK_OK(martlet_model_score_get(model, &score, sizeof score, output));
    return score;
}

static bool near(double given, double wanted) { return fabs(given - wanted) <= 1e-6 * (1 + fabs(wanted)); }

/* What the model says now, class by class, and its mean absolute error. */
static double count(martlet_model *model, const martlet_array *x, int64_t counts[CLASSES * CLASSES]) {
    float out[SAMPLES * (2 + CLASSES)];
    double error = 0;
    memset(counts, 0, CLASSES * CLASSES * sizeof *counts);
    CHECK_OK(martlet_model_predict(model, out, LENGTH(out), x, NULL));
    for (int s = 0; s < SAMPLES; s++) {
        const float *p = out + 2 * SAMPLES + s * CLASSES; /* behind the numbers of all samples */
        int best = 0;
        for (int c = 1; c < CLASSES; c++) best = p[c] > p[best] ? c : best;
        counts[classes[s] * CLASSES + best]++;
        for (int k = 0; k < 2; k++) error += fabs((double)out[2 * s + k] - (double)numbers[2 * s + k]) / (2 * SAMPLES);
    }
    return error;
}

static void trains_and_tells(void) {
    martlet_model *model = make(), *loaded = NULL;
    const martlet_array x = check_array(inputs, LENGTH(inputs), MARTLET_FP32);
    const martlet_array y[2] = {check_array(numbers, LENGTH(numbers), MARTLET_FP32), check_array(classes, SAMPLES, MARTLET_INT32)};
    int64_t outputs = 0, counts[CLASSES * CLASSES], told[CLASSES * CLASSES];
    int32_t node = 0;
    martlet_result result;
    compile(model);
    CHECK_OK(martlet_model_output_count(model, &outputs));
    CHECK_OK(martlet_model_output_get(model, &node, 0));
    CHECK(outputs == 2 && node == 3);
    CHECK(isnan(score_of(model, 0).loss));
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 3, loop.batch_size = 7, loop.validation_x = &x, loop.validation_y = y;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_model_fit(model, &result, &x, y, &loop));
    const martlet_score first = score_of(model, 0), second = score_of(model, 1);
    CHECK(near(result.loss, 0.25 * first.loss + second.loss));
    CHECK(near(result.validation_loss, 0.25 * first.evaluation_loss + second.evaluation_loss));
    CHECK(near(result.metrics[MARTLET_METRIC_MAE], first.metrics[MARTLET_METRIC_MAE]));
    CHECK(isnan(first.metrics[MARTLET_METRIC_ACCURACY]) && isnan(second.metrics[MARTLET_METRIC_MAE]) && isnan(second.metrics[15]));
    const double error = count(model, &x, counts);
    CHECK_OK(martlet_model_confusion_get(model, told, LENGTH(told), 1, MARTLET_EVALUATION));
    CHECK(memcmp(counts, told, sizeof counts) == 0);
    double recall = 0, right = 0;
    for (int c = 0; c < CLASSES; c++) {
        int64_t row = 0;
        for (int k = 0; k < CLASSES; k++) row += counts[c * CLASSES + k];
        recall += (double)counts[c * CLASSES + c] / (double)row / CLASSES, right += (double)counts[c * CLASSES + c] / SAMPLES;
    }
    CHECK(near(second.evaluation_metrics[MARTLET_METRIC_RECALL], recall));
    CHECK(near(second.evaluation_metrics[MARTLET_METRIC_ACCURACY], right));
    CHECK(near(first.evaluation_metrics[MARTLET_METRIC_MAE], error));

    /* A file goes on to the bit. */
    CHECK_OK(martlet_model_save(model, "outputs.safetensors"));
    CHECK_OK(martlet_model_load(&loaded, "outputs.safetensors"));
    CHECK_OK(martlet_model_train(model, NULL, &x, y, NULL, 0));
    CHECK_OK(martlet_model_train(loaded, NULL, &x, y, NULL, 0));
    CHECK(network_hash(model, true) == network_hash(loaded, true));
    CHECK_OK(martlet_model_destroy(loaded));
    CHECK_OK(martlet_model_destroy(model));
}

/* Batches one by one come to what all of them come to, where the tally is kept; each by itself, where it is not. */
static void keeps_tallies(void) {
    martlet_model *model = make();
    const martlet_array x = check_array(inputs, LENGTH(inputs), MARTLET_FP32);
    const martlet_array y[2] = {check_array(numbers, LENGTH(numbers), MARTLET_FP32), check_array(classes, SAMPLES, MARTLET_INT32)};
    int64_t rows[SAMPLES / 4], all = 0;
    martlet_result result, whole;
    compile(model);
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_result_init(&whole, sizeof whole));
    CHECK_OK(martlet_model_differentiate(model, &whole, &x, y, NULL, 0));
    const double accuracy = score_of(model, 1).metrics[MARTLET_METRIC_ACCURACY];
    CHECK_OK(martlet_model_tally_set(model, MARTLET_TRAINING, 1));
    for (int k = 0; k < 4; k++) {
        for (int r = 0; r < LENGTH(rows); r++) rows[r] = 4 * r + k;
        CHECK_OK(martlet_model_differentiate(model, &result, &x, y, rows, LENGTH(rows)));
        CHECK(result.samples == (k + 1) * LENGTH(rows));
        CHECK_OK(martlet_model_evaluate(model, NULL, &x, y, NULL)); /* has sums of its own */
    }
    CHECK(near(result.loss, whole.loss) && near(result.metrics[MARTLET_METRIC_MAE], whole.metrics[MARTLET_METRIC_MAE]));
    CHECK(near(score_of(model, 1).metrics[MARTLET_METRIC_ACCURACY], accuracy));
    int64_t counts[CLASSES * CLASSES];
    CHECK_OK(martlet_model_confusion_get(model, counts, LENGTH(counts), 1, MARTLET_TRAINING));
    for (int k = 0; k < LENGTH(counts); k++) all += counts[k];
    CHECK(all == SAMPLES);
    CHECK_OK(martlet_model_tally_set(model, MARTLET_TRAINING, 0));
    CHECK_OK(martlet_model_differentiate(model, &result, &x, y, rows, LENGTH(rows)));
    CHECK(result.samples == LENGTH(rows));
    CHECK_OK(martlet_model_destroy(model));
}

/* Weights of each output: those of all where they are the same, and where an output's are 0 the loss of the other alone; in
 * train, evaluate and of rank 2. */
static void weighs(void) {
    const martlet_array x = check_array(inputs, LENGTH(inputs), MARTLET_FP32);
    const martlet_array y[2] = {check_array(numbers, LENGTH(numbers), MARTLET_FP32), check_array(classes, SAMPLES, MARTLET_INT32)};
    float one[SAMPLES], both[SAMPLES * 2];
    for (int k = 0; k < SAMPLES; k++) one[k] = both[2 * k] = both[2 * k + 1] = (float)(k % 4) / 2;
    martlet_array shared = check_array(one, SAMPLES, MARTLET_FP32), each = check_array(both, SAMPLES * 2, MARTLET_FP32);
    martlet_model *of_one = make(), *of_both = make();
    martlet_result result[2];
    compile(of_one);
    compile(of_both);
    for (int k = 0; k < 2; k++) CHECK_OK(martlet_result_init(&result[k], sizeof *result));
    CHECK_OK(martlet_model_weighted_train(of_one, &result[0], &x, y, &shared, NULL, 0));
    CHECK_OK(martlet_model_weighted_train(of_both, &result[1], &x, y, &each, NULL, 0));
    CHECK(result[0].loss == result[1].loss && network_hash(of_one, true) == network_hash(of_both, true));
    for (int output = 0; output < 2; output++) {
        double wanted = 0;
        for (int k = 0; k < SAMPLES; k++) both[2 * k + output] = one[k], both[2 * k + 1 - output] = 0;
        martlet_loop loop;
        CHECK_OK(martlet_loop_init(&loop, sizeof loop));
        loop.batch_size = 7, loop.weights = &shared;
        CHECK_OK(martlet_model_evaluate(of_one, NULL, &x, y, &loop));
        wanted = score_of(of_one, output).evaluation_loss;
        each.rank = 2, each.sizes = (const int64_t[]){SAMPLES, 2}, each.strides = (const int64_t[]){2, 1};
        loop.weights = &each;
        CHECK_OK(martlet_model_evaluate(of_both, &result[1], &x, y, &loop));
        CHECK(score_of(of_both, output).evaluation_loss == wanted && score_of(of_both, 1 - output).evaluation_loss == 0);
        CHECK(near(result[1].loss, output == 0 ? 0.25 * wanted : wanted));
    }
    both[5] = NAN;
    CHECK_STATUS(martlet_model_weighted_train(of_both, NULL, &x, y, &each, NULL, 0), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "weights[5] is nan") != NULL, "%s", martlet_last_error());
    each.count = SAMPLES * 2 - 1, each.rank = 0;
    CHECK_STATUS(martlet_model_weighted_train(of_both, NULL, &x, y, &each, NULL, 0), MARTLET_ERROR_SHAPE);
    CHECK_SAYING(strstr(martlet_last_error(), "119 elements; expected 60, a number for each sample, or 60 x 2") != NULL, "%s", martlet_last_error());
    CHECK_OK(martlet_model_destroy(of_one));
    CHECK_OK(martlet_model_destroy(of_both));
}

static void refuses(void) {
    martlet_model *model = make();
    int64_t counts[CLASSES * CLASSES];
    martlet_training training[2];
    const martlet_array x = check_array(inputs, LENGTH(inputs), MARTLET_FP32);
    const martlet_array y[2] = {check_array(numbers, LENGTH(numbers), MARTLET_FP32), check_array(classes, SAMPLES, MARTLET_INT32)};
    const martlet_array turned[2] = {y[1], y[0]};
    CHECK_OK(martlet_training_init(&training[0], sizeof *training, MARTLET_LOSS_MSE));
    CHECK_OK(martlet_training_init(&training[1], sizeof *training, MARTLET_LOSS_MSE));
    training[1].struct_size = 80;
    CHECK_STATUS(martlet_model_compile(model, training, NULL), MARTLET_ERROR_STRUCT);
    CHECK_SAYING(strstr(martlet_last_error(), "training[1].struct_size is 80") != NULL, "%s", martlet_last_error());
    training[1].struct_size = sizeof *training, training[1].top = 0;
    CHECK_STATUS(martlet_model_compile(model, training, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "training[1].top is 0") != NULL, "%s", martlet_last_error());
    compile(model);
    CHECK_STATUS(martlet_model_outputs_set(model, (const int32_t[]){2}, 1), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_train(model, NULL, &x, turned, NULL, 0), MARTLET_ERROR_TYPE);
    CHECK_SAYING(strstr(martlet_last_error(), "y[0].dtype") != NULL, "%s", martlet_last_error());
    CHECK_STATUS(martlet_model_confusion_get(model, counts, LENGTH(counts), 0, MARTLET_TRAINING), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_model_confusion_get(model, counts, 4, 1, MARTLET_TRAINING), MARTLET_ERROR_SHAPE);
    CHECK(strcmp(martlet_metric_name(MARTLET_METRIC_AUC), "auc") == 0);
    CHECK(martlet_metric_name(MARTLET_METRIC_COUNT) == NULL && martlet_metric_name(-1) == NULL);
    for (int32_t metric = 0; metric < MARTLET_METRIC_COUNT; metric++) CHECK(strlen(martlet_metric_name(metric)) > 0);
    CHECK_OK(martlet_model_destroy(model));
}

int main(void) {
    check_fill(inputs, LENGTH(inputs), 1), check_fill(numbers, LENGTH(numbers), 2);
    for (int k = 0; k < SAMPLES; k++) classes[k] = k % CLASSES;
    trains_and_tells();
    keeps_tallies();
    weighs();
    refuses();
    return check_end();
}
