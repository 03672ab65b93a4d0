/*
 * martlet.h - the Adam family of optimizers and small neural networks, as a C library.
 *
 * This header is the whole published interface and its manual. It compiles as C99 and later and as
 * C++11 and later, and needs nothing but libmartlet.so.0, or libmartlet.a.
 *
 * Intended usage, in the order of effort:
 *
 *   1. martlet_array_step      one fp32 array, one call
 *   2. martlet_step            any number of arrays, types, strides and groups; all memory is yours
 *   3. martlet_optimizer_...   a handle that owns the moments and borrows the parameters
 *   4. martlet_model_...       a network built layer by layer, trained with any of the optimizers
 *
 * The first three compute the same bits.
 *
 *     float weight[1000], grad[1000], state[2 * 1000] = {0};
 *     int64_t step = 0;
 *     martlet_config config;
 *     martlet_config_init(&config, sizeof config, MARTLET_ADAM);
 *     for (int epoch = 0; epoch < 100; epoch++) {
 *         compute_gradient(weight, grad);
 *         if (martlet_array_step(weight, grad, state, 1000, &step, &config) != MARTLET_OK)
 *             puts(martlet_last_error());
 *     }
 */
#ifndef MARTLET_H
#define MARTLET_H

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX < 0xFFFFFFFFFFFFFFFF
#error "martlet.h describes a library for machines with addresses of 64 bits"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 1. Conventions
 *
 * Names       martlet_<noun>_<verb>. Arguments stand in the order handle, out-parameters (out_...),
 *             inputs as (pointer, count), configuration.
 * Errors      Every function that can fail returns a martlet_status: MARTLET_OK (0) or a negative
 *             constant. martlet_last_error() then says which argument had which value and what was
 *             wanted. On failure nothing the caller passed has changed. No argument that can be
 *             checked ends the process; a pointer that is not NULL and points to memory the caller
 *             does not own cannot be checked.
 * Counts      are elements, never bytes, and int64_t; a negative count is an error.
 * Structs     that carry struct_size must have it set to sizeof by the caller (the ..._init functions
 *             do so). A size under the first published one is MARTLET_ERROR_STRUCT; a field beyond the
 *             given size takes its default. Bytes beyond the library's own size must be zero where a
 *             struct is read (a config, layer, training or loop), and become zero where it is written.
 *             Reserved fields must be zero.
 * Memory      Pointers are borrowed for the length of the call, except where a function says longer.
 *             Elements must be aligned to their own size. A range that is written may overlap no
 *             other range of the same call; ranges that are only read may overlap each other. Overlaps
 *             among arrays are found and refused; structs of the call are taken to be apart. Arrays
 *             may interleave, as the columns of a matrix do, where some stride of one of them keeps
 *             them apart; other interleavings, and a written array whose strides, sorted, do not each
 *             step over all that the shorter ones reach, are refused even if no byte is shared.
 *             A step allocates only where its thread has not made one before, or none of as many
 *             parameters and dimensions; that memory stays with the thread until it ends.
 * Limits      2^24 parameters and 2^24 groups in one call of martlet_step, 2^56 elements in an array,
 *             2^20 handles at a time. Steps and epochs are counted to 2^63 - 1, in memory and in files; a
 *             call that would count further is refused (ARGUMENT).
 * Threads     Any function may be called from any thread. Different handles and different arrays may
 *             be used at the same time. A second thread that enters a handle gets MARTLET_ERROR_BUSY.
 *             Large calls are shared with worker threads of the library's own, one call at a time: a
 *             call made meanwhile by another thread is done by that thread alone.
 * Stack       A thread of 64 KB of stack may call every function: none takes more than 32 KB, whatever the
 *             sizes and counts, the error or the file.
 * Signals     No function may be called from a signal handler.
 * fork        A forked child can use the library at once, also if the fork fell into another thread's
 *             first calls: it waits for the microseconds in which one of them holds a lock. A handle
 *             that another thread was inside at the fork answers MARTLET_ERROR_INTERRUPTED in the child
 *             until it is destroyed.
 * Numbers     The same inputs give the same bits for every thread count, alignment and language, in steps of
 *             optimizers also for every instruction set. A NaN result is a NaN everywhere; its sign and
 *             payload are not promised.
 *             The host's rounding, flush and exception modes are as before after every call.
 * ------------------------------------------------------------------------------------------------- */

/* ---------------------------------------------------------------------------------------------------
 * 2. Version
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_VERSION_MAJOR 0
#define MARTLET_VERSION_MINOR 1
#define MARTLET_VERSION_PATCH 0
/* MAJOR * 10000 + MINOR * 100 + PATCH */
#define MARTLET_VERSION 100
/* The number in libmartlet.so.<ABI>: a program runs with any library of the same number that is not older. */
#define MARTLET_ABI 0

/* The version of the library that is loaded, to compare with MARTLET_VERSION. Cannot fail. Since 0.1. */
int32_t martlet_version_get(void);
/* The same as text, "0.1.0". Static storage. Cannot fail. Since 0.1. */
const char *martlet_version_name(void);
/* The library's ABI number, to compare with MARTLET_ABI. Cannot fail. Since 0.1. */
int32_t martlet_abi_get(void);

/* ---------------------------------------------------------------------------------------------------
 * 3. Status
 * ------------------------------------------------------------------------------------------------- */

typedef int32_t martlet_status;

#define MARTLET_OK 0
#define MARTLET_ERROR_ARGUMENT (-1)     /* a number is out of its range, or not known; a name that cannot be */
#define MARTLET_ERROR_NULL (-2)         /* a pointer is NULL that must not be */
#define MARTLET_ERROR_STRUCT (-3)       /* struct_size or a reserved field is wrong */
#define MARTLET_ERROR_HANDLE (-4)       /* not a handle: NULL, destroyed, or never one */
#define MARTLET_ERROR_TYPE (-5)         /* an element type that cannot stand here */
#define MARTLET_ERROR_SHAPE (-6)        /* counts, ranks, sizes or strides that do not fit together */
#define MARTLET_ERROR_OVERLAP (-7)      /* a written range overlaps another, or itself */
#define MARTLET_ERROR_ALIGNMENT (-8)    /* a pointer is not a multiple of its element's size */
#define MARTLET_ERROR_UNSUPPORTED (-9)  /* a field that this version does not serve */
#define MARTLET_ERROR_MEMORY (-10)      /* the system gave no memory; see below */
#define MARTLET_ERROR_FILE (-11)        /* the system refused a file operation */
#define MARTLET_ERROR_FORMAT (-12)      /* a file's content is not what it should be */
#define MARTLET_ERROR_BUSY (-13)        /* another thread is inside this handle */
#define MARTLET_ERROR_INTERRUPTED (-14) /* another thread was inside this handle at the fork */
#define MARTLET_STOPPED (-15)           /* a progress function asked to stop; the model is consistent */
#define MARTLET_ERROR_ORDER (-16)       /* a call came before one that it needs, or after one that forbids it */

/* MARTLET_ERROR_MEMORY answers every refused allocation that grows with what a caller passes or a file
 * holds. Objects of fixed size (a handle's, a parameter's) and the texts of errors take allocations of
 * under 4 KB, and what describes a model some 2 KB for each of its layers, 1,023 at most; where the system
 * refuses one of these, the process ends. A step that succeeds, martlet_optimizer_set, _reset and _destroy
 * make none of them, nor does a training step or prediction like one that its model has made before. */

/* The constant's own name, "MARTLET_ERROR_NULL"; "MARTLET_ERROR_?" for a number that is none.
 * Static storage. Cannot fail. Since 0.1. */
const char *martlet_status_name(martlet_status status);

/* What went wrong in the latest failing call of this thread: function, argument, the value given and
 * the one wanted. "" before the first failure. Never NULL; valid until the next failing call of this
 * thread; at most 1,023 bytes of UTF-8. Since 0.1. */
const char *martlet_last_error(void);

/* ---------------------------------------------------------------------------------------------------
 * 4. The machine: threads and instruction sets
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_ISA_AUTO 0     /* the best for the step at hand: for a small one AVX2 may be that */
#define MARTLET_ISA_BASELINE 1 /* SSE2 on x86-64, NEON on arm64 */
#define MARTLET_ISA_AVX2 2     /* x86-64-v3: AVX2, FMA, F16C */
#define MARTLET_ISA_AVX512 3   /* x86-64-v4: AVX-512 F, BW, CD, DQ, VL */

typedef struct martlet_machine {
    uint32_t struct_size;
    int32_t isa;          /* MARTLET_ISA_...: the one set, else the machine's best */
    int32_t isa_best;     /* the best that processor and system support */
    int32_t threads;      /* the thread count in force */
    int32_t threads_default; /* the least of CPU affinity, cgroup quota and OMP_NUM_THREADS */
    int32_t last_isa;     /* what this thread's latest step ran on; 0 before the first */
    int32_t last_threads; /* how many threads did work in this thread's latest step; 0 before the first */
    int32_t reserved;
    int64_t chunk;        /* the least number of elements handed to a thread at once */
} martlet_machine;

