/*
 * Several threads that only read one model at once: eight predict, in batches of every size, and look at it, and none is told BUSY; their bits are those of one thread alone, also of the calls that come first, before there are
 * parameters, and of the first behind a training step of an optimizer with two points. Whoever changes the model is refused
 * meanwhile, and goes on afterwards. Nothing is allocated once as many threads have been inside at once. A child that is
 * forked meanwhile may read on. malloc_count.c must be preloaded.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "malloc_count.h"
#include "network.h"

#define READERS 8
#define ROUNDS 60
#define OUTPUTS (NETWORK_SAMPLES * NETWORK_CLASSES)

struct scene {
    martlet_model *model;
    const struct network_data *data;
    float wanted[OUTPUTS];
    pthread_barrier_t start;
    atomic_int failures, number;
    bool compiled;
};

static martlet_model *make(int kind) {
    return kind == 0 ? network_dense(30, 40, 5) : kind == 1 ? network_image(5) : network_dense(300, 700, 5);
}

static struct network_data *data_of(int kind) { return network_data(kind == 0 ? 30 : kind == 1 ? NETWORK_PIXELS(NETWORK_SIDE) : 300); }

static void run(void *(*work)(void *), struct scene *scene) {
    pthread_t threads[READERS];
    REQUIRE(pthread_barrier_init(&scene->start, NULL, READERS) == 0);
    for (int k = 0; k < READERS; k++) REQUIRE(pthread_create(&threads[k], NULL, work, scene) == 0);
    for (int k = 0; k < READERS; k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    pthread_barrier_destroy(&scene->start);
}

static void compile_free(martlet_model *model) {
    martlet_training training;
    const martlet_config config = check_config(MARTLET_SCHEDULE_FREE_ADAMW);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    CHECK_OK(martlet_model_compile(model, &training, &config));
}

/* ---- the bits of one thread ---- */

static void *read_often(void *user) {
    struct scene *scene = user;
    const struct network_data *data = scene->data;
    float out[OUTPUTS];
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    const int number = atomic_fetch_add(&scene->number, 1);
    pthread_barrier_wait(&scene->start);
    for (int k = 0; k < ROUNDS; k++) {
        loop.batch_size = 1 + (number * 7 + k) % NETWORK_SAMPLES;
        memset(out, 0xEE, sizeof out);
        CHECK_OK(martlet_model_predict(scene->model, out, OUTPUTS, &data->x, &loop));
        if (memcmp(out, scene->wanted, sizeof out) != 0) atomic_fetch_add(&scene->failures, 1);
        if (k % 8 == 5) {
            martlet_view view;
            martlet_node node;
            int64_t count = 0;
            double value = 0;
            float *memory = NULL;
            CHECK_OK(martlet_model_node_count(scene->model, &count));
            CHECK_OK(martlet_model_node_get(scene->model, &node, count - 1));
            CHECK_OK(martlet_model_view_get(scene->model, &view, MARTLET_BUFFER_PARAMETERS, 0));
            CHECK_OK(martlet_model_buffer_get(scene->model, &memory, NULL, MARTLET_BUFFER_STATISTICS));
            if (scene->compiled) {
                CHECK_OK(martlet_model_step_get(scene->model, &count));
                CHECK_OK(martlet_model_get(scene->model, &value, MARTLET_LR));
                CHECK_OK(martlet_model_grad_norm_get(scene->model, &value));
                CHECK_OK(martlet_model_mode_set(scene->model, MARTLET_EVALUATION));
            }
        }
    }
    return NULL;
}

/* What one thread gives with a model that has come the same way. */
static void expect(struct scene *scene, martlet_model *alone) {
    CHECK_OK(martlet_model_predict(alone, scene->wanted, OUTPUTS, &scene->data->x, NULL));
    CHECK_OK(martlet_model_destroy(alone));
}

static void same_bits(int kind, bool compiled) {
    struct network_data *data = data_of(kind);
    struct scene scene = {.model = make(kind), .data = data, .compiled = compiled};
    martlet_model *alone = make(kind);
    for (int k = 0; compiled && k < 2; k++) {
        martlet_model *const model = k == 0 ? alone : scene.model;
        compile_free(model);
        CHECK_OK(network_fit(model, data, 1, 0));
        CHECK_OK(martlet_model_train(model, NULL, &data->x, &data->y, NULL, 0)); /* to where gradients are taken */
    }
    expect(&scene, alone);
    run(read_often, &scene);
    CHECK_SAYING(scene.failures == 0, "model %d: %d calls gave other bits", kind, scene.failures);
    CHECK_OK(martlet_model_destroy(scene.model));
    network_data_free(data);
}

