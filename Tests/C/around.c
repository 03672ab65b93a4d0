/* What stands around steps, from C: unscaling, clipping, the look at gradients, accumulation, averages, copies and zeros, on a
 * caller's own memory and behind handles. */
#include "check.h"

#include <math.h>

#define COUNT 5000
static float value[2][COUNT], grad[2][COUNT], state[2][6][COUNT], plain[2][COUNT], own[2][2][COUNT], ones[COUNT];
static double scalars[2][4];
static uint16_t copies[2][COUNT];

static void start(void) {
    memset(state, 0, sizeof state), memset(scalars, 0, sizeof scalars), memset(own, 0, sizeof own);
    for (int k = 0; k < 2; k++) {
        check_fill(value[k], COUNT, (uint64_t)k), memcpy(plain[k], value[k], sizeof plain[k]);
        check_fill(grad[k], COUNT, (uint64_t)k + 7);
    }
}

/* The parameters of a step with these slots: elements first, then scalars. */
static void lend(martlet_parameter *parameters, martlet_array slots[2][10], int64_t *steps, const martlet_config *config) {
    int64_t count;
    CHECK_OK(martlet_algorithm_slot_count(&count, config));
    for (int k = 0; k < 2; k++) {
        for (int32_t s = 0, seen = 0; s < count; s++) {
            martlet_slot slot = {0};
            CHECK_OK(martlet_slot_get(&slot, config, s));
            slots[k][s] = slot.kind == MARTLET_SLOT_SCALAR ? check_array(&scalars[k][seen++], 1, MARTLET_FP64)
                                                           : check_array(state[k][s], COUNT, MARTLET_FP32);
        }
        parameters[k] = (martlet_parameter){.value = check_array(value[k], COUNT, MARTLET_FP32),
                                            .grad = check_array(grad[k], COUNT, MARTLET_FP32),
                                            .state = slots[k],
                                            .state_count = count,
                                            .step = &steps[k]};
    }
}

/* SGD by gradients that are divided by 4 and clipped to a norm, by hand. */
static void clipped(void) {
    martlet_config config = check_config(MARTLET_SGD);
    config.lr = 0.5, config.loss_scale = 4, config.max_norm = 3;
    martlet_parameter parameters[2];
    martlet_array slots[2][10], arrays[2];
    martlet_report report = {.struct_size = sizeof report};
    int64_t steps[2] = {0};
    double squares[2];
    start();
    lend(parameters, slots, steps, &config);
    for (int k = 0; k < 2; k++) arrays[k] = parameters[k].grad;
    CHECK_OK(martlet_measure(squares, arrays, 2));
    for (int k = 0; k < 2; k++) {
        double sum = 0;
        for (int i = 0; i < COUNT; i++) sum += (double)grad[k][i] * (double)grad[k][i];
        CHECK(fabs(squares[k] - sum) <= 1e-12 * sum);
    }
    CHECK_OK(martlet_step(&report, parameters, 2, &config, 1));
    const double norm = sqrt(squares[0] + squares[1]) / 4, factor = (norm + 1e-6 <= 3 ? 1 : 3 / (norm + 1e-6)) / 4;
    CHECK(norm > 3 && fabs(report.grad_norm - norm) < 1e-12 * norm);
    CHECK(isnan(report.update_norm) && report.nonfinite_parameter == -1 && report.dropped == 0);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < COUNT; i++)
            CHECK(fabs(value[k][i] - ((double)plain[k][i] - 0.5 * factor * (double)grad[k][i])) < 1e-6);
    CHECK(steps[0] == 1 && steps[1] == 1);
}

/* A NaN in one gradient: nothing moves, in no group, and the means are dropped. */
static void skipped(void) {
    martlet_config config = check_config(MARTLET_ADAM);
    config.flags = MARTLET_SKIP_NONFINITE | MARTLET_ZERO_GRADS;
    config.accumulate = 3, config.ema_decay = 0.5;
    martlet_parameter parameters[2];
    martlet_array slots[2][10];
    martlet_report report = {.struct_size = sizeof report};
    int64_t steps[2] = {0};
    start();
    lend(parameters, slots, steps, &config);
    CHECK_OK(martlet_step(&report, parameters, 2, &config, 1));
    CHECK(isnan(report.grad_norm) && steps[0] == 0 && memcmp(value, plain, sizeof value) == 0);
    for (int i = 0; i < COUNT; i++) CHECK(grad[1][i] == 0);
    CHECK(scalars[0][1] == 1 && scalars[0][0] == 0 && state[0][3][7] != 0);
    for (int t = 0; t < 2; t++) {
        check_fill(grad[0], COUNT, 3), check_fill(grad[1], COUNT, 4);
        if (t == 1) grad[1][COUNT - 1] = NAN;
        CHECK_OK(martlet_step(&report, parameters, 2, &config, 1));
    }
    CHECK(report.dropped == 1 && report.nonfinite_parameter == 1 && steps[1] == 0);
    CHECK(memcmp(value, plain, sizeof value) == 0);
    for (int k = 0; k < 2; k++) {
        CHECK(scalars[k][0] == 0 && scalars[k][1] == 0);
        for (int i = 0; i < COUNT; i++) CHECK(grad[k][i] == 0 && state[k][3][i] == 0 && state[k][0][i] == 0);
    }
}

