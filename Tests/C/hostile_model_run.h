/*
 * Good calls of the model functions and the matrix product, for hostile_run.h: the models of a world, what
 * can be read of them before and after a refused call, and a small network whose output is held against
 * fp64 in a process that has seen a hostile call. Whether training is right is not asked here.
 */
#ifndef HOSTILE_MODEL_RUN_H
#define HOSTILE_MODEL_RUN_H

#include <sys/resource.h>

#include "hostile_world.h"
#include "network.h"

/* A model takes no more than this for a hostile call, so that what is out of proportion fails at once. */
static void models_limit_memory(void) {
    const struct rlimit room = {(rlim_t)2 << 30, (rlim_t)2 << 30};
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
}

static void models_create(struct model_world *m) {
    static const int64_t flat[] = {FEATURES}, image[] = {8, 8, 3};
    memcpy(m->input, image, sizeof image);
    check_fill(m->inputs, SAMPLES * FEATURES, 7), check_fill(m->targets, SAMPLES * CLASSES, 8);
    check_fill(m->left, ROWS * INNER, 9), check_fill(m->right, INNER * COLUMNS, 10);
    for (int k = 0; k < SAMPLES; k++) m->labels[k] = k % CLASSES;
    for (int k = 0; k < BATCH; k++) m->rows[k] = 2 * k + 1;
    m->x = check_array(m->inputs, SAMPLES * FEATURES, MARTLET_FP32);
    m->y = check_array(m->labels, SAMPLES, MARTLET_INT32);
    make_layer(m, MARTLET_LAYER_DENSE);
    REQUIRE(martlet_result_init(&m->result.result, sizeof(martlet_result)) == MARTLET_OK);
    REQUIRE(martlet_loop_init(&m->loop.loop, sizeof(martlet_loop)) == MARTLET_OK);
    REQUIRE(martlet_training_init(&m->training.training, sizeof(martlet_training), MARTLET_LOSS_CROSS_ENTROPY) == MARTLET_OK);
    m->training.training.batch_size = BATCH;
    m->training.training.metrics = (1u << MARTLET_METRIC_ACCURACY) | (1u << MARTLET_METRIC_F1);
    strcpy(m->name, "a name");
    REQUIRE(martlet_model_create(&m->model, flat, 1, 11) == MARTLET_OK);
    REQUIRE(martlet_model_create(&m->plain, flat, 1, 12) == MARTLET_OK);
    REQUIRE(martlet_model_create(&m->image, image, 3, 13) == MARTLET_OK);
    REQUIRE(martlet_model_create(&m->flat, flat, 1, 14) == MARTLET_OK);
    REQUIRE(martlet_model_create(&m->gone, flat, 1, 15) == MARTLET_OK);
    REQUIRE(martlet_model_destroy(m->gone) == MARTLET_OK);
    network_add(m->model, MARTLET_LAYER_DENSE, 6, MARTLET_ACTIVATION_RELU);
    network_add(m->model, MARTLET_LAYER_BATCH_NORM, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(m->model, MARTLET_LAYER_DROPOUT, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(m->model, MARTLET_LAYER_DENSE, CLASSES, MARTLET_ACTIVATION_LINEAR);
    REQUIRE(martlet_model_compile(m->model, &m->training.training, NULL) == MARTLET_OK);
    REQUIRE(martlet_model_train(m->model, NULL, &m->x, &m->y, m->rows, BATCH) == MARTLET_OK);
    network_add(m->plain, MARTLET_LAYER_DENSE, CLASSES, MARTLET_ACTIVATION_LINEAR);
    REQUIRE(martlet_model_buffer_get(m->plain, NULL, NULL, MARTLET_BUFFER_PARAMETERS) == MARTLET_OK);
    REQUIRE(martlet_model_create(&m->along, (const int64_t[]){2, FEATURES}, 2, 16) == MARTLET_OK);
    network_add(m->along, MARTLET_LAYER_POSITION, 0, MARTLET_ACTIVATION_LINEAR);
    network_add(m->along, MARTLET_LAYER_DENSE, CLASSES, MARTLET_ACTIVATION_LINEAR);
    REQUIRE(martlet_model_sequence_reset(m->along, SAMPLES) == MARTLET_OK);
}

static uint64_t models_hash(struct model_world *m) {
    martlet_model *const all[] = {m->model, m->plain, m->image, m->flat};
    uint64_t hash = network_hash(m->model, true) ^ network_hash(m->plain, false);
    for (int k = 0; k < LENGTH(all); k++) {
        int64_t count = -1;
        CHECK_OK(martlet_model_node_count(all[k], &count));
        for (int64_t n = 0; n < count; n++) {
            martlet_node node;
            CHECK_OK(martlet_model_node_get(all[k], &node, n));
            hash = check_hash(hash, &node, sizeof node);
        }
    }
    return hash;
}

/* A model of two layers, and what it should give. */
static void models_work(void) {
    float x[SAMPLES * FEATURES], out[SAMPLES * CLASSES], *weights = NULL;
    int64_t count = 0;
    martlet_model *model = NULL;
    check_fill(x, SAMPLES * FEATURES, 70);
    const martlet_array samples = check_array(x, SAMPLES * FEATURES, MARTLET_FP32);
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){FEATURES}, 1, 3));
    network_add(model, MARTLET_LAYER_DENSE, 6, MARTLET_ACTIVATION_RELU);
    network_add(model, MARTLET_LAYER_DENSE, CLASSES, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_model_buffer_get(model, &weights, &count, MARTLET_BUFFER_PARAMETERS));
    REQUIRE(count == FEATURES * 6 + 6 + 6 * CLASSES + CLASSES);
    check_fill(weights, count, 71);
    CHECK_OK(martlet_model_predict(model, out, SAMPLES * CLASSES, &samples, NULL));
    for (int k = 0; k < SAMPLES; k++)
        for (int c = 0; c < CLASSES; c++) {
            double sum = (double)weights[count - CLASSES + c];
            for (int u = 0; u < 6; u++) {
                double hidden = (double)weights[FEATURES * 6 + u];
                for (int f = 0; f < FEATURES; f++) hidden += (double)x[k * FEATURES + f] * (double)weights[f * 6 + u];
                sum += fmax(hidden, 0) * (double)weights[FEATURES * 6 + 6 + u * CLASSES + c];
            }
            const double given = (double)out[k * CLASSES + c];
            CHECK_SAYING(fabs(given - sum) <= 1e-4 * (1 + fabs(sum)), "%g, wanted %g", given, sum);
        }
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- good calls ---- */

