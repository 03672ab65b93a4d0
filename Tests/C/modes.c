/*
 * The host's floating-point mode: unchanged by every kind of call, whatever it was, and without effect
 * on the result. Four rounding directions, flushing on and off, exceptions unmasked (a fault would end
 * the program), and no exception flag left behind. Which bits are right is not asked here.
 */
#include <fenv.h>

#include "workload.h"

#define STEPS 5

/* Steps whose counts are shown as a fraction, and past what an fp32 can show; then what shows no count is refused, a NaN
 * that raises an exception where it is converted. */
static uint64_t run_shown(void) {
    const uint32_t signaling = 0x7F800001;
    float values[64], grad[64], state[128] = {0}, shown[2] = {2.75f, 16777216.0f};
    int64_t counts[2] = {5, 16777217};
    const martlet_config config = check_config(MARTLET_ADAM);
    check_fill(values, 64, 3);
    check_fill(grad, 64, 4);
    for (int k = 0; k < 2; k++) {
        martlet_array slots[2] = {check_array(state, 64, MARTLET_FP32), check_array(state + 64, 64, MARTLET_FP32)};
        const martlet_parameter parameter = {.value = check_array(values, 64, MARTLET_FP32),
                                             .grad = check_array(grad, 64, MARTLET_FP32),
                                             .state = slots,
                                             .state_count = 2,
                                             .step = &counts[k],
                                             .step_shown = &shown[k],
                                             .step_shown_dtype = MARTLET_FP32};
        for (int t = 0; t < STEPS; t++) CHECK_OK(martlet_step(NULL, &parameter, 1, &config, 1));
        const float kept = shown[k];
        memcpy(&shown[k], &signaling, sizeof signaling);
        CHECK_STATUS(martlet_step(NULL, &parameter, 1, &config, 1), MARTLET_ERROR_ARGUMENT);
        shown[k] = kept;
    }
    CHECK(counts[0] == 7 && counts[1] == 16777217 + STEPS);
    return check_hash(check_hash(3, shown, sizeof shown), values, sizeof values);
}

/* A training run with every way to step, with denormal, huge and zero numbers among the values. */
static uint64_t run(struct workload *w, martlet_optimizer *optimizer, float *values) {
    float grad[64], state[128] = {0};
    int64_t step = 0;
    check_fill(values, 64, 3);
    for (int i = 0; i < 64; i++) {
        const uint32_t bits = (uint32_t)check_bits(9, (uint64_t)i) & 0xBFFFFFFFu; /* below 2: many far below */
        memcpy(&grad[i], &bits, 4);
    }
    for (int t = 0; t < STEPS; t++) CHECK_OK(martlet_array_step(values, grad, state, 64, &step, NULL));
    uint64_t hash = check_hash(workload_run(w, STEPS), state, sizeof state);
    hash = check_hash(hash, values, 64 * sizeof *values) ^ run_shown();

    const martlet_array grads[1] = {check_array(grad, 64, MARTLET_FP32)};
    double lr = 0;
    CHECK_OK(martlet_optimizer_set(optimizer, 0, MARTLET_LR, 0.1));
    CHECK_OK(martlet_optimizer_get(optimizer, &lr, 0, MARTLET_LR));
    CHECK(lr == 0.1);
    CHECK_OK(martlet_optimizer_reset(optimizer));
    const martlet_parameter lent = {.value = check_array(values, 64, MARTLET_FP32)};
    CHECK_OK(martlet_optimizer_add(optimizer, NULL, &lent));
    for (int t = 0; t < STEPS; t++) CHECK_OK(martlet_optimizer_step(optimizer, NULL, grads, 1));
    return check_hash(hash, values, 64 * sizeof *values);
}

