/*
 * Recurrent layers step by step: one step of one sample at a time gives the bits of the whole sequence, by states that the
 * model keeps and by states that the caller holds, without an allocation; any number of threads hold states of their own over
 * one model, and of those who share one state one at a time predicts; states are reset, and no refusal changes them.
 * malloc_count.c must be preloaded.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "malloc_count.h"
#include "network.h"

enum { STEPS = 12, FEATURES = 7, UNITS = 37 };
static const int32_t kinds[] = {MARTLET_LAYER_LSTM, MARTLET_LAYER_GRU, MARTLET_LAYER_SIMPLE_RNN};
static uint32_t more; /* flags of all cells */
static float samples[STEPS * FEATURES], wanted[STEPS * UNITS];

static int64_t states_of(int32_t kind) { return kind == MARTLET_LAYER_LSTM ? 2 : 1; }

static martlet_model *begin(int64_t steps) {
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_create(&model, (const int64_t[]){steps, FEATURES}, 2, 5));
    return model;
}

static martlet_layer cell(int32_t kind, uint32_t flags) {
    martlet_layer layer = network_layer(kind, UNITS, MARTLET_ACTIVATION_TANH);
    layer.flags |= flags | more;
    return layer;
}

/* All steps at once. */
static void run_whole(int32_t kind) {
    martlet_model *model = begin(STEPS);
    const martlet_layer layer = cell(kind, MARTLET_RETURN_SEQUENCES);
    const martlet_array x = check_array(samples, LENGTH(samples), MARTLET_FP32);
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    CHECK_OK(martlet_model_predict(model, wanted, LENGTH(wanted), &x, NULL));
    CHECK_OK(martlet_model_destroy(model));
}

/* A model that reads a step and states, and gives new ones: in rows, or apart. */
static martlet_model *holding(int32_t kind) {
    martlet_model *model = begin(1);
    martlet_layer input, layer = cell(kind, MARTLET_RETURN_STATE);
    int32_t nodes[] = {0, 0, 0};
    CHECK_OK(martlet_layer_init(&input, sizeof input, MARTLET_LAYER_INPUT));
    input.rank = 1, input.sizes[0] = UNITS;
    for (int64_t k = 0; k < states_of(kind); k++) CHECK_OK(martlet_model_add(model, &input, NULL, 0, &nodes[1 + k]));
    CHECK_OK(martlet_model_add(model, &layer, nodes, 1 + states_of(kind), NULL));
    return model;
}

/* From zeros, step by step; returns how many steps were other bits than the whole's. */
static int hold(martlet_model *model, int32_t kind) {
    float state[2 * UNITS] = {0}, next[2 * UNITS];
    const int64_t count = states_of(kind) * UNITS;
    int wrong = 0;
    for (int step = 0; step < STEPS; step++) {
        const martlet_array x[] = {check_array(samples + step * FEATURES, FEATURES, MARTLET_FP32),
                                   check_array(state, UNITS, MARTLET_FP32), check_array(state + UNITS, UNITS, MARTLET_FP32)};
        CHECK_OK(martlet_model_predict(model, next, count, x, NULL));
        memcpy(state, next, sizeof state);
        wrong += memcmp(state, wanted + step * UNITS, UNITS * sizeof *state) != 0;
    }
    return wrong;
}

struct holder {
    martlet_model *model;
    int32_t kind;
    int wrong;
};

static void *hold_often(void *argument) {
    struct holder *holder = argument;
    for (int k = 0; k < 20; k++) holder->wrong += hold(holder->model, holder->kind);
    return NULL;
}

static void caller_holds(int32_t kind) {
    martlet_model *model = holding(kind);
    pthread_t threads[4];
    struct holder holders[LENGTH(threads)];
    CHECK(hold(model, kind) == 0);
    malloc_count_start(0, 0);
    const int wrong = hold(model, kind);
    const long seen = malloc_count_stop();
    CHECK_SAYING(wrong == 0 && seen == 0, "kind %d: %d steps other bits, %ld allocations", kind, wrong, seen);
    for (int k = 0; k < LENGTH(threads); k++) {
        holders[k] = (struct holder){model, kind, 0};
        CHECK(pthread_create(&threads[k], NULL, hold_often, &holders[k]) == 0);
    }
    for (int k = 0; k < LENGTH(threads); k++) {
        CHECK(pthread_join(threads[k], NULL) == 0);
        CHECK(holders[k].wrong == 0);
    }
    /* A state of another width, and one too few. */
    const martlet_array bad[] = {check_array(samples, FEATURES, MARTLET_FP32), check_array(samples, UNITS - 1, MARTLET_FP32),
                                 check_array(samples, UNITS, MARTLET_FP32)};
    float out[2 * UNITS];
    CHECK_STATUS(martlet_model_predict(model, out, states_of(kind) * UNITS, bad, NULL), MARTLET_ERROR_SHAPE);
    CHECK_OK(martlet_model_destroy(model));
    model = begin(4);
    const martlet_layer layer = cell(kind, 0);
    const int32_t nodes[] = {0, 0, 0, 0};
    for (int64_t count = 2; count <= 4; count++) {
        const bool is_many = count > 1 + states_of(kind) || (kind == MARTLET_LAYER_LSTM && count == 2);
        const martlet_status status = martlet_model_add(model, &layer, nodes, count, NULL);
        CHECK_SAYING(status == MARTLET_ERROR_SHAPE || (is_many && status == MARTLET_ERROR_ARGUMENT), "%s", martlet_last_error());
    }
    CHECK_OK(martlet_model_destroy(model));
}

