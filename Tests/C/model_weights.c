/*
 * Weights of samples: what they make of a loss and of its gradient, held against batches without some of the samples, in
 * train, fit and evaluate.
 */
#include "network.h"

#define FEATURES 6

/* A model of two dense layers that is stepped by SGD, and so by its gradient alone. */
static martlet_model *plain(double rate, int32_t loss) {
    martlet_model *model = NULL;
    const int64_t features = FEATURES;
    REQUIRE(martlet_model_create(&model, &features, 1, 3) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, 8, MARTLET_ACTIVATION_TANH);
    network_add(model, MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_LINEAR);
    martlet_training training;
    martlet_config config = check_config(MARTLET_SGD);
    config.lr = rate;
    REQUIRE(martlet_training_init(&training, sizeof training, loss) == MARTLET_OK);
    training.batch_size = 16;
    REQUIRE(martlet_model_compile(model, &training, &config) == MARTLET_OK);
    return model;
}

/* The parameters of one, but for rounding, are those of the other. */
static void expect_alike(martlet_model *one, martlet_model *other, const char *what) {
    float *a = NULL, *b = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(one, &a, &count, MARTLET_BUFFER_PARAMETERS));
    CHECK_OK(martlet_model_buffer_get(other, &b, NULL, MARTLET_BUFFER_PARAMETERS));
    for (int64_t k = 0; k < count; k++)
        CHECK_SAYING(fabs((double)a[k] - (double)b[k]) <= 2e-6 * fmax(1, fabs((double)a[k])), "%s: %g and %g", what, (double)a[k], (double)b[k]);
}

/* All but every fourth sample, which weigh 0: a batch of the others, whose mean is over fewer. */
static void leave_out(const struct network_data *data, int32_t loss) {
    float weights[NETWORK_SAMPLES];
    int64_t kept[NETWORK_SAMPLES], count = 0;
    for (int k = 0; k < NETWORK_SAMPLES; k++)
        if ((weights[k] = k % 4 != 1) != 0) kept[count++] = k;
    const double share = (double)count / NETWORK_SAMPLES;
    const martlet_array w = check_array(weights, NETWORK_SAMPLES, MARTLET_FP32);
    float targets[NETWORK_SAMPLES * NETWORK_CLASSES];
    check_fill(targets, NETWORK_SAMPLES * NETWORK_CLASSES, 9);
    const martlet_array y = loss == MARTLET_LOSS_CROSS_ENTROPY ? data->y : check_array(targets, NETWORK_SAMPLES * NETWORK_CLASSES, MARTLET_FP32);
    martlet_model *weighted = plain(0.25, loss), *without = plain(0.25 * share, loss), *stopped = plain(0.25, loss);
    martlet_result result, other;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_result_init(&other, sizeof other));
    CHECK_OK(martlet_model_weighted_train(weighted, &result, &data->x, &y, &w, NULL, 0));
    CHECK_OK(martlet_model_train(without, &other, &data->x, &y, kept, count));
    CHECK_SAYING(fabs(result.loss - other.loss * share) < 1e-6, "%g, wanted %g", result.loss, other.loss * share);
    expect_alike(weighted, without, "without those that weigh nothing");
    /* In fit, one batch of all in their order; evaluate gives the loss before a step. */
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = NETWORK_SAMPLES, loop.flags = MARTLET_KEEP_ORDER, loop.weights = &w;
    CHECK_OK(martlet_model_evaluate(stopped, &other, &data->x, &y, &loop));
    CHECK_SAYING(other.loss == result.loss, "%g, wanted %g", other.loss, result.loss);
    loop.validation_x = &data->x, loop.validation_y = &y, loop.validation_weights = &w;
    CHECK_OK(martlet_model_fit(stopped, &other, &data->x, &y, &loop));
    CHECK(network_hash(stopped, false) == network_hash(weighted, false) && other.loss == result.loss);
    CHECK_OK(martlet_model_evaluate(stopped, &result, &data->x, &y, &loop));
    CHECK(result.loss == other.validation_loss);
    CHECK_OK(martlet_model_destroy(weighted));
    CHECK_OK(martlet_model_destroy(without));
    CHECK_OK(martlet_model_destroy(stopped));
}

