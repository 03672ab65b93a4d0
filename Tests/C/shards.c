/*
 * martlet_step_sharded: two threads that have a part each of a parameter, and add their sums up, step as one that has all of
 * it; a reduce that does nothing makes it martlet_step to the bit; one that fails, and what is not to be called from it.
 */
#include "check.h"

#include <pthread.h>

#define COUNT 20000
#define STEPS 3

static double value[3][COUNT], grad[COUNT], state[3][4][COUNT];
static pthread_barrier_t barrier;
static double given[2][3];

/* Adds up over two threads, of which each says which it is. */
static int32_t add_up(void *context, double *sums, int64_t count) {
    const int rank = *(const int *)context;
    if (count != 3) return 1;
    memcpy(given[rank], sums, sizeof given[rank]);
    pthread_barrier_wait(&barrier);
    for (int k = 0; k < 3; k++) sums[k] = given[0][k] + given[1][k];
    pthread_barrier_wait(&barrier);
    return 0;
}

static int32_t nothing(void *context, double *sums, int64_t count) {
    ++*(int *)context;
    return count == 3 && sums[2] == COUNT ? 0 : 7;
}

static int32_t fails(void *context, double *sums, int64_t count) {
    (void)context, (void)sums, (void)count;
    return -1;
}

static martlet_config lamb(void) {
    martlet_config config = check_config(MARTLET_LAMB);
    config.lr = 0.1;
    return config;
}

/* The parameter's elements from one on, with the k-th memory for it. */
static martlet_parameter part(int k, int64_t first, int64_t count, martlet_array *slots, int64_t *step) {
    for (int s = 0; s < 2; s++) slots[s] = check_array(state[k][s] + first, count, MARTLET_FP64);
    martlet_parameter parameter = {.value = check_array(value[k] + first, count, MARTLET_FP64),
                                   .grad = check_array(grad + first, count, MARTLET_FP64),
                                   .state = slots,
                                   .state_count = 2,
                                   .step = step};
    return parameter;
}

static int64_t cut; /* elements of the first rank */

static void *rank_steps(void *context) {
    const int rank = *(const int *)context;
    const martlet_config config = lamb();
    martlet_array slots[2];
    int64_t step = 0;
    const martlet_parameter own = part(1, rank ? cut : 0, rank ? COUNT - cut : cut, slots, &step);
    for (int t = 0; t < STEPS; t++)
        if (martlet_step_sharded(NULL, &own, 1, &config, 1, add_up, context) != MARTLET_OK) return context;
    return step == STEPS ? NULL : context;
}

static void fill(void) {
    memset(state, 0, sizeof state);
    for (int64_t i = 0; i < COUNT; i++) {
        value[0][i] = value[1][i] = value[2][i] = check_number(1, (uint64_t)i);
        grad[i] = check_number(2, (uint64_t)i);
    }
}

static void check_ranks(void) {
    static int ranks[2] = {0, 1};
    pthread_t threads[2];
    for (int r = 0; r < 2; r++) REQUIRE(pthread_create(&threads[r], NULL, rank_steps, &ranks[r]) == 0);
    for (int r = 0; r < 2; r++) {
        void *failed = NULL;
        REQUIRE(pthread_join(threads[r], &failed) == 0);
        CHECK(failed == NULL);
    }
    double largest = 0;
    for (int64_t i = 0; i < COUNT; i++) largest = fmax(largest, fabs(value[0][i] - value[1][i]));
    CHECK(largest < 1e-14);
}

static int32_t nested(void *context, double *sums, int64_t count) {
    (void)sums, (void)count;
    float one = 1, gradient = 1, moments[2] = {0};
    int64_t step = 0;
    *(martlet_status *)context = martlet_array_step(&one, &gradient, moments, 1, &step, NULL);
    return one != 1;
}

int main(void) {
    const martlet_config config = lamb();
    martlet_array slots[2];
    REQUIRE(pthread_barrier_init(&barrier, NULL, 2) == 0);
    const int64_t cuts[] = {1, 777, COUNT / 2, COUNT};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        cut = cuts[c];
        fill();
        int64_t step = 0, other = 0;
        int calls = 0;
        const martlet_parameter whole = part(0, 0, COUNT, slots, &step);
        for (int t = 0; t < STEPS; t++) CHECK_OK(martlet_step(NULL, &whole, 1, &config, 1));
        check_ranks();
        const martlet_parameter same = part(2, 0, COUNT, slots, &other);
        for (int t = 0; t < STEPS; t++) CHECK_OK(martlet_step_sharded(NULL, &same, 1, &config, 1, nothing, &calls));
        CHECK(calls == STEPS && other == STEPS);
        CHECK(memcmp(value[0], value[2], sizeof value[0]) == 0 && memcmp(state[0], state[2], sizeof state[0]) == 0);
    }

    int64_t step = 5;
    const martlet_parameter whole = part(0, 0, COUNT, slots, &step);
    memcpy(value[1], value[0], sizeof value[0]);
    CHECK_STATUS(martlet_step_sharded(NULL, &whole, 1, &config, 1, fails, NULL), MARTLET_STOPPED);
    CHECK(step == 5 && memcmp(value[0], value[1], sizeof value[0]) == 0);
    martlet_status inside = MARTLET_OK;
    CHECK_OK(martlet_step_sharded(NULL, &whole, 1, &config, 1, nested, &inside));
    CHECK(inside == MARTLET_ERROR_BUSY && step == 6);
    CHECK_OK(martlet_step(NULL, &whole, 1, &config, 1));

    for (int32_t k = 0; k < 2; k++) {
        const martlet_config seeing = check_config(k == 0 ? MARTLET_MUON : MARTLET_ADAM_MINI);
        martlet_parameter matrix = whole;
        matrix.state_count = k + 1;
        CHECK_STATUS(martlet_step_sharded(NULL, &matrix, 1, &seeing, 1, fails, NULL), MARTLET_ERROR_ARGUMENT);
    }
    return check_end();
}
