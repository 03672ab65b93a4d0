/*
 * Threads: the same bits for 1, 2, 3 and 7 threads on every instruction set that this machine has. Each
 * of those counts must be seen at work together, by the library's own word, in runs whose bits are
 * compared, and a table says how often it was: pages that answer slowly see to it that no thread is done
 * before the others have come. Two threads on one handle and on two; a storm of handles made and
 * destroyed. An instruction set that the machine lacks is named and left out.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "workload.h"

#define STEPS 6
#define TRIES 50 /* runs in which all threads of a count may have their chance to work together */

static const char *const isa_names[] = {"?", "baseline", "avx2", "avx512"};
static const int32_t thread_counts[] = {1, 2, 3, 7};

/* ---- slow memory: the first touch of each of its pages takes a thread half a millisecond, asleep ---- */

struct pages {
    uintptr_t begin, end;
};

static struct pages slow[WORKLOAD_TENSORS];
static uintptr_t page_size;

/* Makes the whole pages within some memory slow, since nothing else lies on them, as number k of the slow ones. */
static void slow_begin(int k, void *memory, int64_t size) {
    slow[k].begin = ((uintptr_t)memory + page_size - 1) / page_size * page_size;
    slow[k].end = ((uintptr_t)memory + (uintptr_t)size) / page_size * page_size;
    if (slow[k].begin >= slow[k].end) slow[k].end = slow[k].begin;
    else REQUIRE(mprotect((void *)slow[k].begin, slow[k].end - slow[k].begin, PROT_NONE) == 0);
}

static void slow_end(int k) {
    if (slow[k].begin != slow[k].end)
        REQUIRE(mprotect((void *)slow[k].begin, slow[k].end - slow[k].begin, PROT_READ | PROT_WRITE) == 0);
    slow[k].begin = slow[k].end = 0;
}

static void touched(int number, siginfo_t *info, void *context) {
    (void)context;
    const uintptr_t page = (uintptr_t)info->si_addr / page_size * page_size;
    for (int k = 0; k < LENGTH(slow); k++) {
        if (page < slow[k].begin || page >= slow[k].end) continue;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        if (mprotect((void *)page, page_size, PROT_READ | PROT_WRITE) == 0) return;
    }
    signal(number, SIG_DFL); /* no slow page's: it comes again, and ends the process */
}

/* In place of the C library's, for the library too: its threads must take the signal that makes a page slow. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before) {
    sigset_t wanted;
    if (set != NULL) {
        wanted = *set;
        if (how != SIG_UNBLOCK) sigdelset(&wanted, SIGSEGV);
    }
    return sigprocmask(how, set == NULL ? NULL : &wanted, before) == 0 ? 0 : errno;
}

static void slow_prepare(void) {
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    REQUIRE(sigaction(SIGSEGV, &action, NULL) == 0);
}

static martlet_status slow_step(struct workload *w) {
    workload_gradient(w);
    for (int k = 0; k < WORKLOAD_TENSORS; k++)
        slow_begin(k, w->memory[k][0], w->count[k] * check_element_size(workload_dtype[k]));
    const martlet_status status = martlet_step(NULL, w->parameters, WORKLOAD_TENSORS, w->groups, 2);
    for (int k = 0; k < WORKLOAD_TENSORS; k++) slow_end(k);
    return status;
}

/* ---- the same bits ---- */

/* How many steps of compared runs there were, and in how many every thread of the count took part. */
static int compared[4][LENGTH(thread_counts)], together[4][LENGTH(thread_counts)];

static uint64_t counted_run(struct workload *w, int32_t isa, int k, bool slowly) {
    workload_start(w);
    for (int i = 0; i < STEPS; i++) {
        martlet_machine machine = {0};
        CHECK_OK(slowly ? slow_step(w) : workload_step(w));
        CHECK_OK(martlet_machine_get(&machine, sizeof machine));
        CHECK_SAYING(machine.last_isa == isa, "ran on %s", isa_names[machine.last_isa & 3]);
        CHECK_SAYING(machine.last_threads >= 1 && machine.last_threads <= thread_counts[k], "%d worked",
                     machine.last_threads);
        compared[isa][k]++;
        together[isa][k] += machine.last_threads == thread_counts[k];
    }
    return workload_hash(w);
}