/* ---- kept by the model ---- */

static martlet_model *keeping(int32_t kind, int64_t batch) {
    martlet_model *model = begin(1);
    martlet_layer layer = cell(kind, MARTLET_STATEFUL);
    layer.groups = batch;
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    return model;
}

static void reset(martlet_model *model) {
    float *numbers = NULL;
    int64_t count = 0;
    CHECK_OK(martlet_model_buffer_get(model, &numbers, &count, MARTLET_BUFFER_STATISTICS));
    memset(numbers, 0, (size_t)count * sizeof *numbers);
}

static int keep(martlet_model *model) {
    float out[UNITS];
    int wrong = 0;
    for (int step = 0; step < STEPS; step++) {
        const martlet_array x = check_array(samples + step * FEATURES, FEATURES, MARTLET_FP32);
        CHECK_OK(martlet_model_predict(model, out, UNITS, &x, NULL));
        wrong += memcmp(out, wanted + step * UNITS, sizeof out) != 0;
    }
    return wrong;
}

static void model_keeps(int32_t kind) {
    martlet_model *model = keeping(kind, 1);
    martlet_view view;
    float out[3 * UNITS];
    const martlet_array x = check_array(samples, 2 * FEATURES, MARTLET_FP32);
    martlet_loop loop;
    CHECK(keep(model) == 0);
    CHECK(keep(model) == STEPS);
    reset(model);
    malloc_count_start(0, 0);
    const int wrong = keep(model);
    const long seen = malloc_count_stop();
    CHECK_SAYING(wrong == 0 && seen == 0, "kind %d: %d steps other bits, %ld allocations", kind, wrong, seen);
    reset(model);
    /* Two samples are two steps for who keeps one's states; and what is refused leaves them. */
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = 2;
    CHECK_STATUS(martlet_model_predict(model, out, 2 * UNITS, &x, &loop), MARTLET_ERROR_SHAPE);
    CHECK_OK(martlet_model_predict(model, out, 2 * UNITS, &x, NULL));
    CHECK(memcmp(out, wanted, 2 * UNITS * sizeof *out) == 0);
    CHECK_OK(martlet_model_view_get(model, &view, MARTLET_BUFFER_STATISTICS, 0));
    CHECK(strstr(view.name, "/state") != NULL && view.rank == 2 && view.sizes[0] == 1 && view.sizes[1] == UNITS);
    CHECK_OK(martlet_model_destroy(model));
    model = keeping(kind, 3);
    const martlet_array two = check_array(samples, 2 * FEATURES, MARTLET_FP32);
    CHECK_STATUS(martlet_model_predict(model, out, 2 * UNITS, &two, NULL), MARTLET_ERROR_SHAPE);
    martlet_layer layer = cell(kind, MARTLET_STATEFUL);
    layer.groups = 2;
    CHECK_OK(martlet_model_destroy(model));
    model = keeping(kind, 3);
    martlet_layer all = cell(kind, MARTLET_STATEFUL | MARTLET_RETURN_SEQUENCES);
    all.groups = 3;
    CHECK_OK(martlet_model_add(model, &all, (const int32_t[]){0}, 1, NULL));
    CHECK_STATUS(martlet_model_add(model, &layer, NULL, 0, NULL), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_destroy(model));
}

static atomic_int done, refused;

static void *keep_often(void *argument) {
    float out[UNITS];
    const martlet_array x = check_array(samples, FEATURES, MARTLET_FP32);
    for (int k = 0; k < 3000 || (atomic_load(&refused) == 0 && k < 3000000); k++) {
        const martlet_status status = martlet_model_predict(argument, out, UNITS, &x, NULL);
        CHECK(status == MARTLET_OK || status == MARTLET_ERROR_BUSY);
        atomic_fetch_add(status == MARTLET_OK ? &done : &refused, 1);
    }
    return NULL;
}

