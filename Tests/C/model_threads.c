/*
 * Models and threads: training and prediction give the same bits for 1, 2, 3 and 7 threads and again in a
 * second and third run, on every instruction set of this machine, for dense, image and sequence models large
 * enough to be shared, with workers that are seen to work; initial values, which are those of one thread that draws them
 * in order; a call that keeps its settings; two threads in one model, of which one is told BUSY; and different
 * models at once.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "network.h"

static const int32_t thread_counts[] = {1, 2, 3, 7};

/* ---- the same bits ---- */

struct outcome {
    uint64_t numbers, output;
    double loss;
};

/* A wide model, so that each product is worth sharing; the one for images, or for sequences. */
static martlet_model *make(int kind) {
    return kind == 0 ? network_dense(300, 700, 5) : kind == 1 ? network_image_of(NETWORK_SHARED_SIDE, 5) : network_sequence(100, 5);
}

static struct network_data *data_of(int kind) {
    return network_data(kind == 0 ? 300 : kind == 1 ? NETWORK_PIXELS(NETWORK_SHARED_SIDE) : NETWORK_STEPS * NETWORK_FEATURES);
}

static struct outcome one_run(int kind, const struct network_data *data) {
    struct outcome outcome = {0, 0, 0};
    martlet_model *model = make(kind);
    martlet_result result;
    network_compile(model, NETWORK_SAMPLES);
    CHECK_OK(martlet_result_init(&result, sizeof result));
    CHECK_OK(network_fit(model, data, 6, 0));
    CHECK_OK(martlet_model_evaluate(model, &result, &data->x, &data->y, NULL));
    outcome.numbers = network_hash(model, true);
    outcome.output = network_output(model, data);
    outcome.loss = result.loss;
    CHECK_OK(martlet_model_destroy(model));
    return outcome;
}

static int runs;

static void same_bits(void) {
    martlet_machine machine = {0};
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    for (int kind = 0; kind < 3; kind++) {
        struct network_data *data = data_of(kind);
        for (int32_t isa = MARTLET_ISA_BASELINE; isa <= machine.isa_best; isa++) {
            struct outcome wanted = {0, 0, 0};
            CHECK_OK(martlet_isa_set(isa));
            for (int run = 0; run < 3 * LENGTH(thread_counts); run++) {
                const int32_t threads = thread_counts[run % LENGTH(thread_counts)];
                CHECK_OK(martlet_threads_set(threads));
                const double before = check_worker_seconds();
                const struct outcome given = one_run(kind, data);
                CHECK_SAYING(threads == 1 || check_worker_seconds() > before + 1e-4, "model %d, set %d: %d threads, and no worker worked", kind, isa, threads);
                if (run == 0) wanted = given;
                CHECK(given.loss == given.loss && given.loss > 0);
                CHECK_SAYING(memcmp(&given, &wanted, sizeof given) == 0, "model %d, set %d, %d threads: other bits", kind, isa, threads);
                runs++;
            }
        }
        network_data_free(data);
    }
    CHECK_OK(martlet_isa_set(MARTLET_ISA_AUTO));
    CHECK_OK(martlet_threads_set(0));
}

/* ---- initial values ---- */

#define WIDE_INPUTS 700
#define WIDE_UNITS 1001

struct words {
    uint32_t key[2], pair[16][2];
    uint64_t used;
};

/* Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, 2011). */
static void threefry(uint32_t out[2], const uint32_t key[2], uint64_t counter) {
    static const int turns[] = {13, 15, 26, 6, 17, 29, 16, 24};
    const uint32_t keys[3] = {key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]};
    uint32_t a = (uint32_t)counter + keys[0], b = (uint32_t)(counter >> 32) + keys[1];
    for (uint32_t round = 0; round < 20; round++) {
        a += b;
        b = (b << turns[round % 8] | b >> (32 - turns[round % 8])) ^ a;
        if (round % 4 == 3) a += keys[(round / 4 + 1) % 3], b += keys[(round / 4 + 2) % 3] + round / 4 + 1;
    }
    out[0] = a, out[1] = b;
}

