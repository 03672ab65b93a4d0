/*
 * Models whose parameters are in several groups: Muon's step on a dense and on a convolution's kernel against fp64 on the
 * matrix of outputs by inputs, AdamW beside it with the bits that it has alone, groups of one algorithm with the bits of one
 * group, rates that move together, files, and steps that allocate nothing where malloc_count.c is preloaded.
 */
#include "malloc_count.h"
#include "network.h"

#define VIEWS 12
#define PATH "groups.safetensors"

static martlet_config config_of(int32_t algorithm) {
    martlet_config config;
    REQUIRE(martlet_config_init(&config, sizeof config, algorithm) == MARTLET_OK);
    return config;
}

static martlet_view view_of(martlet_model *model, int64_t index) {
    martlet_view view;
    REQUIRE(martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, index) == MARTLET_OK);
    return view;
}

static float *numbers_of(martlet_model *model, int32_t buffer) {
    float *data = NULL;
    REQUIRE(martlet_model_buffer_get(model, &data, NULL, buffer) == MARTLET_OK);
    return data;
}

/* Compiles with group 0 for kernels of hidden layers and group 1 for the rest; `split` puts every other view into group 1. */
static martlet_status compile(martlet_model *model, const martlet_config *groups, bool split) {
    int32_t of_view[VIEWS];
    int64_t views = 0;
    martlet_training training;
    REQUIRE(martlet_model_view_count(model, &views, MARTLET_BUFFER_PARAMETERS) == MARTLET_OK && views <= VIEWS);
    const int32_t last = view_of(model, views - 1).node;
    for (int64_t k = 0; k < views; k++) {
        const martlet_view view = view_of(model, k);
        of_view[k] = split ? (int32_t)(k % 2) : view.rank < 2 || view.node == last;
    }
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    training.batch_size = 16;
    return martlet_model_groups_compile(model, &training, groups, 2, of_view, views);
}

static uint64_t groups_hash(martlet_model *model) {
    int64_t count = 0;
    uint64_t hash = network_hash(model, false);
    CHECK_OK(martlet_model_group_count(model, &count));
    for (int32_t g = 0; g < count; g++) {
        martlet_config config;
        CHECK_OK(martlet_model_config_get(model, &config, sizeof config, g));
        hash = check_hash(hash, &config, sizeof config);
    }
    return hash;
}

/* ---- Muon's step ---- */

/* out = left right', rows of `inner` numbers each. */
static void multiply(double *out, const double *left, const double *right, int64_t rows, int64_t columns, int64_t inner) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++) sum += left[i * inner + k] * right[j * inner + k];
            out[i * columns + j] = sum;
        }
}

/* Five Newton-Schulz steps in fp64 on rows x columns numbers. */
static void orthogonalize(double *x, int64_t rows, int64_t columns) {
    double *gram = calloc((size_t)(rows * rows), sizeof *gram), *square = calloc((size_t)(rows * rows), sizeof *square);
    double *next = calloc((size_t)(rows * columns), sizeof *next), norm = 0;
    REQUIRE(gram != NULL && square != NULL && next != NULL);
    for (int64_t k = 0; k < rows * columns; k++) norm += x[k] * x[k];
    for (int64_t k = 0; k < rows * columns; k++) x[k] /= sqrt(norm);
    for (int step = 0; step < 5; step++) {
        multiply(gram, x, x, rows, rows, columns);
        multiply(square, gram, gram, rows, rows, rows);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                double sum = 3.4445 * x[i * columns + j];
                for (int64_t k = 0; k < rows; k++)
                    sum += (-4.7750 * gram[i * rows + k] + 2.0315 * square[i * rows + k]) * x[k * columns + j];
                next[i * columns + j] = sum;
            }
        memcpy(x, next, (size_t)(rows * columns) * sizeof *x);
    }
    free(gram), free(square), free(next);
}