/* The very first calls of many models, which make the parameters. */
static void *read_first(void *user) {
    struct scene *scene = user;
    float out[OUTPUTS];
    martlet_view view;
    const int number = atomic_fetch_add(&scene->number, 1);
    pthread_barrier_wait(&scene->start);
    if (number % 4 == 3) CHECK_OK(martlet_model_view_get(scene->model, &view, MARTLET_BUFFER_PARAMETERS, 1));
    if (number % 4 == 2) CHECK_STATUS(martlet_model_view_get(scene->model, &view, MARTLET_BUFFER_PARAMETERS, 100), MARTLET_ERROR_ARGUMENT);
    CHECK_OK(martlet_model_predict(scene->model, out, OUTPUTS, &scene->data->x, NULL));
    if (memcmp(out, scene->wanted, sizeof out) != 0) atomic_fetch_add(&scene->failures, 1);
    return NULL;
}

static void first_calls(void) {
    struct network_data *data = data_of(2);
    for (int k = 0; k < 30; k++) {
        struct scene scene = {.model = make(2), .data = data};
        expect(&scene, make(2));
        run(read_first, &scene);
        CHECK_SAYING(scene.failures == 0, "model %d: %d calls gave other bits", k, scene.failures);
        CHECK_OK(martlet_model_destroy(scene.model));
    }
    network_data_free(data);
}

/* ---- all at once, and nothing allocated ---- */

static int32_t meet(void *user, const martlet_progress *progress) {
    struct scene *scene = user;
    if (progress->batch == 1) pthread_barrier_wait(&scene->start); /* where one were refused, the others would wait for ever */
    return 0;
}

static void *read_together(void *user) {
    struct scene *scene = user;
    float out[OUTPUTS];
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = 16, loop.progress = meet, loop.user = scene;
    CHECK_OK(martlet_model_predict(scene->model, out, OUTPUTS, &scene->data->x, &loop));
    loop.progress = NULL;
    const bool counts = pthread_barrier_wait(&scene->start) == PTHREAD_BARRIER_SERIAL_THREAD;
    if (counts) malloc_count_start(0, 0);
    pthread_barrier_wait(&scene->start);
    for (int k = 0; k < ROUNDS; k++) {
        CHECK_OK(martlet_model_predict(scene->model, out, OUTPUTS, &scene->data->x, &loop));
        if (memcmp(out, scene->wanted, sizeof out) != 0) atomic_fetch_add(&scene->failures, 1);
    }
    pthread_barrier_wait(&scene->start);
    if (counts) {
        const long seen = malloc_count_stop();
        CHECK_SAYING(seen == 0, "%ld allocations in %d predictions", seen, READERS * ROUNDS);
    }
    return NULL;
}

static void together(int kind) {
    struct network_data *data = data_of(kind);
    struct scene scene = {.model = make(kind), .data = data};
    check_start_threads();
    expect(&scene, make(kind));
    run(read_together, &scene);
    CHECK(scene.failures == 0);
    CHECK_OK(martlet_model_destroy(scene.model));
    network_data_free(data);
}

/* ---- who changes it waits outside ---- */

static atomic_int inside, leave;

static int32_t wait_inside(void *user, const martlet_progress *progress) {
    (void)user, (void)progress;
    atomic_store(&inside, 1);
    while (!atomic_load(&leave)) sched_yield();
    return 0;
}

static void *predict_slowly(void *user) {
    struct scene *scene = user;
    float out[OUTPUTS];
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.progress = wait_inside;
    CHECK_OK(martlet_model_predict(scene->model, out, OUTPUTS, &scene->data->x, &loop));
    CHECK(memcmp(out, scene->wanted, sizeof out) == 0);
    return NULL;
}

