/*
 * A fixed piece of training for the programs that ask whether the bits stay the same: several tensors
 * of awkward sizes, two groups, fp32, bf16, fp16 and fp64, one of them stored backwards, a few steps. One struct holds all of its
 * memory, so that it can be started afresh, stepped and hashed.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "check.h"

#define WORKLOAD_TENSORS 6

struct workload {
    int64_t count[WORKLOAD_TENSORS];
    void *memory[WORKLOAD_TENSORS][5]; /* value, grad, three slots */
    martlet_array slots[WORKLOAD_TENSORS][3];
    int64_t steps[WORKLOAD_TENSORS];
    martlet_parameter parameters[WORKLOAD_TENSORS];
    martlet_config groups[2];
};

static const int32_t workload_dtype[WORKLOAD_TENSORS] = {MARTLET_FP32, MARTLET_FP32, MARTLET_BF16,
                                                         MARTLET_FP16, MARTLET_FP64, MARTLET_FP32};

static const int64_t workload_backwards = -1;

/* Sets the starting values: memory comes from workload_create. */
UNUSED static void workload_start(struct workload *w) {
    for (int k = 0; k < WORKLOAD_TENSORS; k++) {
        const int size = check_element_size(workload_dtype[k]);
        w->steps[k] = 0;
        for (int a = 0; a < 5; a++) memset(w->memory[k][a], 0, (size_t)(w->count[k] * size));
        for (int64_t i = 0; i < w->count[k]; i++) {
            const double number = check_number((uint64_t)k, (uint64_t)i);
            if (workload_dtype[k] == MARTLET_FP32) ((float *)w->memory[k][0])[i] = (float)number;
            if (workload_dtype[k] == MARTLET_FP64) ((double *)w->memory[k][0])[i] = number;
            if (workload_dtype[k] == MARTLET_FP16) ((half *)w->memory[k][0])[i] = (half)number;
            if (workload_dtype[k] == MARTLET_BF16) {
                float narrow = (float)number;
                uint32_t bits;
                memcpy(&bits, &narrow, 4);
                ((uint16_t *)w->memory[k][0])[i] = (uint16_t)(bits >> 16);
            }
        }
    }
}

/* `scale` multiplies the sizes. `flags` is for both groups; group 1 is AdamW's sibling with decay. */
UNUSED static struct workload *workload_create(int64_t scale, int32_t algorithm, uint32_t flags) {
    static const int64_t sizes[WORKLOAD_TENSORS] = {1, 1009, 257, 515, 131, 4099};
    struct workload *w = calloc(1, sizeof *w);
    REQUIRE(w != NULL);
    for (int g = 0; g < 2; g++) {
        w->groups[g] = check_config(algorithm);
        w->groups[g].flags = flags;
    }
    w->groups[1].lr = 0.015625;
    w->groups[1].weight_decay = 0.125;
    w->groups[1].beta1 = 0.4;
    for (int k = 0; k < WORKLOAD_TENSORS; k++) {
        w->count[k] = sizes[k] * scale;
        const int32_t dtype = workload_dtype[k];
        for (int a = 0; a < 5; a++) {
            w->memory[k][a] = malloc((size_t)(w->count[k] * check_element_size(dtype)));
            REQUIRE(w->memory[k][a] != NULL);
        }
        for (int s = 0; s < 3; s++) w->slots[k][s] = check_array(w->memory[k][2 + s], w->count[k], dtype);
        w->parameters[k] = (martlet_parameter){
            .value = check_array(w->memory[k][0], w->count[k], dtype),
            .grad = check_array(w->memory[k][1], w->count[k], dtype),
            .state = w->slots[k],
            .state_count = flags & MARTLET_AMSGRAD ? 3 : 2,
            .step = &w->steps[k],
            .group = k % 2,
        };
    }
    /* Tensor 3 is stored backwards: its first element is the last in memory. */
    martlet_array *backwards = &w->parameters[3].value;
    backwards->data = (half *)backwards->data + w->count[3] - 1;
    backwards->rank = 1, backwards->sizes = &w->count[3], backwards->strides = &workload_backwards;
    workload_start(w);
    return w;
}

UNUSED static void workload_destroy(struct workload *w) {
    for (int k = 0; k < WORKLOAD_TENSORS; k++)
        for (int a = 0; a < 5; a++) free(w->memory[k][a]);
    free(w);
}

/* The gradient: the parameter's own bits, half a step away, so that an error anywhere goes on spreading. */
UNUSED static void workload_gradient(struct workload *w) {
    for (int k = 0; k < WORKLOAD_TENSORS; k++)
        memcpy(w->memory[k][1], w->memory[k][0], (size_t)(w->count[k] * check_element_size(workload_dtype[k])));
}

UNUSED static martlet_status workload_step(struct workload *w) {
    workload_gradient(w);
    return martlet_step(NULL, w->parameters, WORKLOAD_TENSORS, w->groups, 2);
}

UNUSED static uint64_t workload_hash(const struct workload *w) {
    uint64_t hash = check_hash(0, w->steps, sizeof w->steps);
    for (int k = 0; k < WORKLOAD_TENSORS; k++)
        for (int a = 0; a < 5; a++)
            if (a != 1) hash = check_hash(hash, w->memory[k][a], (size_t)(w->count[k] * check_element_size(workload_dtype[k])));
    return hash;
}

/* Starts afresh, takes `steps` steps, and hashes what came of it. */
UNUSED static uint64_t workload_run(struct workload *w, int steps) {
    workload_start(w);
    for (int i = 0; i < steps; i++) CHECK_OK(workload_step(w));
    return workload_hash(w);
}

#endif