/* One training step; each kernel of group 0 goes where fp64 says, by the gradient that the step has left. */
static void muon(bool image) {
    const int64_t elements = image ? NETWORK_PIXELS(NETWORK_SIDE) : 8;
    struct network_data *data = network_data(elements);
    martlet_model *model = image ? network_image(1) : network_dense(8, 30, 1);
    martlet_config groups[] = {config_of(MARTLET_MUON), config_of(MARTLET_ADAMW)};
    groups[0].lr = 0.02;
    int64_t total = 0, views = 0, kernels = 0;
    CHECK_OK(compile(model, groups, false));
    float *value = numbers_of(model, MARTLET_BUFFER_PARAMETERS), *before;
    CHECK_OK(martlet_model_buffer_get(model, NULL, &total, MARTLET_BUFFER_PARAMETERS));
    CHECK_OK(martlet_model_view_count(model, &views, MARTLET_BUFFER_PARAMETERS));
    REQUIRE((before = malloc((size_t)total * sizeof *before)) != NULL);
    memcpy(before, value, (size_t)total * sizeof *before);
    CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0));
    const float *gradient = numbers_of(model, MARTLET_BUFFER_GRADIENTS);
    for (int64_t v = 0; v < views; v++) {
        const martlet_view view = view_of(model, v);
        if (view.group != 0) continue;
        const int64_t rows = view.sizes[view.rank - 1], columns = view.count / rows;
        double *x = malloc((size_t)view.count * sizeof *x), worst = 0;
        REQUIRE(x != NULL);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) x[i * columns + j] = (double)gradient[view.offset + j * rows + i];
        orthogonalize(x, rows, columns);
        const double scale = rows > columns ? sqrt((double)rows / (double)columns) : 1;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                const int64_t at = view.offset + j * rows + i;
                const double wanted = (double)before[at] * (1 - 0.02 * 0.1) - 0.02 * scale * x[i * columns + j];
                worst = fmax(worst, fabs(wanted - (double)value[at]));
            }
        CHECK_SAYING(worst < 2e-6, "%s: %g off", view.name, worst);
        kernels++;
        free(x);
    }
    CHECK_SAYING(kernels == (image ? 2 : 1), "%d kernels", (int)kernels);
    CHECK_OK(martlet_model_destroy(model));
    free(before);
    network_data_free(data);
}

/* ---- the same bits ---- */

/* Views in two groups of the same numbers end as those of one group; a run of views is a parameter. */
static void split_as_one(int32_t algorithm) {
    struct network_data *data = network_data(NETWORK_PIXELS(NETWORK_SIDE));
    const martlet_config groups[] = {config_of(algorithm), config_of(algorithm)};
    martlet_model *one = network_image(3), *two = network_image(3);
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.batch_size = 16;
    CHECK_OK(martlet_model_compile(one, &training, &groups[0]));
    CHECK_OK(compile(two, groups, true));
    CHECK_OK(network_fit(one, data, 3, 0));
    CHECK_OK(network_fit(two, data, 3, 0));
    CHECK_SAYING(network_hash(one, false) == network_hash(two, false), "algorithm %d: other bits", (int)algorithm);
    CHECK_OK(martlet_model_destroy(one));
    CHECK_OK(martlet_model_destroy(two));
    network_data_free(data);
}

/* A training cut by a file, with rates that moved in between, ends as one that was not; so does it on two threads. */
static void cut_by_a_file(int32_t first, int32_t second) {
    struct network_data *data = network_data(NETWORK_PIXELS(NETWORK_SIDE));
    martlet_config groups[] = {config_of(first), config_of(second)};
    uint64_t hashes[3];
    groups[0].lr = 0.02, groups[1].lr = 3e-4;
    for (int way = 0; way < LENGTH(hashes); way++) {
        martlet_model *model = network_image(5);
        CHECK_OK(martlet_threads_set(way == 2 ? 2 : 1));
        CHECK_OK(compile(model, groups, false));
        CHECK_OK(network_fit(model, data, 2, 0));
        CHECK_OK(martlet_model_set(model, MARTLET_LR, 0));
        if (way == 1) {
            CHECK_OK(martlet_model_save(model, PATH));
            CHECK_OK(martlet_model_destroy(model));
            CHECK_OK(martlet_model_load(&model, PATH));
            CHECK(view_of(model, 0).group == 0 && view_of(model, 1).group == 1);
        }
        CHECK_OK(martlet_model_set(model, MARTLET_LR, 0.007));
        CHECK_OK(network_fit(model, data, 2, 0));
        hashes[way] = groups_hash(model);
        CHECK_OK(martlet_model_destroy(model));
    }
    CHECK_SAYING(hashes[0] == hashes[1], "%d with %d: a file changes bits", (int)first, (int)second);
    CHECK_SAYING(hashes[0] == hashes[2], "%d with %d: threads change bits", (int)first, (int)second);
    network_data_free(data);
}

/* ---- what is told of groups ---- */

static double rate_of(martlet_model *model, int32_t group) {
    martlet_config config;
    CHECK_OK(martlet_model_config_get(model, &config, sizeof config, group));
    return config.lr;
}

