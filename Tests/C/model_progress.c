/*
 * The progress function: what it is told, what may be called inside it and what may not, and how it stops a
 * fit, an evaluation and a prediction; also where the progress function of one model trains another. The model is consistent after each of them: its output is that of a
 * model which was never interrupted, and training goes on.
 */
#include "network.h"

#define BATCH 16 /* of 40 samples: two whole batches and one of 8 */

struct watch {
    martlet_model *model, *other;
    const struct network_data *data;
    int calls, stop_at; /* stops at this call; 0: never */
    martlet_progress seen[64];
    uint64_t output; /* of a prediction made inside, where `inside` */
    bool inside, refuse;
};

/* Everything that looks at the model works inside, and predicts what it will after the call. */
static void look(struct watch *w) {
    int64_t number = -1;
    double value = -1;
    float *memory = NULL;
    martlet_view view;
    martlet_node node;
    CHECK_OK(martlet_model_step_get(w->model, &number));
    CHECK_OK(martlet_model_get(w->model, &value, MARTLET_LR));
    CHECK(value == 1e-3);
    CHECK_OK(martlet_model_grad_norm_get(w->model, &value));
    CHECK_OK(martlet_model_buffer_get(w->model, &memory, &number, MARTLET_BUFFER_GRADIENTS));
    CHECK_OK(martlet_model_view_count(w->model, &number, MARTLET_BUFFER_STATISTICS));
    CHECK_OK(martlet_model_view_get(w->model, &view, MARTLET_BUFFER_PARAMETERS, 0));
    CHECK_OK(martlet_model_node_count(w->model, &number));
    CHECK_OK(martlet_model_node_get(w->model, &node, 0));
    w->output = network_output(w->model, w->data);
    CHECK_OK(martlet_model_save(w->model, "inside.safetensors"));
    martlet_model *loaded = NULL;
    CHECK_OK(martlet_model_load(&loaded, "inside.safetensors"));
    CHECK(network_output(loaded, w->data) == w->output);
    CHECK(network_hash(loaded, false) == network_hash(w->model, false));
    CHECK_OK(martlet_model_destroy(loaded));
    /* Another model is as free as ever, and this one is not entered by its calls. */
    CHECK_OK(network_fit(w->other, w->data, 1, 0));
}

