/*
 * What calls that train or evaluate add up, in one tally or each in its own: counts of classes and the metrics of them against
 * predictions that are counted here, AUC against pairs, and that a call which is refused leaves them as they were.
 */
#include "network.h"

#define HALF (NETWORK_SAMPLES / 2)
#define PAIRS (NETWORK_CLASSES * NETWORK_CLASSES)

static void compile(martlet_model *model, int32_t loss, uint32_t metrics) {
    martlet_training training;
    REQUIRE(martlet_training_init(&training, sizeof training, loss) == MARTLET_OK);
    training.batch_size = 7, training.metrics = metrics;
    if (loss == MARTLET_LOSS_BINARY_CROSS_ENTROPY) training.from = MARTLET_FROM_LOGITS;
    REQUIRE(martlet_model_compile(model, &training, NULL) == MARTLET_OK);
}

/* Evaluates samples from `first` on, or differentiates them as one batch. */
static martlet_status look(martlet_model *model, const struct network_data *data, int64_t first, int64_t count, int32_t mode, martlet_result *result) {
    const int64_t elements = data->x.count / NETWORK_SAMPLES;
    const martlet_array x = check_array(data->inputs + first * elements, count * elements, MARTLET_FP32);
    const martlet_array y = check_array(data->labels + first, count, MARTLET_INT32);
    REQUIRE(martlet_result_init(result, sizeof *result) == MARTLET_OK);
    if (mode == MARTLET_EVALUATION) return martlet_model_evaluate(model, result, &x, &y, NULL);
    return martlet_model_differentiate(model, result, &x, &y, NULL, 0);
}

/* Adds what the model says of samples from `first` on. */
static void count_pairs(martlet_model *model, const struct network_data *data, int64_t first, int64_t count, int64_t *pairs) {
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &data->x, NULL));
    for (int64_t k = first; k < first + count; k++) {
        int32_t said = 0;
        for (int32_t j = 1; j < NETWORK_CLASSES; j++)
            if (out[k * NETWORK_CLASSES + j] > out[k * NETWORK_CLASSES + said]) said = j;
        pairs[data->labels[k] * NETWORK_CLASSES + said]++;
    }
}

/* Recall, the mean over classes that were right or said. */
static double recall(const int64_t *pairs) {
    double sum = 0;
    int seen = 0;
    for (int one = 0; one < NETWORK_CLASSES; one++) {
        int64_t right = 0, said = 0;
        for (int other = 0; other < NETWORK_CLASSES; other++) right += pairs[one * NETWORK_CLASSES + other], said += pairs[other * NETWORK_CLASSES + one];
        if (right + said == 0) continue;
        seen++;
        if (right > 0) sum += (double)pairs[one * NETWORK_CLASSES + one] / (double)right;
    }
    return sum / seen;
}

static void has(martlet_model *model, int32_t mode, const int64_t *pairs, const char *when) {
    int64_t counts[PAIRS];
    martlet_score score;
    CHECK_OK(martlet_model_confusion_get(model, counts, PAIRS, 0, mode));
    CHECK_SAYING(memcmp(counts, pairs, sizeof counts) == 0, "%s, mode %d", when, mode);
    CHECK_OK(martlet_model_score_get(model, &score, sizeof score, 0));
    const double found = (mode == MARTLET_EVALUATION ? score.evaluation_metrics : score.metrics)[MARTLET_METRIC_RECALL];
    CHECK_SAYING(fabs(found - recall(pairs)) < 1e-12, "%s, mode %d: %g and %g", when, mode, found, recall(pairs));
}

