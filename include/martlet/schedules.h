/*
 * martlet/schedules.h - learning rates by step and by metric: section 9 of martlet.h, which includes it.
 */
#include "../martlet.h"

#ifndef MARTLET_SCHEDULES_H
#define MARTLET_SCHEDULES_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 9. Schedules
 *
 * A learning rate, or another hyperparameter, by step. With t the steps taken since `begin`, u = min(t, steps) / steps,
 * and h(x) = (1 + cos(pi x)) / 2, the half cosine:
 *
 * CONSTANT         rate
 * STEP             rate factor^floor(t / steps): EXPONENTIAL with MARTLET_STAIRCASE, by torch's name
 * EXPONENTIAL      rate factor^(t / steps)
 * INVERSE_TIME     rate / (1 + factor t / steps)
 * INVERSE_SQRT     rate sqrt(steps / (steps + t)): with a warm-up of `steps` before it, that of Vaswani et al.:
 *                  Attention is all you need. NeurIPS 2017
 * LINEAR           start_rate + (rate - start_rate) u: a warm-up, also downwards
 * POLYNOMIAL       end_rate + (rate - end_rate) (1 - u)^power
 * COSINE           end_rate + (rate - end_rate) h(u). Loshchilov, Hutter: SGDR: stochastic gradient descent with
 *                  warm restarts. ICLR 2017
 * COSINE_RESTARTS  the same in cycles i = 0, 1, ... of steps cycle_factor^i steps each:
 *                  end_rate + (rate - end_rate) factor^i h(share of the cycle)
 * ONE_MINUS_SQRT   end_rate + (rate - end_rate) (1 - sqrt(u)). Haegele et al.: Scaling laws and compute-optimal
 *                  training beyond fixed training durations. NeurIPS 2024
 * ONE_CYCLE        from start_rate up to rate at step warmup steps - 1, and down to end_rate at step steps - 1, on
 *                  half cosines. Smith, Topin: Super-convergence. 2018, as torch has it. Momentum goes the other way:
 *                  a schedule of its own, with rate the least of it
 *
 * They are the numbers of torch's and Keras's schedules of these names, to rounding; where torch reckons each rate from
 * the one before, of its closed form. A rate past the last step stays what it was, where nothing else is said.
 *
 * Of an array of schedules those count that are under way: at step begin and later, and before end. Their rates are
 * multiplied. One after another they are a sequence; together they are a chain, where all but one are factors around
 * 1. A multi-step schedule is a CONSTANT, and for each milestone a CONSTANT with rate 0.1 that begins there. A
 * piecewise constant one is a CONSTANT for each piece. Warm-up, stable, decay is a LINEAR, a CONSTANT and what falls:
 *
 *     martlet_schedule schedules[2];
 *     double rate;
 *     martlet_schedule_init(&schedules[0], sizeof schedules[0], MARTLET_SCHEDULE_LINEAR);
 *     schedules[0].steps = 100, schedules[0].rate = 1e-3, schedules[0].end = 100;
 *     martlet_schedule_init(&schedules[1], sizeof schedules[1], MARTLET_SCHEDULE_COSINE);
 *     schedules[1].steps = 900, schedules[1].rate = 1e-3, schedules[1].begin = 100;
 *     for (int64_t step = 0; step < 1000; step++)
 *         if (martlet_schedule_get(&rate, schedules, 2, step) != MARTLET_OK) puts(martlet_last_error());
 *
 * A plateau is the one with state: a rate that falls where a metric has stopped getting better.
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_SCHEDULE_CONSTANT 1
#define MARTLET_SCHEDULE_STEP 2
#define MARTLET_SCHEDULE_EXPONENTIAL 3
#define MARTLET_SCHEDULE_INVERSE_TIME 4
#define MARTLET_SCHEDULE_INVERSE_SQRT 5
#define MARTLET_SCHEDULE_LINEAR 6
#define MARTLET_SCHEDULE_POLYNOMIAL 7
#define MARTLET_SCHEDULE_COSINE 8
#define MARTLET_SCHEDULE_COSINE_RESTARTS 9
#define MARTLET_SCHEDULE_ONE_MINUS_SQRT 10
#define MARTLET_SCHEDULE_ONE_CYCLE 11

/* Flags of a schedule; one that its kind does not read is an error (ARGUMENT). */
#define MARTLET_STAIRCASE 1u    /* EXPONENTIAL, INVERSE_TIME: t / steps is rounded down */
#define MARTLET_CYCLE 2u        /* POLYNOMIAL: past `steps` a cycle is as many times longer as cycles have begun, as in
                                   Keras; COSINE: up again and down, in as many steps each, as in torch */
#define MARTLET_STRAIGHT 4u     /* ONE_CYCLE: straight lines in place of half cosines */
#define MARTLET_THREE_PHASES 8u /* ONE_CYCLE: down to start_rate in as many steps as up, and to end_rate in the rest */