/* Describes the machine and the settings in force. out_machine: struct_size bytes are written.
 * Fails with NULL, STRUCT, and with ARGUMENT when MARTLET_ISA or MARTLET_NUM_THREADS in the environment
 * holds a value that is unknown or that this machine lacks; every step then fails with ARGUMENT too,
 * until martlet_isa_set or martlet_threads_set says otherwise. Since 0.1. */
martlet_status martlet_machine_get(martlet_machine *out_machine, size_t struct_size);

/* Sets how many threads a call may use, 1 to 1,024; 0 returns to the default. Process-wide; a call
 * under way keeps its own. Results do not depend on it. The default is MARTLET_NUM_THREADS where the
 * environment sets it, else the least of CPU affinity, cgroup quota and OMP_NUM_THREADS. Since 0.1. */
martlet_status martlet_threads_set(int32_t count);
/* The thread count in force. Since 0.1. */
martlet_status martlet_threads_get(int32_t *out_count);

/* Chooses the instruction set, MARTLET_ISA_...; one that the machine lacks is an ARGUMENT error.
 * Process-wide; a call under way keeps its own. Steps of optimizers give the same bits on each; products
 * and models need not. The default is MARTLET_ISA in the environment (baseline, avx2 or avx512), else the
 * best. Since 0.1. */
martlet_status martlet_isa_set(int32_t isa);

/* Sets the least number of elements that is handed to a thread at once, 64 to 2^40; 0 returns to the
 * default of 2,048. Process-wide; for tests and tuning. Results do not depend on it. Workers that are
 * awake help with 4 times as many elements, and sleeping ones are woken for 128 times as many. Since 0.1. */
martlet_status martlet_chunk_set(int64_t elements);

/* ---------------------------------------------------------------------------------------------------
 * 5. Arrays
 * ------------------------------------------------------------------------------------------------- */

/* Element types. Arithmetic is in fp64 where any array of a parameter is fp64, else in fp32. */
#define MARTLET_FP64 1
#define MARTLET_FP32 2
#define MARTLET_BF16 3
#define MARTLET_FP16 4
/* Reserved numbers; where an array of a step has one of these the answer is MARTLET_ERROR_UNSUPPORTED
 * for the block-quantised types and MARTLET_ERROR_TYPE for the others. */
#define MARTLET_INT8 5
#define MARTLET_UINT8 6
#define MARTLET_INT32 7
#define MARTLET_INT64 8
#define MARTLET_BOOL 9
#define MARTLET_DYNAMIC8 10  /* block-quantised: signed 8-bit dynamic map */
#define MARTLET_UDYNAMIC8 11 /* block-quantised: unsigned 8-bit dynamic map */
#define MARTLET_LINEAR4 12   /* block-quantised: signed 4-bit linear map */
#define MARTLET_ULINEAR4 13  /* block-quantised: unsigned 4-bit linear map */

/* An array in the caller's memory: contiguous (rank 0), or laid out by sizes and strides. */
typedef struct martlet_array {
    void *data;             /* the first element; may be NULL where count is 0 */
    int64_t count;          /* elements in all; with a rank, the product of sizes */
    int32_t dtype;          /* MARTLET_FP64, ... */
    int32_t rank;           /* 0: contiguous; 1 to 64: sizes and strides hold that many numbers */
    const int64_t *sizes;   /* elements along each dimension, outermost first */
    const int64_t *strides; /* elements between neighbours along each dimension; may be negative;
                               0 (a repeated element) only in arrays that are read */
    void *scales;           /* block-quantised types only: NULL */
    int32_t block;          /* block-quantised types only: 0 */
    int32_t scale_dtype;    /* block-quantised types only: 0 */
    uint64_t reserved;      /* 0 */
} martlet_array;            /* 64 bytes, for good */

/* A parameter, its gradient and its state. All arrays have value's count. Those with a rank have the same
 * rank and the same sizes, and elements correspond by their place along the dimensions; an array of rank 0
 * beside them holds its elements in row-major order over those sizes (the last dimension varies fastest). */
typedef struct martlet_parameter {
    martlet_array value;      /* read and written */
    martlet_array grad;       /* read; data NULL with a count over 0 in value: no gradient: value, state,
                                 step and what step_shown points to are left as they are (unless another
                                 parameter of the call that has a gradient shares the last two) */
    martlet_array *state;     /* the algorithm's slots in order (martlet_slot_get), of as many numbers as their
                                 kind says; read and written. Zero before the first step,
                                 where a scalar that is 0 starts as its algorithm says */
    int64_t state_count;      /* martlet_algorithm_slot_count */
    int64_t *step;            /* steps taken, 0 at first; one more after a successful call. Parameters
                                 may share one counter */
    int32_t group;            /* index into the call's configs */
    int32_t flags;            /* 0 */
    uint64_t key, offset;     /* for rounding and shards: 0 */
    const int64_t *rows;      /* for sparse gradients: NULL */
    int64_t row_count;        /* for sparse gradients: 0 */
    const char *name;         /* appears in files and, its first 80 bytes, in error messages; ends with a
                                 NUL; may be NULL */
    void *step_shown;         /* NULL, or a number in the caller's memory that shows the steps taken to
                                 others, as the state of other frameworks does; written after each step,
                                 rounded where step is too large for it. Where a call finds another number
                                 there than it would have shown for step, somebody has changed it: it is
                                 what counts, one is added to it, step becomes its whole part, and a
                                 fraction goes into the bias corrections. It must be over -1 and under
                                 2^63 then, else ARGUMENT. Parameters may share one */
    int32_t step_shown_dtype; /* MARTLET_FP32 or MARTLET_FP64; 0 where step_shown is NULL */
    int32_t step_reserved;    /* 0 */
    uint64_t reserved[5];     /* 0 */
} martlet_parameter;          /* 256 bytes, for good */

