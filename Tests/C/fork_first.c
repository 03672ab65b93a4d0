/*
 * Forks during the very first calls: while one thread makes the first calls of a process, another one forks, and the
 * child, which must not hang, makes the same calls. Whatever is built at first use is built once in a process, so each
 * round is a process of its own, and the moment of the fork moves through the first 0.3 ms.
 *
 *   fork_first [ROUNDS [MODE]]    of each mode, or of the one that is named
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "network.h"

extern char **environ;

#define FEATURES 20
#define LONGEST 300000 /* nanoseconds from the start of the calls to the first fork */
#define FORKS 3        /* of each of two threads, one right after the other */

/* ---- the first calls of a process ---- */

static void model_calls(void) {
    struct network_data *data = network_data(FEATURES);
    martlet_model *model = network_dense(FEATURES, 16, 1);
    network_compile(model, NETWORK_SAMPLES);
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
}

static void optimizer_calls(void) {
    float value[100], grad[100];
    check_fill(value, 100, 1), check_fill(grad, 100, 2);
    const martlet_config config = check_config(MARTLET_ADAMW);
    const martlet_parameter parameter = {.value = check_array(value, 100, MARTLET_FP32)};
    const martlet_array gradient = check_array(grad, 100, MARTLET_FP32);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &parameter));
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

static void stateless_calls(void) {
    float value[100], grad[100], state[200] = {0};
    int64_t step = 0;
    check_fill(value, 100, 1), check_fill(grad, 100, 2);
    CHECK_OK(martlet_array_step(value, grad, state, 100, &step, NULL));
    martlet_array slots[2] = {check_array(state, 100, MARTLET_FP32), check_array(state + 100, 100, MARTLET_FP32)};
    const martlet_config config = check_config(MARTLET_ADAM);
    const martlet_parameter parameter = {.value = check_array(value, 100, MARTLET_FP32),
                                         .grad = check_array(grad, 100, MARTLET_FP32),
                                         .state = slots, .state_count = 2, .step = &step};
    CHECK_OK(martlet_step(NULL, &parameter, 1, &config, 1));
}

static void failing_calls(void) {
    float value[4] = {0};
    int64_t step = 0;
    CHECK_STATUS(martlet_array_step(value, NULL, NULL, 4, &step, NULL), MARTLET_ERROR_NULL);
    const int64_t features = -3;
    martlet_model *model = NULL;
    CHECK(martlet_model_create(&model, &features, 1, 0) != MARTLET_OK);
    CHECK_STATUS(martlet_optimizer_load((martlet_optimizer *)(uintptr_t)64, "none"), MARTLET_ERROR_HANDLE);
    CHECK(strlen(martlet_last_error()) > 0);
}

static void *on_a_thread(void *calls) {
    (*(void (*const *)(void))calls)();
    return NULL;
}

/* The calls on two threads at once: a child may have threads of its own. */
static void twice(void (*calls)(void)) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, on_a_thread, &calls) == 0);
    calls();
    REQUIRE(pthread_join(thread, NULL) == 0);
}

static void model_calls_twice(void) { twice(model_calls); }

static const struct mode {
    const char *name;
    void (*calls)(void), (*child_calls)(void);
} modes[] = {
    {"model", model_calls, model_calls},
    {"optimizer", optimizer_calls, optimizer_calls},
    {"stateless", stateless_calls, stateless_calls},
    {"failing", failing_calls, failing_calls},
    {"threads", failing_calls, model_calls_twice},
};

/* ---- a round: a process that has not used the library yet ---- */

static atomic_int started;
static const struct mode *mode;

static void *first_calls(void *argument) {
    (void)argument;
    atomic_store(&started, 1);
    mode->calls();
    return NULL;
}

static int64_t nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static atomic_int hung, wrong; /* children */

static void *forks(void *delay) {
    pid_t children[FORKS];
    while (!atomic_load(&started)) continue;
    for (const int64_t start = nanoseconds(); nanoseconds() - start < *(const int64_t *)delay;) continue;
    for (int k = 0; k < FORKS; k++) {
        REQUIRE((children[k] = fork()) >= 0);
        if (children[k] != 0) continue;
        alarm(8);
        mode->child_calls();
        _exit(check_failures != 0);
    }
    for (int k = 0; k < FORKS; k++) {
        int status = 0;
        REQUIRE(waitpid(children[k], &status, 0) == children[k]);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) atomic_fetch_add(&hung, 1);
        else if (status != 0) atomic_fetch_add(&wrong, 1);
    }
    return NULL;
}

/* 0: all is well; 1: something failed, and was said; 2: a child hung. Two threads fork at the same time. */
static int one_round(int64_t delay) {
    pthread_t threads[2];
    REQUIRE(pthread_create(&threads[0], NULL, first_calls, NULL) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, forks, &delay) == 0);
    forks(&delay);
    for (int k = 0; k < LENGTH(threads); k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    return atomic_load(&wrong) != 0 || check_failures != 0 ? 1 : atomic_load(&hung) != 0 ? 2 : 0;
}

/* ---- all rounds ---- */

static int in_a_process(char *program, const char *name, int64_t delay) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)delay);
    char *arguments[] = {program, "round", (char *)(uintptr_t)name, number, NULL};
    pid_t process;
    int status = 0;
    REQUIRE(posix_spawn(&process, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
    REQUIRE(waitpid(process, &status, 0) == process);
    return WIFSIGNALED(status) ? 1 : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "round") == 0) {
        alarm(30);
        for (int k = 0; k < LENGTH(modes); k++)
            if (strcmp(modes[k].name, argv[2]) == 0) mode = &modes[k];
        REQUIRE(mode != NULL);
        return one_round(atoll(argv[3]));
    }
    const int rounds = argc > 1 ? atoi(argv[1]) : 60;
    for (int k = 0; k < LENGTH(modes); k++) {
        if (argc > 2 && strcmp(argv[2], modes[k].name) != 0) continue;
        int verdicts[3] = {0};
        for (int round = 0; round < rounds; round++) {
            const int verdict = in_a_process(argv[0], modes[k].name, (int64_t)LONGEST * round / rounds);
            verdicts[verdict == 0 || verdict == 2 ? verdict : 1]++;
        }
        CHECK_SAYING(verdicts[0] == rounds, "%s: of %d rounds %d hung and %d were wrong", modes[k].name, rounds,
                     verdicts[2], verdicts[1]);
        printf("%s: %d rounds, %d hung; ", modes[k].name, rounds, verdicts[2]);
        fflush(stdout);
    }
    return check_end();
}