static void classes(int32_t mode) {
    struct network_data *data = network_data(8);
    martlet_model *model = NULL;
    martlet_result result;
    const int64_t features = 8;
    int64_t first[PAIRS] = {0}, second[PAIRS] = {0}, both[PAIRS] = {0};
    REQUIRE(martlet_model_create(&model, &features, 1, 3) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    CHECK_STATUS(martlet_model_tally_set(model, mode, 1), MARTLET_ERROR_ORDER);
    compile(model, MARTLET_LOSS_CROSS_ENTROPY, 1u << MARTLET_METRIC_RECALL);
    count_pairs(model, data, 0, HALF, first), count_pairs(model, data, HALF, HALF, second), count_pairs(model, data, 0, NETWORK_SAMPLES, both);

    CHECK_OK(look(model, data, 0, HALF, mode, &result));
    has(model, mode, first, "the first call");
    CHECK_OK(look(model, data, HALF, HALF, mode, &result));
    has(model, mode, second, "a call of its own");
    CHECK(result.samples == HALF && fabs(result.metrics[MARTLET_METRIC_RECALL] - recall(second)) < 1e-12);

    CHECK_OK(martlet_model_tally_set(model, mode, 1));
    CHECK_OK(look(model, data, 0, HALF, mode, &result));
    has(model, mode, first, "the first of several");
    CHECK_STATUS(martlet_model_tally_set(model, mode, 2), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_tally_set(model, mode, -1), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_tally_set(model, 7, 0), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(look(model, data, HALF, HALF, mode, &result));
    has(model, mode, both, "both");
    CHECK(result.samples == NETWORK_SAMPLES && fabs(result.metrics[MARTLET_METRIC_RECALL] - recall(both)) < 1e-12);

    /* Refused calls. */
    for (int keeps = 1; keeps >= 0; keeps--) {
        const int32_t label = data->labels[3];
        if (!keeps) {
            CHECK_OK(martlet_model_tally_set(model, mode, 0));
            CHECK_OK(look(model, data, 0, NETWORK_SAMPLES, mode, &result));
        }
        data->labels[3] = NETWORK_CLASSES;
        CHECK_STATUS(look(model, data, 0, HALF, mode, &result), MARTLET_ERROR_ARGUMENT);
        data->labels[3] = label;
        has(model, mode, both, keeps ? "refused among several" : "refused");
    }
    int64_t counts[PAIRS];
    CHECK_STATUS(martlet_model_confusion_get(model, counts, PAIRS - 1, 0, mode), MARTLET_ERROR_SHAPE);
    CHECK_STATUS(martlet_model_confusion_get(model, NULL, PAIRS, 0, mode), MARTLET_ERROR_NULL);
    CHECK_STATUS(martlet_model_confusion_get(model, counts, PAIRS, 1, mode), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(martlet_model_confusion_get(model, counts, PAIRS, 0, 7), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

/* Of calls that add up, one function alone works AUC out. */
static void area(void) {
    struct network_data *data = network_data(1);
    martlet_model *model = NULL;
    martlet_result result;
    martlet_score score;
    const int64_t features = 1;
    float out[NETWORK_SAMPLES];
    double wins = 0, pairs = 0;
    REQUIRE(martlet_model_create(&model, &features, 1, 3) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, 1, MARTLET_ACTIVATION_LINEAR);
    compile(model, MARTLET_LOSS_BINARY_CROSS_ENTROPY, 1u << MARTLET_METRIC_AUC);
    for (int k = 0; k < NETWORK_SAMPLES; k++) data->labels[k] %= 2, data->inputs[k] = rintf(4 * data->inputs[k]);
    CHECK_OK(martlet_model_predict(model, out, NETWORK_SAMPLES, &data->x, NULL));
    for (int k = 0; k < NETWORK_SAMPLES; k++)
        for (int j = 0; j < NETWORK_SAMPLES; j++)
            if (data->labels[k] == 1 && data->labels[j] == 0) pairs++, wins += out[k] > out[j] ? 1 : out[k] < out[j] ? 0 : 0.5;
    CHECK_OK(look(model, data, 0, NETWORK_SAMPLES, MARTLET_EVALUATION, &result));
    CHECK(fabs(result.metrics[MARTLET_METRIC_AUC] - wins / pairs) < 1e-12);
    CHECK_OK(martlet_model_tally_set(model, MARTLET_EVALUATION, 1));
    for (int64_t first = 0; first < NETWORK_SAMPLES; first += HALF) {
        CHECK_OK(look(model, data, first, HALF, MARTLET_EVALUATION, &result));
        CHECK(isnan(result.metrics[MARTLET_METRIC_AUC]));
        CHECK_OK(martlet_model_score_get(model, &score, sizeof score, 0));
    }
    CHECK_SAYING(fabs(score.evaluation_metrics[MARTLET_METRIC_AUC] - wins / pairs) < 1e-12, "%g", score.evaluation_metrics[MARTLET_METRIC_AUC]);
    CHECK(isnan(score.metrics[MARTLET_METRIC_AUC]) && isnan(score.loss));
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

int main(void) {
    classes(MARTLET_TRAINING), classes(MARTLET_EVALUATION);
    area();
    return check_end();
}