/* ---------------------------------------------------------------------------------------------------
 * 6. Algorithms and hyperparameters
 *
 * Every algorithm is given g, the gradient (negated with MARTLET_MAXIMIZE), with weight_decay p added to it
 * unless the decay is decoupled (flags, below). t counts steps from 1, ^ is a power, and everything is worked
 * out element by element. In brackets: the slots, and what of them is a scalar.
 *
 * Adam      [exp_avg m, exp_avg_sq v; with AMSGRAD max_exp_avg_sq r]
 *           m <- m + (1 - beta1) (g - m);  v <- beta2 v + (1 - beta2) g^2
 *           p <- p - lr / c1 m / (sqrt(v / c2) + eps),  c1 = 1 - beta1^t,  c2 = 1 - beta2^t
 *           AMSGRAD: r <- max(r, v) in v's place. Kingma, Ba: Adam: a method for stochastic optimization. ICLR
 *           2015, algorithm 1. Reddi, Kale, Kumar: On the convergence of Adam and beyond. ICLR 2018, algorithm 2
 * AdamW     the same; its decay is decoupled. Loshchilov, Hutter: Decoupled weight decay regularization. ICLR
 *           2019, algorithm 2
 * SGD       [with a momentum: momentum_buffer b]
 *           b <- momentum b + (1 - dampening) g, at the first step g;  p <- p - lr b
 *           NESTEROV: p <- p - lr (g + momentum b), for a dampening of 0 alone. Without a momentum b is g.
 *           Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning.
 *           ICML 2013
 * RMSprop   [square_avg v; with a momentum momentum_buffer b; with CENTERED grad_avg a]
 *           v <- alpha v + (1 - alpha) g^2;  u = g / (sqrt(v) + eps);  p <- p - lr u
 *           CENTERED: a <- alpha a + (1 - alpha) g, and v - a^2 in v's place. With a momentum: b <- momentum b + u
 *           in u's place. Tieleman, Hinton: Lecture 6.5, 2012. Graves: Generating sequences with recurrent neural
 *           networks. arXiv:1308.0850
 * Adagrad   [sum s] s <- s + g^2, from initial_accumulator_value;  p <- p - lr / (1 + (t - 1) lr_decay) g /
 *           (sqrt(s) + eps). Duchi, Hazan, Singer: Adaptive subgradient methods. JMLR 12, 2011
 * Adadelta  [square_avg v, acc_delta d]
 *           v <- rho v + (1 - rho) g^2;  u = sqrt(d + eps) / sqrt(v + eps) g;  d <- rho d + (1 - rho) u^2
 *           p <- p - lr u. Zeiler: Adadelta. arXiv:1212.5701, algorithm 1
 * Rprop     [prev q, step_size z] z, lr at first, times etaplus where g q > 0 and etaminus where g q < 0, kept
 *           between step_size_min and step_size_max; where g q < 0, g = 0 from here;  q <- g
 *           p <- p - sign(g) z. Riedmiller, Braun: A direct adaptive method for faster backpropagation learning.
 *           ICNN 1993
 * ASGD      [ax a; scalars eta, mu] p <- (1 - lambd eta) p - eta g;  a <- a + mu (p - a)
 *           then eta = lr / (1 + lambd lr t)^alpha and mu = 1 / max(1, t - t0) for the next step; lr and 1 at
 *           first. Polyak, Juditsky: Acceleration of stochastic approximation by averaging. 1992
 * Adamax    [exp_avg m, exp_inf u] m as Adam's;  u <- max(beta2 u, |g| + eps);  p <- p - lr / c1 m / u
 *           Kingma, Ba, algorithm 2
 * NAdam     [exp_avg m, exp_avg_sq v; scalar mu_product M] m, v as Adam's;  M <- M mu_t
 *           p <- p - lr ((1 - mu_t) / (1 - M) g + mu_(t+1) / (1 - M mu_(t+1)) m) / (sqrt(v / c2) + eps)
 *           mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). Dozat: Incorporating Nesterov momentum into Adam. 2016
 * RAdam     [exp_avg m, exp_avg_sq v] m, v as Adam's;  rho = R - 2 t beta2^t / c2,  R = 2 / (1 - beta2) - 1
 *           rho > 5: p <- p - lr / c1 m sqrt(c2) / (sqrt(v) + eps) F,
 *           F = sqrt((rho - 4) (rho - 2) R / ((R - 4) (R - 2) rho));  else p <- p - lr / c1 m
 *           Liu, Jiang, He, Chen, Liu, Gao, Han: On the variance of the adaptive learning rate. arXiv:1908.03265
 * AdaBound  [exp_avg m, exp_avg_sq v; with AMSGRAD max_exp_avg_sq r; scalar base_lr: what it holds before the first
 *           step, or that step's lr where it holds 0]
 *           m, v, r as Adam's;  p <- p - clamp(lr sqrt(c2) / c1 / (sqrt(v) + eps), f (1 - 1 / (gamma t + 1)),
 *           f (1 + 1 / (gamma t))) m,  f = final_lr lr / base_lr (final_lr for a base_lr of 0; no upper bound for a
 *           gamma of 0). With AMSGRAD: AMSBound. Luo, Xiong, Liu, Sun:
 *           Adaptive gradient methods with dynamic bound of learning rate. ICLR 2019
 * AdaBelief [exp_avg m, exp_avg_var s; with AMSGRAD max_exp_avg_var]
 *           m as Adam's;  s <- beta2 s + (1 - beta2) (g - m)^2 + eps_root
 *           p <- p - lr / c1 m / (sqrt(s / c2) + eps);  RECTIFY, a default: as RAdam's, from rho >= 5 on. AMSGRAD:
 *           the largest s so far in s's place. Decoupled by default. Zhuang et al.: AdaBelief optimizer. NeurIPS 2020
 * Adan      [exp_avg m, exp_avg_sq n, exp_avg_diff w, neg_pre_grad: -g of the step before]
 *           d = g less the step's before, 0 at first;  m <- beta1 m + (1 - beta1) g;  w <- beta2 w + (1 - beta2) d
 *           n <- beta3 n + (1 - beta3) (g + beta2 d)^2
 *           p <- (p - lr (m / c1 + beta2 w / c2) / (sqrt(n / c3) + eps)) / (1 + lr weight_decay)
 *           Xie, Zhou, Li, Lin, Yan: Adan. arXiv:2208.06677. Its decay is never added to g
 * Lion      [exp_avg m] p <- p - lr sign(beta1 m + (1 - beta1) g);  m <- beta2 m + (1 - beta2) g. Decoupled by
 *           default. Chen et al.: Symbolic discovery of optimization algorithms. arXiv:2302.06675
 * AdEMAMix  [exp_avg_fast m, exp_avg_slow n, exp_avg_sq v] m, v as Adam's;  n <- beta3 n + (1 - beta3) g
 *           p <- p - lr (m / c1 + alpha n) / (sqrt(v / c2) + eps). alpha grows in a line over alpha_warmup steps,
 *           beta3's half-life from beta1's over beta3_warmup steps. Decoupled by default. Pagliardini, Ablin,
 *           Grangier: The AdEMAMix optimizer. arXiv:2409.03137
 * Simplified AdEMAMix  [exp_avg m, exp_avg_sq v] m <- beta1 m + g;  v as Adam's
 *           p <- p - lr (m + alpha g) / (sqrt(v / c2) + eps). Decoupled by default. Morwani, Vyas, Zhang, Kakade:
 *           Connections between Schedule-Free optimizers, AdEMAMix, and accelerated SGD variants. arXiv:2502.02431
 * ADOPT     [exp_avg m, exp_avg_sq v] at the first step v = g^2, and p stays. Later n = g / max(sqrt(v), eps),
 *           kept within +-(t - 1)^(1/4);  m <- m + (1 - beta1) (n - m);  p <- p - lr m;  then v as Adam's
 *           Taniguchi et al.: ADOPT. arXiv:2411.02853, algorithm 2
 * LaProp    [exp_avg m, exp_avg_sq v; scalar exp_avg_lr_1 e] v as Adam's;  e <- beta1 e + (1 - beta1) lr
 *           m <- beta1 m + (1 - beta1) lr g / (sqrt(v / c2) + eps);  p <- p - m lr / e, and p - m for an lr of 0.
 *           Decoupled by default.
 *           Ziyin, Wang, Ueda: LaProp. arXiv:2002.04839
 * Schedule-Free  [z, p at first; AdamW and RAdam: exp_avg_sq v; scalars weight_sum, lr_max]
 *           u = g (SGD), g / (sqrt(v / c2) + eps) with v as Adam's and weight_decay p added behind the quotient
 *           w = t^r lr_max^weight_lr_power;  c = w / the sum of all w;  z' = z - lr u
 *           p <- p + c (z - p) - lr (1 - beta1 (1 - c)) u, with momentum for beta1 in SGD. lr grows in a line over
 *           warmup_steps; RAdam's is rectified instead, and 0 while rho <= 4. p is where gradients are taken; the
 *           trained point is p + (1 - 1 / beta1) (z - p). Defazio et al.: The road less scheduled. arXiv:2405.15682
 * Adafactor [matrices: row_var R, col_var C; vectors: variance v] w = t^beta2_decay
 *           A parameter whose value has sizes of two dimensions or more: for each matrix of its last two
 *           R <- R + w (mean of g^2 along the row - R);  C <- C + w (mean of g^2 along the column - C)
 *           v = R C / max(mean of R, eps).  Any other, a contiguous array without sizes too: v <- v + w (g^2 - v)
 *           u = g / max(sqrt(v), eps);  p <- (1 - lr weight_decay) p - a u / max(1, rms(u) / clipping_threshold)
 *           a = max(eps2, rms(p)) min(lr, 1 / sqrt(t)), rms over all elements of the parameter. An eps of 0 is
 *           the machine epsilon of value's type. Sums are in fp64, in an order that sizes alone decide. Decay is
 *           decoupled always. Not for models. Shazeer, Stern: Adafactor. arXiv:1804.04235
 *
 * Rounding. Averages are formed with fused products (product and sum rounded once) on every instruction set:
 * m + (1 - beta) (x - m) where 1 - beta is under 1/2, else x - beta (x - m); for squares beta v and
 * ((1 - beta) g) g, with beta in two parts, so that rounding it to fp32 loses nothing. Adam's step size is in
 * two parts too. Bias corrections are inside the step size and eps, formed in fp64. Everything else is rounded
 * operation by operation.
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_ADAM 1
#define MARTLET_ADAMW 2
#define MARTLET_SGD 3
#define MARTLET_RMSPROP 4
#define MARTLET_ADAGRAD 5
#define MARTLET_ADADELTA 6
#define MARTLET_RPROP 7
#define MARTLET_ASGD 8
#define MARTLET_ADAMAX 9
#define MARTLET_NADAM 10
#define MARTLET_RADAM 11
#define MARTLET_ADABOUND 12
#define MARTLET_ADABELIEF 13
#define MARTLET_ADAN 14
#define MARTLET_LION 15
#define MARTLET_ADEMAMIX 16
#define MARTLET_SIMPLIFIED_ADEMAMIX 17
#define MARTLET_ADOPT 18
#define MARTLET_LAPROP 19
#define MARTLET_SCHEDULE_FREE_SGD 20
#define MARTLET_SCHEDULE_FREE_ADAMW 21
#define MARTLET_SCHEDULE_FREE_RADAM 22
#define MARTLET_ADAFACTOR 23

/* Whose convention is followed where libraries differ; where none is named, all are as written above. Defaults
 * of hyperparameters are those of torch, or of the algorithm's own code, in all.
 *   KERAS  decay is always decoupled, but Schedule-Free's. Adam: eps beside the uncorrected sqrt(v). SGD with a momentum and RMSprop
 *          with one: lr inside b. RMSprop, Adagrad: sqrt(v + eps). Adamax: u <- max(beta2 u, |g|), u + eps.
 *          NAdam: a momentum_decay of 1
 *   OPTAX  AMSGrad keeps the largest bias-corrected v. RMSprop, Adagrad: sqrt(v + eps), RMSprop's lr inside b.
 *          NAdam: beta1 for each mu_t. RAdam: from rho >= 5 on, eps beside the corrected root. Adan: 1 - beta2 for
 *          the beta2 that d and w are multiplied by
 *   PAPER  AMSGrad without bias corrections. AdamW's decay is not scaled by lr: p <- (1 - weight_decay) p. RAdam:
 *          from rho >= 5 on. LaProp: lr outside of m, p <- p - lr / c1 m */
