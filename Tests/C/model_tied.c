/*
 * A table that an embedding and a head read: models of random sizes, whose gradient of the table is that of the table and of
 * the kernel of a model with two; which train to the same bits on any number of threads, and by a file in between; and of
 * which a file that names no table is refused.
 */
#include "network.h"

#define FILE_NAME "model_tied.safetensors"
#define MOST 60000

static uint64_t seed, counter;

static int64_t pick(int64_t least, int64_t most) {
    return least + (int64_t)(check_bits(seed, counter++) % (uint64_t)(most - least + 1));
}

struct shape {
    int64_t steps, rows, columns, batch;
    bool biased, twice;
    int32_t activation;
};

static int32_t ids[MOST], labels[MOST];

/* Ids, rows, a layer between, and logits: by the table, or by a kernel. */
static martlet_model *make(const struct shape *shape, bool tied) {
    martlet_model *model = NULL;
    martlet_layer table = network_layer(MARTLET_LAYER_EMBEDDING, shape->columns, MARTLET_ACTIVATION_LINEAR);
    martlet_layer head = network_layer(tied ? MARTLET_LAYER_TIED_DENSE : MARTLET_LAYER_DENSE, shape->rows, shape->activation);
    martlet_training training;
    table.vocabulary = shape->rows, table.kernel_value = 0.5;
    head.flags = shape->biased ? 0 : MARTLET_NO_BIAS;
    REQUIRE(martlet_model_create(&model, &shape->steps, 1, 5) == MARTLET_OK);
    REQUIRE(martlet_model_add(model, &table, NULL, 0, &head.table) == MARTLET_OK);
    network_add(model, MARTLET_LAYER_DENSE, shape->columns, MARTLET_ACTIVATION_TANH);
    int32_t node = 0;
    REQUIRE(martlet_model_add(model, &head, NULL, 0, &node) == MARTLET_OK);
    if (shape->twice) {
        const int32_t before = node - 1;
        int32_t both[2] = {node, 0};
        network_add(model, MARTLET_LAYER_DENSE, shape->columns, MARTLET_ACTIVATION_TANH);
        REQUIRE(martlet_model_apply(model, node, &before, 1, &both[1]) == MARTLET_OK);
        const martlet_layer sum = network_layer(MARTLET_LAYER_ADD, 0, MARTLET_ACTIVATION_LINEAR);
        REQUIRE(martlet_model_add(model, &sum, both, 2, NULL) == MARTLET_OK);
    }
    REQUIRE(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    training.batch_size = shape->batch;
    REQUIRE(martlet_model_compile(model, &training, NULL) == MARTLET_OK);
    return model;
}

static martlet_view view_of(martlet_model *model, const char *end) {
    martlet_view view;
    for (int64_t k = 0; martlet_model_view_get(model, &view, MARTLET_BUFFER_PARAMETERS, k) == MARTLET_OK; k++)
        if (strstr(view.name, end) != NULL) return view;
    REQUIRE(false);
    return view;
}

static float *buffer(martlet_model *model, int32_t kind) {
    float *numbers = NULL;
    REQUIRE(martlet_model_buffer_get(model, &numbers, NULL, kind) == MARTLET_OK);
    return numbers;
}

static void train(martlet_model *model, const struct shape *shape, int steps) {
    const martlet_array x = check_array(ids, shape->batch * shape->steps, MARTLET_INT32);
    const martlet_array y = check_array(labels, shape->batch * shape->steps, MARTLET_INT32);
    int64_t rows[12];
    for (int64_t k = 0; k < shape->batch; k++) rows[k] = k;
    for (int k = 0; k < steps; k++) CHECK_OK(martlet_model_train(model, NULL, &x, &y, rows, shape->batch));
}

/* Of two models with the same numbers: the table's gradient is the sum of the other's two. */
static void sums(const struct shape *shape) {
    martlet_model *tied = make(shape, true), *apart = make(shape, false);
    martlet_node head;
    CHECK_OK(martlet_model_node_get(tied, &head, 3));
    CHECK(head.parameter_count == (shape->biased ? shape->rows : 0) && head.first == -1);
    const martlet_view table = view_of(tied, "/embeddings"), other = view_of(apart, "/embeddings"), kernel = view_of(apart, "dense_1/kernel");
    float *own = buffer(tied, MARTLET_BUFFER_PARAMETERS), *theirs = buffer(apart, MARTLET_BUFFER_PARAMETERS);
    for (int64_t row = 0; row < shape->rows; row++)
        for (int64_t column = 0; column < shape->columns; column++)
            theirs[kernel.offset + column * shape->rows + row] = own[table.offset + row * shape->columns + column];
    memcpy(theirs + other.offset, own + table.offset, (size_t)table.count * sizeof *own);
    martlet_view layer = view_of(tied, "dense/kernel"), same = view_of(apart, "dense/kernel");
    memcpy(theirs + same.offset, own + layer.offset, (size_t)layer.count * sizeof *own);
    if (shape->twice) {
        layer = view_of(tied, "dense_1/kernel"), same = view_of(apart, "dense_2/kernel");
        memcpy(theirs + same.offset, own + layer.offset, (size_t)layer.count * sizeof *own);
    }
    train(tied, shape, 1), train(apart, shape, 1);
    const float *found = buffer(tied, MARTLET_BUFFER_GRADIENTS), *parts = buffer(apart, MARTLET_BUFFER_GRADIENTS);
    double wrong = 0, length = 0;
    for (int64_t row = 0; row < shape->rows; row++)
        for (int64_t column = 0; column < shape->columns; column++) {
            const int64_t at = row * shape->columns + column;
            const double wanted = (double)parts[other.offset + at] + parts[kernel.offset + column * shape->rows + row];
            wrong = fmax(wrong, fabs(found[table.offset + at] - wanted)), length = fmax(length, fabs(wanted));
        }
    CHECK_SAYING(wrong <= 3e-6 * length + 1e-9, "seed %llu: off by %g of %g", (unsigned long long)seed, wrong, length);
    CHECK_OK(martlet_model_destroy(tied));
    CHECK_OK(martlet_model_destroy(apart));
}

static uint64_t trained(const struct shape *shape, int32_t threads, bool by_file) {
    martlet_model *model = make(shape, true);
    CHECK_OK(martlet_threads_set(threads));
    train(model, shape, 2);
    if (by_file) {
        CHECK_OK(martlet_model_save(model, FILE_NAME));
        CHECK_OK(martlet_model_destroy(model));
        CHECK_OK(martlet_model_load(&model, FILE_NAME));
    }
    train(model, shape, 2);
    const uint64_t found = network_hash(model, true);
    CHECK_OK(martlet_model_destroy(model));
    return found;
}

int main(void) {
    alarm(120);
    for (seed = 1; seed <= 60; seed++) {
        counter = 0;
        struct shape shape = {.steps = pick(1, 9), .rows = pick(1, 40), .columns = pick(1, 40), .batch = pick(1, 12)};
        if (seed % 20 == 0) shape.rows = 700, shape.columns = 65, shape.batch = 12;
        shape.biased = pick(0, 1), shape.twice = pick(0, 3) == 0;
        shape.activation = pick(0, 2) ? MARTLET_ACTIVATION_LINEAR : (int32_t)pick(MARTLET_ACTIVATION_GELU, MARTLET_ACTIVATION_SIGMOID);
        for (int64_t k = 0; k < shape.batch * shape.steps; k++) ids[k] = (int32_t)pick(0, shape.rows - 1), labels[k] = (int32_t)pick(0, shape.rows - 1);
        if (shape.rows == 1) continue; /* no classes */
        sums(&shape);
        const uint64_t wanted = trained(&shape, 1, false);
        for (int32_t threads = 1; threads <= 4; threads++)
            CHECK_SAYING(trained(&shape, threads, threads == 3) == wanted, "seed %llu: other bits on %d threads", (unsigned long long)seed, threads);
    }
    remove(FILE_NAME);
    return check_end();
}
