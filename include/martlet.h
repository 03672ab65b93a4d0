/*
 * martlet.h - the Adam family of optimizers and small neural networks, as a C library.
 *
 * This header and those that it includes at its end, in martlet/, are the whole published interface and its
 * manual. They compile as C99 and later and as C++11 and later, and need nothing but libmartlet.so.0, or
 * libmartlet.a.
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
 *             be used at the same time. A second thread that enters a handle gets MARTLET_ERROR_BUSY; calls that only
 *             read a model may be in it together (section 12).
 *             Large calls are shared with worker threads of the library's own, one call at a time: a
 *             call made meanwhile by another thread is done by that thread alone.
 * Stack       A thread of 64 KB of stack may call every function: none takes more than 32 KB, whatever the
 *             sizes and counts, the error or the file.
 * Signals     No function may be called from a signal handler.
 * fork        A forked child can use the library at once, also if the fork fell into another thread's
 *             first calls: it waits for the microseconds in which one of them holds a lock. A handle
 *             that another thread was inside at the fork answers MARTLET_ERROR_INTERRUPTED in the child
 *             until it is destroyed; a model that others only read may be read on.
 * Numbers     The same inputs give the same bits for every thread count, alignment and language, in steps of
 *             optimizers, but for Muon's, also for every instruction set. A NaN result is a NaN everywhere;
 *             its sign and payload are not promised.
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
/* Reserved numbers; where an array of a step has one of these the answer is MARTLET_ERROR_TYPE. */
#define MARTLET_INT8 5
#define MARTLET_UINT8 6
#define MARTLET_INT32 7
#define MARTLET_INT64 8
#define MARTLET_BOOL 9
/* State alone, in 16, 8 or 4 bits a number: floats whose codes count up from 0, which is code 0, to 1, the largest, times
 * a scale of its own for each block of numbers: the block's largest magnitude. Codes lie one behind
 * the other, those of 16 bits in the machine's order of bytes, at any address, those of 4 bits two in a byte, the first in
 * its lower half: (count + 1) / 2 bytes; scales are fp32, one for each block or part of one. All zeros are a state of zeros.
 * Which of them a slot may have says martlet_slot_get: the first of each pair where numbers have signs, the second where
 * they are divided by. MARTLET_FP16 as a slot's type is plain fp16, in which squares under 6e-8 are 0 and those over 65504
 * infinite; FLOAT16 and UFLOAT16 are as exact and have no such bounds.
 *   code c > 0 of the magnitude is the fp32 number of the bits 0x3F800000 - ((top - c) << shift), with
 *     FLOAT16  1 bit of sign, above;  top 32767, shift 13: 5 bits of exponent, 10 of mantissa; blocks of 256
 *     UFLOAT16 top 65535, shift 13: 6 bits of exponent, 10 of mantissa; blocks of 256
 *     FLOAT8   1 bit of sign, above;  top 127, shift 20: 4 bits of exponent, 3 of mantissa; blocks of 256
 *     UFLOAT8  top 255, shift 20: 5 bits of exponent, 3 of mantissa; blocks of 256
 *     FLOAT4   1 bit of sign, above;  top 7, shift 22: 2 bits of exponent, 1 of mantissa; blocks of 128
 *     UFLOAT4  top 15, shift 22: 3 bits of exponent, 1 of mantissa; blocks of 128
 * After a step each number takes one of the two codes beside it, with the chance that gives it back on average, drawn
 * from the config's seed, the step, the parameter's key and the number's place: to nearest, averages would stand still.
 * Less than code 1, a number of the signed types does so between codes 0 and 1 where it is 1/128 or more, and else takes
 * code 0, so that it does not leap; one of the others takes code 1, if it is not 0: an almost-zero divisor would be a
 * leap. An infinity counts as the largest number of fp32; one NaN makes all of its block NaN.
 * Such arrays are contiguous (rank 0), whatever the other arrays are, and beside fp32, bf16 or fp16 only. Where an
 * algorithm sees a matrix by rows (MUON, ADAM_MINI), these are multiples of 256 numbers. */
#define MARTLET_FLOAT8 10
#define MARTLET_UFLOAT8 11
#define MARTLET_FLOAT4 12
#define MARTLET_UFLOAT4 13
#define MARTLET_FLOAT16 14
#define MARTLET_UFLOAT16 15

