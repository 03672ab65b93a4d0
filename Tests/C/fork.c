/*
 * fork: a child can use the library at once, with threads of its own; forks during the very first use of
 * the library, and sixty while other threads are in the middle of calls, leave no child hanging; a handle
 * that was in use at the fork says so in the child. The CPU seconds of a child's step are measured as the
 * best of several tries, because the machine may be shared; on a machine with one core that part is left
 * out and says so.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "reference.h"

/* The child's verdict, or 100 when it did not end in time and was killed by its own alarm. */
static int wait_for(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "child ended by signal %d\n", WTERMSIG(status));
        return 100;
    }
    return WEXITSTATUS(status);
}

static pid_t fork_child(void) {
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) alarm(20), check_failures = 0; /* a child answers for itself */
    return child;
}

/* Steps an array long enough for several threads and compares it with the reference. */
static bool step_is_right(int64_t count, int steps) {
    const martlet_config config = check_config(MARTLET_ADAM);
    float *value = calloc((size_t)count, 4), *wanted = calloc((size_t)count, 4), *grad = calloc((size_t)count, 4);
    float *state = calloc(2 * (size_t)count, 4), *other = calloc(2 * (size_t)count, 4);
    REQUIRE(value && wanted && grad && state && other);
    check_fill(value, count, 1), check_fill(wanted, count, 1), check_fill(grad, count, 2);
    int64_t step = 0;
    bool right = true;
    for (int t = 1; t <= steps; t++) {
        right = right && martlet_array_step(value, grad, state, count, &step, &config) == MARTLET_OK;
        reference_array_step(wanted, grad, other, count, t, &config);
    }
    right = right && memcmp(value, wanted, (size_t)count * 4) == 0 && memcmp(state, other, 2 * (size_t)count * 4) == 0;
    free(value), free(wanted), free(grad), free(state), free(other);
    return right;
}

/* How many threads worked in this thread's latest step. */
static int32_t last_threads(void) {
    martlet_machine machine = {0};
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    return machine.last_threads;
}

static int core_count(void) {
    cpu_set_t cores;
    REQUIRE(sched_getaffinity(0, sizeof cores, &cores) == 0);
    return CPU_COUNT(&cores);
}

/* ---- forks during the first use ---- */

static void *first_step(void *argument) {
    (void)argument;
    return step_is_right(30000, 1) ? NULL : &check_failures;
}

/* A process that has not used the library yet: while one thread takes the first step, the other one forks. */
static int first_use(int delay) {
    pid_t children[8];
    pthread_t thread;
    void *failed = NULL;
    int verdict = 0;
    REQUIRE(pthread_create(&thread, NULL, first_step, NULL) == 0);
    for (volatile int i = 0; i < delay; i++) continue;
    for (int k = 0; k < LENGTH(children); k++) {
        children[k] = fork_child();
        if (children[k] == 0) _exit(!step_is_right(30000, 1));
    }
    for (int k = 0; k < LENGTH(children); k++) verdict |= wait_for(children[k]);
    REQUIRE(pthread_join(thread, &failed) == 0);
    return failed != NULL ? 2 : verdict;
}

/* Comes before anything else of this program, so that each process begins where the library was just loaded. */
static void first_uses(void) {
    for (int k = 0; k < 60; k++) {
        const pid_t child = fork_child();
        if (child == 0) _exit(first_use(k % 20 * 10000));
        const int verdict = wait_for(child);
        CHECK_SAYING(verdict == 0, "first use %d gave %d", k, verdict);
    }
}

/* fork before, after and long after the pool's first use, and a grandchild. */
static void plain(void) {
    for (int round = 0; round < 3; round++) {
        const pid_t child = fork_child();
        if (child == 0) {
            if (!step_is_right(400000, 2)) _exit(1);
            const pid_t grandchild = fork_child();
            if (grandchild == 0) _exit(!step_is_right(400000, 2));
            _exit(wait_for(grandchild));
        }
        CHECK(wait_for(child) == 0);
        CHECK(step_is_right(400000, 2));
    }
}

/* A handle that the fork did not find in use goes on in both. */
static void handle_goes_on(void) {
    enum { count = 1000 };
    float value[count], grad[count];
    const martlet_config config = check_config(MARTLET_ADAM);
    check_fill(value, count, 1), check_fill(grad, count, 2);
    const martlet_array gradient = check_array(grad, count, MARTLET_FP32);
    const martlet_parameter parameter = {.value = check_array(value, count, MARTLET_FP32)};
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &parameter));
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
    int pipes[2];
    uint64_t theirs = 0;
    REQUIRE(pipe(pipes) == 0);
    const pid_t child = fork_child();
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
    const uint64_t ours = check_hash(0, value, sizeof value);
    if (child == 0) _exit(write(pipes[1], &ours, sizeof ours) != sizeof ours || check_failures != 0);
    CHECK(wait_for(child) == 0);
    REQUIRE(read(pipes[0], &theirs, sizeof theirs) == sizeof theirs);
    CHECK(ours == theirs);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    close(pipes[0]), close(pipes[1]);
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* CPU seconds a second, CPU seconds of the whole process for each of the calling thread's, what the machine gave, and
 * how many steps were shared by two threads. */