/* A plain run; with `insist` slow ones too, until every thread of the count took part in one of these. */
static void one_setting(struct workload *w, int32_t isa, int k, bool insist, uint64_t *wanted) {
    CHECK_OK(martlet_isa_set(isa));
    CHECK_OK(martlet_threads_set(thread_counts[k]));
    bool seen = !insist;
    for (int run = 0; run <= (insist ? TRIES : 0) && (run == 0 || !seen); run++) {
        const int before = together[isa][k];
        const uint64_t hash = counted_run(w, isa, k, run > 0);
        if (*wanted == 0) *wanted = hash;
        CHECK_SAYING(hash == *wanted, "%s, %d threads, %ld elements: other bits", isa_names[isa], thread_counts[k],
                     (long)w->count[WORKLOAD_TENSORS - 1]);
        seen = seen || (run > 0 && together[isa][k] > before);
    }
    CHECK_SAYING(seen, "%s: %d threads never worked together", isa_names[isa], thread_counts[k]);
}

static void same_bits(void) {
    martlet_machine machine = {0};
    CHECK_OK(martlet_machine_get(&machine, sizeof machine));
    const int32_t best = machine.isa_best;
    CHECK_OK(martlet_chunk_set(64));
    static const int64_t scales[] = {1, 3, 40};
    for (int s = 0; s < LENGTH(scales); s++)
        for (uint32_t flags = 0; flags <= MARTLET_AMSGRAD; flags++) {
            struct workload *w = workload_create(scales[s], MARTLET_ADAMW, flags);
            uint64_t wanted = 0;
            for (int32_t isa = MARTLET_ISA_BASELINE; isa <= best; isa++)
                for (int k = 0; k < LENGTH(thread_counts); k++)
                    one_setting(w, isa, k, thread_counts[k] > 1 && s == LENGTH(scales) - 1, &wanted);
            workload_destroy(w);
        }
    printf("steps in which all threads of the count worked, of those compared\n%-9s", "");
    for (int k = 0; k < LENGTH(thread_counts); k++) printf("%9d", thread_counts[k]);
    for (int32_t isa = MARTLET_ISA_BASELINE; isa <= best; isa++) {
        printf("\n%-9s", isa_names[isa]);
        for (int k = 0; k < LENGTH(thread_counts); k++) printf("%4d/%4d", together[isa][k], compared[isa][k]);
    }
    printf("\n");
    for (int32_t isa = best + 1; isa <= MARTLET_ISA_AVX512; isa++) {
        printf("left out: this machine has no %s\n", isa_names[isa]);
        CHECK_STATUS(martlet_isa_set(isa), MARTLET_ERROR_ARGUMENT);
    }
    CHECK_OK(martlet_isa_set(MARTLET_ISA_AUTO));
    CHECK_OK(martlet_threads_set(0));
}

/* ---- two threads, one handle or two ---- */

#define BIG 3000000 /* a call this long is met by the other thread's */

struct user {
    martlet_optimizer *optimizer;
    float *grad;
    int64_t count;
    int wanted;
    atomic_int *stop;
    int done, busy, other;
};

static void *use(void *argument) {
    struct user *u = argument;
    const martlet_array grad = check_array(u->grad, u->count, MARTLET_FP32);
    while (!atomic_load(u->stop) && u->done < u->wanted) {
        const martlet_status status = martlet_optimizer_step(u->optimizer, NULL, &grad, 1);
        if (status == MARTLET_OK) u->done++;
        else if (status == MARTLET_ERROR_BUSY) u->busy++;
        else u->other++;
        if (status == MARTLET_ERROR_BUSY && u->busy == 1)
            CHECK_SAYING(strstr(martlet_last_error(), "martlet_optimizer_step") != NULL, "%s", martlet_last_error());
    }
    return NULL;
}

