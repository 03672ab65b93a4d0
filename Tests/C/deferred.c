/*
 * Deferred steps of rows: with MARTLET_DEFER_ROWS a step by rows, and what lets the other rows catch up, leave the bits of the
 * dense step whose gradient is 0 in all other rows, which other tests hold: for every algorithm that takes the flag, its options,
 * conventions, types and strides, schedules, threads and instruction sets; rows that a model is about to read, rows beside dense
 * gradients, more steps than are kept, and through a handle, its files and its clones.
 */
#include <sys/wait.h>

#include "deferred_table.h"

static uint64_t compare(martlet_config config, struct kind k, const char *what) {
    int64_t rows[NAMED];
    struct table *by_rows = new_table(&config, &k), *dense = new_table(&config, &k);
    config.flags |= MARTLET_DEFER_ROWS;
    bool differed = false;
    for (int t = 0; t < STEPS; t++) {
        const int64_t count = name_rows(rows, t);
        /* A model reads rows that are as the dense ones are. */
        if (t % 3 != 0) finish(by_rows, &config, &k, rows, count);
        CHECK_SAYING(t % 3 == 0 || same_rows(by_rows, dense, &k, rows, count), "%s: rows before step %d", what, t);
        step_both(by_rows, dense, config, &k, t, rows, count);
        CHECK(same_rows(by_rows, dense, &k, rows, count));
        differed = differed || memcmp(by_rows->state, dense->state, sizeof dense->state) != 0 ||
                   memcmp(by_rows->value, dense->value, sizeof dense->value) != 0;
    }
    CHECK_SAYING(differed || dense->elements < 1 || config.algorithm == MARTLET_ADAGRAD, "%s: nothing was deferred", what);
    finish(by_rows, &config, &k, NULL, 0);
    same_tables(by_rows, dense, what, config.algorithm);
    uint64_t hash = check_hash(0, by_rows->value, sizeof by_rows->value);
    hash = check_hash(hash, by_rows->state, sizeof by_rows->state);
    release(by_rows), release(dense);
    return hash;
}

static void every_option(void) {
    static const uint32_t decays[] = {0, MARTLET_DECOUPLED_DECAY, MARTLET_CAUTIOUS_DECAY, MARTLET_CORRECTED_DECAY};
    for (int a = 0; a < LENGTH(algorithms); a++)
        for (int d = 0; d < 5; d++)
            for (int option = 0; option < 8; option++) {
                martlet_config config = check_config(algorithms[a]);
                const bool is_adam = algorithms[a] == MARTLET_ADAM || algorithms[a] == MARTLET_ADAMW;
                config.lr = 0.0625;
                if (d < 4) config.weight_decay = 0.125, config.flags |= decays[d];
                else config.weight_decay = 0;
                if (option & 1 && is_adam) config.flags |= MARTLET_AMSGRAD;
                if (option & 1 && algorithms[a] == MARTLET_RMSPROP) config.flags |= MARTLET_CENTERED;
                if (option & 1 && algorithms[a] == MARTLET_ADAGRAD) config.initial_accumulator_value = 0.25, config.lr_decay = 0.01;
                if (option & 2 && (algorithms[a] == MARTLET_SGD || algorithms[a] == MARTLET_RMSPROP)) config.momentum = 0.875;
                if (option == 3 && algorithms[a] == MARTLET_SGD) config.flags |= MARTLET_NESTEROV;
                if (is_adam ? option & 2 : option != 2) config.flags |= MARTLET_MAXIMIZE;
                if (option & 4) config.semantics = MARTLET_SEMANTICS_KERAS, config.clip_value = 0.5;
                compare(config, plain, "options");
            }
}