/* Numbers that a kind does not read must be NaN, as martlet_schedule_init leaves them. Rates and factors are finite
 * and 0 or more. */
typedef struct martlet_schedule {
    uint32_t struct_size;
    int32_t kind;        /* MARTLET_SCHEDULE_... */
    uint32_t flags;      /* MARTLET_STAIRCASE, ... */
    int32_t reserved;    /* 0 */
    int64_t begin;       /* the step at which it begins: its own t is 0 there. 0 or more. Default 0 */
    int64_t end;         /* the step at which it has ended, over begin. Default 0: it never does */
    double steps;        /* 1 or more, whole or not. Default 1 (EXPONENTIAL, INVERSE_TIME); must be set (others);
                            not read by CONSTANT */
    double rate;         /* must be set */
    double start_rate;   /* LINEAR: default 0. ONE_CYCLE: default NaN, which is rate / 25 */
    double end_rate;     /* POLYNOMIAL, COSINE, COSINE_RESTARTS, ONE_MINUS_SQRT: default 0. ONE_CYCLE: default NaN,
                            which is start_rate / 10,000 */
    double factor;       /* STEP: default 0.1. EXPONENTIAL, INVERSE_TIME: must be set. COSINE_RESTARTS: default 1 */
    double power;        /* POLYNOMIAL: 0 or more. Default 1 */
    double cycle_factor; /* COSINE_RESTARTS: 1 or more. Default 1 */
    double warmup;       /* ONE_CYCLE: the share of the steps in which the rate rises, 0 to 1. Default 0.3 */
} martlet_schedule;

/* Fills *out_schedule with a kind's defaults; writes struct_size bytes and none past them. Fails with NULL, STRUCT and
 * ARGUMENT (no such kind). Since 0.1. */
martlet_status martlet_schedule_init(martlet_schedule *out_schedule, size_t struct_size, int32_t kind);

/* The kind's name, "cosine"; NULL for a number that is none. Static storage. Since 0.1. */
const char *martlet_schedule_name(int32_t kind);

/* The rate at a step: a function of its arguments alone, so that training resumes anywhere.
 *
 * schedules   count of them, 1 to 2^24, one after another, all of one struct_size
 * step        how many steps were taken before: 0 at the first
 *
 * Takes no memory. Fails with NULL, STRUCT and ARGUMENT (a number out of range; no schedule is under way; a rate
 * that is not finite), and then leaves *out_rate alone. Since 0.1. */
martlet_status martlet_schedule_get(double *out_rate, const martlet_schedule *schedules, int64_t count, int64_t step);

/* Flags of a plateau. */
#define MARTLET_CLIMB 1u    /* larger is better; else smaller */
#define MARTLET_RELATIVE 2u /* threshold is a share of the best metric; else a difference */

/* A rate that falls where a metric has stopped getting better, with its state: a copy is a checkpoint. A metric that is
 * NaN is never better. */
typedef struct martlet_plateau {
    uint32_t struct_size;
    int32_t semantics; /* MARTLET_SEMANTICS_TORCH: after `patience` metrics that are not better the next one lowers the
                          rate. MARTLET_SEMANTICS_KERAS: the last of them does, and the one that ends a cooldown
                          counts again */
    uint32_t flags;    /* MARTLET_CLIMB, ... Default MARTLET_RELATIVE (torch), 0 (Keras) */
    int32_t reserved;  /* 0 */
    double rate;       /* the learning rate, 0 or more; must be set before the first step, and read after each */
    double factor;     /* what the rate is multiplied by, 0 <= factor < 1. Default 0.1 */
    double min_rate;   /* 0 or more. Default 0 */
    double threshold;  /* what is better is better by more than this, 0 or more. Default 1e-4 */
    double eps;        /* torch: the rate stays where it would fall by no more than this. Default 1e-8 (torch), 0 */
    int64_t patience;  /* 0 or more. Default 10 */
    int64_t cooldown;  /* so many metrics after the rate fell do not count. 0 or more. Default 0 */
    double best;       /* state: the best metric so far, at first NaN */
    int64_t bad;       /* state: metrics since that were not better, at first 0 */
    int64_t cooling;   /* state: what is left of the cooldown, at first 0 */
} martlet_plateau;

/* Fills *out_plateau with the defaults of torch's or Keras's ReduceLROnPlateau; writes struct_size bytes. Fails with
 * NULL, STRUCT and ARGUMENT (other semantics). Since 0.1. */
martlet_status martlet_plateau_init(martlet_plateau *out_plateau, size_t struct_size, int32_t semantics);

/* Takes a metric, any number, and lowers plateau->rate where it is time. Fails with NULL, STRUCT and ARGUMENT (a number
 * out of range). Since 0.1. */
martlet_status martlet_plateau_step(martlet_plateau *plateau, double metric);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_SCHEDULES_H */
