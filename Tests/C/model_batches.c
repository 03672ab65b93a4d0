/*
 * What a batch is: rows in any order and more than once, labels of every type, batches larger and smaller than
 * planned, the order that fit takes samples in, epochs that add up over calls, predictions that are each sample's
 * own, and samples that are not finite. Each is held against the same done in another way. What a loss is, is asked in model_scores.c.
 */
#include "network.h"

#define FEATURES 8

static struct network_data *data;

static martlet_model *make(int64_t batch_size) {
    martlet_model *model = network_dense(FEATURES, 9, 21);
    network_compile(model, batch_size);
    return model;
}

static void destroy(martlet_model *model) { CHECK_OK(martlet_model_destroy(model)); }

/* Rows are the samples that they name, wherever these lie. */
static void rows(void) {
    static const int64_t some[] = {39, 0, 7, 7, 7, 20, 1};
    enum { count = 7 };
    float inputs[count * FEATURES];
    int32_t labels[count];
    for (int k = 0; k < count; k++) {
        memcpy(inputs + k * FEATURES, data->inputs + some[k] * FEATURES, FEATURES * sizeof(float));
        labels[k] = data->labels[some[k]];
    }
    const martlet_array x = check_array(inputs, count * FEATURES, MARTLET_FP32), y = check_array(labels, count, MARTLET_INT32);
    martlet_model *by_rows = make(16), *in_place = make(16);
    martlet_result one, two;
    CHECK_OK(martlet_result_init(&one, sizeof one));
    CHECK_OK(martlet_result_init(&two, sizeof two));
    for (int step = 0; step < 3; step++) {
        CHECK_OK(martlet_model_train(by_rows, &one, &data->x, &data->y, some, count));
        CHECK_OK(martlet_model_train(in_place, &two, &x, &y, NULL, 0));
        CHECK(memcmp(&one, &two, sizeof one) == 0 && one.samples == count && one.batches == 1);
    }
    CHECK(network_hash(by_rows, true) == network_hash(in_place, true));
    destroy(by_rows), destroy(in_place);
}

/* A label is the same whatever its type, and a target of zeros and a one is nearly the same. */
static void labels(void) {
    int64_t wide[NETWORK_SAMPLES];
    uint8_t narrow[NETWORK_SAMPLES];
    float targets[NETWORK_SAMPLES * NETWORK_CLASSES] = {0};
    for (int k = 0; k < NETWORK_SAMPLES; k++) {
        wide[k] = narrow[k] = (uint8_t)data->labels[k];
        targets[k * NETWORK_CLASSES + data->labels[k]] = 1;
    }
    const martlet_array kinds[] = {data->y, check_array(wide, NETWORK_SAMPLES, MARTLET_INT64), check_array(narrow, NETWORK_SAMPLES, MARTLET_UINT8),
                                   check_array(targets, LENGTH(targets), MARTLET_FP32)};
    uint64_t first = 0;
    double loss = 0;
    for (int k = 0; k < LENGTH(kinds); k++) {
        martlet_model *model = make(16);
        martlet_result result;
        martlet_loop loop;
        CHECK_OK(martlet_result_init(&result, sizeof result));
        CHECK_OK(martlet_loop_init(&loop, sizeof loop));
        loop.epochs = 3, loop.validation_x = &data->x, loop.validation_y = &kinds[k];
        CHECK_OK(martlet_model_fit(model, &result, &data->x, &kinds[k], &loop));
        if (k == 0) first = network_hash(model, true), loss = result.validation_loss;
        CHECK_SAYING(k == 3 || network_hash(model, true) == first, "type %d: other bits", kinds[k].dtype);
        CHECK_SAYING(fabs(result.validation_loss - loss) < 1e-4, "%g, wanted %g", result.validation_loss, loss);
        destroy(model);
    }
}

/* What was planned is no limit, and changes nothing. */
static void plans(void) {
    static const int64_t planned[] = {1, 5, 16, 40, 1000}, sizes[] = {3, 17, 40, 1, 40, 8};
    uint64_t first = 0, output = 0;
    for (int p = 0; p < LENGTH(planned); p++) {
        martlet_model *model = make(planned[p]);
        martlet_loop loop;
        CHECK_OK(martlet_loop_init(&loop, sizeof loop));
        for (int k = 0; k < LENGTH(sizes); k++) {
            loop.batch_size = sizes[k];
            CHECK_OK(martlet_model_fit(model, NULL, &data->x, &data->y, &loop));
            CHECK_OK(martlet_model_evaluate(model, NULL, &data->x, &data->y, &loop));
        }
        if (p == 0) first = network_hash(model, true), output = network_output(model, data);
        CHECK_SAYING(network_hash(model, true) == first, "planned for %ld: other bits", (long)planned[p]);
        CHECK(network_output(model, data) == output);
        destroy(model);
    }
}

/* ---- the order of samples ---- */

