/*
 * Sparse gradients: a step by rows gives the named rows, and their state, the bits that a dense step gives a parameter which
 * has these rows alone, and leaves the others as they were, for every algorithm that takes them, types, strides, threads and
 * instruction sets; rows unsorted, more than once, and none. Then through a handle. The dense step is held by other tests.
 */
#include "check.h"

#define ROWS 600
#define MOST_WIDTH 640
#define NAMED 900
#define SLOTS 10
#define STEPS 4

static const int32_t algorithms[] = {
    MARTLET_ADAM, MARTLET_SGD, MARTLET_RMSPROP, MARTLET_ADAGRAD, MARTLET_ADADELTA, MARTLET_RPROP, MARTLET_ASGD,
    MARTLET_ADAMAX, MARTLET_NADAM, MARTLET_RADAM, MARTLET_ADABOUND, MARTLET_ADABELIEF, MARTLET_ADAN, MARTLET_LION,
    MARTLET_ADEMAMIX, MARTLET_SIMPLIFIED_ADEMAMIX, MARTLET_ADOPT, MARTLET_LAPROP, MARTLET_SCHEDULE_FREE_SGD,
    MARTLET_SCHEDULE_FREE_ADAMW, MARTLET_SCHEDULE_FREE_RADAM};

/* Every array of `width` elements a row; strided ones are as many more apart. */
struct table {
    unsigned char *value, *grad, *state[SLOTS];
    double scalars[SLOTS];
    int64_t step, slots, elements; /* the state that is of elements comes first */
};

static int64_t sizes[3], strides[3], row_sizes[2], row_strides[2];

static double get(const void *array, int64_t index, int32_t dtype) {
    if (dtype == MARTLET_FP64) return ((const double *)array)[index];
    if (dtype == MARTLET_FP32) return ((const float *)array)[index];
    if (dtype == MARTLET_FP16) return (double)((const half *)array)[index];
    const uint32_t bits = (uint32_t)((const uint16_t *)array)[index] << 16;
    float number;
    memcpy(&number, &bits, 4);
    return number;
}

static void create(struct table *t, const martlet_config *config, int64_t rows, int64_t pitch) {
    memset(t, 0, sizeof *t);
    REQUIRE(martlet_algorithm_slot_count(&t->slots, config) == MARTLET_OK);
    const size_t bytes = (size_t)(rows * pitch * 8 + 64);
    REQUIRE((t->value = calloc(1, bytes)) != NULL && (t->grad = calloc(1, (size_t)(NAMED * (pitch + 3) * 8))) != NULL);
    for (int32_t s = 0; s < t->slots; s++) {
        martlet_slot slot;
        REQUIRE(martlet_slot_get(&slot, config, s) == MARTLET_OK);
        if (slot.kind == MARTLET_SLOT_ELEMENTS) t->elements = s + 1;
        REQUIRE((t->state[s] = calloc(1, bytes)) != NULL);
    }
}

static void release(struct table *t) {
    free(t->value), free(t->grad);
    for (int64_t s = 0; s < t->slots; s++) free(t->state[s]);
}

struct kind {
    int32_t value, grad, state;
    int64_t width, pitch; /* elements of a row, and from one to the next */
};

/* A parameter over a table's memory; rank 2 where rows are apart, or `shaped`. */
static martlet_parameter parameter(struct table *t, martlet_array *slots, const struct kind *k, int64_t rows, bool shaped) {
    const int64_t count = rows * k->width;
    martlet_parameter made = {.value = check_array(t->value, count, k->value), .state = slots, .state_count = t->slots,
                              .step = &t->step};
    made.grad = check_array(t->grad, count, k->grad);
    for (int64_t s = 0; s < t->slots; s++)
        slots[s] = s < t->elements ? check_array(t->state[s], count, k->state) : check_array(&t->scalars[s], 1, MARTLET_FP64);
    if (!shaped) return made;
    sizes[0] = rows, sizes[1] = k->width, strides[0] = k->pitch, strides[1] = 1;
    made.value.rank = 2, made.value.sizes = sizes, made.value.strides = strides;
    for (int64_t s = 0; s < t->elements && k->pitch != k->width; s++)
        slots[s].rank = 2, slots[s].sizes = sizes, slots[s].strides = strides;
    return made;
}

