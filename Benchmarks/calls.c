/*
 * calls.c - the library as a C program calls it, in a loop: a matrix product, or the prediction of one sample.
 *
 * A worker of compare.py: it reads commands on standard input and answers each with one line of JSON. It knows the
 * library by martlet.h alone. Build: gcc -O3 -I../include calls.c libmartlet.so.0. "load matmul-..." is followed by
 * the product's operations, rows, inner and columns, and "load predict" by the operations and the units of a
 * perceptron's input, hidden and last layer. It looks at no result but the status; tests do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "martlet.h"

/* The product's rows, inner and columns, or the units of the perceptron's input, hidden and last layer. */
static int64_t sizes[3];
static float *left, *right, *out;
static martlet_model *model;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *filled(int64_t count) {
    float *array = aligned_alloc(64, (size_t)((count * 4 + 63) / 64 * 64));
    if (array == NULL) exit(1);
    for (int64_t i = 0; i < count; i++) array[i] = 1e-3f * (float)(i % 1021 - 510);
    return array;
}

static martlet_status add_dense(int64_t units, int32_t activation) {
    martlet_layer layer;
    martlet_status status = martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE);
    if (status != MARTLET_OK) return status;
    layer.units = units;
    layer.activation = activation;
    return martlet_model_add(model, &layer, NULL, 0, NULL);
}

static martlet_status load_perceptron(void) {
    left = filled(sizes[0]);
    out = filled(sizes[2]);
    martlet_status status = martlet_model_create(&model, sizes, 1, 1);
    if (status == MARTLET_OK) status = add_dense(sizes[1], MARTLET_ACTIVATION_RELU);
    if (status == MARTLET_OK) status = add_dense(sizes[2], MARTLET_ACTIVATION_LINEAR);
    return status;
}

static martlet_status load_product(void) {
    left = filled(sizes[0] * sizes[1]);
    right = filled(sizes[1] * sizes[2]);
    out = filled(sizes[0] * sizes[2]);
    return MARTLET_OK;
}

static martlet_status call(void) {
    if (model == NULL) return martlet_matmul(out, left, right, sizes[0], sizes[1], sizes[2], 0);
    martlet_array x = {.data = left, .count = sizes[0], .dtype = MARTLET_FP32};
    return martlet_model_predict(model, out, sizes[2], &x, NULL);
}

/* Seconds of one call, over about as many as asked for; a tenth of that goes before and warms up. */
static martlet_status burst(double wanted, double *out_seconds) {
    for (int turn = 0; turn < 2; turn++) {
        double start = now(), seconds;
        long calls = 0;
        do {
            martlet_status status = call();
            if (status != MARTLET_OK) return status;
            calls++;
            seconds = now() - start;
        } while (seconds < wanted * (turn ? 0.9 : 0.1));
        *out_seconds = seconds / (double)calls;
    }
    return MARTLET_OK;
}

/* What went wrong, on one line of JSON. */
static void complain(void) {
    printf("{\"error\": \"");
    for (const char *c = martlet_last_error(); *c != 0; c++) putchar(*c == '"' || *c == '\\' || *c < ' ' ? ' ' : *c);
    printf("\"}\n");
}

static void answer(double seconds) {
    static const char *const names[] = {"none", "baseline", "avx2", "avx512"};
    martlet_machine machine;
    if (martlet_machine_get(&machine, sizeof machine) != MARTLET_OK) {
        complain();
        return;
    }
    const char *isa = names[machine.isa & 3];
    printf("{\"seconds\": %.9g, \"isa\": \"%s\", \"threads\": %d}\n", seconds, isa, machine.threads);
}

int main(void) {
    char line[256], name[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        double seconds, gap;
        long long a, b, c;
        if (sscanf(line, "load %127s %*s %lld %lld %lld", name, &a, &b, &c) == 4) {
            sizes[0] = a, sizes[1] = b, sizes[2] = c;
            if ((strncmp(name, "matmul", 6) == 0 ? load_product() : load_perceptron()) == MARTLET_OK)
                printf("{\"ready\": \"martlet %s\"}\n", martlet_version_name());
            else
                complain();
        } else if (sscanf(line, "burst %lf %lf", &seconds, &gap) == 2) {
            if (burst(seconds, &seconds) == MARTLET_OK)
                answer(seconds);
            else
                complain();
        } else {
            break;
        }
        fflush(stdout);
    }
    martlet_model_destroy(model);
    return 0;
}