/* Weights of 2 are twice the rate, to the bit; those of ones are none. */
static void double_weights(const struct network_data *data) {
    float twos[NETWORK_SAMPLES], ones[NETWORK_SAMPLES];
    for (int k = 0; k < NETWORK_SAMPLES; k++) twos[k] = 2, ones[k] = 1;
    const martlet_array two = check_array(twos, NETWORK_SAMPLES, MARTLET_FP32), one = check_array(ones, NETWORK_SAMPLES, MARTLET_FP32);
    martlet_model *a = plain(0.25, MARTLET_LOSS_CROSS_ENTROPY), *b = plain(0.5, MARTLET_LOSS_CROSS_ENTROPY), *c = plain(0.5, MARTLET_LOSS_CROSS_ENTROPY);
    for (int step = 0; step < 3; step++) {
        CHECK_OK(martlet_model_weighted_train(a, NULL, &data->x, &data->y, &two, NULL, 0));
        CHECK_OK(martlet_model_weighted_train(b, NULL, &data->x, &data->y, &one, NULL, 0));
        CHECK_OK(martlet_model_weighted_train(c, NULL, &data->x, &data->y, NULL, NULL, 0));
    }
    CHECK(network_hash(a, false) == network_hash(b, false));
    CHECK(network_hash(b, false) == network_hash(c, false));
    CHECK_OK(martlet_model_destroy(a));
    CHECK_OK(martlet_model_destroy(b));
    CHECK_OK(martlet_model_destroy(c));
}

/* A target of NaN under a weight of 0 is not seen. */
static void unseen(const struct network_data *data) {
    float targets[NETWORK_SAMPLES * NETWORK_CLASSES], weights[NETWORK_SAMPLES];
    check_fill(targets, NETWORK_SAMPLES * NETWORK_CLASSES, 9);
    for (int k = 0; k < NETWORK_SAMPLES; k++) weights[k] = k != 7;
    for (int k = 0; k < NETWORK_CLASSES; k++) targets[7 * NETWORK_CLASSES + k] = NAN;
    const martlet_array y = check_array(targets, NETWORK_SAMPLES * NETWORK_CLASSES, MARTLET_FP32);
    const martlet_array w = check_array(weights, NETWORK_SAMPLES, MARTLET_FP32);
    for (int32_t loss = MARTLET_LOSS_MSE; loss <= MARTLET_LOSS_COSINE; loss++) {
        martlet_model *model = plain(0.1, loss);
        martlet_result result;
        double norm = NAN;
        CHECK_OK(martlet_result_init(&result, sizeof result));
        CHECK_OK(martlet_model_weighted_train(model, &result, &data->x, &y, &w, NULL, 0));
        CHECK_OK(martlet_model_grad_norm_get(model, &norm));
        const bool known = loss != MARTLET_LOSS_POISSON; /* of outputs below 0 there is no logarithm */
        CHECK_SAYING(!known || (isfinite(result.loss) && isfinite(norm)), "loss %d: %g, %g", loss, result.loss, norm);
        CHECK_OK(martlet_model_destroy(model));
    }
}

int main(void) {
    struct network_data *data = network_data(FEATURES);
    leave_out(data, MARTLET_LOSS_CROSS_ENTROPY);
    for (int32_t loss = MARTLET_LOSS_MSE; loss <= MARTLET_LOSS_COSINE; loss++)
        if (loss != MARTLET_LOSS_POISSON && loss != MARTLET_LOSS_KL_DIVERGENCE) leave_out(data, loss);
    double_weights(data);
    unseen(data);
    network_data_free(data);
    return check_end();
}
