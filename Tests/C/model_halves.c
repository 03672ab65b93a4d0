/*
 * A training step in two halves: the same bits as in one, by every kind of optimizer; what each half changes and what it
 * leaves; a step by gradients that the caller wrote, against arithmetic that is exact; and parts of a batch whose gradients
 * are added up, as processes do, beside the batch as a whole. Whether gradients are right is the Swift tests' question.
 */
#include "network.h"

#define STEPS 6

static float *numbers_of(martlet_model *model, int32_t buffer, int64_t *count) {
    float *data = NULL;
    REQUIRE(martlet_model_buffer_get(model, &data, count, buffer) == MARTLET_OK);
    return data;
}

static void compile(martlet_model *model, int32_t algorithm) {
    martlet_training training;
    martlet_config config;
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    REQUIRE(martlet_config_init(&config, sizeof config, algorithm) == MARTLET_OK);
    training.batch_size = NETWORK_SAMPLES, training.metrics = 1u << MARTLET_METRIC_ACCURACY;
    config.lr = 0.01;
    REQUIRE(martlet_model_compile(model, &training, &config) == MARTLET_OK);
}

static void same_as_whole(int32_t algorithm, bool image) {
    struct network_data *data = network_data(image ? NETWORK_PIXELS(NETWORK_SIDE) : 8);
    martlet_model *whole = image ? network_image(3) : network_dense(8, 12, 3);
    martlet_model *cut = image ? network_image(3) : network_dense(8, 12, 3);
    const int64_t some[] = {3, 1, 4, 1, 5, 9, 2, 6};
    compile(whole, algorithm), compile(cut, algorithm);
    for (int k = 0; k < STEPS; k++) {
        const int64_t *rows = k % 2 ? some : NULL, count = k % 2 ? LENGTH(some) : 0;
        martlet_result one, two;
        CHECK_OK(martlet_result_init(&one, sizeof one));
    CHECK_OK(martlet_result_init(&two, sizeof two));
        CHECK_OK(martlet_model_train(whole, &one, &data->x, &data->y, rows, count));
        CHECK_OK(martlet_model_differentiate(cut, &two, &data->x, &data->y, rows, count));
        CHECK_OK(martlet_model_step(cut));
        CHECK(one.loss == two.loss && one.metrics[MARTLET_METRIC_ACCURACY] == two.metrics[MARTLET_METRIC_ACCURACY] && two.samples == (count ? count : NETWORK_SAMPLES));
        CHECK_SAYING(network_hash(whole, true) == network_hash(cut, true), "algorithm %d, step %d", algorithm, k);
    }
    CHECK_OK(martlet_model_destroy(whole));
    CHECK_OK(martlet_model_destroy(cut));
    network_data_free(data);
}

/* The first half writes gradients and statistics alone, and the second neither. */
static void what_changes(void) {
    struct network_data *data = network_data(8);
    martlet_model *model = network_dense(8, 12, 3);
    int64_t count = 0, moving = 0, step = -1;
    compile(model, MARTLET_ADAM);
    float *values = numbers_of(model, MARTLET_BUFFER_PARAMETERS, &count), *gradients = numbers_of(model, MARTLET_BUFFER_GRADIENTS, NULL);
    const float *statistics = numbers_of(model, MARTLET_BUFFER_STATISTICS, &moving);
    const size_t size = (size_t)count * sizeof *values, moving_size = (size_t)moving * sizeof *statistics;
    double norm = 0, sum = 0;
    CHECK_OK(martlet_model_grad_norm_get(model, &norm));
    CHECK(isnan(norm));
    const uint64_t before = check_hash(0, values, size), mean = check_hash(0, statistics, moving_size);
    CHECK_OK(martlet_model_differentiate(model, NULL, &data->x, &data->y, NULL, 0));
    CHECK(check_hash(0, values, size) == before && check_hash(0, statistics, moving_size) != mean);
    const uint64_t first = check_hash(0, gradients, size);
    for (int64_t k = 0; k < count; k++) sum += (double)gradients[k] * (double)gradients[k];
    CHECK_OK(martlet_model_grad_norm_get(model, &norm));
    CHECK_SAYING(sum > 0 && fabs(norm - sqrt(sum)) < 1e-9 * norm, "%g, wanted %g", norm, sqrt(sum));
    /* Dropout draws by steps: again the same, in place of what was there. */
    CHECK_OK(martlet_model_differentiate(model, NULL, &data->x, &data->y, NULL, 0));
    CHECK(check_hash(0, gradients, size) == first && check_hash(0, values, size) == before);
    CHECK_OK(martlet_model_step_get(model, &step));
    CHECK(step == 0);
    const uint64_t moved = check_hash(0, statistics, moving_size);
    CHECK_OK(martlet_model_step(model));
    CHECK_OK(martlet_model_step_get(model, &step));
    CHECK(step == 1 && check_hash(0, values, size) != before);
    CHECK(check_hash(0, gradients, size) == first && check_hash(0, statistics, moving_size) == moved);
    CHECK_OK(martlet_model_differentiate(model, NULL, &data->x, &data->y, NULL, 0));
    CHECK(check_hash(0, gradients, size) != first);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

/* Plain SGD by numbers of few bits, which the caller wrote: value - lr * gradient without a rounding. */
static void written(void) {
    martlet_model *model = network_dense(8, 12, 3);
    int64_t count = 0;
    compile(model, MARTLET_SGD);
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 0.5));
    float *values = numbers_of(model, MARTLET_BUFFER_PARAMETERS, &count), *gradients = numbers_of(model, MARTLET_BUFFER_GRADIENTS, NULL);
    for (int64_t k = 0; k < count; k++) values[k] = (float)(k % 64), gradients[k] = (float)(k % 7) - 3;
    double sum = 0, norm = 0;
    for (int64_t k = 0; k < count; k++) sum += (double)gradients[k] * (double)gradients[k];
    for (int step = 1; step <= 3; step++) {
        CHECK_OK(martlet_model_step(model));
        CHECK_OK(martlet_model_grad_norm_get(model, &norm));
        CHECK(norm == sqrt(sum));
        for (int64_t k = 0; k < count; k++) {
            const float wanted = (float)(k % 64) - 0.5f * (float)step * ((float)(k % 7) - 3);
            CHECK_SAYING(values[k] == wanted, "step %d, element %d: %g, wanted %g", step, (int)k, (double)values[k], (double)wanted);
        }
    }
    CHECK_OK(martlet_model_destroy(model));
}