struct rates {
    double wall, share, machine;
    int together;
};

static void *spin(void *until) {
    while (seconds(CLOCK_MONOTONIC) < *(const double *)until) continue;
    return NULL;
}

/* What two threads that only spin get of this machine at the moment. */
static double machine_rate(void) {
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    double until = wall + 0.05;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, spin, &until) == 0);
    spin(&until);
    REQUIRE(pthread_join(thread, NULL) == 0);
    return (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (seconds(CLOCK_MONOTONIC) - wall);
}

/* The best of several tries, each of ten steps of 4 M elements. */
static struct rates step_rates(void) {
    enum { count = 4000000, tries = 40 };
    float *arrays = calloc(count, 4 * sizeof *arrays);
    REQUIRE(arrays != NULL);
    int64_t step = 0;
    struct rates best = {0, 0, 0, 0};
    for (int k = 0; k < tries && best.wall < 1.5; k++) {
        const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), own = seconds(CLOCK_THREAD_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
        for (int i = 0; i < 10; i++) {
            REQUIRE(martlet_array_step(arrays, arrays + count, arrays + 2 * count, count, &step, NULL) == MARTLET_OK);
            best.together += last_threads() == 2;
        }
        const double spent = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        best.wall = fmax(best.wall, spent / (seconds(CLOCK_MONOTONIC) - wall));
        best.share = fmax(best.share, spent / (seconds(CLOCK_THREAD_CPUTIME_ID) - own));
        best.machine = fmax(best.machine, machine_rate());
    }
    free(arrays);
    return best;
}

/* A child's step must use 1.5 CPU seconds a second. Where other programs leave this machine's two threads
 * less than that, the share of the work that was not the calling thread's is held against the same 1.5: a thread that waits
 * uses the processor too, so in either case the library's own word that both threads did work is asked for. */
static void child_uses_threads(void) {
    if (core_count() < 2) {
        printf("left out: one core, so a child's threads cannot be measured\n");
        return;
    }
    CHECK_OK(martlet_threads_set(2));
    CHECK(step_is_right(4000000, 1)); /* the parent's pool is there before the fork */
    int pipes[2];
    struct rates rates = {0, 0, 0, 0};
    REQUIRE(pipe(pipes) == 0);
    const pid_t child = fork_child();
    if (child == 0) {
        alarm(100);
        rates = step_rates();
        _exit(write(pipes[1], &rates, sizeof rates) != sizeof rates);
    }
    CHECK(wait_for(child) == 0);
    REQUIRE(read(pipes[0], &rates, sizeof rates) == sizeof rates);
    CHECK_SAYING(rates.together > 0, "%s", "no step of the child was shared by two threads");
    if (rates.wall >= 1.5 || rates.machine >= 1.7) {
        CHECK_SAYING(rates.wall >= 1.5, "%.2f where the machine gave %.2f", rates.wall, rates.machine);
        printf("a forked child's step used %.2f CPU seconds a second\n", rates.wall);
    } else {
        CHECK_SAYING(rates.share >= 1.5, "%.2f", rates.share);
        printf("the machine is busy (it gave two threads %.2f): a forked child's step used %.2f times its own thread\n",
               rates.machine, rates.share);
    }
    CHECK_OK(martlet_threads_set(0));
    close(pipes[0]), close(pipes[1]);
}

/* ---- forks while other threads are inside ---- */

static atomic_int stop, steps_taken, handles_made;

static void *keep_stepping(void *argument) {
    (void)argument;
    enum { count = 300000 };
    float *arrays = calloc(count, 4 * sizeof *arrays);
    int64_t step = 0;
    while (!atomic_load(&stop)) {
        CHECK_OK(martlet_array_step(arrays, arrays + count, arrays + 2 * count, count, &step, NULL));
        atomic_fetch_add(&steps_taken, 1);
    }
    free(arrays);
    return NULL;
}

static void *keep_creating(void *argument) {
    (void)argument;
    const martlet_config config = check_config(MARTLET_ADAM);
    float value[16] = {0};
    const martlet_parameter parameter = {.value = check_array(value, 16, MARTLET_FP32)};
    while (!atomic_load(&stop)) {
        martlet_optimizer *optimizer = NULL;
        CHECK_OK(martlet_optimizer_create(&optimizer, &config));
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &parameter));
        CHECK_OK(martlet_optimizer_destroy(optimizer));
        atomic_fetch_add(&handles_made, 1);
    }
    return NULL;
}

/* In a child: whether everything works; `most` takes how many threads worked in one of its steps. */
static bool child_is_well(int32_t *most) {
    const martlet_config config = check_config(MARTLET_ADAM);
    float value[100], grad[100];
    check_fill(value, 100, 1), check_fill(grad, 100, 2);
    const martlet_parameter parameter = {.value = check_array(value, 100, MARTLET_FP32)};
    const martlet_array gradient = check_array(grad, 100, MARTLET_FP32);
    martlet_optimizer *optimizer = NULL;
    return step_is_right(300000, 1) && martlet_optimizer_create(&optimizer, &config) == MARTLET_OK &&
           martlet_optimizer_add(optimizer, NULL, &parameter) == MARTLET_OK &&
           martlet_optimizer_step(optimizer, NULL, &gradient, 1) == MARTLET_OK &&
           martlet_optimizer_destroy(optimizer) == MARTLET_OK && martlet_threads_set(3) == MARTLET_OK &&
           step_is_right(300000, 4) && (*most = last_threads()) > 0;
}