#define MARTLET_SEMANTICS_TORCH 0
#define MARTLET_SEMANTICS_KERAS 1
#define MARTLET_SEMANTICS_OPTAX 2
#define MARTLET_SEMANTICS_PAPER 3

/* Flags of a config. One that the algorithm does not read (martlet_algorithm_flags) is an ARGUMENT error. */
#define MARTLET_AMSGRAD 1u
#define MARTLET_MAXIMIZE 2u
/* Numbers too small for the normal range count as zero during the call (on x86-64 and arm64): off where eps
 * is under 1e-10, on with any other and in algorithms without one, unless one of these two says otherwise. A
 * moment whose gradient stays zero otherwise ends as such a number, and slows every later step down. */
#define MARTLET_FLUSH_DENORMALS 4u
#define MARTLET_KEEP_DENORMALS 8u
/* Hyperparameters may be any finite numbers, as schedules of other libraries leave them: a negative rate,
 * a beta of 1 or more. A step of a parameter is then an ARGUMENT error where they give no finite step
 * size, as a beta1 of 1 does, whose bias correction is 0. */
#define MARTLET_WIDE_RANGES 16u
/* Weight decay. Without any of these it is added to the gradient (L2: g <- g + weight_decay p), but for
 * AdamW and with MARTLET_SEMANTICS_KERAS, which decouple it always: p <- (1 - lr weight_decay) p.
 *   DECOUPLED  so everywhere. Loshchilov, Hutter: Decoupled weight decay regularization. ICLR 2019
 *   CAUTIOUS   so, in those elements alone that the step moves the way the decay does. Chen, Li, Liang, Su,
 *              Xie, Wang, Liu, Liu: Cautious weight decay. arXiv:2510.12402
 *   CORRECTED  so, with lr^2 / lr_max for lr, where lr_max is the largest lr of any step so far and a slot of
 *              the state. Defazio: Why gradients rapidly increase near the end of training. arXiv:2506.02285 */
#define MARTLET_DECOUPLED_DECAY 32u
#define MARTLET_CAUTIOUS_DECAY 64u
#define MARTLET_CORRECTED_DECAY 128u
/* What these change stands beside the algorithms that read them. */
#define MARTLET_NESTEROV 256u
#define MARTLET_CENTERED 512u
#define MARTLET_RECTIFY 1024u

/* Hyperparameters by number, for martlet_optimizer_set and _get: the fields of martlet_config in order. */
#define MARTLET_LR 1
#define MARTLET_BETA1 2
#define MARTLET_BETA2 3
#define MARTLET_BETA3 4
#define MARTLET_EPS 5
#define MARTLET_WEIGHT_DECAY 6
#define MARTLET_MOMENTUM 7
#define MARTLET_DAMPENING 8
#define MARTLET_ALPHA 9
#define MARTLET_RHO 10
#define MARTLET_LR_DECAY 11
#define MARTLET_INITIAL_ACCUMULATOR_VALUE 12
#define MARTLET_ETAMINUS 13
#define MARTLET_ETAPLUS 14
#define MARTLET_STEP_SIZE_MIN 15
#define MARTLET_STEP_SIZE_MAX 16
#define MARTLET_LAMBD 17
#define MARTLET_T0 18
#define MARTLET_MOMENTUM_DECAY 19
#define MARTLET_FINAL_LR 20
#define MARTLET_GAMMA 21
#define MARTLET_EPS_ROOT 22
#define MARTLET_EPS2 23
#define MARTLET_BETA2_DECAY 24
#define MARTLET_CLIPPING_THRESHOLD 25
#define MARTLET_R 26
#define MARTLET_WEIGHT_LR_POWER 27
#define MARTLET_WARMUP_STEPS 28
#define MARTLET_ALPHA_WARMUP 29
#define MARTLET_BETA3_WARMUP 30

/* One struct for every algorithm. NaN means unused; a field that the algorithm reads must be a number
 * in range (or any finite one, with MARTLET_WIDE_RANGES), a field that it does not read must be NaN.
 * Defaults are the algorithm's; martlet_config_init writes them. */
typedef struct martlet_config {
    uint32_t struct_size;
    int32_t algorithm;                /* MARTLET_ADAM, ... */
    int32_t semantics;                /* MARTLET_SEMANTICS_... */
    uint32_t flags;                   /* MARTLET_AMSGRAD, ... */
    uint64_t seed;                    /* for stochastic rounding: 0 */
    double lr;                        /* learning rate, 0 or more */
    double beta1;                     /* decay rate of the first moment, 0 <= beta1 < 1 */
    double beta2;                     /* decay rate of the second moment, 0 <= beta2 < 1 */
    double beta3;                     /* decay rate of a third moment, 0 <= beta3 < 1 */
    double eps;                       /* added to a divisor, 0 or more */
    double weight_decay;              /* 0 or more */
    double momentum;                  /* 0 <= momentum < 1 */
    double dampening;                 /* 1 - dampening is the gradient's weight in the momentum */
    double alpha;                     /* 0 or more; its meaning is the algorithm's */
    double rho;                       /* decay rate of averages, 0 to 1 */
    double lr_decay;                  /* 0 or more */
    double initial_accumulator_value; /* of the sum of squares, 0 or more */
    double etaminus;                  /* factor of a step size after a change of sign, 0 < etaminus < 1 */
    double etaplus;                   /* factor of a step size after none, more than 1 */
    double step_size_min;             /* 0 or more */
    double step_size_max;             /* 0 or more */
    double lambd;                     /* 0 or more */
    double t0;                        /* a step, 0 or more */
    double momentum_decay;            /* 0 or more */
    double final_lr;                  /* 0 or more */
    double gamma;                     /* 0 <= gamma < 1 */
    double eps_root;                  /* added under a root, 0 or more */
    double eps2;                      /* 0 or more */
    double beta2_decay;               /* power of the step, 0 or less */
    double clipping_threshold;        /* 1 or more */
    double r;                         /* power of the step */
    double weight_lr_power;           /* power of the rate */
    double warmup_steps;              /* 0 or more */
    double alpha_warmup;              /* steps, 0 or more */
    double beta3_warmup;              /* steps, 0 or more */
} martlet_config;

/* What kinds of slots there are: how many numbers one has for a parameter. */
#define MARTLET_SLOT_ELEMENTS 0 /* one for each of value, laid out as value's sizes say */
#define MARTLET_SLOT_SCALAR 1   /* one, contiguous, in fp64 or fp32 */
/* The next three depend on whether value has sizes of two dimensions or more: a slot that a parameter does not
 * have keeps its place, with a count of 0, and is not in files. All are contiguous but a vector's, and none has
 * numbers where value has none. */
#define MARTLET_SLOT_ROWS 2     /* two or more: one for each row, count / last size; else none */
#define MARTLET_SLOT_COLUMNS 3  /* two or more: one for each column, count / last size but one; else none */
#define MARTLET_SLOT_VECTOR 4   /* two or more: none; else one for each of value, laid out as it */

/* A piece of a parameter's state. */
typedef struct martlet_slot {
    const char *name;     /* "exp_avg"; static storage */
    int32_t kind;         /* MARTLET_SLOT_... */
    int32_t dtype;        /* the usual element type; 0: value's */
    uint64_t reserved[2]; /* 0 */
} martlet_slot;           /* 32 bytes, for good */

/* Fills *out_config with the algorithm's defaults; writes struct_size bytes and none past them.
 * Fails with NULL, STRUCT (struct_size under 80 or over 4,096) and ARGUMENT (no such algorithm).
 * Since 0.1. */
martlet_status martlet_config_init(martlet_config *out_config, size_t struct_size, int32_t algorithm);

/* The algorithm's name, "adam"; NULL for a number that is none. Static storage. Since 0.1. */
const char *martlet_algorithm_name(int32_t algorithm);
/* The flags that the algorithm reads, as a sum; 0 for a number that is none. Since 0.1. */
uint32_t martlet_algorithm_flags(int32_t algorithm);
/* The name of a hyperparameter, "lr", which is martlet_config's field's; NULL for a number that is none.
 * Static storage. Since 0.1. */
const char *martlet_hyperparameter_name(int32_t hyperparameter);
/* How many slots of state a parameter has under this config: 2 for Adam, 3 with AMSGrad. Since 0.1. */
martlet_status martlet_algorithm_slot_count(int64_t *out_count, const martlet_config *config);
/* Describes a slot of this config, counted from 0, scalars last. Fails with NULL, the errors of a
 * config, and ARGUMENT where there is no such slot. Since 0.1. */
martlet_status martlet_slot_get(martlet_slot *out_slot, const martlet_config *config, int32_t slot);