/* Everything that changes the model is refused inside. */
static void change(struct watch *w) {
    const martlet_layer layer = network_layer(MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    const struct network_data *d = w->data;
    static float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    const martlet_status given[] = {
        martlet_model_train(w->model, NULL, &d->x, &d->y, NULL, 0), network_fit(w->model, d, 1, 0),
        martlet_model_evaluate(w->model, NULL, &d->x, &d->y, NULL), martlet_model_compile(w->model, &training, NULL),
        martlet_model_add(w->model, &layer, NULL, 0, NULL),         martlet_model_reset(w->model),
        martlet_model_set(w->model, MARTLET_LR, 0.5),               martlet_model_destroy(w->model),
        martlet_model_differentiate(w->model, NULL, &d->x, &d->y, NULL, 0), martlet_model_step(w->model),
        martlet_model_forward(w->model, NULL, out, LENGTH(out), &d->x, NULL, NULL, NULL, 0), martlet_model_backward(w->model, out, LENGTH(out), NULL),
        martlet_model_own_set(w->model, 1, NULL, NULL),
    };
    for (int k = 0; k < LENGTH(given); k++)
        CHECK_SAYING(given[k] == MARTLET_ERROR_ORDER, "call %d gave %s", k, martlet_status_name(given[k]));
    CHECK(strlen(martlet_last_error()) > 20);
}

static int32_t watch(void *user, const martlet_progress *progress) {
    struct watch *w = user;
    CHECK(progress->struct_size == sizeof *progress && progress->reserved == 0);
    if (w->calls < LENGTH(w->seen)) w->seen[w->calls] = *progress;
    w->calls++;
    if (w->inside) look(w);
    if (w->refuse) change(w);
    return w->calls == w->stop_at ? 3 : 0;
}

static martlet_loop loop_of(struct watch *w, int64_t epochs) {
    martlet_loop loop;
    REQUIRE(martlet_loop_init(&loop, sizeof loop) == MARTLET_OK);
    loop.epochs = epochs;
    loop.progress = watch;
    loop.user = w;
    return loop;
}

static struct watch watch_create(const struct network_data *data, bool inside, bool refuse, int stop_at) {
    struct watch w = {.model = network_dense(8, 7, 3), .other = network_dense(8, 7, 3), .data = data};
    w.inside = inside, w.refuse = refuse, w.stop_at = stop_at;
    network_compile(w.model, BATCH), network_compile(w.other, BATCH);
    return w;
}

static void watch_destroy(struct watch *w) {
    CHECK_OK(martlet_model_destroy(w->model));
    CHECK_OK(martlet_model_destroy(w->other));
}

/* ---- what it is told ---- */

static void counted(const struct network_data *data) {
    struct watch w = watch_create(data, false, false, 0);
    martlet_loop loop = loop_of(&w, 2);
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_model_fit(w.model, &result, &data->x, &data->y, &loop));
    CHECK(w.calls == 6 && result.epochs == 2 && result.batches == 3 && result.samples == NETWORK_SAMPLES);
    for (int k = 0; k < 6; k++) {
        const martlet_progress *p = &w.seen[k];
        CHECK(p->epoch == k / 3 && p->epochs == 2 && p->batch == k % 3 + 1 && p->batches == 3);
        CHECK(p->samples == (k % 3 == 2 ? NETWORK_SAMPLES : (k % 3 + 1) * BATCH));
        CHECK(p->loss > 0 && p->accuracy >= 0 && p->accuracy <= 1 && p->seconds >= (k == 0 ? 0 : w.seen[k - 1].seconds));
    }
    CHECK(w.seen[5].loss == result.loss && w.seen[5].accuracy == result.metrics[MARTLET_METRIC_ACCURACY]);
    CHECK(isnan(result.metrics[MARTLET_METRIC_MSE]) && isnan(result.metrics[MARTLET_METRIC_TOP_ACCURACY]) && isnan(result.validation_loss));
    w.calls = 0;
    CHECK_OK(martlet_model_evaluate(w.model, &result, &data->x, &data->y, &loop));
    CHECK(w.calls == 3 && w.seen[2].loss == result.loss && w.seen[2].epochs == 1 && w.seen[2].epoch == 0);
    w.calls = 0;
    loop.batch_size = 7;
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    CHECK_OK(martlet_model_predict(w.model, out, LENGTH(out), &data->x, &loop));
    CHECK(w.calls == 6 && isnan(w.seen[0].loss) && isnan(w.seen[0].accuracy) && w.seen[5].samples == NETWORK_SAMPLES);
    CHECK(check_hash(0, out, sizeof out) == network_output(w.model, data)); /* whatever the batch */
    watch_destroy(&w);
}