static uint32_t next_word(struct words *words) {
    const uint64_t place = words->used++ % 32, first = (words->used - 1) / 32 * 16;
    for (uint64_t k = 0; place == 0 && k < 16; k++) threefry(words->pair[k], words->key, first + k);
    return words->pair[place % 16][place / 16];
}

static double next_unit(struct words *words) {
    const uint64_t high = next_word(words) >> 5, low = next_word(words) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

static double next_normal(struct words *words) {
    const double radius = sqrt(-2 * log(1 - next_unit(words)));
    return radius * cos(2 * 3.14159265358979323846 * next_unit(words));
}

/* A kernel's values as the words of its stream give them one after another. */
static void draw(float *out, int32_t initializer, double value, uint64_t seed) {
    struct words words = {.used = 0};
    threefry(words.key, (const uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)}, 0);
    const double variance = 2.0 / (WIDE_INPUTS + WIDE_UNITS);
    for (int k = 0; k < WIDE_INPUTS * WIDE_UNITS; k++) {
        double number = value;
        if (initializer == MARTLET_INITIALIZER_UNIFORM) number = (2 * next_unit(&words) - 1) * value;
        if (initializer == MARTLET_INITIALIZER_GLOROT_UNIFORM) number = (2 * next_unit(&words) - 1) * sqrt(3 * variance);
        if (initializer == MARTLET_INITIALIZER_NORMAL) number = next_normal(&words) * value;
        if (initializer == MARTLET_INITIALIZER_GLOROT_NORMAL) {
            do number = next_normal(&words);
            while (fabs(number) > 2);
            number *= sqrt(variance) / 0.87962566103423978; /* what cutting leaves of a deviation */
        }
        out[k] = (float)number;
    }
}

/* Threads share the drawing, and each number is the one that its place in the stream gives. */
static void initial_values(void) {
    static const int32_t initializers[] = {MARTLET_INITIALIZER_CONSTANT, MARTLET_INITIALIZER_UNIFORM, MARTLET_INITIALIZER_GLOROT_UNIFORM,
                                           MARTLET_INITIALIZER_NORMAL, MARTLET_INITIALIZER_GLOROT_NORMAL};
    static float wanted[WIDE_INPUTS * WIDE_UNITS];
    const uint64_t seed = 0x123456789AB;
    for (int kind = 0; kind < LENGTH(initializers); kind++) {
        draw(wanted, initializers[kind], 0.3, seed);
        for (int run = 0; run < LENGTH(thread_counts); run++) {
            martlet_model *model = NULL;
            float *data = NULL;
            martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, WIDE_UNITS, MARTLET_ACTIVATION_LINEAR);
            layer.kernel_initializer = initializers[kind], layer.kernel_value = 0.3;
            CHECK_OK(martlet_threads_set(thread_counts[run]));
            CHECK_OK(martlet_model_create(&model, (int64_t[]){WIDE_INPUTS}, 1, seed));
            CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
            const double before = check_worker_seconds();
            CHECK_OK(martlet_model_buffer_get(model, &data, NULL, MARTLET_BUFFER_PARAMETERS));
            const bool is_shared = check_worker_seconds() > before + 1e-4;
            const bool is_long = kind >= 3; /* enough for a worker to come, however busy the machine */
            CHECK_SAYING(run == 0 || !is_long || is_shared, "initializer %d: %d threads, and no worker worked", initializers[kind], thread_counts[run]);
            CHECK_SAYING(memcmp(data, wanted, sizeof wanted) == 0, "initializer %d, %d threads: other bits", initializers[kind], thread_counts[run]);
            CHECK_OK(martlet_model_destroy(model));
        }
    }
    CHECK_OK(martlet_threads_set(0));
}