static martlet_optimizer *lend(float *value, int64_t count) {
    const martlet_config config = check_config(MARTLET_ADAM);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    const martlet_parameter parameter = {.value = check_array(value, count, MARTLET_FP32)};
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &parameter));
    return optimizer;
}

/* Both threads step one handle until BUSY has been seen; the handle must then stand exactly where the
 * successful steps, counted, would have brought it alone. */
static void one_handle(void) {
    float *value = malloc(BIG * sizeof *value), *grad = malloc(BIG * sizeof *grad), *alone = malloc(BIG * sizeof *alone);
    REQUIRE(value != NULL && grad != NULL && alone != NULL);
    int done = 0, busy = 0;
    check_fill(value, BIG, 1);
    check_fill(grad, BIG, 2);
    memcpy(alone, value, BIG * sizeof *value);
    martlet_optimizer *shared = lend(value, BIG), *single = lend(alone, BIG);
    for (int round = 0; round < 50 && busy == 0; round++) {
        atomic_int stop = 0;
        struct user users[2] = {{shared, grad, BIG, 6, &stop, 0, 0, 0}, {shared, grad, BIG, 6, &stop, 0, 0, 0}};
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, use, &users[0]) == 0);
        use(&users[1]);
        REQUIRE(pthread_join(thread, NULL) == 0);
        for (int k = 0; k < 2; k++) {
            done += users[k].done;
            busy += users[k].busy;
            CHECK(users[k].other == 0);
        }
    }
    CHECK_SAYING(busy > 0, "%s", "BUSY never came");
    int64_t taken = -1;
    CHECK_OK(martlet_optimizer_step_get(shared, &taken, 0));
    CHECK_SAYING(taken == done, "%ld steps counted, %d succeeded", (long)taken, done);
    const martlet_array gradient = check_array(grad, BIG, MARTLET_FP32);
    for (int t = 0; t < done; t++) CHECK_OK(martlet_optimizer_step(single, NULL, &gradient, 1));
    CHECK(memcmp(value, alone, BIG * sizeof *value) == 0);
    for (int32_t slot = 0; slot < 2; slot++) {
        martlet_array a = {0}, b = {0};
        CHECK_OK(martlet_optimizer_state_get(shared, &a, 0, slot));
        CHECK_OK(martlet_optimizer_state_get(single, &b, 0, slot));
        CHECK(memcmp(a.data, b.data, BIG * sizeof(float)) == 0);
    }
    CHECK_OK(martlet_optimizer_destroy(shared));
    CHECK_OK(martlet_optimizer_destroy(single));
    free(value), free(grad), free(alone);
    printf("one handle, two threads: %d steps, %d times BUSY\n", done, busy);
}

static void two_handles(void) {
    enum { count = 40000, steps = 200 };
    float *value[2], *grad = malloc(count * sizeof *grad);
    struct user users[2];
    atomic_int stop = 0;
    REQUIRE(grad != NULL);
    check_fill(grad, count, 2);
    for (int k = 0; k < 2; k++) {
        value[k] = malloc(count * sizeof *value[k]);
        REQUIRE(value[k] != NULL);
        check_fill(value[k], count, 1);
        users[k] = (struct user){lend(value[k], count), grad, count, steps, &stop, 0, 0, 0};
    }
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, use, &users[0]) == 0);
    use(&users[1]);
    REQUIRE(pthread_join(thread, NULL) == 0);
    for (int k = 0; k < 2; k++) {
        CHECK(users[k].done == steps && users[k].busy == 0 && users[k].other == 0);
        CHECK_OK(martlet_optimizer_destroy(users[k].optimizer));
    }
    CHECK(memcmp(value[0], value[1], count * sizeof(float)) == 0);
    free(value[0]), free(value[1]), free(grad);
}

