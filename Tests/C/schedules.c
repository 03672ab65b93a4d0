/*
 * Schedules from C: each kind beside its formula through the C library's functions, arrays of several, every mode of
 * the host's arithmetic (the same bits), a plateau that is saved by copying it, and no memory taken. What torch and
 * Keras give is held by the Python tests, and wrong use by hostile.py.
 */
#include <fenv.h>

#include "check.h"

static const double pi = 3.14159265358979323846;

static double half_cosine(double x) { return (1 + cos(pi * x)) / 2; }

static martlet_schedule schedule_of(int32_t kind) {
    martlet_schedule s;
    REQUIRE(martlet_schedule_init(&s, sizeof s, kind) == MARTLET_OK);
    s.rate = 0.3;
    if (kind != MARTLET_SCHEDULE_CONSTANT) s.steps = 20;
    if (kind == MARTLET_SCHEDULE_EXPONENTIAL || kind == MARTLET_SCHEDULE_INVERSE_TIME) s.factor = 0.5;
    return s;
}

static double get(const martlet_schedule *schedules, int64_t count, int64_t step) {
    double rate = -1;
    CHECK_OK(martlet_schedule_get(&rate, schedules, count, step));
    return rate;
}

/* The formulas of the header, for the numbers of schedule_of. */
static double formula(int32_t kind, double t) {
    const double u = fmin(t, 20) / 20;
    switch (kind) {
        case MARTLET_SCHEDULE_CONSTANT: return 0.3;
        case MARTLET_SCHEDULE_STEP: return 0.3 * pow(0.1, floor(t / 20));
        case MARTLET_SCHEDULE_EXPONENTIAL: return 0.3 * pow(0.5, t / 20);
        case MARTLET_SCHEDULE_INVERSE_TIME: return 0.3 / (1 + 0.5 * t / 20);
        case MARTLET_SCHEDULE_INVERSE_SQRT: return 0.3 * sqrt(20 / (20 + t));
        case MARTLET_SCHEDULE_LINEAR: return 0.3 * u;
        case MARTLET_SCHEDULE_POLYNOMIAL: return 0.3 * (1 - u);
        case MARTLET_SCHEDULE_COSINE: return 0.3 * half_cosine(u);
        case MARTLET_SCHEDULE_COSINE_RESTARTS: return 0.3 * half_cosine(fmod(t, 20) / 20);
        case MARTLET_SCHEDULE_ONE_MINUS_SQRT: return 0.3 * (1 - sqrt(u));
        default: break;
    }
    /* One cycle: up to step 5, where 0.3 of the steps less one have been taken, and down to step 19. */
    const double low = 0.3 / 25, last = low / 1e4, s = fmin(t, 19);
    return s <= 5 ? 0.3 + (low - 0.3) * half_cosine(s / 5) : last + (0.3 - last) * half_cosine((s - 5) / 14);
}

static void kinds(void) {
    static const char *const names[] = {"constant", "step", "exponential", "inverse_time", "inverse_sqrt", "linear",
                                        "polynomial", "cosine", "cosine_restarts", "one_minus_sqrt", "one_cycle"};
    for (int32_t kind = 1; kind <= LENGTH(names); kind++) {
        CHECK(strcmp(martlet_schedule_name(kind), names[kind - 1]) == 0);
        const martlet_schedule s = schedule_of(kind);
        CHECK(s.struct_size == sizeof s && s.kind == kind && s.flags == 0 && s.reserved == 0 && s.begin == 0 && s.end == 0);
        for (int64_t step = 0; step < 200; step++) {
            const double found = get(&s, 1, step), wanted = formula(kind, (double)step);
            CHECK_SAYING(fabs(found - wanted) <= 1e-13 * wanted + 1e-16, "%s at %d: %.17g, not %.17g", names[kind - 1],
                         (int)step, found, wanted);
        }
    }
    CHECK(martlet_schedule_name(0) == NULL && martlet_schedule_name(LENGTH(names) + 1) == NULL);
    CHECK(sizeof(martlet_schedule) == 96 && sizeof(martlet_plateau) == 96);
}

