/*
 * limit.c - how fast fp32 Adam can be on this machine: one plain loop over four flat arrays.
 *
 * A worker of compare.py: it reads commands on standard input and answers each with one line of JSON.
 * Build: gcc -O3 -march=native -fno-math-errno -pthread limit.c -lm. The arrays are allocated as torch
 * allocates them (64-byte aligned, no huge pages asked for), cut into 16 chunks, and swept by one and by
 * two threads; the better of the two is the answer. It is a yardstick, not an optimizer: it checks no
 * argument, lets the compiler fuse multiply-adds, and its helper thread spins for the whole burst.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNKS 16
#define SCRATCH 65536

static float *value, *grad, *mean, *square;
static int64_t count;
static float step_size, root_eps;

/* Each thread has its own half of the chunks, so that they stay in its cache, and then helps with the other's. */
static atomic_long generation, claimed[2], finished;
static atomic_int quit;
static float scratch[SCRATCH];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sweep(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, int64_t n,
                  float size, float eps) {
    for (int64_t i = 0; i < n; i++) {
        m[i] += 0.1f * (g[i] - m[i]);
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        p[i] -= size * m[i] / (sqrtf(v[i]) + eps);
    }
}

static void work(int thread) {
    for (int turn = 0; turn < 2; turn++) {
        int half = thread ^ turn;
        for (long place; (place = atomic_fetch_add(&claimed[half], 1)) < CHUNKS / 2;) {
            long chunk = half * (CHUNKS / 2) + place;
            int64_t from = count * chunk / CHUNKS, to = count * (chunk + 1) / CHUNKS;
            sweep(value + from, grad + from, mean + from, square + from, to - from, step_size, root_eps);
            atomic_fetch_add(&finished, 1);
        }
    }
}

static void *help(void *unused) {
    for (long seen = 0;; seen++) {
        while (atomic_load(&generation) == seen) {
            if (atomic_load(&quit)) return unused;
            __builtin_ia32_pause();
        }
        work(1);
    }
}

static void step(long t) {
    double correction2 = sqrt(1 - pow(0.999, (double)t));
    step_size = (float)(1e-3 * correction2 / (1 - pow(0.9, (double)t)));
    root_eps = (float)(1e-8 * correction2);
    atomic_store(&finished, 0);
    atomic_store(&claimed[0], 0);
    atomic_store(&claimed[1], 0);
    atomic_fetch_add(&generation, 1);
    work(0);
    while (atomic_load(&finished) < CHUNKS) __builtin_ia32_pause();
}

/* What the other workers do between steps: touch a quarter of a megabyte until the time is over. */
static void pass_time(double seconds) {
    double end = now() + seconds;
    while (now() < end)
        for (int i = 0; i < SCRATCH; i++) scratch[i] += 1;
}

/* Other gradients in the same place, just written, as a backward pass leaves them. */
static void renew(void) {
    for (int64_t i = 0; i < count; i++) grad[i] = -grad[i];
}

/* Seconds of one step, over about as many as asked for; one before them warms up. */
static double burst(double wanted, double gap, int threads) {
    static long t;
    pthread_t helper = pthread_self();
    atomic_store(&quit, 0);
    atomic_store(&generation, 0);
    if (threads == 2 && pthread_create(&helper, NULL, help, NULL) != 0) exit(1);
    step(++t);
    double begin = now(), seconds = 0;
    long steps = 0;
    if (gap > 0) {
        do {
            pass_time(gap);
            renew();
            double start = now();
            step(++t);
            seconds += now() - start;
            steps++;
        } while (now() - begin < wanted);
    } else {
        do {
            step(++t);
            steps++;
            seconds = now() - begin;
        } while (seconds < wanted);
    }
    atomic_store(&quit, 1);
    if (threads == 2) pthread_join(helper, NULL);
    return seconds / (double)steps;
}

static float *filled(float scale) {
    float *array = aligned_alloc(64, (size_t)((count * 4 + 63) / 64 * 64));
    if (array == NULL) exit(1);
    for (int64_t i = 0; i < count; i++) array[i] = scale * (float)(i % 1021 - 510);
    return array;
}

int main(void) {
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char name[128];
        long long number;
        double seconds, gap;
        if (sscanf(line, "load %127s %lld", name, &number) == 2) {
            count = number;
            value = filled(1e-3f);
            grad = filled(1e-5f);
            mean = filled(0);
            square = filled(0);
            printf("{\"ready\": \"gcc -O3 -march=native\"}\n");
        } else if (sscanf(line, "burst %lf %lf", &seconds, &gap) == 2) {
            double one = burst(seconds / 2, gap, 1), two = burst(seconds / 2, gap, 2);
            printf("{\"seconds\": %.9g}\n", one < two ? one : two);
        } else {
            return 0;
        }
        fflush(stdout);
    }
    return 0;
}