/* ---- settings that change under way ---- */

static int32_t change_settings(void *user, const martlet_progress *progress) {
    const int *number = user;
    if (progress->batch != 2 || progress->epoch != 0) return 0;
    CHECK_OK(martlet_isa_set(*number % 2 == 0 ? MARTLET_ISA_BASELINE : MARTLET_ISA_AUTO));
    CHECK_OK(martlet_threads_set(*number / 2 == 0 ? 1 : 3));
    return 0;
}

/* A fit, an evaluation and a prediction keep the instruction set that they started with. */
static void kept_settings(void) {
    struct network_data *data = network_data(300);
    uint64_t wanted[2] = {0, 0};
    for (int number = -2; number < 4; number++) {
        martlet_model *model = make(0);
        martlet_loop loop;
        martlet_result result;
        float out[NETWORK_SAMPLES * NETWORK_CLASSES];
        const int first = (number + 2) % 2;
        CHECK_OK(martlet_isa_set(first == 0 ? MARTLET_ISA_AUTO : MARTLET_ISA_BASELINE));
        CHECK_OK(martlet_threads_set(2));
        CHECK_OK(martlet_loop_init(&loop, sizeof loop));
        CHECK_OK(martlet_result_init(&result, sizeof result));
        network_compile(model, 8);
        loop.epochs = 2, loop.user = &number, loop.validation_x = &data->x, loop.validation_y = &data->y;
        if (number >= 0) loop.progress = change_settings;
        CHECK_OK(martlet_model_fit(model, &result, &data->x, &data->y, &loop));
        uint64_t hash = network_hash(model, true);
        hash = check_hash(hash, &result, sizeof result);
        CHECK_OK(martlet_isa_set(first == 0 ? MARTLET_ISA_AUTO : MARTLET_ISA_BASELINE));
        CHECK_OK(martlet_model_evaluate(model, &result, &data->x, &data->y, &loop));
        hash = check_hash(hash, &result, sizeof result);
        CHECK_OK(martlet_isa_set(first == 0 ? MARTLET_ISA_AUTO : MARTLET_ISA_BASELINE));
        CHECK_OK(martlet_model_predict(model, out, LENGTH(out), &data->x, &loop));
        hash = check_hash(hash, out, sizeof out);
        if (number < 0) wanted[first] = hash;
        CHECK_SAYING(hash == wanted[first], "set %d, change %d: other bits", first, number);
        CHECK_OK(martlet_model_destroy(model));
    }
    CHECK_OK(martlet_isa_set(MARTLET_ISA_AUTO));
    CHECK_OK(martlet_threads_set(0));
    network_data_free(data);
}

/* ---- two threads in one model ---- */

struct shared {
    martlet_model *model;
    const struct network_data *data;
    atomic_int inside, leave;
};

/* Waits inside the progress function until the other thread has seen enough. */
static int32_t wait_inside(void *user, const martlet_progress *progress) {
    struct shared *shared = user;
    (void)progress;
    atomic_store(&shared->inside, 1);
    while (!atomic_load(&shared->leave)) sched_yield();
    return 0;
}

static void *fit_slowly(void *user) {
    struct shared *shared = user;
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.progress = wait_inside, loop.user = user;
    CHECK_OK(martlet_model_fit(shared->model, NULL, &shared->data->x, &shared->data->y, &loop));
    return NULL;
}

