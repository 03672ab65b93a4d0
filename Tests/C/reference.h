/*
 * Adam and AdamW once more, element by element in plain C, from the equations in martlet.h: what the
 * programs here hold the library's bits against. Slow on purpose, and nothing of the library is used;
 * must be compiled with -ffp-contract=off. Contiguous arrays only; fp64 beside 16-bit types is left to
 * the Swift tests.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "check.h"

struct reference_coefficients {
    double sign, l2, decay, beta1, one_minus_beta1, beta2, one_minus_beta2, max_scale, step_size, eps;
    bool amsgrad;
};

static struct reference_coefficients reference_coefficients(const martlet_config *config, int64_t t) {
    const bool adamw = config->algorithm == MARTLET_ADAMW, keras = config->semantics == MARTLET_SEMANTICS_KERAS;
    const bool amsgrad = (config->flags & MARTLET_AMSGRAD) != 0;
    const double c1 = (double)(1 - powl(config->beta1, (long double)t));
    const double c2 = (double)(1 - powl(config->beta2, (long double)t));
    struct reference_coefficients c = {
        .sign = config->flags & MARTLET_MAXIMIZE ? -1 : 1,
        .l2 = adamw || keras ? 0 : config->weight_decay,
        .decay = adamw || keras ? 1 - config->lr * config->weight_decay : 1,
        .beta1 = config->beta1,
        .one_minus_beta1 = 1 - config->beta1,
        .beta2 = config->beta2,
        .one_minus_beta2 = 1 - config->beta2,
        .max_scale = 1,
        .step_size = config->lr * sqrt(c2) / c1,
        .eps = keras ? config->eps : config->eps * sqrt(c2),
        .amsgrad = amsgrad,
    };
    if (config->semantics == MARTLET_SEMANTICS_PAPER && adamw) c.decay = 1 - config->weight_decay;
    if (amsgrad && config->semantics == MARTLET_SEMANTICS_OPTAX) {
        c.max_scale = 1 / c2;
        c.step_size = config->lr / c1;
        c.eps = config->eps;
    }
    if (amsgrad && config->semantics == MARTLET_SEMANTICS_PAPER) {
        c.step_size = config->lr;
        c.eps = config->eps;
    }
    return c;
}

/* The fused product with denormals flushed, in words of its own: a C library that has no instruction for it computes
 * with pieces of the numbers, which the flush mode would take away. The volatile copies hold each step to its mode. */
#define REFERENCE_FMA(NAME, REAL, FMA)                                              \
    static REAL NAME##_flushed(REAL number) {                                       \
        return fpclassify(number) == FP_SUBNORMAL ? (number < 0 ? (REAL)-0.0 : 0) : number; \
    }                                                                               \
    static REAL NAME(REAL a, REAL b, REAL c) {                                      \
        const uint64_t mode = check_mode_get();                                     \
        volatile REAL x = a, y = b, z = c, result;                                  \
        if ((mode & CHECK_MODE_FLUSH) == 0) return FMA(x, y, z);                    \
        check_mode_set(CHECK_MODE_EXACT);                                           \
        result = FMA(NAME##_flushed(x), NAME##_flushed(y), NAME##_flushed(z));      \
        result = NAME##_flushed(result);                                            \
        check_mode_set(mode);                                                       \
        return result;                                                              \
    }
REFERENCE_FMA(reference_fma, double, fma)
REFERENCE_FMA(reference_fmaf, float, fmaf)

/* The rule on one element, in REAL. The three state numbers go in and out unrounded. beta2 and the step size are
 * held in two parts, the first of them below the number; the moments' products are fused. */
#define REFERENCE_RULE(NAME, REAL, SQRT, FMA, BELOW)                                                              \
    static void NAME##_parts(double number, REAL *high, REAL *rest) {                                             \
        *high = (REAL)number;                                                                                     \
        if (*high != 0 && (double)*high >= number) *high = BELOW(*high, 0);                                       \
        *rest = (REAL)(number - (double)*high);                                                                   \
    }                                                                                                             \
    static REAL NAME(REAL p, REAL g, REAL *m, REAL *v, REAL *max, const struct reference_coefficients *c) {      \
        REAL beta2, beta2_rest, size, size_rest;                                                                  \
        NAME##_parts(c->beta2, &beta2, &beta2_rest);                                                              \
        NAME##_parts(c->step_size, &size, &size_rest);                                                            \
        const REAL short_way = (REAL)c->one_minus_beta1;                                                          \
        g = g * (REAL)c->sign;                                                                                    \
        if (c->l2 != 0) g = g + (REAL)c->l2 * p;                                                                  \
        *m = c->one_minus_beta1 < 0.5 ? FMA(short_way, g - *m, *m) : FMA((REAL) - c->beta1, g - *m, g);           \
        *v = FMA(beta2, *v, FMA((REAL)c->one_minus_beta2 * g, g, beta2_rest * *v));                               \
        REAL r = *v;                                                                                              \
        if (c->amsgrad) {                                                                                         \
            REAL scaled = (REAL)c->max_scale * *v;                                                                \
            if (scaled > *max || scaled != scaled) *max = scaled; /* NaN wins, and a NaN in max stays */          \
            r = *max;                                                                                             \
        }                                                                                                         \
        const REAL direction = *m / (SQRT(r) + (REAL)c->eps);                                                     \
        return (REAL)c->decay * p - FMA(size, direction, size_rest * direction);                                  \
    }
