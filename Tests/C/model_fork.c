/*
 * Models and fork: a child trains on to the same bits as its parent, with threads of its own, and so does a
 * grandchild; forks while other threads train leave no child hanging; and a model that another thread was
 * inside says so in the child until it is destroyed. Each child has a time limit.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "network.h"

#define FEATURES 300

static struct network_data *data;

static pid_t fork_child(void) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) alarm(20), check_failures = 0; /* a child answers for itself */
    return child;
}

/* The child's verdict, or 100 when it did not end in time and was killed by its own alarm. */
static int wait_for(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? 100 : WEXITSTATUS(status);
}

static martlet_model *make(uint64_t seed) {
    martlet_model *model = network_dense(FEATURES, 700, seed);
    network_compile(model, NETWORK_SAMPLES);
    return model;
}

/* The hash that a model has after some more epochs. */
static uint64_t train_on(martlet_model *model, int64_t epochs) {
    CHECK_OK(network_fit(model, data, epochs, 0));
    return network_hash(model, true) ^ network_output(model, data);
}

static void same_bits(int32_t threads) {
    CHECK_OK(martlet_threads_set(threads));
    martlet_model *model = make(3);
    train_on(model, 2);
    int pipes[2];
    uint64_t theirs[2] = {0, 0};
    REQUIRE(pipe(pipes) == 0);
    const pid_t child = fork_child();
    if (child == 0) {
        const pid_t grandchild = fork_child();
        const uint64_t hash = train_on(model, 3);
        const int verdict = grandchild == 0 ? 0 : wait_for(grandchild);
        CHECK_OK(martlet_model_destroy(model));
        _exit(write(pipes[1], &hash, sizeof hash) != sizeof hash || check_failures != 0 ? 1 : verdict);
    }
    const uint64_t ours = train_on(model, 3);
    const int verdict = wait_for(child);
    CHECK_SAYING(verdict == 0, "the child gave %d", verdict);
    REQUIRE(verdict != 0 || read(pipes[0], theirs, sizeof theirs) == sizeof theirs);
    CHECK(theirs[0] == ours && theirs[1] == ours);
    CHECK_OK(martlet_model_destroy(model));
    close(pipes[0]), close(pipes[1]);
}

/* ---- forks while other threads train ---- */

static atomic_int stop, fits;

static void *keep_training(void *argument) {
    (void)argument;
    martlet_model *model = make(9);
    while (!atomic_load(&stop)) {
        CHECK_OK(network_fit(model, data, 1, 0));
        atomic_fetch_add(&fits, 1);
    }
    CHECK_OK(martlet_model_destroy(model));
    return NULL;
}

static void forks_during_training(void) {
    CHECK_OK(martlet_threads_set(3));
    martlet_model *model = make(3);
    train_on(model, 1);
    pthread_t threads[2];
    for (int k = 0; k < 2; k++) REQUIRE(pthread_create(&threads[k], NULL, keep_training, NULL) == 0);
    while (atomic_load(&fits) < 2) sched_yield();
    uint64_t wanted = 0;
    for (int k = 0; k < 30; k++) {
        int pipes[2];
        uint64_t hash = 0;
        REQUIRE(pipe(pipes) == 0);
        const pid_t child = fork_child();
        if (child == 0) {
            hash = train_on(model, 2);
            _exit(write(pipes[1], &hash, sizeof hash) != sizeof hash || check_failures != 0);
        }
        const int verdict = wait_for(child);
        CHECK_SAYING(verdict == 0, "fork %d gave %d", k, verdict);
        REQUIRE(verdict != 0 || read(pipes[0], &hash, sizeof hash) == sizeof hash);
        if (wanted == 0) wanted = hash;
        CHECK(hash == wanted);
        close(pipes[0]), close(pipes[1]);
    }
    atomic_store(&stop, 1);
    for (int k = 0; k < 2; k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    CHECK(train_on(model, 2) == wanted);
    CHECK_OK(martlet_model_destroy(model));
    printf("30 forks during %d epochs of two other threads\n", atomic_load(&fits));
}

/* ---- a model that another thread is inside at the fork ---- */

static atomic_int inside, leave;

static int32_t wait_inside(void *user, const martlet_progress *progress) {
    (void)user, (void)progress;
    atomic_store(&inside, 1);
    while (!atomic_load(&leave)) sched_yield();
    return 0;
}

static void *fit_slowly(void *model) {
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.progress = wait_inside;
    CHECK_OK(martlet_model_fit(model, NULL, &data->x, &data->y, &loop));
    return NULL;
}

static int child_verdict(martlet_model *model) {
    int64_t number = 0;
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    CHECK_STATUS(network_fit(model, data, 1, 0), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_model_predict(model, out, LENGTH(out), &data->x, NULL), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_model_step_get(model, &number), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_model_save(model, "interrupted.safetensors"), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_model_reset(model), MARTLET_ERROR_INTERRUPTED);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_STATUS(network_fit(model, data, 1, 0), MARTLET_ERROR_HANDLE);
    martlet_model *other = make(4);
    train_on(other, 1);
    CHECK_OK(martlet_model_destroy(other));
    return check_failures != 0;
}

static void interrupted(void) {
    martlet_model *model = make(3), *alone = make(3);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fit_slowly, model) == 0);
    while (!atomic_load(&inside)) sched_yield();
    const pid_t child = fork_child();
    if (child == 0) _exit(child_verdict(model));
    CHECK(wait_for(child) == 0);
    atomic_store(&leave, 1);
    REQUIRE(pthread_join(thread, NULL) == 0);
    train_on(alone, 1); /* what the thread did */
    CHECK(train_on(model, 1) == train_on(alone, 1));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(alone));
}

/* In the progress function of a fit: the child may go on with the fit that it was forked in. */
static int32_t fork_inside(void *user, const martlet_progress *progress) {
    pid_t *child = user;
    if (progress->epoch == 1) *child = fork_child();
    return 0;
}

static void inside_progress(void) {
    martlet_model *model = make(3), *alone = make(3);
    pid_t child = -1;
    martlet_loop loop;
    CHECK_OK(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = 4, loop.progress = fork_inside, loop.user = &child;
    CHECK_OK(martlet_model_fit(model, NULL, &data->x, &data->y, &loop));
    CHECK_OK(network_fit(alone, data, 4, 0));
    CHECK(network_hash(model, true) == network_hash(alone, true));
    CHECK_OK(martlet_model_destroy(model));
    if (child == 0) _exit(check_failures != 0);
    CHECK(wait_for(child) == 0);
    CHECK_OK(martlet_model_destroy(alone));
}

int main(void) {
    alarm(110);
    data = network_data(FEATURES);
    same_bits(1);
    same_bits(3);
    interrupted();
    inside_progress();
    forks_during_training();
    return check_end();
}