/* Row numbers from a seed: every row may come several times, some follow one another. */
static int64_t name_rows(int64_t *rows, int64_t named, uint64_t seed) {
    for (int64_t k = 0; k < named; k++) {
        const int64_t row = (int64_t)(check_bits(seed, (uint64_t)k) % (ROWS - 40));
        rows[k] = k % 9 > 4 && rows[k - 1] + 1 < ROWS ? rows[k - 1] + 1 : row;
    }
    return named;
}

/* The places of each named row, in order of rows: of each the first place, then those that follow; returns the rows' count. */
static int64_t collect(const int64_t *rows, int64_t named, int64_t *found) {
    int64_t count = 0;
    for (int64_t row = 0; row < ROWS; row++) {
        bool is_named = false;
        for (int64_t k = 0; k < named && !is_named; k++) is_named = rows[k] == row;
        if (is_named) found[count++] = row;
    }
    return count;
}

static void move_row(unsigned char *to, int64_t to_row, const unsigned char *from, int64_t from_row, int64_t to_pitch,
                     int64_t from_pitch, int64_t width, int32_t dtype) {
    const int64_t size = check_element_size(dtype);
    memcpy(to + to_row * to_pitch * size, from + from_row * from_pitch * size, (size_t)(width * size));
}

/* The expectation of one step: a dense one over a table of the named rows, put back into `wanted`. `grad_pitch`: from one row
 * of the gradient to the next. */
static void step_named(struct table *wanted, const struct table *given, const martlet_config *config, const struct kind *k,
                       const int64_t *rows, int64_t named, int64_t grad_pitch) {
    static int64_t found[ROWS];
    const int64_t count = collect(rows, named, found);
    const bool is_double = k->value == MARTLET_FP64 || k->grad == MARTLET_FP64 || k->state == MARTLET_FP64;
    struct table small;
    create(&small, config, count > 0 ? count : 1, k->width);
    small.step = wanted->step;
    memcpy(small.scalars, wanted->scalars, sizeof small.scalars);
    struct kind kind = *k;
    kind.pitch = k->width;
    for (int64_t i = 0; i < count; i++) {
        move_row(small.value, i, wanted->value, found[i], k->width, k->pitch, k->width, k->value);
        for (int64_t s = 0; s < wanted->elements; s++)
            move_row(small.state[s], i, wanted->state[s], found[i], k->width, k->pitch, k->width, k->state);
        for (int64_t j = 0; j < k->width; j++) {
            double sum = 0;
            int terms = 0;
            for (int64_t p = 0; p < named; p++)
                if (rows[p] == found[i]) {
                    const double term = get(given->grad, p * grad_pitch + j, k->grad);
                    sum = ++terms == 1 ? term : is_double ? sum + term : (double)((float)sum + (float)term);
                }
            /* A sum of several is in the type computed in. */
            check_set(small.grad, i * k->width + j, is_double ? MARTLET_FP64 : MARTLET_FP32, sum);
        }
    }
    kind.grad = is_double ? MARTLET_FP64 : MARTLET_FP32;
    martlet_array slots[SLOTS];
    martlet_parameter one = parameter(&small, slots, &kind, count, false);
    int64_t nothing = small.step;
    if (count == 0) one.value.count = one.grad.count = 0;
    for (int64_t s = 0; s < small.elements && count == 0; s++) slots[s].count = 0;
    CHECK_OK(martlet_step(NULL, &one, 1, config, 1));
    CHECK(small.step == nothing + 1);
    for (int64_t i = 0; i < count; i++) {
        move_row(wanted->value, found[i], small.value, i, k->pitch, k->width, k->width, k->value);
        for (int64_t s = 0; s < wanted->elements; s++)
            move_row(wanted->state[s], found[i], small.state[s], i, k->pitch, k->width, k->width, k->state);
    }
    wanted->step = small.step;
    memcpy(wanted->scalars, small.scalars, sizeof small.scalars);
    release(&small);
}