static void busy(void) {
    struct network_data *data = network_data(8);
    struct shared shared = {.model = network_dense(8, 6, 1), .data = data};
    martlet_model *alone = network_dense(8, 6, 1);
    network_compile(shared.model, 32), network_compile(alone, 32);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fit_slowly, &shared) == 0);
    while (!atomic_load(&shared.inside)) sched_yield();
    martlet_training training;
    martlet_node node;
    martlet_score score;
    int64_t number = 0;
    double value = 0;
    float out[NETWORK_SAMPLES * NETWORK_CLASSES], *memory = NULL;
    const martlet_layer layer = network_layer(MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    martlet_model *const m = shared.model;
    const martlet_status given[] = {
        martlet_model_train(m, NULL, &data->x, &data->y, NULL, 0), network_fit(m, data, 1, 0),
        martlet_model_evaluate(m, NULL, &data->x, &data->y, NULL), martlet_model_predict(m, out, LENGTH(out), &data->x, NULL),
        martlet_model_compile(m, &training, NULL),                 martlet_model_add(m, &layer, NULL, 0, NULL),
        martlet_model_reset(m),                                    martlet_model_destroy(m),
        martlet_model_set(m, MARTLET_LR, 0.5),                     martlet_model_get(m, &value, MARTLET_LR),
        martlet_model_step_get(m, &number),                        martlet_model_grad_norm_get(m, &value),
        martlet_model_buffer_get(m, &memory, NULL, 0),             martlet_model_view_count(m, &number, 0),
        martlet_model_node_count(m, &number),                      martlet_model_node_get(m, &node, 0),
        martlet_model_save(m, "busy.safetensors"),                 martlet_model_copy_set(m, NULL),
        martlet_model_export(m, "busy.c"),
        martlet_model_differentiate(m, NULL, &data->x, &data->y, NULL, 0), martlet_model_step(m),
        martlet_model_forward(m, NULL, out, LENGTH(out), &data->x, NULL, NULL, NULL, 0), martlet_model_backward(m, out, LENGTH(out), NULL),
        martlet_model_own_set(m, 1, NULL, NULL),                   martlet_model_sizes_set(m, (const int64_t[]){1}, 1),
        martlet_model_outputs_set(m, &node.kind, 1),               martlet_model_tally_set(m, MARTLET_TRAINING, 1),
        martlet_model_score_get(m, &score, sizeof score, 0),       martlet_model_confusion_get(m, &number, 1, 0, MARTLET_TRAINING),
    };
    for (int k = 0; k < LENGTH(given); k++)
        CHECK_SAYING(given[k] == MARTLET_ERROR_BUSY, "call %d gave %s", k, martlet_status_name(given[k]));
    CHECK_OK(network_fit(alone, data, 1, 0)); /* another model is not */
    atomic_store(&shared.leave, 1);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(network_hash(shared.model, true) == network_hash(alone, true));
    CHECK_OK(martlet_model_destroy(shared.model));
    CHECK_OK(martlet_model_destroy(alone));
    network_data_free(data);
}

/* ---- different models at once ---- */

struct worker {
    int kind;
    struct outcome wanted;
};

static void *train_often(void *user) {
    const struct worker *worker = user;
    struct network_data *data = data_of(worker->kind);
    for (int k = 0; k < 6; k++) {
        const struct outcome given = one_run(worker->kind, data);
        CHECK(memcmp(&given, &worker->wanted, sizeof given) == 0);
    }
    network_data_free(data);
    return NULL;
}

static void at_once(void) {
    struct worker workers[5] = {{0, {0, 0, 0}}};
    pthread_t threads[LENGTH(workers)];
    CHECK_OK(martlet_threads_set(3));
    for (int k = 0; k < LENGTH(workers); k++) {
        workers[k].kind = k % 2;
        struct network_data *data = data_of(workers[k].kind);
        workers[k].wanted = one_run(workers[k].kind, data);
        network_data_free(data);
    }
    for (int k = 0; k < LENGTH(workers); k++) REQUIRE(pthread_create(&threads[k], NULL, train_often, &workers[k]) == 0);
    for (int k = 0; k < LENGTH(workers); k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
}

int main(void) {
    alarm(110);
    same_bits();
    initial_values();
    kept_settings();
    busy();
    at_once();
    printf("%d trainings compared\n", runs);
    return check_end();
}