/* ---------------------------------------------------------------------------------------------------
 * 7. Steps over the caller's own memory
 * ------------------------------------------------------------------------------------------------- */

typedef struct martlet_report {
    uint32_t struct_size;
    int32_t skipped;             /* parameters left as they were for want of a gradient */
    double grad_norm;            /* NaN: not measured */
    double update_norm;          /* NaN: not measured */
    int64_t nonfinite_parameter; /* -1: not looked for */
} martlet_report;

/* Sets struct_size and "nothing measured" in the rest. Fails with NULL and STRUCT. Since 0.1. */
martlet_status martlet_report_init(martlet_report *out_report, size_t struct_size);

/* One step of every parameter.
 *
 * out_report   NULL, or a report with struct_size set; filled on success.
 * parameters   count of them; values, states, step counters and what shows them are written, nothing is
 *              kept.
 * groups       group_count configs, one after another, all of one struct_size.
 *
 * Everything is checked before anything is written. Fails with NULL, ARGUMENT, STRUCT, TYPE, SHAPE,
 * OVERLAP, ALIGNMENT, UNSUPPORTED and MEMORY. Since 0.1. */
martlet_status martlet_step(martlet_report *out_report, const martlet_parameter *parameters, int64_t count,
                            const martlet_config *groups, int64_t group_count);

/* One step of one contiguous fp32 array.
 *
 * value    count elements, read and written
 * grad     count elements, read
 * state    the slots of the config (martlet_slot_get), one after another: count elements each, one for a
 *          scalar, none for rows and columns: the array has one dimension; read and written; zero before the first step
 * step     steps taken so far, 0 at first; one more after success
 * config   hyperparameters; NULL for Adam with its defaults
 *
 * Fails as martlet_step does. Since 0.1. */
martlet_status martlet_array_step(float *value, const float *grad, float *state, int64_t count, int64_t *step,
                                  const martlet_config *config);

/* For bindings whose own loops are slow: asks each of many objects of the host the same questions, such as
 * where the memory of a framework's tensor is, before a step with it.
 *
 * martlet_question  a function of the host's: writes its answer about an object, at most 8 bytes, and
 *                   returns 0; another number where it has none. It must neither throw nor jump
 * objects           handed to the questions, and not looked at; each may be NULL
 * out_answers       question_count times object_count numbers: what questions[q] says of objects[k] is
 *                   written to out_answers[q * object_count + k]
 *
 * Asks one question after another, each in the order of the objects, on the calling thread. Fails with
 * NULL, ALIGNMENT, and with ARGUMENT for a question_count over 2^24 or an object_count over 2^32, and where
 * a question returns another number than 0: none is asked after it, and the answers before it stand. Since 0.1. */
typedef int32_t (*martlet_question)(void *object, void *out_answer);
martlet_status martlet_answers_get(int64_t *out_answers, const martlet_question *questions, int64_t question_count,
                                   void *const *objects, int64_t object_count);

/* ---------------------------------------------------------------------------------------------------
 * 8. Optimizer handles
 *
 * A handle owns moments and step counters and borrows the parameters' memory. The pointer's value is a
 * token, never an address, and is never given out twice: a destroyed handle is always recognised.
 * Every function here answers HANDLE for NULL, destroyed and foreign handles, BUSY while another
 * thread is inside, and INTERRUPTED as section 1 says, beside the errors it names.
 * ------------------------------------------------------------------------------------------------- */

typedef struct martlet_optimizer martlet_optimizer;

/* Makes an optimizer whose group 0 has this config. Destroy it with martlet_optimizer_destroy.
 * Fails with NULL, MEMORY and the errors of a config. Since 0.1. */
martlet_status martlet_optimizer_create(martlet_optimizer **out_optimizer, const martlet_config *config);

/* Frees the optimizer and what it owns. NULL is no error. A handle that another thread is inside is
 * left alone (BUSY). Since 0.1. */
martlet_status martlet_optimizer_destroy(martlet_optimizer *optimizer);

/* Makes an independent copy: groups, hyperparameters, moments and counters. Both borrow the same
 * parameter memory. Since 0.1. */
martlet_status martlet_optimizer_clone(martlet_optimizer *optimizer, martlet_optimizer **out_clone);

/* Forgets every parameter, with its moments and counters, and returns the borrowed memory to the
 * caller; groups and hyperparameters stay. Since 0.1. */
martlet_status martlet_optimizer_reset(martlet_optimizer *optimizer);

/* Adds a group with an algorithm and hyperparameters of its own; out_group (may be NULL) receives its index.
 * Fails with NULL, MEMORY and the errors of a config. Since 0.1. */
martlet_status martlet_optimizer_group_add(martlet_optimizer *optimizer, int32_t *out_group, const martlet_config *config);

/* Adds a parameter; out_index (may be NULL) receives its index, which counts from 0 in order of adding.
 * Its value (memory, sizes, strides) and name are as in martlet_step; the value's memory is borrowed
 * until reset or destroy, all else is copied. grad, step and step_shown must be empty (data, step NULL).
 * state_count 0 gives every moment the value's type, and scalars fp64; else state holds one entry for each
 * slot, with data NULL and dtype the type wanted.
 * A name must be UTF-8 of 1 to 500 bytes, and unique: names are compared byte by byte. Without one the
 * parameter is called by its index in decimal digits, which must not be another's name either.
 * Fails as martlet_step does. Since 0.1. */
martlet_status martlet_optimizer_add(martlet_optimizer *optimizer, int64_t *out_index, const martlet_parameter *parameter);

/* One step. grads: count entries, one for each parameter in order of adding; one whose data is NULL
 * leaves its parameter as it is. out_report: NULL, or with struct_size set. Fails as martlet_step
 * does. Since 0.1. */
martlet_status martlet_optimizer_step(martlet_optimizer *optimizer, martlet_report *out_report,
                                      const martlet_array *grads, int64_t count);

/* What an optimizer's parameters are ready for. */
#define MARTLET_TRAINING 0
#define MARTLET_EVALUATION 1

/* Moves the parameters of Schedule-Free groups from where gradients are taken to the trained point, or back;
 * others, and those that were never stepped, stay as they are. The mode is TRAINING at first, and saved with the
 * state. A step in EVALUATION is an ORDER error. Fails with ARGUMENT (mode; a momentum or beta1 of 0 of such a
 * group, which keeps no average) and MEMORY. Since 0.1. */
martlet_status martlet_optimizer_mode_set(martlet_optimizer *optimizer, int32_t mode);

/* Sets, or reads, a hyperparameter (MARTLET_LR, ...) of a group. Fails with ARGUMENT for a group, a
 * number or a value out of range, for one that the algorithm does not read, and for one with which the
 * group's parameters would keep other state, as a momentum is that was 0 before. Since 0.1. */
martlet_status martlet_optimizer_set(martlet_optimizer *optimizer, int32_t group, int32_t hyperparameter, double value);
martlet_status martlet_optimizer_get(martlet_optimizer *optimizer, double *out_value, int32_t group, int32_t hyperparameter);

/* How many parameters, and how many groups, the optimizer has. Since 0.1. */
martlet_status martlet_optimizer_count(martlet_optimizer *optimizer, int64_t *out_count);
martlet_status martlet_optimizer_group_count(martlet_optimizer *optimizer, int64_t *out_count);
/* The bytes of state that the optimizer owns. Since 0.1. */
martlet_status martlet_optimizer_size(martlet_optimizer *optimizer, int64_t *out_bytes);

/* A moment of a parameter, counted from 0. _get: a view of the optimizer's own memory, contiguous in
 * the order of the value's sizes; it may be read and written while no call is inside, until reset,
 * load or destroy. _set: copies values in, from an array of the same count and type. Since 0.1. */
martlet_status martlet_optimizer_state_get(martlet_optimizer *optimizer, martlet_array *out_array, int64_t parameter, int32_t slot);
martlet_status martlet_optimizer_state_set(martlet_optimizer *optimizer, int64_t parameter, int32_t slot, const martlet_array *array);

/* The steps that a parameter has taken, 0 or more. Since 0.1. */
martlet_status martlet_optimizer_step_get(martlet_optimizer *optimizer, int64_t *out_step, int64_t parameter);
martlet_status martlet_optimizer_step_set(martlet_optimizer *optimizer, int64_t parameter, int64_t step);

/* Saves moments, counters and hyperparameters (not the parameters' values) as safetensors: tensors
 * "<name>.<slot>" and "<name>.step". The file is written beside path, synced and renamed: a kill at
 * any moment leaves the old file or the new one whole. path: as the system's own calls take it. Fails
 * with NULL, MEMORY, ARGUMENT (names and shapes that take more than the 100,000,000 bytes of the format's
 * header) and FILE. Where the folder could not be synced, which the error's text says, the file is the
 * new one already, but may not outlive a loss of power. Since 0.1. */
martlet_status martlet_optimizer_save(martlet_optimizer *optimizer, const char *path);