REFERENCE_RULE(reference_rule_float, float, sqrtf, reference_fmaf, nextafterf)
REFERENCE_RULE(reference_rule_double, double, sqrt, reference_fma, nextafter)

static float reference_bf16_load(uint16_t stored) {
    uint32_t bits = (uint32_t)stored << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint16_t reference_bf16_store(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FC0u;
    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16);
}

UNUSED static double reference_load(const void *data, int64_t i, int32_t dtype) {
    if (dtype == MARTLET_FP64) return ((const double *)data)[i];
    if (dtype == MARTLET_FP32) return ((const float *)data)[i];
    if (dtype == MARTLET_FP16) return (double)((const half *)data)[i];
    return reference_bf16_load(((const uint16_t *)data)[i]);
}

UNUSED static void reference_store(void *data, int64_t i, int32_t dtype, double value) {
    if (dtype == MARTLET_FP64) ((double *)data)[i] = value;
    else if (dtype == MARTLET_FP32) ((float *)data)[i] = (float)value;
    else if (dtype == MARTLET_FP16) ((half *)data)[i] = (half)(float)value;
    else ((uint16_t *)data)[i] = reference_bf16_store((float)value);
}

/* For fp32 and bf16 the very bits: a conversion would lose a denormal that the rule only passes on. */
static float reference_load_float(const void *data, int64_t i, int32_t dtype) {
    if (dtype == MARTLET_FP32) return ((const float *)data)[i];
    if (dtype == MARTLET_BF16) return reference_bf16_load(((const uint16_t *)data)[i]);
    return (float)reference_load(data, i, dtype);
}

static void reference_store_float(void *data, int64_t i, int32_t dtype, float value) {
    if (dtype == MARTLET_FP32) ((float *)data)[i] = value;
    else if (dtype == MARTLET_BF16) ((uint16_t *)data)[i] = reference_bf16_store(value);
    else reference_store(data, i, dtype, value);
}

static bool reference_flushes(const martlet_config *config) {
    if (config->flags & MARTLET_FLUSH_DENORMALS) return true;
    if (config->flags & MARTLET_KEEP_DENORMALS) return false;
    return config->eps >= 1e-10;
}

__attribute__((noinline)) static void reference_loop(void *const data[5], const int32_t dtype[5], int64_t count,
                                                     const struct reference_coefficients *c) {
    bool wide = false;
    for (int k = 0; k < (c->amsgrad ? 5 : 4); k++) wide = wide || dtype[k] == MARTLET_FP64;
    const int arrays = c->amsgrad ? 5 : 4;
    for (int64_t i = 0; i < count; i++) {
        double x[5] = {0};
        float y[5] = {0};
        for (int k = 0; k < arrays && wide; k++) x[k] = reference_load(data[k], i, dtype[k]);
        for (int k = 0; k < arrays && !wide; k++) y[k] = reference_load_float(data[k], i, dtype[k]);
        if (wide) x[0] = reference_rule_double(x[0], x[1], &x[2], &x[3], &x[4], c);
        else y[0] = reference_rule_float(y[0], y[1], &y[2], &y[3], &y[4], c);
        for (int k = 0; k < arrays; k++) {
            if (k == 1) continue;
            if (wide) reference_store(data[k], i, dtype[k], x[k]);
            else reference_store_float(data[k], i, dtype[k], y[k]);
        }
    }
}

/* Step number t over value, grad, m, v and (amsgrad) max. */
UNUSED static void reference_step(void *const data[5], const int32_t dtype[5], int64_t count, int64_t t,
                                  const martlet_config *config) {
    const struct reference_coefficients c = reference_coefficients(config, t);
    const uint64_t before = check_mode_get();
    check_mode_set(CHECK_MODE_EXACT | (reference_flushes(config) ? CHECK_MODE_FLUSH : 0));
    reference_loop(data, dtype, count, &c);
    check_mode_set(before);
}

/* The same for fp32 arrays laid out as martlet_array_step has them. */
UNUSED static void reference_array_step(float *value, const float *grad, float *state, int64_t count, int64_t t,
                                        const martlet_config *config) {
    void *const data[5] = {value, (void *)(uintptr_t)grad, state, state + count, state + 2 * count};
    const int32_t dtype[5] = {MARTLET_FP32, MARTLET_FP32, MARTLET_FP32, MARTLET_FP32, MARTLET_FP32};
    reference_step(data, dtype, count, t, config);
}

#endif