/* A warm-up and a cosine one after the other, times what is halved at two milestones. */
static void several(void) {
    martlet_schedule s[5];
    s[0] = schedule_of(MARTLET_SCHEDULE_LINEAR), s[0].end = 20;
    s[1] = schedule_of(MARTLET_SCHEDULE_COSINE), s[1].begin = 20;
    for (int k = 2; k < 4; k++) s[k] = schedule_of(MARTLET_SCHEDULE_CONSTANT), s[k].rate = 0.5, s[k].begin = 10 * k - 10;
    s[4] = schedule_of(MARTLET_SCHEDULE_CONSTANT), s[4].begin = INT64_MAX;
    for (int64_t step = 0; step < 60; step++) {
        const double plain = step < 20 ? get(&s[0], 1, step) : get(&s[1], 1, step);
        CHECK(get(s, 5, step) == plain * (step < 10 ? 1 : step < 20 ? 0.5 : 0.25));
    }
    double rate = 7;
    CHECK_STATUS(martlet_schedule_get(&rate, s, 1, 20), MARTLET_ERROR_ARGUMENT);
    CHECK(rate == 7 && strstr(martlet_last_error(), "no schedule is under way at step 20") != NULL);
}

/* The same bits under every rounding direction, flushing and not, and no flag raised. */
static void modes(void) {
    static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    const uint64_t host = check_mode_get();
    uint64_t wanted = 0;
    for (int r = 0; r < 2 * LENGTH(roundings); r++) {
        fesetround(roundings[r / 2]);
        if (r % 2) check_mode_set(check_mode_get() | CHECK_MODE_FLUSH);
        feclearexcept(FE_ALL_EXCEPT);
        const uint64_t before = check_mode_get();
        uint64_t hash = 1;
        for (int32_t kind = 1; kind <= MARTLET_SCHEDULE_ONE_CYCLE; kind++) {
            const martlet_schedule s = schedule_of(kind);
            for (int64_t step = 0; step < 2000; step += 7) {
                const double rate = get(&s, 1, step);
                hash = check_hash(hash, &rate, sizeof rate);
            }
        }
        martlet_plateau plateau;
        CHECK_OK(martlet_plateau_init(&plateau, sizeof plateau, MARTLET_SEMANTICS_TORCH));
        plateau.rate = 0.3, plateau.patience = 0, plateau.factor = 0.7;
        for (int k = 0; k < 9; k++) CHECK_OK(martlet_plateau_step(&plateau, 1.0));
        hash = check_hash(hash, &plateau, sizeof plateau);
        CHECK(check_mode_get() == before && fetestexcept(FE_ALL_EXCEPT) == 0);
        check_mode_set(host);
        if (r == 0) wanted = hash;
        CHECK_SAYING(hash == wanted, "mode %d", r);
    }
}

static void plateaus(void) {
    martlet_plateau p, copy;
    for (int keras = 0; keras < 2; keras++) {
        CHECK_OK(martlet_plateau_init(&p, sizeof p, keras ? MARTLET_SEMANTICS_KERAS : MARTLET_SEMANTICS_TORCH));
        CHECK(p.struct_size == sizeof p && p.factor == 0.1 && p.min_rate == 0 && p.threshold == 1e-4);
        CHECK(p.patience == 10 && p.cooldown == 0 && p.bad == 0 && p.cooling == 0 && isnan(p.rate) && isnan(p.best));
        CHECK(keras ? p.flags == 0 && p.eps == 0 : p.flags == MARTLET_RELATIVE && p.eps == 1e-8);
        CHECK_STATUS(martlet_plateau_step(&p, 1), MARTLET_ERROR_ARGUMENT); /* no rate yet */
        p.rate = 1, p.patience = 2, p.factor = 0.5;
        int falls = 0;
        for (int k = 0; k < 10; k++) {
            copy = p;
            CHECK_OK(martlet_plateau_step(&p, k == 0 ? 3 : 3.5));
            CHECK_OK(martlet_plateau_step(&copy, k == 0 ? 3 : 3.5)); /* what was saved goes on in the same way */
            CHECK(memcmp(&p, &copy, sizeof p) == 0 && p.best == 3);
            falls += p.rate != (falls == 0 ? 1 : pow(0.5, falls));
        }
        CHECK(falls == (keras ? 4 : 3) && p.rate == pow(0.5, falls));
    }
}

int main(void) {
    kinds();
    several();
    modes();
    plateaus();
    return check_end();
}