/* Loads what save wrote, into an optimizer with the same algorithm, the same number of groups and
 * parameters of the same names, types and counts. Fails with FILE, FORMAT (not such a file, or one for
 * other parameters), NULL and MEMORY, and then leaves the optimizer as it was. Since 0.1. */
martlet_status martlet_optimizer_load(martlet_optimizer *optimizer, const char *path);

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

/* ---------------------------------------------------------------------------------------------------
 * 10. Matrix product
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_TRANSPOSE_LEFT 1u  /* left is stored as inner x rows */
#define MARTLET_TRANSPOSE_RIGHT 2u /* right is stored as columns x inner */
#define MARTLET_ACCUMULATE 4u      /* out += left right */

/* out = left right, in fp32.
 *
 * out      rows x columns, written (with MARTLET_ACCUMULATE read too)
 * left     rows x inner; right: inner x columns. All are contiguous, row after row
 * flags    MARTLET_TRANSPOSE_LEFT, ... or 0
 *
 * Sums go over inner in blocks of fixed bounds, so the bits are the same for every thread count on one
 * instruction set. Fails with NULL, SHAPE, ARGUMENT, ALIGNMENT, OVERLAP (out with a factor) and MEMORY.
 * Since 0.1. */
martlet_status martlet_matmul(float *out, const float *left, const float *right, int64_t rows, int64_t inner,
                              int64_t columns, uint32_t flags);

/* ---------------------------------------------------------------------------------------------------
 * 11. Layers
 *
 * A model is a graph of nodes. Node 0 is the input; each layer adds one, and names the nodes it reads.
 * Everything is fp32. A sample has 1 to 8 sizes, the batch not among them; images are height, width,
 * channels. Equations: x is what the layer reads, y what it gives.
 *
 * DENSE                  y = activation(x kernel + bias) over the last size. kernel: inputs x units
 * CONV2D                 y[i,j,f] = activation(bias[f] + sum x[i s + r d - p, j s + q d - p, c] kernel[r,q,c,f]),
 *                        a cross-correlation with stride s, dilation d and p zeros at the border.
 *                        kernel: height x width x channels / groups x units
 * MAX_POOL2D             the largest element of each window, each channel apart; NaN wins
 * AVERAGE_POOL2D         the mean of each window; zeros at the border count with MARTLET_COUNT_PADDING
 * GLOBAL_AVERAGE_POOL2D  the mean of each channel: channels
 * FLATTEN, RESHAPE       the same elements in the same order with other sizes
 * PERMUTE                the sizes in another order, elements moved along; dimensions that stay neighbours count
 *                        as one, and at most three of these change places (UNSUPPORTED otherwise)
 * DROPOUT                in training each element is 0 with probability rate, else x / (1 - rate).
 *                        Srivastava et al., JMLR 15, 2014
 * BATCH_NORM             y = activation(scale (x - mean) / sqrt(variance + epsilon) + shift) for each channel
 *                        (the last size); mean and variance are the batch's in training, where the moving
 *                        ones become momentum moving + (1 - momentum) batch, and the moving ones otherwise.
 *                        Ioffe, Szegedy: Batch normalization. ICML 2015
 * NORMALIZATION          y = (x - mean) factor for each channel, with statistics that training leaves alone
 * ACTIVATION             y = activation(x)
 * ------------------------------------------------------------------------------------------------- */

#define MARTLET_LAYER_INPUT 0 /* node 0; cannot be added */
#define MARTLET_LAYER_DENSE 1
#define MARTLET_LAYER_CONV2D 2
#define MARTLET_LAYER_MAX_POOL2D 3
#define MARTLET_LAYER_AVERAGE_POOL2D 4
#define MARTLET_LAYER_GLOBAL_AVERAGE_POOL2D 5
#define MARTLET_LAYER_FLATTEN 6
#define MARTLET_LAYER_RESHAPE 7
#define MARTLET_LAYER_PERMUTE 8
#define MARTLET_LAYER_DROPOUT 9
#define MARTLET_LAYER_BATCH_NORM 10
#define MARTLET_LAYER_NORMALIZATION 11
#define MARTLET_LAYER_ACTIVATION 12

#define MARTLET_ACTIVATION_LINEAR 0     /* x */
#define MARTLET_ACTIVATION_RELU 1       /* max(x, 0) */
#define MARTLET_ACTIVATION_LEAKY_RELU 2 /* x, or slope x where x < 0 */
#define MARTLET_ACTIVATION_GELU 3       /* x (1 + erf(x / sqrt 2)) / 2 */
#define MARTLET_ACTIVATION_SILU 4       /* x / (1 + exp(-x)) */
#define MARTLET_ACTIVATION_TANH 5
#define MARTLET_ACTIVATION_SIGMOID 6    /* 1 / (1 + exp(-x)) */
#define MARTLET_ACTIVATION_SOFTMAX 7    /* exp(x) / sum exp(x) over the last size */

#define MARTLET_PADDING_VALID 0    /* none */
#define MARTLET_PADDING_SAME 1     /* out = ceil(in / stride); of an odd count the last side gets one more */
#define MARTLET_PADDING_EXPLICIT 2 /* the layer's pads */

/* How a kernel or bias starts. For kernels with fan_in inputs and fan_out outputs to each unit:
 * variance v = 2 / (fan_in + fan_out) (Glorot, Bengio 2010), 2 / fan_in (He et al. 2015), 1 / fan_in
 * (LeCun et al. 1998); uniform within sqrt(3 v), normal with that variance, cut at two deviations and
 * widened to keep it, as Keras does. */
#define MARTLET_INITIALIZER_ZEROS 0
#define MARTLET_INITIALIZER_CONSTANT 1 /* the value beside it */
#define MARTLET_INITIALIZER_GLOROT_UNIFORM 2
#define MARTLET_INITIALIZER_GLOROT_NORMAL 3
#define MARTLET_INITIALIZER_HE_UNIFORM 4
#define MARTLET_INITIALIZER_HE_NORMAL 5
#define MARTLET_INITIALIZER_LECUN_UNIFORM 6
#define MARTLET_INITIALIZER_LECUN_NORMAL 7
#define MARTLET_INITIALIZER_UNIFORM 8 /* within the value beside it, either sign */
#define MARTLET_INITIALIZER_NORMAL 9  /* with the value beside it as deviation */

/* Flags of a layer. */
#define MARTLET_NO_BIAS 1u           /* DENSE, CONV2D; BATCH_NORM: no shift */
#define MARTLET_NO_SCALE 2u          /* BATCH_NORM */
#define MARTLET_UNBIASED_VARIANCE 4u /* BATCH_NORM: the moving variance is that of a sample, as torch's */
#define MARTLET_COUNT_PADDING 8u     /* AVERAGE_POOL2D: as torch does by default */

/* A layer's description. martlet_layer_init sets the defaults of its kind. An activation, flags and pads
 * that the kind does not read are an error where they are set (ARGUMENT); other fields that it does not read
 * are passed over. A shape has at most 2^40 elements, the input of MAX_POOL2D 2^31. */
typedef struct martlet_layer {
    uint32_t struct_size;
    int32_t kind;               /* MARTLET_LAYER_DENSE, ... */
    int32_t activation;         /* MARTLET_ACTIVATION_...: DENSE, CONV2D, BATCH_NORM, ACTIVATION */
    uint32_t flags;             /* MARTLET_NO_BIAS, ... */
    int64_t units;              /* DENSE: outputs; CONV2D: filters. 1 to 2^30; no default */
    int64_t kernel[2];          /* CONV2D (no default), pools (2, 2): height and width of the window, to 2^20 */
    int64_t stride[2];          /* CONV2D: 1, 1; pools: 0, 0, which means the window's; to 2^20 */
    int64_t dilation[2];        /* CONV2D: 1, 1; to 2^20. Pools: 1, 1 alone (UNSUPPORTED) */
    int64_t pads[4];            /* with MARTLET_PADDING_EXPLICIT: top, bottom, left, right; less than the
                                   window that dilation spans */
    int64_t groups;             /* CONV2D: 1; divides channels and units */
    int32_t padding;            /* CONV2D, pools: MARTLET_PADDING_VALID */
    int32_t rank;               /* RESHAPE, PERMUTE: how many sizes follow */
    int64_t sizes[8];           /* RESHAPE: the output's, one may be -1 for what is left; PERMUTE: the
                                   input's dimension, from 0, that each of the output's is */
    double rate;                /* DROPOUT: 0.5; 0 <= rate < 1 */
    double slope;               /* LEAKY_RELU: 0.01; 0 or more */
    double momentum;            /* BATCH_NORM: 0.99; 0 <= momentum <= 1 */
    double epsilon;             /* BATCH_NORM: 1e-3; more than 0 */
    int32_t kernel_initializer; /* MARTLET_INITIALIZER_GLOROT_UNIFORM */
    int32_t bias_initializer;   /* MARTLET_INITIALIZER_ZEROS */
    double kernel_value;        /* what the initialisers that ask for a value take: 0 */
    double bias_value;
    const char *name;           /* UTF-8 of 1 to 200 bytes without '/' and unique, or NULL: the kind and a
                                   number, "dense", "dense_1" */
} martlet_layer;