static void every_kind(void) {
    static const int32_t types[][3] = {{MARTLET_FP32, MARTLET_FP32, MARTLET_FP32}, {MARTLET_FP64, MARTLET_FP64, MARTLET_FP64},
                                       {MARTLET_BF16, MARTLET_BF16, MARTLET_FP32}, {MARTLET_FP16, MARTLET_FP32, MARTLET_FP16},
                                       {MARTLET_FP32, MARTLET_FP64, MARTLET_FP32}, {MARTLET_BF16, MARTLET_FP64, MARTLET_BF16}};
    for (int a = 0; a < LENGTH(algorithms); a++)
        for (int t = 0; t < LENGTH(types); t++)
            for (int strided = 0; strided < 2; strided++) {
                martlet_config config = check_config(algorithms[a]);
                config.lr = 0.0625;
                if (algorithms[a] == MARTLET_SGD) config.momentum = 0.875;
                compare(config, (struct kind){types[t][0], types[t][1], types[t][2], strided ? PITCH : WIDTH}, "kinds");
            }
}

static void same_bits(void) {
    martlet_config config = check_config(MARTLET_ADAMW);
    uint64_t first = 0;
    for (int isa = 0; isa < 3; isa++)
        for (int threads = 1; threads <= 3; threads++) {
            if (martlet_isa_set(MARTLET_ISA_BASELINE + isa) != MARTLET_OK) continue;
            CHECK_OK(martlet_threads_set(threads));
            CHECK_OK(martlet_chunk_set(threads == 1 ? 0 : 64));
            const uint64_t hash = compare(config, plain, "bits");
            if (first == 0) first = hash;
            CHECK_SAYING(hash == first, "set %d, %d threads", isa, threads);
        }
    CHECK_OK(martlet_isa_set(0));
    CHECK_OK(martlet_threads_set(0));
    CHECK_OK(martlet_chunk_set(0));
}

/* Rows of any width, of many to a block and of several blocks, which threads cut anywhere, without sizes and with them. */
static void widths(void) {
    enum { MANY = 40, MOST = 2500 };
    static const int64_t wide[] = {1, 3, 17, 128, 1030, MOST};
    static double value[2][MANY * MOST], state[2][2][MANY * MOST], grad[3 * MOST], zeros[MANY * MOST];
    for (int w = 0; w < LENGTH(wide); w++)
        for (int d = 0; d < 4; d++) {
            const int32_t dtype = d % 2 ? MARTLET_FP64 : MARTLET_FP32;
            const int64_t width = wide[w], count = MANY * width, size[2] = {MANY, width}, stride[2] = {width, 1};
            double *backlog = new_backlog(MANY);
            int64_t step[2] = {0, 0}, rows[3];
            martlet_config config = check_config(MARTLET_ADAM);
            CHECK_OK(martlet_threads_set(d < 2 ? 1 : 3));
            CHECK_OK(martlet_chunk_set(d < 2 ? 0 : 64));
            memset(state, 0, sizeof state);
            for (int64_t i = 0; i < count; i++)
                for (int k = 0; k < 2; k++) check_set(value[k], i, dtype, check_number(5, (uint64_t)i));
            for (int t = 0; t <= 12; t++) {
                martlet_array slots[2];
                memset(zeros, 0, sizeof zeros);
                for (int r = 0; r < 3; r++) rows[r] = (int64_t)(check_bits((uint64_t)t, (uint64_t)r) % 12) * 3 + r;
                for (int64_t i = 0; i < 3 * width; i++) {
                    const double number = check_number((uint64_t)t + 7, (uint64_t)i);
                    check_set(grad, i, dtype, number);
                    check_set(zeros, rows[i / width] * width + i % width, dtype, number);
                }
                for (int k = 0; k < 2; k++) {
                    for (int s = 0; s < 2; s++) slots[s] = check_array(state[k][s], count, dtype);
                    martlet_parameter one = {.value = check_array(value[k], count, dtype), .state = slots, .state_count = 2,
                                             .step = &step[k]};
                    if (width > 1) one.value.rank = 2, one.value.sizes = size, one.value.strides = stride;
                    one.grad = check_array(k == 0 ? grad : zeros, k == 0 ? 3 * width : count, dtype);
                    config.flags = k == 0 ? config.flags | MARTLET_DEFER_ROWS : config.flags & ~MARTLET_DEFER_ROWS;
                    if (k == 0) one.backlog = backlog;
                    if (t == 12) CHECK_OK(martlet_finish(&one, 1, &config, 1));
                    if (k == 0) one.rows = rows, one.row_count = 3;
                    if (t < 12) CHECK_OK(martlet_step(NULL, &one, 1, &config, 1));
                }
            }
            const size_t bytes = (size_t)(count * check_element_size(dtype));
            CHECK_SAYING(memcmp(value[0], value[1], bytes) == 0, "rows of %d", (int)width);
            for (int s = 0; s < 2; s++) CHECK_SAYING(memcmp(state[0][s], state[1][s], bytes) == 0, "rows of %d", (int)width);
            free(backlog);
        }
    CHECK_OK(martlet_threads_set(0));
    CHECK_OK(martlet_chunk_set(0));
}