/* A handle's copies and averages; a clone has no copies. */
static void handles(void) {
    martlet_config config = check_config(MARTLET_ADAMW);
    config.ema_decay = 0.75;
    martlet_optimizer *optimizer, *clone;
    martlet_array grads[2], view;
    start();
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    for (int k = 0; k < 2; k++) {
        const martlet_parameter lent = {.value = check_array(value[k], COUNT, MARTLET_FP32)};
        const martlet_array copy = check_array(copies[k], COUNT, MARTLET_FP16);
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
        CHECK_OK(martlet_optimizer_copy_set(optimizer, k, &copy));
        grads[k] = check_array(grad[k], COUNT, MARTLET_FP32);
    }
    const martlet_array shared = check_array(copies[0], COUNT, MARTLET_FP16);
    CHECK_OK(martlet_optimizer_copy_set(optimizer, 1, &shared));
    CHECK_STATUS(martlet_optimizer_step(optimizer, NULL, grads, 2), MARTLET_ERROR_OVERLAP);
    CHECK(memcmp(value, plain, sizeof value) == 0);
    CHECK_OK(martlet_optimizer_copy_set(optimizer, 1, NULL));
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, grads, 2));
    CHECK(copies[0][3] != 0 && copies[1][3] == 0);
    CHECK_OK(martlet_optimizer_state_get(optimizer, &view, 0, 2));
    memcpy(own[0][0], value[0], sizeof own[0][0]), memcpy(own[0][1], view.data, sizeof own[0][1]);
    CHECK(memcmp(own[0][0], own[0][1], sizeof own[0][0]) == 0); /* the average of one step */
    CHECK_OK(martlet_optimizer_step(optimizer, NULL, grads, 2));
    memcpy(own[0][0], value[0], sizeof own[0][0]), memcpy(own[0][1], view.data, sizeof own[0][1]);
    CHECK_OK(martlet_optimizer_mode_set(optimizer, MARTLET_EVALUATION));
    CHECK(memcmp(value[0], own[0][1], sizeof value[0]) == 0 && memcmp(view.data, own[0][0], sizeof value[0]) == 0);
    CHECK_STATUS(martlet_optimizer_step(optimizer, NULL, grads, 2), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_optimizer_mode_set(optimizer, MARTLET_TRAINING));
    CHECK(memcmp(value[0], own[0][0], sizeof value[0]) == 0 && memcmp(view.data, own[0][1], sizeof value[0]) == 0);
    memset(copies, 0, sizeof copies);
    CHECK_OK(martlet_optimizer_clone(optimizer, &clone));
    CHECK_OK(martlet_optimizer_step(clone, NULL, grads, 2));
    CHECK(copies[0][3] == 0);
    CHECK_OK(martlet_optimizer_destroy(clone));
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

/* A float array whose gradient is read alone. */
static void arrays_of_floats(void) {
    martlet_config config = check_config(MARTLET_SGD);
    config.flags = MARTLET_ZERO_GRADS;
    int64_t step = 0;
    CHECK_STATUS(martlet_array_step(value[0], grad[0], state[0][0], COUNT, &step, &config), MARTLET_ERROR_ARGUMENT);
    config.flags = MARTLET_SKIP_NONFINITE, config.clip_value = 0.25, config.lr = 1;
    for (int i = 0; i < COUNT; i++) ones[i] = 1;
    memset(value[0], 0, sizeof value[0]);
    CHECK_OK(martlet_array_step(value[0], ones, state[0][0], COUNT, &step, &config));
    for (int i = 0; i < COUNT; i++) CHECK(value[0][i] == -0.25f);
}

int main(void) {
    clipped();
    skipped();
    handles();
    arrays_of_floats();
    return check_end();
}