/* The state with which rows begin that the first step does not name, where that is not zeros. */
static void begin_others(struct table *t, const martlet_config *config, const struct kind *k) {
    const int32_t a = config->algorithm;
    const bool copies = a == MARTLET_ASGD || (a >= MARTLET_SCHEDULE_FREE_SGD && a <= MARTLET_SCHEDULE_FREE_RADAM);
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t j = 0; j < k->width; j++) {
            const int64_t at = row * k->pitch + j;
            if (copies) check_set(t->state[0], at, k->state, get(t->value, at, k->value));
            if (a == MARTLET_RPROP) check_set(t->state[1], at, k->state, config->lr);
            if (a == MARTLET_ADAGRAD) check_set(t->state[0], at, k->state, config->initial_accumulator_value);
        }
}

static void fill(struct table *t, const struct kind *k, uint64_t seed) {
    for (int64_t row = 0; row < ROWS; row++)
        for (int64_t j = 0; j < k->pitch; j++) check_set(t->value, row * k->pitch + j, k->value, check_number(seed, (uint64_t)(row * k->pitch + j)));
}

/* Steps by rows beside the expectation; the hash of all that came out. */
static uint64_t compare(martlet_config config, struct kind k, bool shaped, int64_t named, const char *what) {
    static int64_t rows[NAMED];
    struct table stepped, wanted;
    create(&stepped, &config, ROWS, k.pitch), create(&wanted, &config, ROWS, k.pitch);
    fill(&stepped, &k, 1), fill(&wanted, &k, 1);
    uint64_t hash = 0;
    for (int t = 0; t < STEPS; t++) {
        const int64_t count = name_rows(rows, t == 2 ? 0 : named, (uint64_t)t + 10);
        const int64_t grad_pitch = shaped && t % 2 ? k.width + 3 : k.width;
        for (int64_t i = 0; i < count * grad_pitch; i++) check_set(stepped.grad, i, k.grad, check_number((uint64_t)t + 50, (uint64_t)i) / 3);
        if (t == 0) begin_others(&wanted, &config, &k);
        martlet_array slots[SLOTS];
        martlet_parameter one = parameter(&stepped, slots, &k, ROWS, shaped);
        one.grad.count = count * k.width;
        one.rows = rows, one.row_count = count;
        if (shaped && t % 2) {
            row_sizes[0] = count, row_sizes[1] = k.width, row_strides[0] = grad_pitch, row_strides[1] = 1;
            one.grad.rank = 2, one.grad.sizes = row_sizes, one.grad.strides = row_strides;
        }
        CHECK_OK(martlet_step(NULL, &one, 1, &config, 1));
        step_named(&wanted, &stepped, &config, &k, rows, count, grad_pitch);
        const size_t value = (size_t)(ROWS * k.pitch * check_element_size(k.value));
        const size_t state = (size_t)(ROWS * k.pitch * check_element_size(k.state));
        CHECK_SAYING(memcmp(stepped.value, wanted.value, value) == 0, "%s: values of algorithm %d, step %d", what, config.algorithm, t);
        hash = check_hash(hash, stepped.value, value);
        for (int64_t s = 0; s < stepped.elements; s++) {
            /* Sums that have seen nothing start when they do. */
            if (config.algorithm == MARTLET_ADAGRAD) continue;
            CHECK_SAYING(memcmp(stepped.state[s], wanted.state[s], state) == 0, "%s: slot %d of algorithm %d, step %d", what, (int)s,
                         config.algorithm, t);
            hash = check_hash(hash, stepped.state[s], state);
        }
        CHECK(stepped.step == t + 1 && wanted.step == t + 1);
        CHECK(memcmp(stepped.scalars, wanted.scalars, sizeof wanted.scalars) == 0);
    }
    release(&stepped), release(&wanted);
    return hash;
}