/* Who comes while another one predicts is told so: each step is whole. */
static void one_at_a_time(void) {
    martlet_model *model = keeping(MARTLET_LAYER_LSTM, 1), *other = keeping(MARTLET_LAYER_LSTM, 1);
    pthread_t threads[3];
    float out[2][UNITS];
    const martlet_array x = check_array(samples, FEATURES, MARTLET_FP32);
    CHECK_OK(martlet_model_predict(model, out[0], UNITS, &x, NULL));
    atomic_store(&done, 1);
    for (int k = 0; k < LENGTH(threads); k++) CHECK(pthread_create(&threads[k], NULL, keep_often, model) == 0);
    for (int k = 0; k < LENGTH(threads); k++) CHECK(pthread_join(threads[k], NULL) == 0);
    CHECK(atomic_load(&refused) > 0);
    CHECK_OK(martlet_model_predict(model, out[0], UNITS, &x, NULL));
    for (int k = 0; k <= atomic_load(&done); k++) CHECK_OK(martlet_model_predict(other, out[1], UNITS, &x, NULL));
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(other));
}

/* Hidden steps are of a sequence alone: its states behind it are no output to be scored. */
static void states_have_no_mask(void) {
    const martlet_layer layers[] = {network_layer(MARTLET_LAYER_MASKING, 0, MARTLET_ACTIVATION_LINEAR),
                                    cell(MARTLET_LAYER_LSTM, MARTLET_RETURN_SEQUENCES | MARTLET_RETURN_STATE)};
    martlet_layer crop = network_layer(MARTLET_LAYER_CROPPING1D, 0, MARTLET_ACTIVATION_LINEAR);
    martlet_training training;
    crop.pads[1] = 2;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    for (int is_cropped = 0; is_cropped < 2; is_cropped++) {
        martlet_model *model = begin(STEPS);
        for (int k = 0; k < LENGTH(layers); k++) CHECK_OK(martlet_model_add(model, &layers[k], NULL, 0, NULL));
        if (is_cropped) CHECK_OK(martlet_model_add(model, &crop, NULL, 0, NULL));
        CHECK_STATUS(martlet_model_compile(model, &training, NULL), is_cropped ? MARTLET_OK : MARTLET_ERROR_UNSUPPORTED);
        CHECK_OK(martlet_model_destroy(model));
    }
}

/* The last states of a sequence of any length, by how many they are and how many are behind them. */
static void states_from_the_end(void) {
    static float found[(STEPS + 4) * UNITS];
    const martlet_layer layer = cell(MARTLET_LAYER_LSTM, MARTLET_RETURN_SEQUENCES | MARTLET_RETURN_STATE);
    for (int count = 1; count <= 2; count++) {
        for (int behind = 0; behind + count <= 2; behind++) {
            martlet_model *model = begin(STEPS);
            martlet_layer crop = network_layer(MARTLET_LAYER_CROPPING1D, count, MARTLET_ACTIVATION_LINEAR);
            int32_t nodes[2];
            crop.pads[1] = behind;
            CHECK_OK(martlet_model_add(model, &layer, NULL, 0, &nodes[0]));
            CHECK_OK(martlet_model_add(model, &crop, NULL, 0, &nodes[1]));
            crop.pads[0] = STEPS + 1 - behind, crop.units = 2;
            CHECK_STATUS(martlet_model_add(model, &crop, nodes, 1, NULL), MARTLET_ERROR_SHAPE);
            CHECK_OK(martlet_model_outputs_set(model, nodes, 2));
            for (int64_t steps = STEPS; steps > 0; steps -= 7) {
                const martlet_array x = check_array(samples, steps * FEATURES, MARTLET_FP32);
                const int64_t rows = steps + 2, all = (rows + count) * UNITS;
                CHECK_OK(martlet_model_sizes_set(model, (const int64_t[]){steps, FEATURES}, 2));
                CHECK_OK(martlet_model_predict(model, found, all, &x, NULL));
                const float *part = found + rows * UNITS, *same = part - (behind + count) * UNITS;
                CHECK(memcmp(part, same, (size_t)(count * UNITS) * sizeof *part) == 0);
            }
            CHECK_OK(martlet_model_destroy(model));
        }
    }
}

int main(void) {
    check_fill(samples, LENGTH(samples), 1);
    for (int32_t threads = 1; threads <= 2; threads++) {
        CHECK_OK(martlet_threads_set(threads));
        for (int k = 0; k < LENGTH(kinds); k++) run_whole(kinds[k]), caller_holds(kinds[k]), model_keeps(kinds[k]);
        more = MARTLET_RESET_FIRST;
        run_whole(MARTLET_LAYER_GRU), caller_holds(MARTLET_LAYER_GRU), model_keeps(MARTLET_LAYER_GRU);
        more = 0;
    }
    one_at_a_time();
    states_have_no_mask();
    states_from_the_end();
    return check_end();
}
