/*
 * A small optimizer with two parameters for the programs about files: made, trained to a given number
 * of steps, and hashed with everything that a checkpoint holds.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"

#define CHECKPOINT_PARAMETERS 2

static float checkpoint_values[CHECKPOINT_PARAMETERS][5];

static martlet_optimizer *checkpoint_create(void) {
    static const char *const names[CHECKPOINT_PARAMETERS] = {"a", "b"};
    const martlet_config config = check_config(MARTLET_ADAM);
    martlet_optimizer *optimizer = NULL;
    REQUIRE(martlet_optimizer_create(&optimizer, &config) == MARTLET_OK);
    for (int k = 0; k < CHECKPOINT_PARAMETERS; k++) {
        const martlet_parameter lent = {.value = check_array(checkpoint_values[k], 5 - 2 * k, MARTLET_FP32), .name = names[k]};
        REQUIRE(martlet_optimizer_add(optimizer, NULL, &lent) == MARTLET_OK);
    }
    return optimizer;
}

UNUSED static void checkpoint_train(martlet_optimizer *optimizer, int steps) {
    float grad[5];
    const martlet_array grads[CHECKPOINT_PARAMETERS] = {check_array(grad, 5, MARTLET_FP32), check_array(grad, 3, MARTLET_FP32)};
    for (int t = 0; t < steps; t++) {
        check_fill(grad, 5, (uint64_t)t + 1);
        REQUIRE(martlet_optimizer_step(optimizer, NULL, grads, CHECKPOINT_PARAMETERS) == MARTLET_OK);
    }
}

/* Moments, counters and hyperparameters; 0 if one of them is beyond what it may be. */
UNUSED static uint64_t checkpoint_hash(martlet_optimizer *optimizer) {
    uint64_t hash = 0;
    for (int64_t k = 0; k < CHECKPOINT_PARAMETERS; k++) {
        int64_t step = -1;
        if (martlet_optimizer_step_get(optimizer, &step, k) != MARTLET_OK || step < 0) return 0;
        hash = check_hash(hash, &step, sizeof step);
        for (int32_t slot = 0; slot < 2; slot++) {
            martlet_array view = {0};
            if (martlet_optimizer_state_get(optimizer, &view, k, slot) != MARTLET_OK || view.count != 5 - 2 * k) return 0;
            hash = check_hash(hash, view.data, (size_t)view.count * 4);
        }
    }
    static const int32_t numbers[] = {MARTLET_LR, MARTLET_BETA1, MARTLET_BETA2, MARTLET_EPS, MARTLET_WEIGHT_DECAY};
    for (int i = 0; i < LENGTH(numbers); i++) {
        double value = -1;
        if (martlet_optimizer_get(optimizer, &value, 0, numbers[i]) != MARTLET_OK || !(value >= 0)) return 0;
        hash = check_hash(hash, &value, sizeof value);
    }
    return hash;
}

/* A whole file: its size, or -1. */
UNUSED static long checkpoint_read(const char *path, void *bytes, size_t room) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return -1;
    const size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return (long)size;
}

UNUSED static void checkpoint_write(const char *path, const void *bytes, size_t size) {
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    REQUIRE(file >= 0 && (size == 0 || write(file, bytes, size) == (ssize_t)size));
    close(file);
}

#endif
