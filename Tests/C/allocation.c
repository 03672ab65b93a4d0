/*
 * Memory: no allocation between step 10 and step 1,000, by any of the three ways to step, with one and
 * with two threads. malloc_count.c must be preloaded. Memory that is mapped and not malloc'ed is not seen here.
 */
#include "malloc_count.h"
#include "workload.h"

static void quiet(int32_t threads, int64_t scale) {
    CHECK_OK(martlet_threads_set(threads));
    struct workload *w = workload_create(scale, MARTLET_ADAM, MARTLET_AMSGRAD);
    martlet_optimizer *optimizer = NULL;
    martlet_array grads[WORKLOAD_TENSORS];
    CHECK_OK(martlet_optimizer_create(&optimizer, &w->groups[0]));
    for (int k = 0; k < WORKLOAD_TENSORS; k++) {
        const martlet_parameter lent = {.value = w->parameters[k].value};
        CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
        grads[k] = w->parameters[k].grad;
    }
    const int64_t count = w->count[5];
    float *flat = calloc((size_t)count, 5 * sizeof *flat);
    int64_t step = 0;
    martlet_report report;
    CHECK_OK(martlet_report_init(&report, sizeof report));
    workload_gradient(w);
    static const char *const ways[] = {"martlet_step", "martlet_array_step", "martlet_optimizer_step"};
    int32_t most = 0;
    for (int way = 0; way < 3; way++)
        for (int t = 1; t <= 1000; t++) {
            if (t == 11) malloc_count_start(0, 0);
            martlet_status status;
            if (way == 0) status = martlet_step(&report, w->parameters, WORKLOAD_TENSORS, w->groups, 2);
            else if (way == 1) status = martlet_array_step(flat, flat + count, flat + 2 * count, count, &step, &w->groups[0]);
            else {
                status = martlet_optimizer_set(optimizer, 0, MARTLET_LR, 1e-3 / t);
                if (status == MARTLET_OK) status = martlet_optimizer_step(optimizer, &report, grads, WORKLOAD_TENSORS);
            }
            if (t == 1000) {
                const long seen = malloc_count_stop();
                CHECK_SAYING(seen == 0, "%s with %d threads: %ld allocations", ways[way], threads, seen);
            }
            CHECK_OK(status);
            martlet_machine machine = {0};
            CHECK_OK(martlet_machine_get(&machine, sizeof machine));
            if (machine.last_threads > most) most = machine.last_threads;
        }
    CHECK_SAYING(most == threads, "at most %d of %d threads worked", most, threads);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    workload_destroy(w);
    free(flat);
}

/* The same of matrices, by algorithms whose steps take several passes: Muon's as NorMuon's, and such as keep norms; all look
 * ahead, clip, average, accumulate, measure and zero. */