/* Fills *out_layer with a kind's defaults; writes struct_size bytes and none past them. Fails with NULL,
 * STRUCT and ARGUMENT (no such kind). Since 0.1. */
martlet_status martlet_layer_init(martlet_layer *out_layer, size_t struct_size, int32_t kind);

/* ---------------------------------------------------------------------------------------------------
 * 12. Models
 *
 *     const int64_t sizes[] = {784};
 *     martlet_model *model;
 *     martlet_model_create(&model, sizes, 1, seed);
 *     martlet_layer layer;
 *     martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE);
 *     layer.units = 64, layer.activation = MARTLET_ACTIVATION_RELU;
 *     martlet_model_add(model, &layer, NULL, 0, NULL);
 *     layer.units = 10, layer.activation = MARTLET_ACTIVATION_LINEAR;
 *     martlet_model_add(model, &layer, NULL, 0, NULL);
 *     martlet_training training;
 *     martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY);
 *     training.metrics = MARTLET_METRIC_ACCURACY;
 *     martlet_model_compile(model, &training, NULL);
 *     martlet_array x = {images, 60000 * 784, MARTLET_FP32, 0, NULL, NULL, NULL, 0, 0, 0};
 *     martlet_array y = {digits, 60000, MARTLET_UINT8, 0, NULL, NULL, NULL, 0, 0, 0};
 *     martlet_result result;
 *     martlet_result_init(&result, sizeof result);
 *     martlet_model_fit(model, &result, &x, &y, NULL);
 *     martlet_model_save(model, "digits.safetensors");
 *
 * A handle owns its parameters, their gradients, its statistics and its optimizer. As with optimizers,
 * its value is a token that is never given out twice. Beside the errors it names, every function here
 * answers HANDLE, BUSY and INTERRUPTED, ALIGNMENT for a misaligned pointer, and where it computes something
 * (load does), ARGUMENT for a wrong MARTLET_ISA or MARTLET_NUM_THREADS in the environment. The first call
 * that needs parameters, and succeeds, makes and initialises them: from then on no layer can be added (ORDER).
 *
 * The same seed, data and calls give the same bits for any thread count on one instruction set. Numbers
 * too small for the normal range count as zero. A training step allocates nothing once one of its thread
 * has been made.
 * ------------------------------------------------------------------------------------------------- */

typedef struct martlet_model martlet_model;

/* Makes a model of one node, the input, whose samples have these sizes (rank of them, 1 to 8). seed: of
 * initial values, dropout and the order of samples. Fails with NULL, SHAPE and MEMORY. Since 0.1. */
martlet_status martlet_model_create(martlet_model **out_model, const int64_t *sizes, int64_t rank, uint64_t seed);

/* Frees the model and what it owns. NULL is no error. Since 0.1. */
martlet_status martlet_model_destroy(martlet_model *model);

/* Forgets training: initial values, moments, counters and statistics are as in the beginning, also the mean
 * and factor of NORMALIZATION that were written into their buffer. What compile was told stays, and
 * hyperparameters stay as martlet_model_set left them. Fails with MEMORY. Since 0.1. */
martlet_status martlet_model_reset(martlet_model *model);

/* Adds a layer.
 *
 * inputs      input_count nodes that it reads; NULL and 0: the one added last. Only sequences are served:
 *             one node, the one added last (UNSUPPORTED otherwise)
 * out_node    NULL, or receives its node's number
 *
 * Fails with NULL, STRUCT, ARGUMENT (also for more than 1,023 layers), SHAPE (the input's does not suit, or
 * there are more than 2^40 elements), UNSUPPORTED (see the layer's fields), ORDER and MEMORY. Since 0.1. */
martlet_status martlet_model_add(martlet_model *model, const martlet_layer *layer, const int32_t *inputs,
                                 int64_t input_count, int32_t *out_node);

#define MARTLET_LOSS_CROSS_ENTROPY 1        /* -log p[label], or -sum t log p over targets t */
#define MARTLET_LOSS_NLL 2                  /* -x[label]: the output holds log-probabilities */
#define MARTLET_LOSS_BINARY_CROSS_ENTROPY 3 /* mean of -t log p - (1 - t) log(1 - p) */
#define MARTLET_LOSS_MSE 4                  /* mean of (x - t)^2 */
#define MARTLET_LOSS_MAE 5                  /* mean of |x - t| */
#define MARTLET_LOSS_HUBER 6                /* mean of d^2 / 2 where d = |x - t| <= delta, else delta (d - delta / 2) */

/* What the output is to a cross-entropy. Where that is probabilities which a softmax gives under CROSS_ENTROPY, or
 * a sigmoid under BINARY_CROSS_ENTROPY, the loss is worked out together with the activation, from what that
 * is applied to: it has no bounds then, and its gradient is p - t however far a wrong answer leads. So it is for
 * an activation of a layer as for one by itself, also with FLATTEN, RESHAPE, a linear ACTIVATION or a DROPOUT of
 * rate 0 behind it; a row of the loss must be a row of the softmax, or a part of one. Predictions and metrics
 * are of the probabilities. */
#define MARTLET_FROM_AUTO 0          /* probabilities where the last layer's activation is softmax or sigmoid, else
                                        logits; pools, FLATTEN, RESHAPE, PERMUTE, DROPOUT and a linear
                                        ACTIVATION behind it do not count */
#define MARTLET_FROM_LOGITS 1
#define MARTLET_FROM_PROBABILITIES 2 /* any others than those are divided by their sum, and kept within 1e-7 of 0 and
                                        1, where the gradient is 0, as Keras does */

#define MARTLET_METRIC_ACCURACY 1u     /* in each row, the last size, the largest output is the label's, or where the
                                          largest target is; of one output: it is on the label's side of 1/2. With
                                          BINARY_CROSS_ENTROPY each output counts by itself: it is on the target's
                                          side of 1/2, of 0 for logits */
#define MARTLET_METRIC_TOP_ACCURACY 2u /* the label is among the `top` largest of its row */
#define MARTLET_METRIC_MSE 4u          /* this and MAE take targets; labels are an error (TYPE) */
#define MARTLET_METRIC_MAE 8u

/* A from, label_smoothing or delta that the loss does not read is an error where it differs from its default
 * (ARGUMENT); top without its metric is passed over. */
typedef struct martlet_training {
    uint32_t struct_size;
    int32_t loss;           /* MARTLET_LOSS_... */
    int32_t from;           /* of CROSS_ENTROPY and BINARY_CROSS_ENTROPY. Default MARTLET_FROM_AUTO */
    uint32_t metrics;       /* MARTLET_METRIC_ACCURACY, ... or 0 */
    int64_t batch_size;     /* samples in a training step, 1 to 2^31; smaller batches use the memory planned for
                               it, a larger one plans anew, and only then gives the old plan's back.
                               Default 32 */
    int32_t top;            /* of MARTLET_METRIC_TOP_ACCURACY. Default 5 */
    int32_t reserved;       /* 0 */
    double label_smoothing; /* 0 <= s < 1, of cross-entropies: targets become (1 - s) t + s / classes
                               (s / 2 for the binary one). Default 0 */
    double delta;           /* of MARTLET_LOSS_HUBER, more than 0. Default 1 */
} martlet_training;

/* Fills *out_training with a loss's defaults; writes struct_size bytes. Fails with NULL, STRUCT and
 * ARGUMENT. Since 0.1. */
martlet_status martlet_training_init(martlet_training *out_training, size_t struct_size, int32_t loss);

/* Makes the model ready to train: parameters are made if there are none yet, moments start at zero, and
 * memory for batches is planned once. optimizer: NULL for Adam with its defaults. May be called again.
 * Fails with NULL, STRUCT, ARGUMENT, SHAPE, UNSUPPORTED (a field of optimizer), ORDER (no layer) and MEMORY.
 * Since 0.1. */
martlet_status martlet_model_compile(martlet_model *model, const martlet_training *training,
                                     const martlet_config *optimizer);

/* What training or evaluating gave: means over all samples looked at. */
typedef struct martlet_result {
    uint32_t struct_size;
    int32_t epochs;      /* finished: all samples of each were trained on */
    int64_t batches;     /* of the last epoch */
    int64_t samples;     /* of the last epoch */
    double loss;         /* of the last epoch: each batch's as it was before its step */
    double accuracy;     /* NaN where the metric was not asked for; so are the next three */
    double top_accuracy;
    double mse;
    double mae;
    double validation_loss;     /* after the last epoch; NaN without validation data, and where that epoch was
                                   stopped. So are the next four */
    double validation_accuracy;
    double validation_top_accuracy;
    double validation_mse;
    double validation_mae;
} martlet_result;

/* Sets struct_size and NaN or 0 in the rest. Fails with NULL and STRUCT. Since 0.1. */
martlet_status martlet_result_init(martlet_result *out_result, size_t struct_size);