/* An array in the caller's memory: contiguous (rank 0), or laid out by sizes and strides. */
typedef struct martlet_array {
    void *data;             /* the first element; may be NULL where count is 0 */
    int64_t count;          /* elements in all; with a rank, the product of sizes */
    int32_t dtype;          /* MARTLET_FP64, ... */
    int32_t rank;           /* 0: contiguous; 1 to 64: sizes and strides hold that many numbers */
    const int64_t *sizes;   /* elements along each dimension, outermost first */
    const int64_t *strides; /* elements between neighbours along each dimension; may be negative;
                               0 (a repeated element) only in arrays that are read */
    void *scales;           /* of MARTLET_FLOAT8 and its like: the first scale; else NULL */
    int32_t block;          /* of those: 256 or 128, as the type has it; else 0 */
    int32_t scale_dtype;    /* of those: MARTLET_FP32; else 0 */
    uint64_t reserved;      /* 0 */
} martlet_array;            /* 64 bytes, for good */

/* A parameter, its gradient and its state. All arrays have value's count. Those with a rank have the same
 * rank and the same sizes, and elements correspond by their place along the dimensions; an array of rank 0
 * beside them holds its elements in row-major order over those sizes (the last dimension varies fastest).
 *
 * A sparse gradient, as that of an embedding, is of some rows alone, where a row is what stands at one index of value's
 * first dimension (one element, where value has no sizes, or one). rows holds row_count such indices, in any order, 0 and
 * more and under that size, else ARGUMENT. grad has a row of values for each: a count of row_count times the elements of a
 * row, and rank 0, or the sizes row_count and then those of value behind its first. What it has for one row at several
 * places is added up, in fp64 where the step is in fp64 and else in fp32, in the order of the places. rows that is not
 * NULL with a row_count of 0 is a gradient of no row.
 *
 * The step is "lazy", as that of torch.optim.SparseAdam: it is that of a parameter which has the named rows alone. Other
 * rows keep value and state to the bit; weight decay of any kind is of the named rows; step counts the parameter's steps,
 * by which biases are corrected, and not a row's. A row that is named for the first time later than at the first step finds
 * its state as a gradient of 0 would have left it there. Algorithms that see a parameter as a whole (those of section 6
 * that sum over it, or step matrices), MARTLET_CAUTIOUS_UPDATE and LOOKAHEAD_STEPS take no rows (UNSUPPORTED).
 *
 * With MARTLET_DEFER_ROWS the step is that of a dense gradient which is 0 in all other rows, to the bit, and only the named
 * rows are computed at once. What it makes of the others by moments and decay is left for later: a row catches up, step by step
 * with the coefficients of each, when it is named again, with martlet_finish, and before anything that sees every row. Until
 * then its value and state are those of the step that it has seen last. So a program calls, for each batch,
 *   martlet_finish  with rows set to those that the batch reads, then makes its forward and backward pass over them, then
 *   martlet_step    with the same rows, and grad set,
 * and martlet_finish without rows before it reads, saves or replaces the whole, and before numbers of the group change so that
 * it has less state, as a momentum that becomes 0 does. From its first step on a backlog is for that number of rows. backlog
 * holds the steps' coefficients, up to 4,096 of them, and for each row how many it has seen, 4 bytes: 512 KiB and 4 bytes a
 * row. When it is full the next step lets every row catch up first, which takes as long as the steps do that rows have missed:
 * replaying them saves their way through memory, and no arithmetic, but of rows without state where nothing decays, and of
 * rules without moments. A step of a dense gradient, and one without the flag, let every row catch up too. What no row can
 * catch up with is refused beside rows: all that the lazy step refuses, for the same reasons. */
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
    uint64_t key, offset;     /* whose draws it takes where it is rounded at random, a number of its own, and from which
                                 place on: where it is a shard, that of its first element; else 0 */
    const int64_t *rows;      /* NULL, or the rows that grad is of: a sparse gradient, as below; read */
    int64_t row_count;        /* how many; 0 where rows is NULL */
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
    const martlet_array *copy; /* NULL, or an array of value's count, in fp32, bf16, fp16 or, beside an fp64 array, fp64: each
                                  step writes the new value to it, rounded */
    void *backlog;            /* NULL, or the memory of what rows have not seen, martlet_backlog_size bytes, zero before the
                                 first step that is deferred, at a multiple of 8; read and written */
    uint64_t reserved[3];     /* 0 */
} martlet_parameter;          /* 256 bytes, for good */

#ifdef __cplusplus
}
#endif

#include "martlet/algorithms.h" /* section 6 */

#include "martlet/optimizers.h" /* sections 7 and 8 */

#include "martlet/schedules.h" /* section 9 */

#include "martlet/layers.h" /* sections 10 and 11 */

#include "martlet/models.h" /* section 12 */

#include "martlet/training.h" /* section 13 */

#endif /* MARTLET_H */