/* Validation is scored after each epoch, as evaluate scores it. */
static void validated(const struct network_data *data) {
    struct watch w = watch_create(data, false, false, 0);
    martlet_loop loop = loop_of(&w, 3);
    martlet_array x = data->x, y = data->y;
    x.count = 8 * 20, y.count = 20; /* the first twenty */
    loop.validation_x = &x, loop.validation_y = &y;
    martlet_result result, after;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(martlet_result_init(&after, sizeof after));
    CHECK_OK(martlet_model_fit(w.model, &result, &data->x, &data->y, &loop));
    CHECK_OK(martlet_model_evaluate(w.model, &after, &x, &y, NULL));
    CHECK(result.validation_loss == after.loss && result.validation_metrics[MARTLET_METRIC_ACCURACY] == after.metrics[MARTLET_METRIC_ACCURACY]);
    CHECK(w.calls == 9);
    for (int stop = 2; stop <= 6; stop++) { /* in the first epoch, at its end, and in the second, which was not validated */
        w.calls = 0, w.stop_at = stop;
        CHECK_STATUS(martlet_model_fit(w.model, &result, &data->x, &data->y, &loop), MARTLET_STOPPED);
        CHECK_SAYING(isnan(result.validation_loss) && isnan(result.validation_metrics[MARTLET_METRIC_ACCURACY]), "stopped at %d: %g", stop, result.validation_loss);
    }
    w.calls = 0, w.stop_at = 0;
    int32_t wrong[20] = {0, NETWORK_CLASSES};
    const martlet_array labels = check_array(wrong, 20, MARTLET_INT32);
    loop.validation_y = &labels;
    CHECK_STATUS(martlet_model_fit(w.model, NULL, &data->x, &data->y, &loop), MARTLET_ERROR_ARGUMENT);
    CHECK_SAYING(strstr(martlet_last_error(), "loop.validation_y[1] is 5") != NULL, "%s", martlet_last_error());
    CHECK(after.samples == 20 && after.batches == 2 && isnan(after.validation_loss) && w.calls == 0);
    watch_destroy(&w);
}

/* ---- inside ---- */

static void inside(const struct network_data *data) {
    struct watch quiet = watch_create(data, false, false, 0), w = watch_create(data, true, true, 0);
    martlet_loop loop = loop_of(&w, 2), quiet_loop = loop_of(&quiet, 2);
    CHECK_OK(martlet_model_fit(w.model, NULL, &data->x, &data->y, &loop));
    CHECK_OK(martlet_model_fit(quiet.model, NULL, &data->x, &data->y, &quiet_loop));
    CHECK(network_hash(w.model, true) == network_hash(quiet.model, true)); /* what was done inside changed nothing */
    CHECK(w.output == network_output(w.model, data)); /* the last one, after the last step */
    w.calls = 0;
    const uint64_t before = network_hash(w.model, true);
    CHECK_OK(martlet_model_evaluate(w.model, NULL, &data->x, &data->y, &loop));
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    loop.batch_size = 9;
    CHECK_OK(martlet_model_predict(w.model, out, LENGTH(out), &data->x, &loop));
    CHECK(check_hash(0, out, sizeof out) == w.output && network_hash(w.model, true) == before);
    /* Outside again, everything is allowed again. */
    CHECK_OK(martlet_model_set(w.model, MARTLET_LR, 0.5));
    CHECK_OK(martlet_model_reset(w.model));
    watch_destroy(&w), watch_destroy(&quiet);
}

/* Inside the progress function of the inner model, whose fit runs in that of the outer one: both are looked at, and
 * neither may be changed. */
static int32_t within_two(void *user, const martlet_progress *progress) {
    struct watch *w = user;
    martlet_model *const models[] = {w->model, w->other};
    (void)progress;
    w->calls++;
    for (int k = 0; k < 2; k++) {
        int64_t step = -1;
        CHECK_OK(martlet_model_step_get(models[k], &step));
        network_output(models[k], w->data);
        CHECK_STATUS(martlet_model_destroy(models[k]), MARTLET_ERROR_ORDER);
        CHECK_STATUS(martlet_model_reset(models[k]), MARTLET_ERROR_ORDER);
        CHECK_STATUS(network_fit(models[k], w->data, 1, 0), MARTLET_ERROR_ORDER);
    }
    return 0;
}

static int32_t within_one(void *user, const martlet_progress *progress) {
    struct watch *w = user;
    martlet_loop loop = loop_of(w, 1);
    (void)progress;
    loop.progress = within_two;
    CHECK_OK(martlet_model_fit(w->other, NULL, &w->data->x, &w->data->y, &loop));
    CHECK_STATUS(martlet_model_destroy(w->model), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_set(w->other, MARTLET_LR, 1e-3)); /* the inner one is free again */
    return 0;
}