#define GOOD(name) static void good_martlet_##name(UNUSED struct world *w, UNUSED struct call_martlet_##name *a)

GOOD(matmul) {
    a->out = w->m.product, a->left = w->m.left, a->right = w->m.right;
    a->rows = ROWS, a->inner = INNER, a->columns = COLUMNS, a->flags = MARTLET_ACCUMULATE;
}
GOOD(layer_init) { a->out_layer = &w->m.layer.layer, a->struct_size = sizeof(martlet_layer), a->kind = MARTLET_LAYER_CONV2D; }
GOOD(training_init) {
    a->out_training = &w->m.training.training, a->struct_size = sizeof(martlet_training), a->loss = MARTLET_LOSS_HUBER;
}
GOOD(result_init) { a->out_result = &w->m.result.result, a->struct_size = sizeof(martlet_result); }
GOOD(loop_init) { a->out_loop = &w->m.loop.loop, a->struct_size = sizeof(martlet_loop); }
GOOD(model_create) { a->out_model = &w->m.out_model, a->sizes = w->m.input, a->rank = 3, a->seed = 5; }
GOOD(model_destroy) { a->model = w->m.model; }
GOOD(model_reset) { a->model = w->m.model; }
GOOD(model_add) {
    a->model = w->m.image, a->layer = &w->m.layer.layer;
    a->inputs = w->m.nodes, a->input_count = 1, a->out_node = &w->m.nodes[2];
}
GOOD(model_apply) {
    add_dense(w->m.flat, FEATURES);
    a->model = w->m.flat, a->node = 1, a->inputs = w->m.nodes, a->input_count = 1, a->out_node = &w->m.nodes[2];
}
GOOD(model_compile) { a->model = w->m.plain, a->training = &w->m.training.training, a->optimizer = &w->config.config; }
GOOD(model_groups_compile) {
    a->model = w->m.plain, a->training = &w->m.training.training, a->groups = w->groups, a->group_count = 2;
    w->m.of_view[1] = 1, a->view_groups = w->m.of_view, a->view_count = LENGTH(w->m.of_view);
}
GOOD(metric_name) { a->metric = MARTLET_METRIC_AUC; }
GOOD(model_outputs_set) {
    add_dense(w->m.flat, FEATURES), add_dense(w->m.flat, 2);
    w->m.nodes[0] = 1, w->m.nodes[1] = 2;
    a->model = w->m.flat, a->nodes = w->m.nodes, a->count = 2;
}
GOOD(model_sizes_set) {
    add_dense(w->m.flat, FEATURES);
    w->sizes[0] = FEATURES;
    a->model = w->m.flat, a->sizes = w->sizes, a->count = 1;
}
static int32_t own(UNUSED void *user, UNUSED const martlet_own_pass *pass) { return 1; }
GOOD(model_own_set) {
    martlet_layer layer = network_layer(MARTLET_LAYER_OWN, 2, MARTLET_ACTIVATION_LINEAR);
    layer.rank = 1, layer.sizes[0] = FEATURES;
    REQUIRE(martlet_model_add(w->m.flat, &layer, NULL, 0, NULL) == MARTLET_OK);
    add_dense(w->m.flat, 2);
    a->model = w->m.flat, a->node = 1, a->function = own, a->user = w->scratch;
}
GOOD(model_output_count) { a->model = w->m.model, a->out_count = &w->out_int64; }
GOOD(model_output_get) { a->model = w->m.model, a->out_node = &w->m.nodes[2], a->output = 0; }
GOOD(model_score_get) {
    a->model = w->m.model, a->out_score = &w->m.score.score, a->struct_size = sizeof(martlet_score), a->output = 0;
}
GOOD(model_confusion_get) {
    a->model = w->m.model, a->out_counts = w->m.counts, a->count = LENGTH(w->m.counts);
    a->output = 0, a->mode = MARTLET_TRAINING;
}
GOOD(model_forward) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->out = w->m.out, a->out_count = BATCH * CLASSES;
    weigh(&w->m, &w->array);
    a->x = &w->m.x, a->y = &w->m.y, a->weights = &w->array, a->rows = w->m.rows, a->row_count = BATCH;
}
GOOD(model_backward) {
    REQUIRE(martlet_model_forward(w->m.model, NULL, w->m.out, BATCH * CLASSES, &w->m.x, NULL, NULL, w->m.rows, BATCH) == MARTLET_OK);
    w->array = check_array(w->scratch, BATCH * FEATURES, MARTLET_FP32);
    a->model = w->m.model, a->slopes = w->m.targets, a->slope_count = BATCH * CLASSES, a->input_slopes = &w->array;
}
GOOD(model_tally_set) { a->model = w->m.model, a->mode = MARTLET_TRAINING, a->keeps = 1; }
GOOD(model_group_count) { a->model = w->m.model, a->out_count = &w->out_int64; }
GOOD(model_group_set) { a->model = w->m.model, a->group = 0, a->hyperparameter = MARTLET_LR, a->value = 0.5; }
GOOD(model_config_get) {
    a->model = w->m.model, a->out_config = &w->config.config, a->struct_size = sizeof(martlet_config), a->group = 0;
}
GOOD(model_copy_set) {
    int64_t count = 0;
    REQUIRE(martlet_model_buffer_get(w->m.model, NULL, &count, MARTLET_BUFFER_PARAMETERS) == MARTLET_OK);
    w->array = check_array(w->scratch, count, MARTLET_BF16);
    a->model = w->m.model, a->copy = &w->array;
}
GOOD(model_train) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->x = &w->m.x, a->y = &w->m.y;
    a->rows = w->m.rows, a->row_count = BATCH;
}
GOOD(model_differentiate) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->x = &w->m.x, a->y = &w->m.y;
    a->rows = w->m.rows, a->row_count = BATCH;
}
GOOD(model_step) { a->model = w->m.model; }
GOOD(model_weighted_train) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->x = &w->m.x, a->y = &w->m.y;
    weigh(&w->m, &w->array);
    a->weights = &w->array, a->rows = w->m.rows, a->row_count = BATCH;
}
GOOD(model_fit) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->x = &w->m.x, a->y = &w->m.y;
    a->loop = &w->m.loop.loop;
}
GOOD(model_evaluate) {
    a->model = w->m.model, a->out_result = &w->m.result.result, a->x = &w->m.x, a->y = &w->m.y;
    a->loop = &w->m.loop.loop;
}
GOOD(model_predict) {
    a->model = w->m.model, a->out = w->m.out, a->out_count = SAMPLES * CLASSES, a->x = &w->m.x;
    a->loop = &w->m.loop.loop;
}
GOOD(model_sequence_reset) { a->model = w->m.along, a->count = 3; }
GOOD(model_sequence_predict) {
    a->model = w->m.along, a->out = w->m.out, a->out_count = SAMPLES * CLASSES, a->x = &w->m.x;
}
GOOD(model_mode_set) { a->model = w->m.model, a->mode = MARTLET_EVALUATION; }
GOOD(model_set) { a->model = w->m.model, a->hyperparameter = MARTLET_LR, a->value = 0.5; }
GOOD(model_get) { a->model = w->m.model, a->out_value = &w->out_double, a->hyperparameter = MARTLET_BETA1; }
GOOD(model_step_get) { a->model = w->m.model, a->out_step = &w->out_int64; }
GOOD(model_grad_norm_get) { a->model = w->m.model, a->out_norm = &w->out_double; }
GOOD(model_buffer_get) {
    a->model = w->m.model, a->out_data = &w->m.data, a->out_count = &w->out_int64, a->buffer = MARTLET_BUFFER_GRADIENTS;
}
GOOD(model_view_count) { a->model = w->m.model, a->out_count = &w->out_int64, a->buffer = MARTLET_BUFFER_STATISTICS; }
GOOD(model_view_get) {
    a->model = w->m.model, a->out_view = &w->m.view, a->buffer = MARTLET_BUFFER_PARAMETERS, a->index = 2;
}
GOOD(model_node_count) { a->model = w->m.model, a->out_count = &w->out_int64; }
GOOD(model_node_get) { a->model = w->m.model, a->out_node = &w->m.node, a->index = 3; }
GOOD(model_layer_get) {
    a->model = w->m.model, a->out_layer = &w->m.layer.layer, a->struct_size = sizeof(martlet_layer), a->index = 3;
}
GOOD(model_training_get) {
    a->model = w->m.model, a->out_training = &w->m.training.training, a->struct_size = sizeof(martlet_training), a->output = 0;
}
GOOD(model_seed_get) { a->model = w->m.model, a->out_seed = &w->m.seed; }
GOOD(model_order_get) { a->model = w->m.model, a->out_rows = w->m.rows, a->count = BATCH, a->epoch = 2; }
GOOD(model_epoch_get) { a->model = w->m.model, a->out_epoch = &w->out_int64; }
GOOD(model_epoch_set) { a->model = w->m.model, a->epoch = 3; }
GOOD(model_note_set) { a->model = w->m.model, a->key = "a key", a->text = w->m.name; }
GOOD(model_note_get) {
    REQUIRE(martlet_model_note_set(w->m.model, "a key", w->m.name) == MARTLET_OK);
    a->model = w->m.model, a->out_text = &w->m.text, a->key = "a key";
}
GOOD(model_save) { a->model = w->m.model, a->path = w->path; }
GOOD(model_export) { a->model = w->m.model, a->path = w->path; }
GOOD(model_load) {
    REQUIRE(martlet_model_save(w->m.model, w->path) == MARTLET_OK);
    a->out_model = &w->m.out_model, a->path = w->path;
}

#endif