static void rates(void) {
    martlet_model *model = network_dense(8, 7, 3);
    martlet_config groups[] = {config_of(MARTLET_MUON), config_of(MARTLET_ADAMW)};
    int64_t count = 0;
    CHECK_STATUS(martlet_model_group_count(model, &count), MARTLET_ERROR_ORDER);
    groups[0].lr = 0.5, groups[1].lr = 0.125;
    CHECK_OK(compile(model, groups, false));
    CHECK_OK(martlet_model_group_count(model, &count));
    CHECK(count == 2 && view_of(model, 0).group == 0 && view_of(model, 1).group == 1);
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 0));
    CHECK(rate_of(model, 0) == 0 && rate_of(model, 1) == 0);
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 2));
    CHECK(rate_of(model, 0) == 2 && rate_of(model, 1) == 0.5);
    CHECK_OK(martlet_model_group_set(model, 1, MARTLET_LR, 4));
    CHECK(rate_of(model, 0) == 2 && rate_of(model, 1) == 4);
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 1));
    CHECK(rate_of(model, 0) == 1 && rate_of(model, 1) == 2);
    CHECK_STATUS(martlet_model_set(model, MARTLET_LR, 1e308), MARTLET_ERROR_ARGUMENT);
    CHECK(rate_of(model, 0) == 1 && rate_of(model, 1) == 2);
    CHECK_OK(martlet_model_reset(model));
    CHECK(rate_of(model, 0) == 1 && rate_of(model, 1) == 2 && view_of(model, 1).group == 1);
    /* A rate of which group 0's says nothing stays, and one group's rate leaves the others' shares alone. */
    groups[0].lr = 0, groups[1].lr = 0.125;
    CHECK_OK(compile(model, groups, false));
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 2));
    CHECK(rate_of(model, 0) == 2 && rate_of(model, 1) == 0.125);
    CHECK_OK(martlet_model_group_set(model, 0, MARTLET_LR, 0.5));
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 0));
    CHECK_OK(martlet_model_group_set(model, 1, MARTLET_LR, 4));
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 1));
    CHECK(rate_of(model, 0) == 1 && rate_of(model, 1) == 4);
    groups[0].lr = 0.5, groups[1].lr = 1;
    CHECK_OK(compile(model, groups, false));
    CHECK_OK(martlet_model_set(model, MARTLET_LR, 1));
    CHECK(rate_of(model, 0) == 1 && rate_of(model, 1) == 2);
    /* Each has hyperparameters of its own. */
    CHECK_OK(martlet_model_set(model, MARTLET_MOMENTUM, 0.9));
    CHECK_STATUS(martlet_model_group_set(model, 1, MARTLET_MOMENTUM, 0.9), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_group_set(model, 1, MARTLET_WEIGHT_DECAY, 0));
    CHECK_STATUS(martlet_model_group_set(model, 2, MARTLET_LR, 1), MARTLET_ERROR_ARGUMENT);
    const uint64_t before = groups_hash(model);
    CHECK_STATUS(compile(model, groups, true), MARTLET_ERROR_SHAPE); /* the second kernel is a bias's neighbour */
    CHECK_SAYING(strstr(martlet_last_error(), "batch_norm/") != NULL, "%s", martlet_last_error());
    CHECK(groups_hash(model) == before);
    CHECK_OK(martlet_model_destroy(model));
}

static void quiet(void) {
    if (malloc_count_start == NULL || malloc_count_stop == NULL) return;
    struct network_data *data = network_data(NETWORK_PIXELS(NETWORK_SIDE));
    const martlet_config groups[] = {config_of(MARTLET_MUON), config_of(MARTLET_ADAMW)};
    martlet_model *model = network_image(1);
    CHECK_OK(compile(model, groups, false));
    check_start_threads();
    for (int k = 0; k < 20; k++) {
        if (k == 3) malloc_count_start(0, 0);
        CHECK_OK(martlet_model_set(model, MARTLET_LR, 1e-3 / (k + 1)));
        CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0));
    }
    const long seen = malloc_count_stop();
    CHECK_SAYING(seen == 0, "%ld allocations in 17 steps", seen);
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

int main(void) {
    alarm(60);
    quiet();
    muon(false);
    muon(true);
    split_as_one(MARTLET_ADAM);
    split_as_one(MARTLET_NADAM);
    split_as_one(MARTLET_LAMB);
    split_as_one(MARTLET_SCHEDULE_FREE_ADAMW);
    cut_by_a_file(MARTLET_MUON, MARTLET_ADAMW);
    cut_by_a_file(MARTLET_MUON, MARTLET_NADAM);
    cut_by_a_file(MARTLET_SOAP, MARTLET_PRODIGY);
    cut_by_a_file(MARTLET_ADAFACTOR, MARTLET_SCHEDULE_FREE_ADAMW);
    rates();
    return check_end();
}