static martlet_config config_of(int32_t algorithm) {
    martlet_config config = check_config(algorithm);
    config.lr = 0.0625;
    if (algorithm == MARTLET_SGD || algorithm == MARTLET_RMSPROP) config.momentum = 0.875;
    if (algorithm == MARTLET_ADAGRAD) config.initial_accumulator_value = 0.25;
    return config;
}

static void every_algorithm(void) {
    for (int a = 0; a < LENGTH(algorithms); a++) {
        const martlet_config config = config_of(algorithms[a]);
        compare(config, (struct kind){MARTLET_FP32, MARTLET_FP32, MARTLET_FP32, 24, 24}, true, 300, "fp32");
    }
}

static void every_kind(void) {
    martlet_config config = config_of(MARTLET_ADAM);
    config.weight_decay = 0.125;
    /* A divisor of bf16 beside values of other types is rounded at random where a step is of all rows alone. */
    static const int32_t types[][3] = {{MARTLET_FP32, MARTLET_FP32, MARTLET_FP32}, {MARTLET_FP64, MARTLET_FP64, MARTLET_FP64},
                                       {MARTLET_FP16, MARTLET_BF16, MARTLET_FP32}, {MARTLET_BF16, MARTLET_FP32, MARTLET_BF16},
                                       {MARTLET_FP32, MARTLET_BF16, MARTLET_FP32}, {MARTLET_FP32, MARTLET_FP64, MARTLET_FP32}};
    static const int64_t widths[] = {1, 3, 16, 31, 128, 130, MOST_WIDTH};
    for (int d = 0; d < 2; d++) {
        config.flags = d ? MARTLET_DECOUPLED_DECAY : 0;
        for (int t = 0; t < LENGTH(types); t++)
            for (int w = 0; w < LENGTH(widths); w++) {
                struct kind k = {types[t][0], types[t][1], types[t][2], widths[w], widths[w]};
                compare(config, k, widths[w] > 1, 200, "kinds");
                if (t > 3 || d) continue;
                k.pitch += 5;
                compare(config, k, true, 100, "strided");
            }
    }
}

static void same_bits(void) {
    const martlet_config config = config_of(MARTLET_ADAM);
    uint64_t first = 0;
    for (int isa = 0; isa < 3; isa++)
        for (int threads = 1; threads <= 3; threads++) {
            if (martlet_isa_set(MARTLET_ISA_BASELINE + isa) != MARTLET_OK) continue;
            CHECK_OK(martlet_threads_set(threads));
            CHECK_OK(martlet_chunk_set(threads == 1 ? 0 : 64));
            const uint64_t hash = compare(config, (struct kind){MARTLET_FP32, MARTLET_FP32, MARTLET_FP32, 40, 40}, true, NAMED, "bits");
            if (first == 0) first = hash;
            CHECK_SAYING(hash == first, "set %d, %d threads", isa, threads);
        }
    CHECK_OK(martlet_isa_set(0));
    CHECK_OK(martlet_threads_set(0));
    CHECK_OK(martlet_chunk_set(0));
}