static int in_child(struct scene *scene) {
    float out[OUTPUTS];
    int64_t count = 0;
    martlet_model *const m = scene->model;
    const struct network_data *data = scene->data;
    for (int k = 0; k < 3; k++) {
        CHECK_OK(martlet_model_predict(m, out, OUTPUTS, &data->x, NULL));
        CHECK(memcmp(out, scene->wanted, sizeof out) == 0);
        CHECK_OK(martlet_model_node_count(m, &count));
        CHECK_STATUS(network_fit(m, data, 1, 0), MARTLET_ERROR_INTERRUPTED);
        CHECK_STATUS(martlet_model_reset(m), MARTLET_ERROR_INTERRUPTED);
    }
    CHECK_OK(martlet_model_destroy(m));
    CHECK_STATUS(martlet_model_node_count(m, &count), MARTLET_ERROR_HANDLE);
    return check_failures != 0;
}

static void refusals(void) {
    struct network_data *data = data_of(0);
    struct scene scene = {.model = make(0), .data = data, .compiled = true};
    martlet_model *const m = scene.model, *alone = make(0);
    network_compile(m, 32), network_compile(alone, 32);
    expect(&scene, alone);
    pthread_t threads[2];
    for (int k = 0; k < LENGTH(threads); k++) REQUIRE(pthread_create(&threads[k], NULL, predict_slowly, &scene) == 0);
    while (!atomic_load(&inside)) sched_yield();
    martlet_training training;
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    const martlet_layer layer = network_layer(MARTLET_LAYER_FLATTEN, 0, MARTLET_ACTIVATION_LINEAR);
    float out[OUTPUTS];
    const martlet_status given[] = {
        martlet_model_train(m, NULL, &data->x, &data->y, NULL, 0), network_fit(m, data, 1, 0),
        martlet_model_compile(m, &training, NULL), martlet_model_add(m, &layer, NULL, 0, NULL),
        martlet_model_reset(m), martlet_model_destroy(m), martlet_model_set(m, MARTLET_LR, 0.5),
        martlet_model_copy_set(m, NULL), martlet_model_step(m), martlet_model_mode_set(m, MARTLET_TRAINING),
        martlet_model_differentiate(m, NULL, &data->x, &data->y, NULL, 0), martlet_model_save(m, "readers.safetensors"),
        martlet_model_export(m, "readers.c"),
        martlet_model_evaluate(m, NULL, &data->x, &data->y, NULL),
        martlet_model_forward(m, NULL, out, OUTPUTS, &data->x, NULL, NULL, NULL, 0), martlet_model_backward(m, out, OUTPUTS, NULL),
        martlet_model_own_set(m, 1, NULL, NULL),
    };
    for (int k = 0; k < LENGTH(given); k++)
        CHECK_SAYING(given[k] == MARTLET_ERROR_BUSY, "call %d gave %s", k, martlet_status_name(given[k]));
    CHECK_OK(martlet_model_predict(m, out, OUTPUTS, &data->x, NULL));
    CHECK(memcmp(out, scene.wanted, sizeof out) == 0);
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) alarm(20), check_failures = 0, _exit(in_child(&scene));
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_SAYING(status == 0, "the child ended with %d", status);
    atomic_store(&leave, 1);
    for (int k = 0; k < LENGTH(threads); k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    CHECK_OK(network_fit(m, data, 1, 0));
    CHECK_OK(martlet_model_destroy(m));
    network_data_free(data);
}

/* In the progress function of a prediction: the child goes on with it, and may train behind it. */
static int32_t fork_inside(void *user, const martlet_progress *progress) {
    pid_t *child = user;
    if (progress->batch == 1) fflush(NULL), *child = fork();
    return 0;
}

static void forked_reader(void) {
    struct network_data *data = data_of(0);
    martlet_model *model = make(0);
    float out[OUTPUTS];
    pid_t child = -1;
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.progress = fork_inside, loop.user = &child;
    network_compile(model, 32);
    CHECK_OK(martlet_model_predict(model, out, OUTPUTS, &data->x, &loop));
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
    if (child == 0) _exit(check_failures != 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_SAYING(status == 0, "the child ended with %d", status);
}

int main(void) {
    alarm(110);
    for (int threads = 1; threads <= 3; threads += 2) {
        CHECK_OK(martlet_threads_set(threads));
        for (int kind = 0; kind < 3; kind++) same_bits(kind, false), same_bits(kind, true);
        first_calls();
        for (int kind = 0; kind < 3; kind++) together(kind);
    }
    refusals();
    forked_reader();
    return check_end();
}
