/*
 * yardstick.h - what limit.c and stream.c share: one and two threads over the chunks of a sweep, bursts of steps, and
 * the pipe to compare.py, whose commands come on standard input and are answered with one line of JSON each.
 *
 * The program that includes it defines what is declared here, and calls run() from its step. Arrays are allocated as
 * torch allocates them (64-byte aligned, no huge pages asked for), cut into 16 chunks, and swept by one and by two
 * threads; the better of the two is the answer. The helper thread spins for the whole burst.
 */
#ifndef YARDSTICK_H
#define YARDSTICK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNKS 16
#define SCRATCH 65536

/* Makes the arrays that the rest of a load's line asks for, after the case's name; 0 where that is nonsense. */
static int load(const char *numbers);
/* Sweeps chunk `chunk` of CHUNKS. */
static void sweep_chunk(long chunk);
/* Step t, counted from 1. */
static void step(long t);
/* Other gradients in the same place, just written, as a backward pass leaves them. */
static void renew(void);

/* Each thread has its own half of the chunks, so that they stay in its cache, and then helps with the other's. */
static atomic_long generation, claimed[2], finished;
static atomic_int quit;
static float scratch[SCRATCH];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void work(int thread) {
    for (int turn = 0; turn < 2; turn++) {
        int half = thread ^ turn;
        for (long place; (place = atomic_fetch_add(&claimed[half], 1)) < CHUNKS / 2;) {
            sweep_chunk(half * (CHUNKS / 2) + place);
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

/* One sweep over all chunks, on however many threads there are. */
static void run(void) {
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

static float *filled(int64_t count, float scale) {
    float *array = aligned_alloc(64, (size_t)((count * 4 + 63) / 64 * 64));
    if (array == NULL) exit(1);
    for (int64_t i = 0; i < count; i++) array[i] = scale * (float)(i % 1021 - 510);
    return array;
}

int main(void) {
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL) {
        double seconds, gap;
        if (strncmp(line, "load ", 5) == 0) {
            const char *numbers = strchr(line + 5, ' ');
            if (numbers != NULL && load(numbers))
                printf("{\"ready\": \"gcc -O3 -march=native\"}\n");
            else
                printf("{\"error\": \"%s\"}\n", "no numbers to load by");
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

#endif