static void nested(const struct network_data *data) {
    struct watch w = watch_create(data, false, false, 0);
    martlet_loop loop = loop_of(&w, 1);
    loop.progress = within_one;
    CHECK_OK(martlet_model_fit(w.model, NULL, &data->x, &data->y, &loop));
    CHECK(w.calls == 9);
    watch_destroy(&w);
}

/* ---- stopping ---- */

static void stopped(const struct network_data *data) {
    for (int stop = 1; stop <= 7; stop++) {
        struct watch w = watch_create(data, false, false, stop), plain = watch_create(data, false, false, 0);
        martlet_loop loop = loop_of(&w, 2);
        loop.flags = MARTLET_KEEP_ORDER;
        martlet_result result;
        memset(&result, 0xAB, sizeof result);
        result.struct_size = sizeof result;
        const martlet_status wanted = stop <= 6 ? MARTLET_STOPPED : MARTLET_OK;
        CHECK_STATUS(martlet_model_fit(w.model, &result, &data->x, &data->y, &loop), wanted);
        const int done = stop <= 6 ? stop : 6, last = (done - 1) % 3 + 1;
        CHECK(w.calls == done && result.batches == last && result.samples == (last == 3 ? NETWORK_SAMPLES : last * BATCH));
        CHECK_SAYING(result.epochs == done / 3, "stop %d: %d epochs", stop, result.epochs);
        CHECK(result.loss == w.seen[done - 1].loss && isnan(result.validation_loss));
        int64_t step = 0;
        CHECK_OK(martlet_model_step_get(w.model, &step));
        CHECK(step == done);
        for (int k = 0; k < done; k++) { /* the same steps one by one */
            const int64_t rows[BATCH] = {0}, first = k % 3 * BATCH, count = k % 3 == 2 ? 8 : BATCH;
            int64_t *some = memcpy((int64_t[BATCH]){0}, rows, sizeof rows);
            for (int64_t r = 0; r < count; r++) some[r] = first + r;
            CHECK_OK(martlet_model_train(plain.model, NULL, &data->x, &data->y, some, count));
        }
        CHECK_SAYING(network_hash(w.model, true) == network_hash(plain.model, true), "stopped at %d", stop);
        CHECK_OK(network_fit(w.model, data, 1, 0)); /* goes on */
        watch_destroy(&w), watch_destroy(&plain);
    }
    struct watch w = watch_create(data, false, false, 2);
    martlet_loop loop = loop_of(&w, 1);
    martlet_result result;
    CHECK_OK(martlet_result_init(&result, sizeof result));
    const uint64_t before = network_hash(w.model, true);
    CHECK_STATUS(martlet_model_evaluate(w.model, &result, &data->x, &data->y, &loop), MARTLET_STOPPED);
    CHECK(result.samples == 2 * BATCH && result.loss == w.seen[1].loss);
    float out[NETWORK_SAMPLES * NETWORK_CLASSES], whole[NETWORK_SAMPLES * NETWORK_CLASSES];
    for (int k = 0; k < LENGTH(out); k++) out[k] = -77;
    w.calls = 0;
    CHECK_STATUS(martlet_model_predict(w.model, out, LENGTH(out), &data->x, &loop), MARTLET_STOPPED);
    CHECK_OK(martlet_model_predict(w.model, whole, LENGTH(whole), &data->x, NULL));
    CHECK(memcmp(out, whole, 2 * BATCH * NETWORK_CLASSES * sizeof *out) == 0);
    for (int k = 2 * BATCH * NETWORK_CLASSES; k < LENGTH(out); k++) CHECK(out[k] == -77);
    CHECK(network_hash(w.model, true) == before);
    watch_destroy(&w);
}

int main(void) {
    alarm(110);
    struct network_data *data = network_data(8);
    counted(data);
    validated(data);
    inside(data);
    nested(data);
    stopped(data);
    network_data_free(data);
    return check_end();
}
