/*
 * A table of rows that is stepped by rows or densely, and what compares two: for the programs that test deferred steps.
 */
#ifndef DEFERRED_TABLE_H
#define DEFERRED_TABLE_H

#include "check.h"

#define ROWS 90
#define WIDTH 20
#define PITCH 23
#define NAMED 12
#define SLOTS 5
#define STEPS 40
#define KEPT 4096

struct kind {
    int32_t value, grad, state;
    int64_t pitch; /* elements from one row to the next; a width of more: strided */
};

/* One table, stepped densely or by rows. */
struct table {
    double value[ROWS * PITCH], state[SLOTS][ROWS * PITCH], scalars[SLOTS], *backlog;
    int64_t step, slots, elements;
};

static int64_t sizes[2] = {ROWS, WIDTH}, strides[2];

static inline double *new_backlog(int64_t rows) {
    int64_t bytes = 0;
    CHECK_OK(martlet_backlog_size(&bytes, rows));
    CHECK(bytes == 64 + KEPT * 128 + 4 * rows);
    double *memory = calloc(1, (size_t)bytes);
    REQUIRE(memory != NULL);
    return memory;
}

static inline struct table *new_table(const martlet_config *config, const struct kind *k) {
    struct table *t = calloc(1, sizeof *t);
    REQUIRE(t != NULL);
    CHECK_OK(martlet_algorithm_slot_count(&t->slots, config));
    for (int32_t s = 0; s < t->slots; s++) {
        martlet_slot slot;
        CHECK_OK(martlet_slot_get(&slot, config, s));
        if (slot.kind == MARTLET_SLOT_ELEMENTS) t->elements = s + 1;
    }
    for (int64_t i = 0; i < ROWS * PITCH; i++) check_set(t->value, i, k->value, i % 37 == 5 ? -0.0 : check_number(3, (uint64_t)i));
    t->backlog = new_backlog(ROWS);
    return t;
}

static inline void release(struct table *t) {
    free(t->backlog);
    free(t);
}

static inline martlet_parameter parameter(struct table *t, martlet_array *slots, const struct kind *k) {
    martlet_parameter one = {.value = check_array(t->value, ROWS * WIDTH, k->value), .state = slots, .state_count = t->slots,
                             .step = &t->step, .backlog = t->backlog};
    strides[0] = k->pitch, strides[1] = 1;
    one.value.rank = 2, one.value.sizes = sizes, one.value.strides = strides;
    for (int64_t s = 0; s < t->slots; s++) {
        slots[s] = s < t->elements ? check_array(t->state[s], ROWS * WIDTH, k->state) : check_array(&t->scalars[s], 1, MARTLET_FP64);
        if (s < t->elements) slots[s].rank = 2, slots[s].sizes = sizes, slots[s].strides = strides;
    }
    return one;
}

/* The rows of a step: some often, some never, some twice. */
static inline int64_t name_rows(int64_t *rows, int t) {
    const int64_t count = t % 7 == 3 ? 0 : t % 5 == 0 ? 3 : NAMED;
    for (int64_t k = 0; k < count; k++) {
        const int64_t row = (int64_t)(check_bits((uint64_t)t, (uint64_t)k) % (ROWS - 20));
        rows[k] = k % 4 == 1 ? 2 : k % 6 == 5 ? rows[k - 1] : k % 4 == 3 ? rows[k - 1] + 1 : row;
    }
    return count;
}

/* A step of both tables, at a rate of its own: one by rows, the other by the same gradient with zeros in all other rows. */
static inline void step_both(struct table *by_rows, struct table *dense, martlet_config config, const struct kind *k, int t,
                      int64_t *rows, int64_t count) {
    static double values[NAMED * WIDTH], wanted[ROWS * WIDTH];
    const bool is_double = k->value == MARTLET_FP64 || k->grad == MARTLET_FP64 || k->state == MARTLET_FP64;
    const int32_t sums = is_double ? MARTLET_FP64 : MARTLET_FP32;
    double exact[ROWS * WIDTH] = {0};
    for (int64_t i = 0; i < count * WIDTH; i++) {
        const double number = check_number((uint64_t)t + 90, (uint64_t)i);
        check_set(values, i, k->grad, number);
        exact[rows[i / WIDTH] * WIDTH + i % WIDTH] += number; /* without rounding */
    }
    for (int64_t i = 0; i < ROWS * WIDTH; i++) check_set(wanted, i, sums, exact[i]);
    config.lr *= 1 - t / 100.0;
    martlet_array slots[SLOTS];
    martlet_config dense_config = config;
    dense_config.flags &= ~MARTLET_DEFER_ROWS;
    martlet_parameter one = parameter(dense, slots, k);
    one.grad = check_array(wanted, ROWS * WIDTH, sums);
    one.backlog = NULL;
    CHECK_OK(martlet_step(NULL, &one, 1, &dense_config, 1));
    one = parameter(by_rows, slots, k);
    one.grad = check_array(values, count * WIDTH, k->grad);
    one.rows = rows, one.row_count = count;
    CHECK_OK(martlet_step(NULL, &one, 1, &config, 1));
}

static inline void finish(struct table *t, const martlet_config *config, const struct kind *k, const int64_t *rows, int64_t count) {
    martlet_array slots[SLOTS];
    martlet_parameter one = parameter(t, slots, k);
    one.rows = rows, one.row_count = count;
    CHECK_OK(martlet_finish(&one, 1, config, 1));
}

static inline void same_tables(const struct table *a, const struct table *b, const char *what, int algorithm) {
    CHECK_SAYING(memcmp(a->value, b->value, sizeof a->value) == 0, "%s: values of algorithm %d", what, algorithm);
    for (int64_t s = 0; s < a->elements; s++)
        CHECK_SAYING(memcmp(a->state[s], b->state[s], sizeof a->state[s]) == 0, "%s: slot %d of algorithm %d", what, (int)s, algorithm);
    CHECK(a->step == b->step && memcmp(a->scalars, b->scalars, sizeof a->scalars) == 0);
}

/* Whether rows have the same values in both. */
static inline bool same_rows(const struct table *a, const struct table *b, const struct kind *k, const int64_t *rows, int64_t count) {
    bool same = true;
    const size_t size = (size_t)check_element_size(k->value);
    for (int64_t i = 0; i < count && same; i++) {
        const size_t first = (size_t)(rows[i] * k->pitch) * size;
        same = memcmp((const char *)a->value + first, (const char *)b->value + first, WIDTH * size) == 0;
    }
    return same;
}

static const struct kind plain = {MARTLET_FP32, MARTLET_FP32, MARTLET_FP32, WIDTH};
static const int32_t algorithms[] = {MARTLET_SGD, MARTLET_ADAM, MARTLET_ADAMW, MARTLET_ADAGRAD, MARTLET_RMSPROP};

#endif