struct order {
    int64_t taken[4 * NETWORK_SAMPLES];
    double before;
    int count;
};

/* With batches of one sample whose loss is its own number squared, the mean so far tells which one was taken. */
static int32_t note(void *user, const martlet_progress *progress) {
    struct order *order = user;
    const double total = progress->loss * (double)progress->samples;
    if (progress->samples == 1) order->before = 0;
    order->taken[order->count++] = lround(sqrt(fmax(total - order->before, 0)));
    order->before = total;
    return 0;
}

static struct order take(uint64_t seed, int64_t first_epochs, int64_t more_epochs, uint32_t flags) {
    struct order order = {{0}, 0, 0};
    float inputs[NETWORK_SAMPLES], targets[NETWORK_SAMPLES];
    martlet_model *model = NULL;
    martlet_training training;
    martlet_config config = check_config(MARTLET_ADAM);
    martlet_loop loop;
    martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, 1, MARTLET_ACTIVATION_LINEAR);
    for (int k = 0; k < NETWORK_SAMPLES; k++) inputs[k] = 0, targets[k] = (float)k;
    const martlet_array x = check_array(inputs, NETWORK_SAMPLES, MARTLET_FP32), y = check_array(targets, NETWORK_SAMPLES, MARTLET_FP32);
    config.lr = 0;
    CHECK_OK(martlet_model_create(&model, (int64_t[]){1}, 1, seed));
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    training.batch_size = 1;
    CHECK_OK(martlet_model_compile(model, &training, &config));
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.flags = flags, loop.progress = note, loop.user = &order;
    loop.epochs = first_epochs;
    CHECK_OK(martlet_model_fit(model, NULL, &x, &y, &loop));
    loop.epochs = more_epochs;
    if (more_epochs > 0) CHECK_OK(martlet_model_fit(model, NULL, &x, &y, &loop));
    destroy(model);
    return order;
}

static void orders(void) {
    const struct order kept = take(1, 2, 0, MARTLET_KEEP_ORDER), shuffled = take(1, 4, 0, 0), other = take(2, 4, 0, 0), again = take(1, 1, 3, 0);
    CHECK(kept.count == 2 * NETWORK_SAMPLES && shuffled.count == 4 * NETWORK_SAMPLES);
    for (int k = 0; k < kept.count; k++) CHECK(kept.taken[k] == k % NETWORK_SAMPLES);
    for (int epoch = 0; epoch < 4; epoch++) {
        const int64_t *taken = shuffled.taken + epoch * NETWORK_SAMPLES;
        bool seen[NETWORK_SAMPLES] = {false};
        int in_place = 0;
        for (int k = 0; k < NETWORK_SAMPLES; k++) {
            REQUIRE(taken[k] >= 0 && taken[k] < NETWORK_SAMPLES);
            seen[taken[k]] = true, in_place += taken[k] == k;
        }
        for (int k = 0; k < NETWORK_SAMPLES; k++) CHECK_SAYING(seen[k], "epoch %d did not take %d", epoch, k);
        CHECK(in_place < NETWORK_SAMPLES / 2);
        CHECK(epoch == 0 || memcmp(taken, taken - NETWORK_SAMPLES, NETWORK_SAMPLES * sizeof *taken) != 0);
    }
    CHECK(memcmp(shuffled.taken, other.taken, sizeof other.taken) != 0);
    CHECK(memcmp(shuffled.taken, again.taken, sizeof again.taken) == 0); /* epochs go on where the last call ended */
}

/* ---- predictions in batches ---- */

/* A sample's prediction is its own, also where sums are so long that they are cut, on one thread and on more. */
static void alone(void) {
    static const int64_t inners[] = {100, 2048, 5000}, units[] = {3, 70, 1030};
    enum { samples = 33 };
    static float inputs[samples * 5000], by_itself[samples * 2], together[samples * 2];
    check_fill(inputs, LENGTH(inputs), 9);
    for (int k = 0; k < LENGTH(inners) * LENGTH(units); k++) {
        const int64_t inner = inners[k / 3], width = units[k % 3];
        const martlet_array x = check_array(inputs, samples * inner, MARTLET_FP32);
        martlet_model *model = NULL;
        martlet_loop loop;
        CHECK_OK(martlet_model_create(&model, &inner, 1, 4));
        network_add(model, MARTLET_LAYER_DENSE, width, MARTLET_ACTIVATION_RELU);
        network_add(model, MARTLET_LAYER_DENSE, 2, MARTLET_ACTIVATION_SOFTMAX);
        CHECK_OK(martlet_loop_init(&loop, sizeof loop));
        loop.batch_size = 1;
        CHECK_OK(martlet_threads_set(1));
        CHECK_OK(martlet_model_predict(model, by_itself, samples * 2, &x, &loop));
        for (int32_t threads = 1; threads <= 3; threads++)
            for (loop.batch_size = 2; loop.batch_size <= samples; loop.batch_size = loop.batch_size * 2 + 1) {
                CHECK_OK(martlet_threads_set(threads));
                CHECK_OK(martlet_model_predict(model, together, samples * 2, &x, &loop));
                CHECK_SAYING(memcmp(by_itself, together, samples * 2 * sizeof(float)) == 0, "%ld x %ld in batches of %ld on %d threads", (long)inner, (long)width,
                             (long)loop.batch_size, threads);
            }
        destroy(model);
    }
    CHECK_OK(martlet_threads_set(0));
}