/* More steps than are kept: rows that no gradient ever names catch up on the way, with all steps of either kind. */
static void full(void) {
    int64_t rows[NAMED];
    martlet_config config = check_config(MARTLET_ADAM);
    config.weight_decay = 0.01, config.flags |= MARTLET_DEFER_ROWS;
    struct table *by_rows = new_table(&config, &plain), *dense = new_table(&config, &plain);
    for (int t = 0; t < KEPT + 20; t++) {
        const int64_t count = t == 0 ? NAMED : 2;
        for (int64_t k = 0; k < count; k++) rows[k] = t == 0 ? ROWS - 1 - k : (t + k) % 3;
        step_both(by_rows, dense, config, &plain, t % 50, rows, count);
    }
    const int64_t last = ROWS - 1;
    CHECK(!same_rows(by_rows, dense, &plain, &last, 1));
    finish(by_rows, &config, &plain, NULL, 0);
    same_tables(by_rows, dense, "full", config.algorithm);
    release(by_rows), release(dense);
}

/* Dense and lazy steps, other flags, and a move between two points come after all rows have caught up. */
static void between(void) {
    int64_t rows[NAMED];
    static float grad[ROWS * WIDTH];
    martlet_config config = check_config(MARTLET_ADAMW), lazy = config;
    config.flags |= MARTLET_DEFER_ROWS;
    struct table *by_rows = new_table(&config, &plain), *dense = new_table(&config, &plain);
    martlet_array slots[SLOTS];
    for (int t = 0; t < STEPS; t++) {
        step_both(by_rows, dense, config, &plain, t, rows, name_rows(rows, t));
        for (int w = 0; w < 2 && t % 4 == 1; w++) {
            martlet_parameter one = parameter(w ? by_rows : dense, slots, &plain);
            check_fill(grad, ROWS * WIDTH, (uint64_t)t);
            one.grad = check_array(grad, t % 8 == 1 ? ROWS * WIDTH : 2 * WIDTH, MARTLET_FP32);
            if (t % 8 != 1) one.rows = rows, one.row_count = 2, rows[0] = 7, rows[1] = 80;
            if (!w) one.backlog = NULL;
            CHECK_OK(martlet_step(NULL, &one, 1, t % 8 != 1 || !w ? &lazy : &config, 1));
        }
        if (t % 4 == 1) same_tables(by_rows, dense, "between", t);
    }
    martlet_parameter one = parameter(by_rows, slots, &plain);
    CHECK_OK(martlet_mode_set(&one, 1, &config, 1, MARTLET_EVALUATION));
    same_tables(by_rows, dense, "a move", 0);
    release(by_rows), release(dense);
}