static void under(const char *name, struct workload *w, martlet_optimizer *optimizer, uint64_t wanted) {
    float values[64];
    const uint64_t mode = check_mode_get();
    const int rounding = fegetround(), excepts = fegetexcept();
    const uint64_t hash = run(w, optimizer, values);
    const uint64_t after = check_mode_get();
    CHECK_SAYING(after == mode, "%s: control word %llx became %llx", name, (unsigned long long)mode,
                 (unsigned long long)after);
    CHECK_SAYING(fegetround() == rounding && fegetexcept() == excepts, "%s", name);
    CHECK_SAYING(fetestexcept(FE_ALL_EXCEPT) == 0, "%s: flags %x left behind", name,
                 (unsigned)fetestexcept(FE_ALL_EXCEPT));
    CHECK_SAYING(hash == wanted, "%s: other bits", name);
    fesetenv(FE_DFL_ENV);
}

/* The calls that read or write numbers as text must not mind the mode either. */
static void files(martlet_optimizer *optimizer, uint64_t mode, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "modes-%ld.safetensors", (long)getpid());
    check_mode_set(mode);
    CHECK_OK(martlet_optimizer_save(optimizer, path));
    CHECK_SAYING(check_mode_get() == mode, "%s: save", name);
    CHECK_OK(martlet_optimizer_set(optimizer, 0, MARTLET_LR, 0.5));
    CHECK_OK(martlet_optimizer_load(optimizer, path));
    CHECK_SAYING(check_mode_get() == mode, "%s: load", name);
    double lr = 0;
    CHECK_OK(martlet_optimizer_get(optimizer, &lr, 0, MARTLET_LR));
    CHECK_SAYING(lr == 0.1, "%s: %a", name, lr);
    check_mode_set(CHECK_MODE_EXACT);
    unlink(path);
}

static void every_mode(uint32_t flags, struct workload *w, martlet_optimizer *optimizer) {
    float values[64];
    fesetenv(FE_DFL_ENV);
    for (int g = 0; g < 2; g++) w->groups[g].flags = flags;
    const uint64_t wanted = run(w, optimizer, values);
    feclearexcept(FE_ALL_EXCEPT);
    under("default", w, optimizer, wanted);
    static const struct {
        int mode;
        const char *name;
    } roundings[] = {{FE_TONEAREST, "to nearest"}, {FE_UPWARD, "upward"}, {FE_DOWNWARD, "downward"}, {FE_TOWARDZERO, "to zero"}};
    for (int r = 0; r < LENGTH(roundings); r++)
        for (int flush = 0; flush < 2; flush++) {
            REQUIRE(fesetround(roundings[r].mode) == 0);
            if (flush) check_mode_set(check_mode_get() | CHECK_MODE_FLUSH);
            files(optimizer, check_mode_get(), roundings[r].name);
            REQUIRE(fesetround(roundings[r].mode) == 0);
            if (flush) check_mode_set(check_mode_get() | CHECK_MODE_FLUSH);
            under(roundings[r].name, w, optimizer, wanted);
        }
#if defined(__x86_64__)
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_ALL_EXCEPT);
    const uint64_t unmasked = check_mode_get();
    under("exceptions unmasked", w, optimizer, wanted);
    feclearexcept(FE_ALL_EXCEPT);
    files(optimizer, unmasked, "exceptions unmasked");
    for (int bit = 0; bit < 6; bit++) { /* a flag that the host had raised stays raised, alone */
        check_mode_set(CHECK_MODE_EXACT | 1u << bit);
        const uint64_t hash = run(w, optimizer, values);
        const uint64_t after = check_mode_get();
        CHECK_SAYING(after == (CHECK_MODE_EXACT | 1u << bit), "sticky bit %d: %llx", bit, (unsigned long long)after);
        CHECK(hash == wanted);
    }
    fesetenv(FE_DFL_ENV);
#endif
}

int main(void) {
    const martlet_config config = check_config(MARTLET_ADAM);
    martlet_optimizer *optimizer = NULL;
    CHECK_OK(martlet_chunk_set(64));
    CHECK_OK(martlet_optimizer_create(&optimizer, &config));
    struct workload *w = workload_create(1, MARTLET_ADAM, 0);
    for (int32_t threads = 1; threads <= 2; threads++) {
        CHECK_OK(martlet_threads_set(threads));
        every_mode(0, w, optimizer);
        every_mode(MARTLET_KEEP_DENORMALS, w, optimizer);
    }
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    workload_destroy(w);
    return check_end();
}