/* ---- what is not finite, and where x may lie ---- */

static void odd_samples(void) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (int k = 0; k < LENGTH(odd); k++) {
        martlet_model *model = make(40);
        martlet_result result;
        double norm = 0;
        float inputs[NETWORK_SAMPLES * FEATURES], out[NETWORK_SAMPLES * NETWORK_CLASSES];
        memcpy(inputs, data->inputs, sizeof inputs);
        inputs[17] = odd[k];
        const martlet_array x = check_array(inputs, LENGTH(inputs), MARTLET_FP32);
        CHECK_OK(martlet_result_init(&result, sizeof result));
        CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &x, NULL));
        for (int i = 0; i < LENGTH(out); i++) /* other samples do not see it */
            CHECK(isfinite(out[i]) || i / NETWORK_CLASSES == 17 / FEATURES);
        CHECK_OK(martlet_model_train(model, &result, &x, &data->y, NULL, 0));
        CHECK_SAYING(k > 2 || !isfinite(result.loss), "%g gave a loss of %g", (double)odd[k], result.loss);
        CHECK_OK(martlet_model_grad_norm_get(model, &norm));
        CHECK(k > 2 || !isfinite(norm));
        CHECK_OK(martlet_model_evaluate(model, NULL, &x, &data->y, NULL));
        CHECK_OK(martlet_model_reset(model));
        CHECK_OK(network_fit(model, data, 1, 0));
        CHECK(isfinite(out[0]));
        destroy(model);
    }
    /* Of no width, x and y the very same memory: an autoencoder. */
    martlet_model *model = NULL;
    martlet_training training;
    martlet_result first, last;
    CHECK_OK(martlet_model_create(&model, (int64_t[]){FEATURES}, 1, 1));
    network_add(model, MARTLET_LAYER_DENSE, FEATURES, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    CHECK_OK(martlet_model_compile(model, &training, NULL));
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 0.01));
    CHECK_OK(martlet_result_init(&first, sizeof first));
    CHECK_OK(martlet_result_init(&last, sizeof last));
    CHECK_OK(martlet_model_evaluate(model, &first, &data->x, &data->x, NULL));
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 300;
    CHECK_OK(martlet_model_fit(model, &last, &data->x, &data->x, &loop));
    CHECK_SAYING(last.loss < first.loss / 100, "%g, %g at first", last.loss, first.loss);
    destroy(model);
}

/* ---- fits one after another ---- */

/* The model after six epochs in fits of so many each, where `rate` falls after the third. */
static uint64_t in_fits(const int64_t *epochs, int64_t fits, double rate, martlet_result *result) {
    martlet_model *model = make(16);
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    CHECK_OK(martlet_result_init(result, sizeof *result));
    loop.batch_size = 12;
    loop.validation_x = &data->x, loop.validation_y = &data->y;
    for (int64_t k = 0, done = 0; k < fits; done += epochs[k++]) {
        loop.epochs = epochs[k];
        CHECK_OK(martlet_model_set(model, MARTLET_LR, done < 3 ? 0.01 : rate));
        CHECK_OK(martlet_model_fit(model, result, &data->x, &data->y, &loop));
    }
    result->epochs = 6; /* it counts its own fit's */
    const uint64_t hash = network_hash(model, true);
    destroy(model);
    return hash;
}

/* With dropout, batch normalization, shuffled samples and a small last batch. */
static void schedules(void) {
    martlet_result one, other;
    const uint64_t whole = in_fits((int64_t[]){6}, 1, 0.01, &one);
    CHECK(in_fits((int64_t[]){1, 1, 1, 1, 1, 1}, 6, 0.01, &other) == whole && memcmp(&one, &other, sizeof one) == 0);
    CHECK(in_fits((int64_t[]){2, 4}, 2, 0.01, &other) == whole && memcmp(&one, &other, sizeof one) == 0);
    const uint64_t halves = in_fits((int64_t[]){3, 3}, 2, 0.002, &one);
    CHECK(halves != whole);
    CHECK(in_fits((int64_t[]){1, 1, 1, 1, 1, 1}, 6, 0.002, &other) == halves && memcmp(&one, &other, sizeof one) == 0);
}

int main(void) {
    alarm(110);
    data = network_data(FEATURES);
    rows();
    labels();
    plans();
    orders();
    schedules();
    alone();
    odd_samples();
    network_data_free(data);
    return check_end();
}