/* Through a handle, beside a dense parameter: what looks at state, copies it, saves and loads it sees dense steps' bits. */
static void handle(void) {
    static float value[2][2][ROWS * WIDTH], grad[ROWS * WIDTH], rows_grad[2 * WIDTH];
    const int64_t stride[2] = {WIDTH, 1};
    martlet_config config[2] = {check_config(MARTLET_ADAMW), check_config(MARTLET_ADAMW)};
    config[1].flags |= MARTLET_DEFER_ROWS;
    martlet_optimizer *optimizer[2] = {NULL, NULL}, *clone = NULL;
    for (int w = 0; w < 2; w++) {
        CHECK_OK(martlet_optimizer_create(&optimizer[w], &config[w]));
        for (int k = 0; k < 2; k++) {
            check_fill(value[w][k], ROWS * WIDTH, (uint64_t)k);
            martlet_parameter lent = {.value = check_array(value[w][k], ROWS * WIDTH, MARTLET_FP32)};
            lent.value.rank = 2, lent.value.sizes = sizes, lent.value.strides = stride;
            CHECK_OK(martlet_optimizer_add(optimizer[w], NULL, &lent));
        }
    }
    for (int t = 0; t < 60; t++) {
        const int64_t named[2] = {t % 5, 40 + t % 7};
        martlet_array view[2][2], dense_grads[2], grads[2];
        const martlet_rows rows[2] = {{.rows = named, .count = 2}, {.rows = NULL, .count = 0}};
        check_fill(rows_grad, 2 * WIDTH, (uint64_t)t);
        memset(grad, 0, sizeof grad);
        for (int k = 0; k < 2; k++) memcpy(grad + named[k] * WIDTH, rows_grad + k * WIDTH, WIDTH * sizeof(float));
        for (int k = 0; k < 2; k++) dense_grads[k] = check_array(grad, ROWS * WIDTH, MARTLET_FP32), grads[k] = dense_grads[k];
        grads[0] = check_array(rows_grad, 2 * WIDTH, MARTLET_FP32);
        CHECK_OK(martlet_optimizer_step(optimizer[0], NULL, dense_grads, 2));
        CHECK_OK(martlet_optimizer_finish(optimizer[1], rows, 2));
        CHECK_OK(martlet_optimizer_sparse_step(optimizer[1], NULL, grads, rows, 2));
        const bool is_behind = memcmp(value[0][0], value[1][0], sizeof value[0][0]) != 0;
        CHECK_SAYING(is_behind || t == 0, "step %d", t);
        if (t % 10 == 4)
            for (int w = 0; w < 2; w++)
                for (int32_t s = 0; s < 2; s++) CHECK_OK(martlet_optimizer_state_get(optimizer[w], &view[w][s], 0, s));
        for (int s = 0; s < 2 && t % 10 == 4; s++)
            CHECK(memcmp(view[0][s].data, view[1][s].data, ROWS * WIDTH * sizeof(float)) == 0);
        if (t % 10 == 6) CHECK_OK(martlet_optimizer_finish(optimizer[1], NULL, 0));
        if (t % 10 == 8) {
            CHECK_OK(martlet_optimizer_save(optimizer[1], "deferred.safetensors"));
            CHECK_OK(martlet_optimizer_load(optimizer[1], "deferred.safetensors"));
        }
        if (t % 10 == 9) {
            CHECK_OK(martlet_optimizer_clone(optimizer[1], &clone));
            CHECK_OK(martlet_optimizer_destroy(optimizer[1]));
            optimizer[1] = clone;
        }
        if (t % 10 == 4 || t % 10 == 6 || t % 10 >= 8) CHECK(memcmp(value[0], value[1], sizeof value[0]) == 0);
    }
    CHECK_OK(martlet_optimizer_reset(optimizer[1]));
    CHECK(memcmp(value[0], value[1], sizeof value[0]) == 0);
    for (int w = 0; w < 2; w++) CHECK_OK(martlet_optimizer_destroy(optimizer[w]));
}

/* A forked child goes on where its parent was, and the parent too. */
static void fork_between(void) {
    int64_t rows[NAMED];
    martlet_config config = check_config(MARTLET_ADAMW);
    config.flags |= MARTLET_DEFER_ROWS;
    struct table *by_rows = new_table(&config, &plain), *dense = new_table(&config, &plain);
    for (int t = 0; t < STEPS; t++) {
        step_both(by_rows, dense, config, &plain, t, rows, name_rows(rows, t));
        if (t != STEPS / 2) continue;
        fflush(NULL);
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            for (int later = t + 1; later < STEPS; later++) step_both(by_rows, dense, config, &plain, later, rows, name_rows(rows, later));
            finish(by_rows, &config, &plain, NULL, 0);
            same_tables(by_rows, dense, "a child", config.algorithm);
            _exit(check_failures != 0);
        }
        int status = -1;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    finish(by_rows, &config, &plain, NULL, 0);
    same_tables(by_rows, dense, "a parent", config.algorithm);
    release(by_rows), release(dense);
}

int main(void) {
    every_option();
    every_kind();
    same_bits();
    widths();
    full();
    between();
    handle();
    fork_between();
    return check_end();
}