static void sixty_forks(void) {
    pthread_t threads[2];
    REQUIRE(pthread_create(&threads[0], NULL, keep_stepping, NULL) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, keep_creating, NULL) == 0);
    while (atomic_load(&steps_taken) == 0 || atomic_load(&handles_made) == 0) sched_yield();
    int shared = 0;
    for (int k = 0; k < 60; k++) {
        const pid_t child = fork_child();
        if (child == 0) {
            int32_t most = 0;
            _exit(child_is_well(&most) ? 50 + most : 1);
        }
        const int verdict = wait_for(child);
        CHECK_SAYING(verdict >= 51 && verdict <= 53, "fork %d gave %d", k, verdict);
        shared += verdict > 51;
    }
    CHECK_SAYING(shared > 0 || core_count() < 2, "%s", "no child used a second thread");
    atomic_store(&stop, 1);
    for (int k = 0; k < 2; k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    printf("60 forks during %d steps and %d handles; %d children shared a step among threads\n", atomic_load(&steps_taken),
           atomic_load(&handles_made), shared);
}

/* ---- a handle that another thread is inside at the fork ---- */

struct inside {
    martlet_optimizer *optimizer;
    martlet_array grad;
};

static void *step_until_stopped(void *argument) {
    const struct inside *inside = argument;
    while (!atomic_load(&stop)) CHECK_OK(martlet_optimizer_step(inside->optimizer, NULL, &inside->grad, 1));
    return NULL;
}

/* In the child. 0: interrupted, as promised; 1: wrong; 2: the fork fell between two steps. */
static int child_verdict(const struct inside *inside) {
    const martlet_status first = martlet_optimizer_step(inside->optimizer, NULL, &inside->grad, 1);
    if (first == MARTLET_OK) return 2;
    int64_t number = 0;
    double lr = 0;
    martlet_array view = {0};
    martlet_optimizer *clone = NULL;
    CHECK_STATUS(first, MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_step(inside->optimizer, NULL, &inside->grad, 1), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_count(inside->optimizer, &number), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_get(inside->optimizer, &lr, 0, MARTLET_LR), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_state_get(inside->optimizer, &view, 0, 0), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_clone(inside->optimizer, &clone), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_save(inside->optimizer, "interrupted.safetensors"), MARTLET_ERROR_INTERRUPTED);
    CHECK_STATUS(martlet_optimizer_reset(inside->optimizer), MARTLET_ERROR_INTERRUPTED);
    CHECK_OK(martlet_optimizer_destroy(inside->optimizer));
    CHECK_STATUS(martlet_optimizer_step(inside->optimizer, NULL, &inside->grad, 1), MARTLET_ERROR_HANDLE);
    CHECK(step_is_right(1000, 1));
    return check_failures != 0;
}

static void interrupted(void) {
    enum { count = 2000000 };
    float *value = calloc(count, sizeof *value), *grad = calloc(count, sizeof *grad);
    const martlet_config config = check_config(MARTLET_ADAM);
    struct inside inside = {NULL, check_array(grad, count, MARTLET_FP32)};
    const martlet_parameter parameter = {.value = check_array(value, count, MARTLET_FP32)};
    CHECK_OK(martlet_optimizer_create(&inside.optimizer, &config));
    CHECK_OK(martlet_optimizer_add(inside.optimizer, NULL, &parameter));
    int seen = 0, between = 0;
    for (int k = 0; k < 100 && seen < 5; k++) {
        pthread_t thread;
        atomic_store(&stop, 0);
        REQUIRE(pthread_create(&thread, NULL, step_until_stopped, &inside) == 0);
        usleep(10000 + 700 * (useconds_t)k);
        const pid_t child = fork_child();
        if (child == 0) _exit(child_verdict(&inside));
        const int verdict = wait_for(child);
        CHECK_SAYING(verdict == 0 || verdict == 2, "%d", verdict);
        seen += verdict == 0;
        between += verdict == 2;
        atomic_store(&stop, 1);
        REQUIRE(pthread_join(thread, NULL) == 0);
    }
    CHECK_SAYING(seen > 0, "%s", "no fork met a step");
    printf("%d forks met a step, %d fell between two\n", seen, between);
    const martlet_array gradient = inside.grad;
    CHECK_OK(martlet_optimizer_step(inside.optimizer, NULL, &gradient, 1));
    CHECK_OK(martlet_optimizer_destroy(inside.optimizer));
    free(value), free(grad);
}

int main(void) {
    first_uses();
    plain();
    handle_goes_on();
    interrupted();
    atomic_store(&stop, 0);
    sixty_forks();
    child_uses_threads();
    return check_end();
}
