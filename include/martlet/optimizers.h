/*
 * martlet/optimizers.h - steps over the caller's memory and optimizer handles: sections 7 and 8 of martlet.h, which
 * includes it.
 */
#include "../martlet.h"

#ifndef MARTLET_OPTIMIZERS_H
#define MARTLET_OPTIMIZERS_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------
 * 7. Steps over the caller's own memory
 * ------------------------------------------------------------------------------------------------- */

typedef struct martlet_report {
    uint32_t struct_size;
    int32_t skipped;             /* parameters left as they were for want of a gradient */
    double grad_norm;            /* of all gradients that were looked at, unscaled, before they were clipped; NaN: none was */
    double update_norm;          /* of what the step changed, by MARTLET_MEASURE_UPDATE; NaN: not measured */
    int64_t nonfinite_parameter; /* the first whose gradient was not finite; -1: none, or none was looked at. With
                                    MARTLET_SKIP_NONFINITE in its group no parameter has taken a step */
    int32_t dropped;             /* 1 where no step was taken for that */
    int32_t reserved;
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

/* Adds up the count doubles at sums over all processes that share parameters, in place, as MPI_Allreduce does with
 * MPI_IN_PLACE and MPI_SUM. 0, or any other number where that failed. */
typedef int32_t (*martlet_reduce)(void *context, double *sums, int64_t count);

/* The same for parameters of which each process holds a part, its shard: what the passes of LAMB, LARS, StableAdamW, MARS,
 * Prodigy and MARTLET_CAUTIOUS_UPDATE sum over a parameter is given to reduce, and the step goes by what that leaves there.
 *
 * parameters   as in martlet_step, the same ones in the same groups and order in every process, with gradients in all or
 *              in none. A parameter may have no elements here; the rows of a sparse gradient are those of this part
 * reduce       called on this thread with context, once before each pass but the first of the algorithm that has the most:
 *              so none where no algorithm has several, 1 for those above and for CAUTIOUS_UPDATE, 2 for that of
 *              StableAdamW, MARS and Prodigy; once before all of these where gradients are looked at, and once behind the
 *              step for MARTLET_MEASURE_UPDATE. sums holds 3 numbers for each parameter, in their order: two sums and the
 *              count of the elements that they are over, 0 for algorithms without passes. It must return, not by longjmp or
 *              an exception; until then this thread may neither step nor use a model (BUSY)
 *
 * Sums are in fp64, so that the same bits in every process need a reduce that gives all of them the same numbers. For one
 * cut they do not depend on threads or layout; for another they differ by roundings of fp64, in which the step's norms and
 * shares then differ. With one process, or a reduce that does nothing, it is martlet_step to the bit.
 *
 * Fails as martlet_step does, with ARGUMENT for ADAFACTOR, MUON, SOAP, SHAMPOO and ADAM_MINI, which see matrices, and with
 * STOPPED where reduce does not return 0: counters, scalars and parameters of other algorithms are then as before, while those
 * of the above, and their moments, may be partly stepped, and are to be put back by the caller; by the last call, for
 * MARTLET_MEASURE_UPDATE, all has been stepped. Since 0.1. */
martlet_status martlet_step_sharded(martlet_report *out_report, const martlet_parameter *parameters, int64_t count,
                                    const martlet_config *groups, int64_t group_count, martlet_reduce reduce,
                                    void *context);

/* One step of one contiguous fp32 array.
 *
 * value    count elements, read and written
 * grad     count elements, read
 * state    the slots of the config (martlet_slot_get), one after another: count elements each, none for rows and
 *          columns (the array has one dimension), for blocks a number each, and for a scalar the room of two, which hold the
 *          bytes of a double (memcpy reads it); read and written; zero before the first step. For ASGD, with one slot of
 *          elements and two scalars, count + 4
 * step     steps taken so far, 0 at first; one more after success
 * config   hyperparameters; NULL for Adam with its defaults
 *
 * Fails as martlet_step does. Since 0.1. */
martlet_status martlet_array_step(float *value, const float *grad, float *state, int64_t count, int64_t *step,
                                  const martlet_config *config);

/* The sum of the squares of each of count arrays' elements, in fp64: for norms over several processes, whose sums the caller
 * adds up. out_squares holds count numbers. A step by the largest norm m of all gradients is then one with a loss_scale of
 * max(1, norm / m). The order of summing, and so the bits, is that of a step's own norms. Fails with NULL, ARGUMENT, TYPE,
 * SHAPE, ALIGNMENT, UNSUPPORTED and MEMORY, and has then written nothing. Since 0.1. */
martlet_status martlet_measure(double *out_squares, const martlet_array *arrays, int64_t count);

/* What parameters of Schedule-Free groups, or those with an ema_decay, are ready for: for gradients, or to be evaluated,
 * saved and used. */
#define MARTLET_TRAINING 0
#define MARTLET_EVALUATION 1

/* Moves the values of parameters in Schedule-Free groups from one mode's point to the other's. In groups with an ema_decay
 * each parameter and its average change places, whichever the mode, rounded to the other's type where that is another.
 * Arguments are those of the step: values, and averages, are written, other slots and step counters read, gradients not needed.
 * Parameters of other groups, and those that were never stepped, stay as they are. Which mode they are in is the caller's to
 * remember: no step may come before the way back.
 *
 * Fails as martlet_step does, and with ARGUMENT for another mode, and on the way to EVALUATION for a momentum or beta1 of
 * such a group under 2^-24, which keeps no average. Since 0.1. */
martlet_status martlet_mode_set(const martlet_parameter *parameters, int64_t count, const martlet_config *groups,
                                int64_t group_count, int32_t mode);

/* The bytes of a parameter's backlog, for the first size of its value (its count, where it has no sizes): 512 KiB and 64 bytes,
 * and 4 bytes for each row. Fails with NULL and with ARGUMENT for rows under 0 or over 2^56. Since 0.1. */
martlet_status martlet_backlog_size(int64_t *out_bytes, int64_t rows);

/* Lets rows of parameters catch up with the steps that MARTLET_DEFER_ROWS has left for later: those that a parameter's rows
 * name, or all where that is NULL. Arguments are those of the step; gradients are not looked at, and steps not counted. A
 * parameter without a backlog stays as it is. So does one whose rows have seen every step, at no cost. Fails as martlet_step
 * does. Since 0.1. */
martlet_status martlet_finish(const martlet_parameter *parameters, int64_t count, const martlet_config *groups,
                              int64_t group_count);

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
 * until reset or destroy, all else is copied. grad, rows, step and step_shown must be empty (data, rows, step NULL).
 * state_count 0 gives every moment the value's type, and scalars fp64; else state holds one entry for each
 * slot, with data NULL and dtype the type wanted, MARTLET_FLOAT8 and its like among them (block, scales and
 * scale_dtype may then be 0): 2.03 bytes a parameter for both moments of Adam, 1.07 in 4 bits,
 * 4.03 in 16.
 * A key of 0 stands for the index.
 * A name must be UTF-8 of 1 to 500 bytes, and unique: names are compared byte by byte. Without one the
 * parameter is called by its index in decimal digits, which must not be another's name either.
 * Fails as martlet_step does. Since 0.1. */
martlet_status martlet_optimizer_add(martlet_optimizer *optimizer, int64_t *out_index, const martlet_parameter *parameter);

/* Borrows an array until reset or destroy, or another call for the parameter: each step writes the parameter's new value to
 * it, rounded, as martlet_parameter's copy says; NULL ends that. Sizes and strides are copied. A clone has no copies. Fails
 * with NULL, ARGUMENT for an index that no parameter has, TYPE, SHAPE, OVERLAP, ALIGNMENT, UNSUPPORTED, MEMORY and the errors
 * of a handle. Since 0.1. */
martlet_status martlet_optimizer_copy_set(martlet_optimizer *optimizer, int64_t index, const martlet_array *copy);

/* One step. grads: count entries, one for each parameter in order of adding; one whose data is NULL
 * leaves its parameter as it is. out_report: NULL, or with struct_size set. Fails as martlet_step
 * does. Since 0.1. */
martlet_status martlet_optimizer_step(martlet_optimizer *optimizer, martlet_report *out_report,
                                      const martlet_array *grads, int64_t count);

/* The rows that one gradient is of. */
typedef struct martlet_rows {
    const int64_t *rows;  /* as in martlet_parameter; NULL: the gradient is dense */
    int64_t count;        /* how many; 0 where rows is NULL */
    uint64_t reserved[2]; /* 0 */
} martlet_rows;           /* 32 bytes, for good */

/* The same where gradients may be sparse. rows: count entries, one for each of grads, each as rows and row_count in
 * martlet_parameter say; one whose rows is NULL leaves its gradient dense. With MARTLET_DEFER_ROWS in a parameter's group its
 * other rows catch up later, see martlet_optimizer_finish. Fails as martlet_step does. Since 0.1. */
martlet_status martlet_optimizer_sparse_step(martlet_optimizer *optimizer, martlet_report *out_report,
                                             const martlet_array *grads, const martlet_rows *rows, int64_t count);

/* Lets rows catch up with the steps that MARTLET_DEFER_ROWS has left for later; the optimizer owns what that takes. rows: count
 * entries, one for each parameter, whose rows are NULL for all that it has; or NULL with a count of 0: all rows of all
 * parameters. Rows that a model is about to read, and the parameters before they are read or saved as a whole, are made ready
 * so. martlet_optimizer_state_get, _state_set, _save, _load, _clone and _reset let all rows catch up first; _destroy does not.
 * Fails with NULL, ARGUMENT, SHAPE, STRUCT, ALIGNMENT, OVERLAP and MEMORY, and has then changed nothing. Since 0.1. */
martlet_status martlet_optimizer_finish(martlet_optimizer *optimizer, const martlet_rows *rows, int64_t count);

/* Moves the parameters of Schedule-Free groups from where gradients are taken to the trained point, or back;
 * others, and those that were never stepped, stay as they are. The mode is TRAINING at first, and saved with the
 * state. In EVALUATION a step, and another momentum or beta1 of such a group, are ORDER errors. Fails with ARGUMENT
 * (mode; a momentum or beta1 under 2^-24, which keeps no average) and MEMORY. Since 0.1. */
martlet_status martlet_optimizer_mode_set(martlet_optimizer *optimizer, int32_t mode);

/* Sets, or reads, a hyperparameter (MARTLET_LR, ...) of a group. Fails with ARGUMENT for a group, a
 * number or a value out of range, for one that the algorithm does not read, and for one with which the
 * group's parameters would keep other state, as a momentum is that was 0 before. Since 0.1. */
martlet_status martlet_optimizer_set(martlet_optimizer *optimizer, int32_t group, int32_t hyperparameter, double value);
martlet_status martlet_optimizer_get(martlet_optimizer *optimizer, double *out_value, int32_t group, int32_t hyperparameter);

/* The algorithm, convention, flags and hyperparameters of a group, as they are now; writes struct_size bytes. Fails with
 * NULL, STRUCT and ARGUMENT (no such group). Since 0.1. */
martlet_status martlet_optimizer_config_get(martlet_optimizer *optimizer, martlet_config *out_config, size_t struct_size,
                                            int32_t group);

/* How many parameters, and how many groups, the optimizer has. Since 0.1. */
martlet_status martlet_optimizer_count(martlet_optimizer *optimizer, int64_t *out_count);
martlet_status martlet_optimizer_group_count(martlet_optimizer *optimizer, int64_t *out_count);
/* The bytes of state that the optimizer owns. Since 0.1. */
martlet_status martlet_optimizer_size(martlet_optimizer *optimizer, int64_t *out_bytes);

/* A moment of a parameter, counted from 0. _get: a view of the optimizer's own memory, contiguous in
 * the order of the value's sizes; it may be read and written while no call is inside, until reset,
 * load or destroy. _set: copies values in, from an array of the same count and type. Since 0.1. */
martlet_status martlet_optimizer_state_get(martlet_optimizer *optimizer, martlet_array *out_array, int64_t parameter,
                                           int32_t slot);
martlet_status martlet_optimizer_state_set(martlet_optimizer *optimizer, int64_t parameter, int32_t slot,
                                           const martlet_array *array);

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
 * parameters of the same names, types and counts, and takes over the file's hyperparameters, flags and conventions, with
 * which it has to keep the same slots. Fails with FILE, FORMAT (not such a file, or one for
 * other parameters), NULL and MEMORY, and then leaves the optimizer as it was. Since 0.1. */
martlet_status martlet_optimizer_load(martlet_optimizer *optimizer, const char *path);

#ifdef __cplusplus
}
#endif
#endif /* MARTLET_OPTIMIZERS_H */
