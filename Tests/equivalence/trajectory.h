/*
 * The trajectory that every language computes: five tensors, two groups, 200 steps, with gradients from
 * integers and powers of two, so that each language has the very same ones. The largest tensor is one
 * that several threads share. This is its C side, in two ways: over handles and over the caller's memory.
 * trajectory.py and swift/Trajectory.swift say the same in their languages, and describe their result in
 * the same lines.
 */
#ifndef TRAJECTORY_H
#define TRAJECTORY_H

#include <martlet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS 5
#define STEPS 200
#define LARGEST 40009
#define CHUNK 64 /* elements that are worth a thread, so that the largest tensor is worth several */
#define RUNS 4

static const int64_t tensor_sizes[TENSORS] = {1, 7, 64, 129, LARGEST};
static const char *const slot_names[3] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

/* Run r: the algorithm and whether AMSGrad is on. */
static int32_t run_algorithm(int run) { return run < 2 ? MARTLET_ADAM : MARTLET_ADAMW; }
static int run_amsgrad(int run) { return run % 2; }

/* An integer of at most 2^23 in size, times a power of two between 2^-37 and 2^-22: exact in fp32. */
static float trajectory_number(uint64_t stream, uint64_t index) {
    uint64_t x = (stream << 32) + index + 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x = x ^ (x >> 31);
    return ldexpf((float)((int32_t)(x >> 40) - (1 << 23)), -22 - (int)(x & 15));
}

/* Tensor k before the first step is stream k; its gradient at step t is stream 8 t + k. */
static void trajectory_fill(float *array, int k, int t) {
    for (int64_t i = 0; i < tensor_sizes[k]; i++) array[i] = trajectory_number((uint64_t)(8 * t + k), (uint64_t)i);
}

static void check(martlet_status status) {
    if (status == MARTLET_OK) return;
    fprintf(stderr, "%s: %s\n", martlet_status_name(status), martlet_last_error());
    exit(1);
}

/* Called after each step: the most threads that one of them was shared by. */
static int32_t trajectory_threads(void) {
    static int32_t most;
    martlet_machine machine;
    check(martlet_machine_get(&machine, sizeof machine));
    if (machine.last_threads > most) most = machine.last_threads;
    return most;
}

static void trajectory_groups(martlet_config groups[2], int run) {
    for (int g = 0; g < 2; g++) {
        check(martlet_config_init(&groups[g], sizeof groups[g], run_algorithm(run)));
        if (run_amsgrad(run)) groups[g].flags |= MARTLET_AMSGRAD;
    }
    groups[1].lr = 0.02;
    groups[1].beta1 = 0.8;
    groups[1].beta2 = 0.99;
    groups[1].eps = 1e-6;
    groups[1].weight_decay = 0.05;
}

/* ---- what every program prints: one line a tensor ---- */

static uint64_t trajectory_hash(const float *array, int64_t count) {
    uint64_t hash = 0xCBF29CE484222325u;
    const unsigned char *bytes = (const unsigned char *)array; /* little-endian, as all machines that build this */
    for (int64_t i = 0; i < 4 * count; i++) hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash;
}

/* `slots` are m, v and, with AMSGrad, the largest v. Appends to `text`, which must have room. */
static void trajectory_describe(char *text, int run, int k, const float *value, const float *const slots[3]) {
    text += strlen(text);
    text += sprintf(text, "run %d tensor %d value %016llx", run, k, (unsigned long long)trajectory_hash(value, tensor_sizes[k]));
    for (int s = 0; s < 2 + run_amsgrad(run); s++)
        text += sprintf(text, " %s %016llx", slot_names[s], (unsigned long long)trajectory_hash(slots[s], tensor_sizes[k]));
    strcpy(text, "\n");
}

#define DESCRIPTION_ROOM (RUNS * TENSORS * 160)

/* ---- over the caller's memory ---- */

struct trajectory_memory {
    float value[TENSORS][LARGEST], grad[TENSORS][LARGEST], state[TENSORS][3][LARGEST];
    martlet_array slots[TENSORS][3];
    martlet_parameter parameters[TENSORS];
    martlet_config groups[2];
    int64_t steps[TENSORS];
};

static martlet_array trajectory_array(float *data, int64_t count) {
    martlet_array array;
    memset(&array, 0, sizeof array);
    array.data = data;
    array.count = count;
    array.dtype = MARTLET_FP32;
    return array;
}

static inline void memory_start(struct trajectory_memory *m, int run) {
    memset(m, 0, sizeof *m);
    trajectory_groups(m->groups, run);
    for (int k = 0; k < TENSORS; k++) {
        trajectory_fill(m->value[k], k, 0);
        for (int s = 0; s < 3; s++) m->slots[k][s] = trajectory_array(m->state[k][s], tensor_sizes[k]);
        m->parameters[k].value = trajectory_array(m->value[k], tensor_sizes[k]);
        m->parameters[k].grad = trajectory_array(m->grad[k], tensor_sizes[k]);
        m->parameters[k].state = m->slots[k];
        m->parameters[k].state_count = 2 + run_amsgrad(run);
        m->parameters[k].step = &m->steps[k];
        m->parameters[k].group = k % 2;
    }
}

static inline void memory_step(struct trajectory_memory *m, int t) {
    for (int k = 0; k < TENSORS; k++) trajectory_fill(m->grad[k], k, t);
    check(martlet_step(NULL, m->parameters, TENSORS, m->groups, 2));
    trajectory_threads();
}

static inline void memory_describe(char *text, const struct trajectory_memory *m, int run) {
    for (int k = 0; k < TENSORS; k++) {
        const float *const slots[3] = {m->state[k][0], m->state[k][1], m->state[k][2]};
        trajectory_describe(text, run, k, m->value[k], slots);
    }
}

#endif