/* One parameter by rows and one dense, of two groups, by a handle and by martlet_step. */
static void handle(void) {
    static float value[2][2][ROWS * 8], grad[2][ROWS * 8], state[2][2][ROWS * 8];
    static int64_t rows[100], size[2] = {ROWS, 8}, stride[2] = {8, 1}, steps[2];
    const martlet_config config = check_config(MARTLET_ADAMW);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    martlet_array slots[2][2];
    martlet_parameter both[2];
    for (int k = 0; k < 2; k++) {
        for (int w = 0; w < 2; w++) check_fill(value[w][k], ROWS * 8, (uint64_t)k);
        check_fill(grad[k], ROWS * 8, (uint64_t)k + 2);
        martlet_parameter lent = {.value = check_array(value[0][k], ROWS * 8, MARTLET_FP32)};
        lent.value.rank = 2, lent.value.sizes = size, lent.value.strides = stride;
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
        for (int s = 0; s < 2; s++) slots[k][s] = check_array(state[k][s], ROWS * 8, MARTLET_FP32);
        both[k] = lent;
        both[k].value.data = value[1][k];
        both[k].grad = check_array(grad[k], k == 0 ? 100 * 8 : ROWS * 8, MARTLET_FP32);
        both[k].state = slots[k], both[k].state_count = 2, both[k].step = &steps[k];
    }
    const martlet_array grads[2] = {both[0].grad, both[1].grad};
    const martlet_rows given[2] = {{.rows = rows, .count = 100}, {.rows = NULL, .count = 0}};
    both[0].rows = rows, both[0].row_count = 100;
    for (int t = 0; t < STEPS; t++) {
        name_rows(rows, 100, (uint64_t)t);
        martlet_report report = {.struct_size = sizeof report};
        CHECK_OK(martlet_optimizer_sparse_step(optimizer, &report, grads, given, 2));
        CHECK(report.skipped == 0);
        CHECK_OK(martlet_step(NULL, both, 2, &config, 1));
    }
    CHECK(memcmp(value[0], value[1], sizeof value[0]) == 0);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
}

/* Algorithms and options that see a parameter as a whole say so, and change nothing. */
static void refused(void) {
    static const int32_t whole[] = {MARTLET_ADAFACTOR, MARTLET_LAMB, MARTLET_LARS, MARTLET_STABLE_ADAMW, MARTLET_PRODIGY, MARTLET_MARS,
                                    MARTLET_MUON, MARTLET_SOAP, MARTLET_SHAMPOO, MARTLET_ADAM_MINI, MARTLET_ADAM, MARTLET_ADAM};
    for (int a = 0; a < LENGTH(whole); a++) {
        martlet_config config = check_config(whole[a]);
        if (a == LENGTH(whole) - 2) config.flags |= MARTLET_CAUTIOUS_UPDATE;
        if (a == LENGTH(whole) - 1) config.lookahead_steps = 5;
        static const int64_t size[2] = {ROWS, 8}, stride[2] = {8, 1};
        martlet_optimizer *optimizer = NULL;
        static float value[ROWS * 8], grad[8], before[ROWS * 8];
        const int64_t row = 3;
        check_fill(value, ROWS * 8, 1), check_fill(grad, 8, 2);
        memcpy(before, value, sizeof value);
        martlet_parameter lent = {.value = check_array(value, ROWS * 8, MARTLET_FP32)};
        lent.value.rank = 2, lent.value.sizes = size, lent.value.strides = stride;
        CHECK_OK(martlet_optimizer_create(&optimizer, &config));
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
        const martlet_array gradient = check_array(grad, 8, MARTLET_FP32);
        const martlet_rows rows = {.rows = &row, .count = 1};
        CHECK_STATUS(martlet_optimizer_sparse_step(optimizer, NULL, &gradient, &rows, 1), MARTLET_ERROR_UNSUPPORTED);
        CHECK_SAYING(strstr(martlet_last_error(), "grads[0] (\"0\") is of rows") != NULL, "%s", martlet_last_error());
        const char *name = a == LENGTH(whole) - 2 ? "CAUTIOUS_UPDATE" : a == LENGTH(whole) - 1 ? "LOOKAHEAD_STEPS" : martlet_algorithm_name(whole[a]);
        CHECK_SAYING(strstr(martlet_last_error(), name) != NULL, "%s", martlet_last_error());
        CHECK(memcmp(before, value, sizeof value) == 0);
        CHECK_OK(martlet_optimizer_destroy(optimizer));
    }
}

int main(void) {
    every_algorithm();
    every_kind();
    same_bits();
    handle();
    refused();
    return check_end();
}