/* Parts of a batch, each with its share, have the gradient of the whole: here of 3, 17 and 20 samples. */
static void parts(void) {
    struct network_data *data = network_data(8);
    const int64_t features = 8, ends[] = {0, 3, 20, NETWORK_SAMPLES};
    martlet_model *model = NULL;
    REQUIRE(martlet_model_create(&model, &features, 1, 3) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, 20, MARTLET_ACTIVATION_TANH);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    compile(model, MARTLET_ADAM);
    int64_t count = 0, rows[NETWORK_SAMPLES];
    const float *gradients = numbers_of(model, MARTLET_BUFFER_GRADIENTS, &count);
    double *sums = calloc((size_t)count, sizeof *sums), largest = 0, worst = 0;
    REQUIRE(sums != NULL);
    for (int64_t k = 0; k < NETWORK_SAMPLES; k++) rows[k] = k;
    for (int part = 0; part < 3; part++) {
        const int64_t samples = ends[part + 1] - ends[part];
        CHECK_OK(martlet_model_differentiate(model, NULL, &data->x, &data->y, rows + ends[part], samples));
        for (int64_t k = 0; k < count; k++) sums[k] += (double)gradients[k] * (double)samples / NETWORK_SAMPLES;
    }
    CHECK_OK(martlet_model_differentiate(model, NULL, &data->x, &data->y, NULL, 0));
    for (int64_t k = 0; k < count; k++) {
        largest = fmax(largest, fabs((double)gradients[k]));
        worst = fmax(worst, fabs((double)gradients[k] - sums[k]));
    }
    CHECK_SAYING(worst <= 1e-6 * largest, "%g off, of %g", worst, largest);
    free(sums);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

/* What goes to the trained point between the halves comes back: no more than rounding is between the two. */
static void schedule_free(void) {
    struct network_data *data = network_data(8);
    martlet_model *straight = network_dense(8, 12, 3), *around = network_dense(8, 12, 3);
    int64_t count = 0;
    compile(straight, MARTLET_SCHEDULE_FREE_ADAMW), compile(around, MARTLET_SCHEDULE_FREE_ADAMW);
    for (int k = 0; k < STEPS; k++) {
        CHECK_OK(martlet_model_train(straight, NULL, &data->x, &data->y, NULL, 0));
        CHECK_OK(martlet_model_differentiate(around, NULL, &data->x, &data->y, NULL, 0));
        (void)network_output(around, data);
        CHECK_OK(martlet_model_step(around));
    }
    const float *one = numbers_of(straight, MARTLET_BUFFER_PARAMETERS, &count), *two = numbers_of(around, MARTLET_BUFFER_PARAMETERS, NULL);
    for (int64_t k = 0; k < count; k++)
        CHECK_SAYING(fabs((double)one[k] - (double)two[k]) < 1e-5, "%d: %g and %g", (int)k, (double)one[k], (double)two[k]);
    CHECK_OK(martlet_model_destroy(straight));
    CHECK_OK(martlet_model_destroy(around));
    network_data_free(data);
}

int main(void) {
    const int32_t algorithms[] = {MARTLET_ADAM, MARTLET_LAMB, MARTLET_SCHEDULE_FREE_ADAMW, MARTLET_PRODIGY};
    for (int k = 0; k < LENGTH(algorithms); k++) same_as_whole(algorithms[k], false), same_as_whole(algorithms[k], true);
    what_changes();
    written();
    parts();
    schedule_free();
    return check_end();
}