/* While one handle is in the middle of a step, all of a step of another must fit in: no lock is over both. */
static void one_inside_the_other(void) {
    enum { count = 100000, small = 20000 };
    float *value[2] = {calloc(count, sizeof(float)), calloc(small, sizeof(float))}, *grad = malloc(count * sizeof *grad);
    REQUIRE(value[0] != NULL && value[1] != NULL && grad != NULL);
    check_fill(grad, count, 2);
    atomic_int stop = 0;
    martlet_optimizer *other = lend(value[1], small);
    const martlet_array gradient = check_array(grad, small, MARTLET_FP32);
    struct user long_user = {lend(value[0], count), grad, count, 0, &stop, 0, 0, 0};
    bool fitted = false;
    for (int k = 0; k < 20 && !fitted; k++) {
        int64_t number = 0;
        pthread_t thread;
        long_user.wanted++;
        slow_begin(0, value[0], count * sizeof(float));
        REQUIRE(pthread_create(&thread, NULL, use, &long_user) == 0);
        for (int i = 0; i < 1000; i++) {
            if (martlet_optimizer_count(long_user.optimizer, &number) != MARTLET_OK) break;
            usleep(100);
        }
        const bool began = martlet_optimizer_count(long_user.optimizer, &number) == MARTLET_ERROR_BUSY;
        CHECK_OK(martlet_optimizer_step(other, NULL, &gradient, 1));
        CHECK_OK(martlet_optimizer_count(other, &number));
        fitted = began && martlet_optimizer_count(long_user.optimizer, &number) == MARTLET_ERROR_BUSY;
        REQUIRE(pthread_join(thread, NULL) == 0);
        slow_end(0);
    }
    CHECK_SAYING(fitted, "%s", "no step fitted into another handle's");
    CHECK_SAYING(long_user.done == long_user.wanted, "%d of %d", long_user.done, long_user.wanted);
    CHECK_OK(martlet_optimizer_destroy(long_user.optimizer));
    CHECK_OK(martlet_optimizer_destroy(other));
    free(value[0]), free(value[1]), free(grad);
}

/* ---- eight threads that make, use and destroy handles, while settings change ---- */

static uint64_t storm_once(uint64_t seed) {
    enum { count = 1000 };
    float value[count], grad[count];
    check_fill(value, count, seed);
    check_fill(grad, count, seed + 1);
    martlet_optimizer *optimizer = lend(value, count), *clone = NULL;
    const martlet_array gradient = check_array(grad, count, MARTLET_FP32);
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, &gradient, 1));
    CHECK_OK(martlet_optimizer_clone(optimizer, &clone));
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    CHECK_STATUS(martlet_optimizer_step(optimizer, NULL, &gradient, 1), MARTLET_ERROR_HANDLE);
    CHECK_OK(martlet_optimizer_step(clone, NULL, &gradient, 1));
    CHECK_OK(martlet_optimizer_destroy(clone));
    return check_hash(0, value, sizeof value);
}

static void *storm(void *argument) {
    const uint64_t seed = *(const uint64_t *)argument, wanted = storm_once(seed);
    for (int i = 0; i < 250; i++) {
        CHECK(storm_once(seed) == wanted);
        if (seed == 0 && i % 5 == 0) CHECK_OK(martlet_threads_set(i / 5 % 4));
        if (seed == 1 && i % 5 == 0) CHECK_OK(martlet_chunk_set(i / 5 % 2 ? 64 : 0));
    }
    return NULL;
}

static void storms(void) {
    pthread_t threads[8];
    uint64_t seeds[8];
    for (uint64_t k = 0; k < 8; k++) {
        seeds[k] = k;
        REQUIRE(pthread_create(&threads[k], NULL, storm, &seeds[k]) == 0);
    }
    for (int k = 0; k < 8; k++) REQUIRE(pthread_join(threads[k], NULL) == 0);
    CHECK_OK(martlet_threads_set(0));
    CHECK_OK(martlet_chunk_set(0));
}

int main(void) {
    slow_prepare();
    same_bits();
    one_handle();
    two_handles();
    one_inside_the_other();
    storms();
    return check_end();
}
