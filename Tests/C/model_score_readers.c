/*
 * What threads that predict with one model ask of it from their progress functions: the area under the curve of the
 * evaluation before is the same for all of them, and for whoever asks afterwards, though the first to ask puts all answers
 * in order. And a model of so many parameters that to move them to the trained point, or back, takes more scratch memory
 * than a batch does: threads that begin with that give the bits of one that does not.
 */
#include <pthread.h>

#include "network.h"

#define READERS 8
#define ANSWERS 4000

struct scene {
    martlet_model *model;
    martlet_array x;
    pthread_barrier_t start;
    double wanted;
};

static double area(martlet_model *model) {
    martlet_score score;
    memset(&score, 0xAB, sizeof score);
    CHECK_OK(martlet_model_score_get(model, &score, sizeof score, 0));
    return score.evaluation_metrics[MARTLET_METRIC_AUC];
}

static int32_t ask(void *user, const martlet_progress *progress) {
    struct scene *scene = user;
    (void)progress;
    pthread_barrier_wait(&scene->start);
    const double found = area(scene->model);
    CHECK_SAYING(found == scene->wanted, "%.17g, wanted %.17g", found, scene->wanted);
    return 0;
}

static void *predict(void *user) {
    struct scene *scene = user;
    float *out = malloc(ANSWERS * sizeof *out);
    martlet_loop loop;
    REQUIRE(out != NULL);
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.batch_size = ANSWERS, loop.progress = ask, loop.user = scene;
    CHECK_OK(martlet_model_predict(scene->model, out, ANSWERS, &scene->x, &loop));
    free(out);
    return NULL;
}

static void areas(void) {
    static float inputs[ANSWERS];
    static uint8_t labels[ANSWERS];
    struct scene scene = {.x = check_array(inputs, ANSWERS, MARTLET_FP32)};
    const martlet_array y = check_array(labels, ANSWERS, MARTLET_UINT8);
    martlet_training training;
    check_fill(inputs, ANSWERS, 4);
    for (int k = 0; k < ANSWERS; k++) labels[k] = check_bits(5, (uint64_t)k) % 2;
    CHECK_OK(martlet_model_create(&scene.model, (int64_t[]){1}, 1, 3));
    network_add(scene.model, MARTLET_LAYER_DENSE, 1, MARTLET_ACTIVATION_LINEAR);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_BINARY_CROSS_ENTROPY));
    training.metrics = 1u << MARTLET_METRIC_AUC;
    CHECK_OK(martlet_model_compile(scene.model, &training, NULL));
    CHECK_OK(martlet_model_evaluate(scene.model, NULL, &scene.x, &y, NULL));
    scene.wanted = area(scene.model);
    for (int k = 0; k < 20; k++) {
        pthread_t threads[READERS];
        CHECK_OK(martlet_model_tally_set(scene.model, MARTLET_EVALUATION, 1)); /* nobody asks within evaluate */
        CHECK_OK(martlet_model_evaluate(scene.model, NULL, &scene.x, &y, NULL));
        REQUIRE(pthread_barrier_init(&scene.start, NULL, READERS) == 0);
        for (int n = 0; n < READERS; n++) REQUIRE(pthread_create(&threads[n], NULL, predict, &scene) == 0);
        for (int n = 0; n < READERS; n++) REQUIRE(pthread_join(threads[n], NULL) == 0);
        pthread_barrier_destroy(&scene.start);
        CHECK(area(scene.model) == scene.wanted);
    }
    CHECK_OK(martlet_model_destroy(scene.model));
}

/* ---- scratch memory ---- */

#define LAYERS 1000
#define WIDTH 64

struct call {
    martlet_model *model;
    martlet_array x, y;
    martlet_result result;
    bool trains, settles; /* by a call before */
};

static void *make_call(void *user) {
    struct call *call = user;
    if (call->settles) CHECK_OK(martlet_model_mode_set(call->model, call->trains ? MARTLET_TRAINING : MARTLET_EVALUATION));
    CHECK_OK(martlet_result_init(&call->result, sizeof call->result));
    CHECK_OK(call->trains ? martlet_model_train(call->model, &call->result, &call->x, &call->y, NULL, 0)
                          : martlet_model_evaluate(call->model, &call->result, &call->x, &call->y, NULL));
    return NULL;
}

/* The losses of training and evaluation by turns, each on a thread of its own, whose scratch memory is new. */
static void losses(bool settles, double *out, int count) {
    static float numbers[2][2 * WIDTH];
    struct call call = {.settles = settles};
    martlet_training training;
    const martlet_config config = check_config(MARTLET_SCHEDULE_FREE_ADAMW);
    for (int k = 0; k < 2; k++) check_fill(numbers[k], 2 * WIDTH, (uint64_t)(6 + k));
    call.x = check_array(numbers[0], 2 * WIDTH, MARTLET_FP32), call.y = check_array(numbers[1], 2 * WIDTH, MARTLET_FP32);
    CHECK_OK(martlet_model_create(&call.model, (int64_t[]){WIDTH}, 1, 3));
    for (int k = 0; k < LAYERS; k++) network_add(call.model, MARTLET_LAYER_DENSE, WIDTH, MARTLET_ACTIVATION_TANH);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    training.state_dtype = MARTLET_FLOAT8, training.batch_size = 2; /* each kernel is a parameter by itself */
    CHECK_OK(martlet_model_compile(call.model, &training, &config));
    for (int k = 0; k < count; k++) {
        pthread_t thread;
        call.trains = k % 2 == 0;
        REQUIRE(pthread_create(&thread, NULL, make_call, &call) == 0 && pthread_join(thread, NULL) == 0);
        out[k] = call.result.loss;
    }
    CHECK_OK(martlet_model_destroy(call.model));
}

static void scratch(void) {
    double found[5], wanted[5];
    losses(true, wanted, LENGTH(wanted));
    losses(false, found, LENGTH(found));
    CHECK(memcmp(found, wanted, sizeof found) == 0);
}

int main(void) {
    alarm(110);
    CHECK_OK(martlet_threads_set(1));
    areas();
    scratch();
    return check_end();
}