/* One training step on one batch.
 *
 * out_result   NULL, or a result with struct_size set; filled on success
 * x            the samples, fp32, contiguous: rank 0, or the number of samples and then the input's sizes
 * y            what they should give, contiguous: INT32, INT64 or UINT8 labels, one for each row of the output,
 *              which is its last size, of 2^31 - 1 classes at most (cross-entropy and NLL; also
 *              BINARY_CROSS_ENTROPY of one output); with a rank, the first size is the number of samples. Or
 *              fp32 targets: rank 0, or the number of samples and then the output's sizes
 * rows         row_count samples that make up the batch, in this order; NULL and 0: all samples of x
 *
 * The loss is the mean over all rows of the batch, and its gradient is what the step follows. NaN and
 * infinities in x and in targets are taken as they come, here and in fit, evaluate and predict: that is
 * chosen, since to look for them is another pass over all samples. One of them can make the loss and every
 * parameter NaN; a loss that is not finite is no error: look at out_result, or at the samples before.
 * Fails with NULL, STRUCT, TYPE, SHAPE (no sample, x and y do not fit), ALIGNMENT, OVERLAP (x, y or rows with
 * the model's parameters, gradients or statistics, which the step writes), UNSUPPORTED (an array's scales;
 * labels of more classes), ARGUMENT (a label or row out of range), ORDER (not compiled) and MEMORY; then
 * nothing has changed. Since 0.1. */
martlet_status martlet_model_train(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                   const martlet_array *y, const int64_t *rows, int64_t row_count);

typedef struct martlet_progress {
    uint32_t struct_size;
    int32_t epoch;    /* from 0 */
    int32_t epochs;   /* asked for; 1 in evaluate and predict */
    int32_t reserved;
    int64_t batch;    /* batches done in this epoch, 1 or more */
    int64_t batches;  /* in an epoch */
    int64_t samples;  /* done in this epoch */
    double loss;      /* mean over this epoch's samples so far; NaN in predict */
    double accuracy;  /* the same; NaN where not asked for */
    double seconds;   /* since the call */
} martlet_progress;

/* Flags of a loop. */
#define MARTLET_KEEP_ORDER 1u /* fit: samples in their own order; else shuffled anew in each epoch */

/* How fit, evaluate and predict walk over their samples. martlet_loop_init sets the defaults. */
typedef struct martlet_loop {
    uint32_t struct_size;
    uint32_t flags;
    int64_t epochs;     /* fit. Default 1 */
    int64_t batch_size; /* 0, the default: that of compile (32 before it) */
    /* Called after each batch, on the calling thread, with struct_size set; NULL: not called. Nonzero ends the
     * call with MARTLET_STOPPED. Inside it this thread may call the functions of this model that get, count,
     * predict and save, and no other of this model's. It must return: nothing may be thrown out of it, nor may it
     * jump (longjmp). What C++ wants to throw it keeps as a std::exception_ptr, returns nonzero, and throws
     * behind the call: Examples/C/schedule.cpp. */
    int32_t (*progress)(void *user, const martlet_progress *progress);
    void *user;
    const martlet_array *validation_x; /* fit: evaluated after each epoch; NULL, NULL: nothing is */
    const martlet_array *validation_y;
} martlet_loop;

/* Fills *out_loop with the defaults; writes struct_size bytes. Fails with NULL and STRUCT. Since 0.1. */
martlet_status martlet_loop_init(martlet_loop *out_loop, size_t struct_size);

/* Trains for some epochs: shuffles, and steps batch by batch; the last batch of an epoch may be smaller. x and y
 * as in martlet_model_train, of any count of samples; loop: NULL for the defaults. out_result is also filled
 * on MARTLET_STOPPED; an epoch stopped at its last batch is finished, but not validated. Fits one after another
 * give the bits of one fit of all their epochs, so a schedule sets MARTLET_LR between them (martlet_model_set);
 * early stopping belongs in the progress function (Examples/C/stopping.c). Everything is checked before the first
 * step. Fails with NULL, STRUCT, TYPE, SHAPE, ALIGNMENT, OVERLAP (x, y or validation data with the model's
 * parameters, gradients or statistics), UNSUPPORTED, ARGUMENT (a label out of range, a field of loop), ORDER (not
 * compiled) and MEMORY. Since 0.1. */
martlet_status martlet_model_fit(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                 const martlet_array *y, const martlet_loop *loop);

/* Loss and metrics over all samples, nothing changed. Arguments and errors as in martlet_model_fit; of loop only
 * batch_size and progress are used, and x and y may lie in the model's buffers, which are only read. Since 0.1. */
martlet_status martlet_model_evaluate(martlet_model *model, martlet_result *out_result, const martlet_array *x,
                                      const martlet_array *y, const martlet_loop *loop);

/* The output of every sample: the same to the bit whatever batch the sample comes in, by itself or among others.
 *
 * out    out_count floats: samples times the output's elements; may not overlap x, nor the model's parameters
 *        and statistics (OVERLAP)
 * loop   as in martlet_model_evaluate
 *
 * Fails as martlet_model_fit does, and needs no compile; ORDER: there is no layer. Since 0.1. */
martlet_status martlet_model_predict(martlet_model *model, float *out, int64_t out_count, const martlet_array *x,
                                     const martlet_loop *loop);

/* Sets, or reads, a hyperparameter (MARTLET_LR, ...) of the model's optimizer. Fails with ARGUMENT, with ORDER
 * before compile, and where it reads with NULL. Since 0.1. */
martlet_status martlet_model_set(martlet_model *model, int32_t hyperparameter, double value);
martlet_status martlet_model_get(martlet_model *model, double *out_value, int32_t hyperparameter);

/* Training steps done since compile. Fails with NULL, and with ORDER before compile. Since 0.1. */
martlet_status martlet_model_step_get(martlet_model *model, int64_t *out_step);

/* The Euclidean norm of the latest training step's gradient; NaN before the first since compile, reset or load,
 * since a file holds no gradients. Fails with NULL, ORDER (not compiled) and MEMORY. Since 0.1. */
martlet_status martlet_model_grad_norm_get(martlet_model *model, double *out_norm);

/* A model's numbers lie in three flat buffers; views say what lies where. */
#define MARTLET_BUFFER_PARAMETERS 0 /* what training changes */
#define MARTLET_BUFFER_GRADIENTS 1  /* the latest training step's; views are those of the parameters. ORDER before compile */
#define MARTLET_BUFFER_STATISTICS 2 /* moving means and variances; NORMALIZATION's mean and factor */

typedef struct martlet_view {
    const char *name;     /* "dense/kernel"; valid until destroy */
    int32_t node;         /* whose */
    int32_t rank;
    int64_t sizes[8];
    int64_t offset;       /* first element in the buffer */
    int64_t count;
    uint64_t reserved[4]; /* 0 */
} martlet_view;           /* 128 bytes, for good */

/* A buffer's address and elements. It may be read and written while no call is inside; it is the model's own and
 * valid until destroy, gradients until compile or reset. out_data or out_count may be NULL. Fails with ARGUMENT
 * (no such buffer), ORDER (no layer; gradients before compile), SHAPE (more than 2^40 parameters) and MEMORY.
 * Since 0.1. */
martlet_status martlet_model_buffer_get(martlet_model *model, float **out_data, int64_t *out_count, int32_t buffer);
/* How many views a buffer has. Fails as martlet_model_buffer_get does, and with NULL. Since 0.1. */
martlet_status martlet_model_view_count(martlet_model *model, int64_t *out_count, int32_t buffer);
/* One of them, counted from 0. Fails as martlet_model_view_count does; ARGUMENT: there is none. Since 0.1. */
martlet_status martlet_model_view_get(martlet_model *model, martlet_view *out_view, int32_t buffer, int64_t index);

typedef struct martlet_node {
    const char *name;         /* the layer's; "input" for node 0; valid until destroy */
    int32_t kind;             /* MARTLET_LAYER_... */
    int32_t rank;
    int64_t sizes[8];         /* of one sample of its output */
    int64_t parameter_count;  /* elements that training changes */
    int64_t statistics_count; /* elements that it does not */
    uint64_t reserved[4];     /* 0 */
} martlet_node;               /* 128 bytes, for good */

/* How many nodes there are, the input among them. Fails with NULL. Since 0.1. */
martlet_status martlet_model_node_count(martlet_model *model, int64_t *out_count);
/* One of them. Fails with ARGUMENT and NULL. Since 0.1. */
martlet_status martlet_model_node_get(martlet_model *model, martlet_node *out_node, int64_t index);

/* Saves the layers and what each reads, parameters and statistics, and after compile what training needs to go
 * on to the bit: the loss, the optimizer's hyperparameters and moments, counters. A safetensors file, written as
 * martlet_optimizer_save does. Fails with NULL, FILE, ORDER (no layer) and MEMORY. Since 0.1. */
martlet_status martlet_model_save(martlet_model *model, const char *path);

/* Makes a model from what save wrote, compiled if it was. Destroy it with martlet_model_destroy. Fails with NULL,
 * FILE, FORMAT and MEMORY. Since 0.1. */
martlet_status martlet_model_load(martlet_model **out_model, const char *path);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_H */
