/*
 * limit.c - how fast fp32 Adam can be on this machine: one plain loop over four flat arrays.
 *
 * A worker of compare.py, as yardstick.h says: "load NAME COUNT". Build: gcc -O3 -march=native -fno-math-errno -pthread
 * limit.c -lm. It is a yardstick, not an optimizer: it checks no argument, and lets the compiler fuse multiply-adds.
 */
#include <math.h>

#include "yardstick.h"

static float *value, *grad, *mean, *square;
static int64_t count;
static float step_size, root_eps;

static void sweep(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, int64_t n,
                  float size, float eps) {
    for (int64_t i = 0; i < n; i++) {
        m[i] += 0.1f * (g[i] - m[i]);
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        p[i] -= size * m[i] / (sqrtf(v[i]) + eps);
    }
}

static void sweep_chunk(long chunk) {
    int64_t from = count * chunk / CHUNKS, to = count * (chunk + 1) / CHUNKS;
    sweep(value + from, grad + from, mean + from, square + from, to - from, step_size, root_eps);
}

static void step(long t) {
    double correction2 = sqrt(1 - pow(0.999, (double)t));
    step_size = (float)(1e-3 * correction2 / (1 - pow(0.9, (double)t)));
    root_eps = (float)(1e-8 * correction2);
    run();
}

static void renew(void) {
    for (int64_t i = 0; i < count; i++) grad[i] = -grad[i];
}

static int load(const char *numbers) {
    long long number;
    if (sscanf(numbers, "%lld", &number) != 1) return 0;
    count = number;
    value = filled(count, 1e-3f);
    grad = filled(count, 1e-5f);
    mean = filled(count, 0);
    square = filled(count, 0);
    return 1;
}
