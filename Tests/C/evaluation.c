/*
 * Schedule-Free parameters between their two points, as a C program moves them: there and back, beside a group that has
 * one point, and what a copy, a file and a reset make of the mode. And martlet_array_step's state, whose scalars are
 * doubles that need no more alignment than the floats around them.
 */
#include "reference.h"

#define COUNT 33
#define BETA 0.75

struct pair {
    double value[2][COUNT], grad[2][COUNT];
    martlet_optimizer *optimizer;
};

static martlet_status pair_step(struct pair *p, int t) {
    martlet_array grads[2];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < COUNT; i++) p->grad[k][i] = check_number((uint64_t)(2 * t + k), (uint64_t)i);
        grads[k] = check_array(p->grad[k], COUNT, MARTLET_FP64);
    }
    return martlet_optimizer_step(p->optimizer, NULL, grads, 2);
}

/* Group 0 is Schedule-Free, group 1 is not; five steps have been taken. */
static void pair_create(struct pair *p) {
    martlet_config config = check_config(MARTLET_SCHEDULE_FREE_ADAMW);
    config.beta1 = BETA;
    p->optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&p->optimizer, &config));
    config = check_config(MARTLET_SGD);
    CHECK_OK(martlet_optimizer_group_add(p->optimizer, NULL, &config));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < COUNT; i++) p->value[k][i] = check_number((uint64_t)(100 + k), (uint64_t)i);
        martlet_parameter parameter = {.value = check_array(p->value[k], COUNT, MARTLET_FP64), .group = k};
        CHECK_OK(martlet_optimizer_add(p->optimizer, NULL, &parameter));
    }
    for (int t = 0; t < 5; t++) CHECK_OK(pair_step(p, t));
}

static bool are_near(const double *found, const double *wanted) {
    for (int i = 0; i < COUNT; i++)
        if (!(fabs(found[i] - wanted[i]) < 1e-14)) return false;
    return true;
}

static void there_and_back(void) {
    static struct pair p;
    pair_create(&p);
    double y[COUNT], x[COUNT], other[COUNT];
    memcpy(y, p.value[0], sizeof y);
    memcpy(other, p.value[1], sizeof other);
    martlet_array z = {0};
    CHECK_OK(martlet_optimizer_state_get(p.optimizer, &z, 0, 0));
    for (int i = 0; i < COUNT; i++) x[i] = y[i] + (1 - 1 / BETA) * (((const double *)z.data)[i] - y[i]);
    CHECK_OK(martlet_optimizer_mode_set(p.optimizer, MARTLET_EVALUATION));
    CHECK(are_near(p.value[0], x) && !are_near(p.value[0], y));
    CHECK(memcmp(p.value[1], other, sizeof other) == 0);
    CHECK_STATUS(martlet_optimizer_mode_set(p.optimizer, 2), MARTLET_ERROR_ARGUMENT);
    CHECK_STATUS(pair_step(&p, 5), MARTLET_ERROR_ORDER);
    CHECK_STATUS(martlet_optimizer_set(p.optimizer, 0, MARTLET_BETA1, 0.5), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_optimizer_mode_set(p.optimizer, MARTLET_TRAINING));
    CHECK(are_near(p.value[0], y));
    CHECK_OK(martlet_optimizer_set(p.optimizer, 0, MARTLET_BETA1, 0.5));
    CHECK_OK(martlet_optimizer_mode_set(p.optimizer, MARTLET_EVALUATION));
    for (int i = 0; i < COUNT; i++) x[i] = y[i] - (((const double *)z.data)[i] - y[i]);
    CHECK(are_near(p.value[0], x));
    CHECK_OK(martlet_optimizer_destroy(p.optimizer));
}

/* Copies and files are in the mode of what they were made from; after a reset there is nothing to move. */
static void modes_kept(void) {
    static struct pair p, q;
    const char *path = "evaluation.safetensors";
    pair_create(&p);
    pair_create(&q);
    CHECK_OK(martlet_optimizer_mode_set(p.optimizer, MARTLET_EVALUATION));
    CHECK_OK(martlet_optimizer_save(p.optimizer, path));
    CHECK_OK(martlet_optimizer_load(q.optimizer, path));
    CHECK_STATUS(pair_step(&q, 5), MARTLET_ERROR_ORDER);
    martlet_optimizer *clone = NULL, *original = p.optimizer;
    CHECK_OK(martlet_optimizer_clone(original, &clone));
    p.optimizer = clone;
    CHECK_STATUS(pair_step(&p, 5), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_optimizer_mode_set(clone, MARTLET_TRAINING));
    CHECK_OK(pair_step(&p, 5));
    p.optimizer = original;
    CHECK_STATUS(pair_step(&p, 5), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_optimizer_reset(original));
    CHECK_OK(martlet_optimizer_step(original, NULL, NULL, 0));
    CHECK_OK(martlet_optimizer_destroy(original));
    CHECK_OK(martlet_optimizer_destroy(clone));
    CHECK_OK(martlet_optimizer_destroy(q.optimizer));
    CHECK(unlink(path) == 0);
}

/* NAdam by one array of odd length, so that its scalar lies at no multiple of 8 in one of the two runs; beside
 * martlet_step with a scalar in fp64. */
static void scalars_among_floats(void) {
    float room[2][3 * COUNT + 3], value[COUNT], moments[2][COUNT], grad[COUNT];
    double product = 0;
    int64_t steps = 0, counts[2] = {0, 0};
    const martlet_config config = check_config(MARTLET_NADAM);
    memset(room, 0, sizeof room);
    memset(moments, 0, sizeof moments);
    check_fill(value, COUNT, 1);
    for (int k = 0; k < 2; k++) memcpy(room[k] + k, value, sizeof value);
    martlet_array state[3] = {check_array(moments[0], COUNT, MARTLET_FP32),
                              check_array(moments[1], COUNT, MARTLET_FP32), check_array(&product, 1, MARTLET_FP64)};
    for (int t = 0; t < 9; t++) {
        check_fill(grad, COUNT, (uint64_t)t + 2);
        const martlet_parameter parameter = {.value = check_array(value, COUNT, MARTLET_FP32),
                                             .grad = check_array(grad, COUNT, MARTLET_FP32),
                                             .state = state,
                                             .state_count = 3,
                                             .step = &steps};
        CHECK_OK(martlet_step(NULL, &parameter, 1, &config, 1));
        for (int k = 0; k < 2; k++)
            CHECK_OK(martlet_array_step(room[k] + k, grad, room[k] + k + COUNT, COUNT, &counts[k], &config));
    }
    for (int k = 0; k < 2; k++) {
        const float *array = room[k] + k;
        double held;
        memcpy(&held, array + 3 * COUNT, sizeof held);
        CHECK(held == product && held != 0 && (double)(float)held != held);
        CHECK(memcmp(array, value, sizeof value) == 0);
        CHECK(memcmp(array + COUNT, moments, sizeof moments) == 0);
    }
}

int main(void) {
    there_and_back();
    modes_kept();
    scalars_among_floats();
    return check_end();
}
