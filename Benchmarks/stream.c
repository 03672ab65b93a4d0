/*
 * stream.c - how fast this machine moves the bytes that an optimizer's step must move: sweeps over flat fp32 arrays, with
 * an addition for each array and nothing else.
 *
 * A worker of compare.py, as yardstick.h says: "load NAME" and three numbers for each sweep of a step, in order: how
 * long its arrays are, how many of them are only read, and how many are read and written. A sweep of another length
 * has arrays of its own; of the same length it has the same, those that are only read first. Build: gcc -O3
 * -march=native -pthread stream.c.
 */
#include "yardstick.h"

#define SWEEPS 8
#define ARRAYS 8
#define LANES 16

typedef float Lanes __attribute__((vector_size(LANES * 4)));

typedef struct {
    int64_t blocks;
    int reads, writes;
    Lanes *arrays[ARRAYS];
} Sweep;

static Sweep sweeps[SWEEPS];
static int sweep_count;
static const Sweep *current;
/* What was only read goes here, so that it is not left out. */
static Lanes sums[CHUNKS];

/* The numbers of arrays are known where this is called, so that the loops over them are unrolled. */
static inline __attribute__((always_inline)) void pass(Lanes *const *arrays, int reads, int writes, int64_t from,
                                                       int64_t to, Lanes *total) {
    Lanes *a[ARRAYS], found = *total;
    for (int k = 0; k < reads + writes; k++) a[k] = arrays[k];
    for (int64_t i = from; i < to; i++) {
        /* Not zero: an array that is halved in each step would end in denormal numbers. */
        Lanes sum = {0};
        sum += 1e-3f;
        for (int k = 0; k < reads; k++) sum += a[k][i];
        for (int k = reads; k < reads + writes; k++) a[k][i] = a[k][i] * 0.5f + sum;
        if (writes == 0) found += sum;
    }
    *total = found;
}

#define CASE(r, w) \
    case (r) * ARRAYS + (w): pass(s->arrays, r, w, from, to, &sums[chunk]); break

static void sweep_chunk(long chunk) {
    const Sweep *s = current;
    int64_t from = s->blocks * chunk / CHUNKS, to = s->blocks * (chunk + 1) / CHUNKS;
    switch (s->reads * ARRAYS + s->writes) {
        CASE(0, 1);
        CASE(1, 0);
        CASE(2, 0);
        CASE(1, 1);
        CASE(2, 1);
        CASE(2, 2);
        CASE(3, 3);
        CASE(1, 2);
        CASE(1, 3);
        CASE(1, 4);
        CASE(1, 5);
        default: exit(1);
    }
}

static void step(long t) {
    (void)t;
    for (current = sweeps; current < sweeps + sweep_count; current++) run();
}

static void renew(void) {
    Lanes *grad = sweeps[0].arrays[0];
    for (int64_t i = 0; i < sweeps[0].blocks; i++) grad[i] = -grad[i];
}

/* The array at this place, of an earlier sweep as long as the one at `index` where that has it. */
static Lanes *array(int index, int place) {
    for (int k = 0; k < index; k++)
        if (sweeps[k].blocks == sweeps[index].blocks && sweeps[k].arrays[place] != NULL) return sweeps[k].arrays[place];
    return (Lanes *)(void *)filled(sweeps[index].blocks * LANES, 1e-5f);
}

static int load(const char *numbers) {
    long long count;
    int used;
    for (sweep_count = 0; sweep_count < SWEEPS; sweep_count++, numbers += used) {
        Sweep *s = &sweeps[sweep_count];
        if (sscanf(numbers, "%lld %d %d%n", &count, &s->reads, &s->writes, &used) != 3) break;
        s->blocks = (count + LANES - 1) / LANES;
        for (int k = 0; k < s->reads + s->writes; k++) s->arrays[k] = array(sweep_count, k);
    }
    return sweep_count > 0;
}