static void quiet_matrices(int32_t threads) {
    static const int32_t algorithms[] = {MARTLET_MUON,  MARTLET_MUON,      MARTLET_ADAMW,
                                         MARTLET_MARS, MARTLET_ADAM_MINI, MARTLET_ADAM_MINI};
    static const uint32_t flags[] = {MARTLET_NORMUON, MARTLET_NORMUON | MARTLET_HYPERBALL, MARTLET_HYPERBALL,
                                     MARTLET_HYPERBALL | MARTLET_CAUTIOUS_UPDATE, 0,
                                     MARTLET_HYPERBALL | MARTLET_CAUTIOUS_UPDATE};
    static const int64_t sizes[2][2] = {{300, 200}, {7, 9}}, strides[2][2] = {{200, 1}, {9, 1}};
    static float memory[4][300 * 200];
    CHECK_OK(martlet_threads_set(threads));
    for (int k = 0; k < LENGTH(algorithms); k++) {
        martlet_optimizer *optimizer = NULL;
        martlet_array grads[2];
        martlet_config config = check_config(algorithms[k]);
        config.flags |= flags[k];
        config.weight_decay = 0;
        config.lookahead_steps = 3;
        config.max_norm = 1, config.ema_decay = 0.5, config.accumulate = 2;
        config.flags |= MARTLET_SKIP_NONFINITE | MARTLET_ZERO_GRADS | MARTLET_MEASURE_UPDATE;
        CHECK_OK(martlet_optimizer_create(&optimizer, &config));
        for (int p = 0; p < 2; p++) {
            const int64_t count = sizes[p][0] * sizes[p][1];
            for (int64_t i = 0; i < count; i++) memory[p][i] = (float)(i % 7) - 2, memory[2 + p][i] = (float)(i % 11) - 5;
            martlet_parameter lent = {.value = check_array(memory[p], count, MARTLET_FP32)};
            lent.value.rank = 2, lent.value.sizes = sizes[p], lent.value.strides = strides[p];
            CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
            grads[p] = check_array(memory[2 + p], count, MARTLET_FP32);
        }
        for (int t = 1; t <= 20; t++) {
            if (t == 4) malloc_count_start(0, 0);
            const martlet_status status = martlet_optimizer_step(optimizer, NULL, grads, 2);
            if (t == 20) {
                const long seen = malloc_count_stop();
                CHECK_SAYING(seen == 0, "algorithm %d with flags %u: %ld allocations", algorithms[k], flags[k], seen);
            }
            CHECK_OK(status);
        }
        CHECK_OK(martlet_optimizer_destroy(optimizer));
    }
}

/* Rows, more or fewer at each step after the first ones, some of them several times. */
static void quiet_rows(int32_t threads, bool defers) {
    enum { ROWS = 5000, WIDTH = 24, MOST = 4000 };
    static float memory[4][ROWS * WIDTH];
    static int64_t rows[MOST], size[2] = {ROWS, WIDTH}, stride[2] = {WIDTH, 1};
    int64_t step = 0;
    martlet_array slots[2];
    static double backlog[(64 + 4096 * 128 + 4 * ROWS) / 8 + 1];
    martlet_config config = check_config(MARTLET_ADAM);
    if (defers) config.flags |= MARTLET_DEFER_ROWS;
    CHECK_OK(martlet_threads_set(threads));
    for (int s = 0; s < 2; s++) slots[s] = check_array(memory[2 + s], ROWS * WIDTH, MARTLET_FP32);
    martlet_parameter one = {.value = check_array(memory[0], ROWS * WIDTH, MARTLET_FP32), .state = slots, .state_count = 2,
                             .step = &step, .rows = rows, .backlog = backlog};
    one.value.rank = 2, one.value.sizes = size, one.value.strides = stride;
    for (int t = 1; t <= 40; t++) {
        if (t == 4) malloc_count_start(0, 0);
        one.row_count = t < 4 ? MOST : MOST - 90 * t;
        for (int64_t k = 0; k < one.row_count; k++) rows[k] = (int64_t)(check_bits((uint64_t)t, (uint64_t)k) % ROWS);
        one.grad = check_array(memory[1], one.row_count * WIDTH, MARTLET_FP32);
        martlet_status status = martlet_finish(&one, 1, &config, 1);
        if (status == MARTLET_OK) status = martlet_step(NULL, &one, 1, &config, 1);
        if (t == 40) {
            const long seen = malloc_count_stop();
            CHECK_SAYING(seen == 0, "rows with %d threads: %ld allocations", threads, seen);
        }
        CHECK_OK(status);
    }
}

int main(void) {
    if (!malloc_count_works()) return 1;
    CHECK_OK(martlet_chunk_set(64));
    quiet(1, 1);
    quiet(2, 3);
    quiet(2, 8);
    for (int32_t threads = 1; threads <= 2; threads++) quiet_matrices(threads);
    for (int32_t threads = 1; threads <= 2; threads++) quiet_rows(threads, false), quiet_rows(threads, true);
    return check_end();
}
