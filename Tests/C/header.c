/*
 * The header alone: compiled under every language standard that it promises, C and C++, with all
 * warnings as errors, and nothing included before it. Sizes, offsets and numbers that are fixed for good
 * stand here as array types, since C99 has no static assertion; and every function is taken by its
 * address, so that one which is declared and not exported does not link. symbols.py sees to it that none
 * is left out. What the functions do is not tested here.
 */
#include "martlet.h"

typedef char array_is_64_bytes[sizeof(martlet_array) == 64 ? 1 : -1];
typedef char parameter_is_256_bytes[sizeof(martlet_parameter) == 256 ? 1 : -1];
typedef char rows_are_32_bytes[sizeof(martlet_rows) == 32 ? 1 : -1];
typedef char config_is_424_bytes[sizeof(martlet_config) == 424 ? 1 : -1];
typedef char slot_is_32_bytes[sizeof(martlet_slot) == 32 ? 1 : -1];
typedef char report_is_40_bytes[sizeof(martlet_report) == 40 ? 1 : -1];
typedef char machine_is_40_bytes[sizeof(martlet_machine) == 40 ? 1 : -1];
typedef char layer_is_344_bytes[sizeof(martlet_layer) == 344 ? 1 : -1];
typedef char training_is_72_bytes[sizeof(martlet_training) == 72 ? 1 : -1];
typedef char score_is_280_bytes[sizeof(martlet_score) == 280 ? 1 : -1];
typedef char result_is_296_bytes[sizeof(martlet_result) == 296 ? 1 : -1];
typedef char progress_is_64_bytes[sizeof(martlet_progress) == 64 ? 1 : -1];
typedef char loop_is_72_bytes[sizeof(martlet_loop) == 72 ? 1 : -1];
typedef char view_is_128_bytes[sizeof(martlet_view) == 128 ? 1 : -1];
typedef char own_pass_is_72_bytes[sizeof(martlet_own_pass) == 72 ? 1 : -1];
typedef char own_pass_out_is_at_40[offsetof(martlet_own_pass, out) == 40 ? 1 : -1];
typedef char node_is_128_bytes[sizeof(martlet_node) == 128 ? 1 : -1];

typedef char data_is_at_0[offsetof(martlet_array, data) == 0 ? 1 : -1];
typedef char count_is_at_8[offsetof(martlet_array, count) == 8 ? 1 : -1];
typedef char dtype_is_at_16[offsetof(martlet_array, dtype) == 16 ? 1 : -1];
typedef char rank_is_at_20[offsetof(martlet_array, rank) == 20 ? 1 : -1];
typedef char sizes_is_at_24[offsetof(martlet_array, sizes) == 24 ? 1 : -1];
typedef char strides_is_at_32[offsetof(martlet_array, strides) == 32 ? 1 : -1];
typedef char grad_is_at_64[offsetof(martlet_parameter, grad) == 64 ? 1 : -1];
typedef char state_is_at_128[offsetof(martlet_parameter, state) == 128 ? 1 : -1];
typedef char step_is_at_144[offsetof(martlet_parameter, step) == 144 ? 1 : -1];
typedef char step_shown_is_at_200[offsetof(martlet_parameter, step_shown) == 200 ? 1 : -1];
typedef char copy_is_at_216[offsetof(martlet_parameter, copy) == 216 ? 1 : -1];
typedef char name_is_at_192[offsetof(martlet_parameter, name) == 192 ? 1 : -1];
typedef char lr_is_at_24[offsetof(martlet_config, lr) == 24 ? 1 : -1];
typedef char accumulate_is_at_416[offsetof(martlet_config, accumulate) == 24 + 8 * (MARTLET_ACCUMULATE_STEPS - 1) ? 1 : -1];
typedef char slot_kind_is_at_8[offsetof(martlet_slot, kind) == 8 ? 1 : -1];
typedef char slot_dtype_is_at_12[offsetof(martlet_slot, dtype) == 12 ? 1 : -1];
typedef char slot_dtype_16bit_is_at_24[offsetof(martlet_slot, dtype_16bit) == 24 ? 1 : -1];
typedef char layer_units_is_at_16[offsetof(martlet_layer, units) == 16 ? 1 : -1];
typedef char layer_kernel_is_at_24[offsetof(martlet_layer, kernel) == 24 ? 1 : -1];
typedef char layer_stride_is_at_40[offsetof(martlet_layer, stride) == 40 ? 1 : -1];
typedef char layer_pads_is_at_72[offsetof(martlet_layer, pads) == 72 ? 1 : -1];
typedef char layer_groups_is_at_104[offsetof(martlet_layer, groups) == 104 ? 1 : -1];
typedef char layer_padding_is_at_112[offsetof(martlet_layer, padding) == 112 ? 1 : -1];
typedef char layer_sizes_is_at_120[offsetof(martlet_layer, sizes) == 120 ? 1 : -1];
typedef char layer_rate_is_at_184[offsetof(martlet_layer, rate) == 184 ? 1 : -1];
typedef char layer_kernel_initializer_is_at_216[offsetof(martlet_layer, kernel_initializer) == 216 ? 1 : -1];
typedef char layer_kernel_value_is_at_224[offsetof(martlet_layer, kernel_value) == 224 ? 1 : -1];
typedef char layer_name_is_at_240[offsetof(martlet_layer, name) == 240 ? 1 : -1];
typedef char layer_vocabulary_is_at_248[offsetof(martlet_layer, vocabulary) == 248 ? 1 : -1];
typedef char layer_axis_is_at_256[offsetof(martlet_layer, axis) == 256 ? 1 : -1];
typedef char layer_scale_is_at_264[offsetof(martlet_layer, scale) == 264 ? 1 : -1];
typedef char layer_output_padding_is_at_280[offsetof(martlet_layer, output_padding) == 280 ? 1 : -1];
typedef char layer_l1_is_at_296[offsetof(martlet_layer, l1) == 296 ? 1 : -1];
typedef char layer_recurrent_activation_is_at_312[offsetof(martlet_layer, recurrent_activation) == 312 ? 1 : -1];
typedef char layer_recurrent_value_is_at_320[offsetof(martlet_layer, recurrent_value) == 320 ? 1 : -1];
typedef char layer_still_row_is_at_336[offsetof(martlet_layer, still_row) == 336 ? 1 : -1];
typedef char layer_recurrent_rate_is_at_328[offsetof(martlet_layer, recurrent_rate) == 328 ? 1 : -1];
typedef char training_batch_size_is_at_16[offsetof(martlet_training, batch_size) == 16 ? 1 : -1];
typedef char training_top_is_at_24[offsetof(martlet_training, top) == 24 ? 1 : -1];
typedef char training_state_dtype_is_at_28[offsetof(martlet_training, state_dtype) == 28 ? 1 : -1];
typedef char training_label_smoothing_is_at_32[offsetof(martlet_training, label_smoothing) == 32 ? 1 : -1];
typedef char training_delta_is_at_40[offsetof(martlet_training, delta) == 40 ? 1 : -1];
typedef char training_gamma_is_at_48[offsetof(martlet_training, gamma) == 48 ? 1 : -1];
typedef char training_weight_is_at_64[offsetof(martlet_training, weight) == 64 ? 1 : -1];
typedef char result_batches_is_at_8[offsetof(martlet_result, batches) == 8 ? 1 : -1];
typedef char result_loss_is_at_24[offsetof(martlet_result, loss) == 24 ? 1 : -1];
typedef char result_validation_loss_is_at_32[offsetof(martlet_result, validation_loss) == 32 ? 1 : -1];
typedef char result_metrics_is_at_40[offsetof(martlet_result, metrics) == 40 ? 1 : -1];
typedef char result_validation_metrics_is_at_168[offsetof(martlet_result, validation_metrics) == 168 ? 1 : -1];
typedef char score_loss_is_at_8[offsetof(martlet_score, loss) == 8 ? 1 : -1];
typedef char score_metrics_is_at_24[offsetof(martlet_score, metrics) == 24 ? 1 : -1];
typedef char progress_batch_is_at_16[offsetof(martlet_progress, batch) == 16 ? 1 : -1];
typedef char progress_samples_is_at_32[offsetof(martlet_progress, samples) == 32 ? 1 : -1];
typedef char progress_loss_is_at_40[offsetof(martlet_progress, loss) == 40 ? 1 : -1];
typedef char progress_seconds_is_at_56[offsetof(martlet_progress, seconds) == 56 ? 1 : -1];
typedef char loop_epochs_is_at_8[offsetof(martlet_loop, epochs) == 8 ? 1 : -1];
typedef char loop_batch_size_is_at_16[offsetof(martlet_loop, batch_size) == 16 ? 1 : -1];
typedef char loop_progress_is_at_24[offsetof(martlet_loop, progress) == 24 ? 1 : -1];
typedef char loop_user_is_at_32[offsetof(martlet_loop, user) == 32 ? 1 : -1];
typedef char loop_validation_x_is_at_40[offsetof(martlet_loop, validation_x) == 40 ? 1 : -1];
typedef char loop_validation_y_is_at_48[offsetof(martlet_loop, validation_y) == 48 ? 1 : -1];
typedef char loop_weights_is_at_56[offsetof(martlet_loop, weights) == 56 ? 1 : -1];
typedef char view_node_is_at_8[offsetof(martlet_view, node) == 8 ? 1 : -1];
typedef char view_sizes_is_at_16[offsetof(martlet_view, sizes) == 16 ? 1 : -1];
typedef char view_offset_is_at_80[offsetof(martlet_view, offset) == 80 ? 1 : -1];
typedef char view_count_is_at_88[offsetof(martlet_view, count) == 88 ? 1 : -1];
typedef char view_group_is_at_96[offsetof(martlet_view, group) == 96 ? 1 : -1];
typedef char node_kind_is_at_8[offsetof(martlet_node, kind) == 8 ? 1 : -1];
typedef char node_sizes_is_at_16[offsetof(martlet_node, sizes) == 16 ? 1 : -1];
typedef char node_parameter_count_is_at_80[offsetof(martlet_node, parameter_count) == 80 ? 1 : -1];
typedef char node_inputs_is_at_96[offsetof(martlet_node, inputs) == 96 ? 1 : -1];
typedef char node_input_count_is_at_104[offsetof(martlet_node, input_count) == 104 ? 1 : -1];
typedef char node_first_is_at_108[offsetof(martlet_node, first) == 108 ? 1 : -1];
typedef char node_reads_mask_is_at_112[offsetof(martlet_node, reads_mask) == 112 ? 1 : -1];
typedef char node_mask_is_at_116[offsetof(martlet_node, mask) == 116 ? 1 : -1];
typedef char node_statistics_count_is_at_88[offsetof(martlet_node, statistics_count) == 88 ? 1 : -1];

typedef char version_is_one_number[MARTLET_VERSION == MARTLET_VERSION_MAJOR * 10000 + MARTLET_VERSION_MINOR * 100 +
                                                           MARTLET_VERSION_PATCH ? 1 : -1];
typedef char status_is_32_bits[sizeof(martlet_status) == 4 ? 1 : -1];

/* Numbers that stand in files and in other languages: the first and the last of each run, each one of a sum of flags. */
#define SAME(name, number) typedef char name##_is_its_number[(name) == (number) ? 1 : -1]
SAME(MARTLET_STOPPED, -15);
SAME(MARTLET_ERROR_ORDER, -16);
SAME(MARTLET_AMSGRAD, 1);
SAME(MARTLET_WIDE_RANGES, 16);
SAME(MARTLET_DECOUPLED_DECAY, 32);
SAME(MARTLET_POLAR_EXPRESS, 65536);
SAME(MARTLET_CAUTIOUS_UPDATE, 131072);
SAME(MARTLET_HYPERBALL, 1048576);
SAME(MARTLET_SKIP_NONFINITE, 2097152);
SAME(MARTLET_MEASURE, 4194304);
SAME(MARTLET_EMA_CORRECTION, 8388608);
SAME(MARTLET_EMA_WARMUP, 16777216);
SAME(MARTLET_ZERO_GRADS, 33554432);
SAME(MARTLET_MEASURE_UPDATE, 67108864);
SAME(MARTLET_STOCHASTIC_ROUNDING, 134217728);
SAME(MARTLET_KAHAN, 268435456);
SAME(MARTLET_SPLIT, 536870912);
SAME(MARTLET_DEFER_ROWS, 1073741824);
SAME(MARTLET_TRAINING, 0);
SAME(MARTLET_EVALUATION, 1);
SAME(MARTLET_SLOT_ELEMENTS, 0);
SAME(MARTLET_SLOT_SCALAR, 1);
SAME(MARTLET_SLOT_LEADING, 7);
SAME(MARTLET_SLOT_BLOCKS, 8);
SAME(MARTLET_ADAM_MINI, 32);
SAME(MARTLET_TRANSPOSE_LEFT, 1);
SAME(MARTLET_TRANSPOSE_RIGHT, 2);
SAME(MARTLET_ACCUMULATE, 4);
SAME(MARTLET_LAYER_INPUT, 0);
SAME(MARTLET_LAYER_DENSE, 1);
SAME(MARTLET_LAYER_ACTIVATION, 12);
SAME(MARTLET_LAYER_ADD, 13);
SAME(MARTLET_LAYER_MULTIPLY, 14);
SAME(MARTLET_LAYER_CONCATENATE, 15);
SAME(MARTLET_LAYER_EMBEDDING, 16);
SAME(MARTLET_LAYER_CONV1D, 17);
SAME(MARTLET_LAYER_MAX_POOL1D, 18);
SAME(MARTLET_LAYER_AVERAGE_POOL1D, 19);
SAME(MARTLET_LAYER_GLOBAL_AVERAGE_POOL1D, 20);
SAME(MARTLET_LAYER_GLOBAL_MAX_POOL1D, 21);
SAME(MARTLET_LAYER_GLOBAL_MAX_POOL2D, 22);
SAME(MARTLET_LAYER_LAYER_NORM, 23);
SAME(MARTLET_LAYER_ZERO_PADDING2D, 24);
SAME(MARTLET_LAYER_UP_SAMPLING2D, 25);
SAME(MARTLET_LAYER_RESCALING, 26);
SAME(MARTLET_LAYER_GAUSSIAN_NOISE, 27);
SAME(MARTLET_LAYER_RANDOM_FLIP, 28);
SAME(MARTLET_LAYER_RANDOM_CROP, 29);
SAME(MARTLET_LAYER_RANDOM_TRANSLATION, 30);
SAME(MARTLET_LAYER_GROUP_NORM, 31);
SAME(MARTLET_LAYER_DEPTHWISE_CONV2D, 32);
SAME(MARTLET_LAYER_CONV2D_TRANSPOSE, 33);
SAME(MARTLET_LAYER_LSTM, 34);
SAME(MARTLET_LAYER_GRU, 35);
SAME(MARTLET_LAYER_SIMPLE_RNN, 36);
SAME(MARTLET_LAYER_MASKING, 37);
SAME(MARTLET_LAYER_RMS_NORM, 38);
SAME(MARTLET_LAYER_ATTENTION, 39);
SAME(MARTLET_LAYER_OWN, 40);
SAME(MARTLET_LAYER_POSITION, 41);
SAME(MARTLET_LAYER_CROPPING1D, 42);
SAME(MARTLET_LAYER_TIED_DENSE, 43);
SAME(MARTLET_ACTIVATION_LINEAR, 0);
SAME(MARTLET_ACTIVATION_SOFTMAX, 7);
SAME(MARTLET_ACTIVATION_ELU, 8);
SAME(MARTLET_ACTIVATION_EXPONENTIAL, 13);
SAME(MARTLET_PADDING_VALID, 0);
SAME(MARTLET_PADDING_EXPLICIT, 2);
SAME(MARTLET_INITIALIZER_ZEROS, 0);
SAME(MARTLET_INITIALIZER_NORMAL, 9);
SAME(MARTLET_INITIALIZER_ORTHOGONAL, 10);
SAME(MARTLET_INITIALIZER_FAN_IN_NORMAL, 11);
SAME(MARTLET_INITIALIZER_FAN_OUT_NORMAL, 14);
SAME(MARTLET_INITIALIZER_FAN_AVERAGE_UNIFORM, 19);
SAME(MARTLET_NO_BIAS, 1);
SAME(MARTLET_NO_SCALE, 2);
SAME(MARTLET_UNBIASED_VARIANCE, 4);
SAME(MARTLET_COUNT_PADDING, 8);
SAME(MARTLET_FROZEN, 16);
SAME(MARTLET_FLIP_HORIZONTAL, 32);
SAME(MARTLET_FLIP_VERTICAL, 64);
SAME(MARTLET_RETURN_SEQUENCES, 128);
SAME(MARTLET_GO_BACKWARDS, 256);
SAME(MARTLET_UNIT_FORGET_BIAS, 512);
SAME(MARTLET_SPARSE, 1024);
SAME(MARTLET_BILINEAR, 2048);
SAME(MARTLET_FILL_REFLECT, 4096);
SAME(MARTLET_FILL_WRAP, 8192);
SAME(MARTLET_FILL_NEAREST, 16384);
SAME(MARTLET_MASK_ZERO, 32768);
SAME(MARTLET_INPUT_ORDER, 65536);
SAME(MARTLET_ZERO_HIDDEN, 131072);
SAME(MARTLET_CAUSAL, 262144);
SAME(MARTLET_RETURN_STATE, 524288);
SAME(MARTLET_STATEFUL, 1048576);
SAME(MARTLET_RESET_FIRST, 2097152);
SAME(MARTLET_LENGTHS, 4194304);
SAME(MARTLET_LOSS_CROSS_ENTROPY, 1);
SAME(MARTLET_LOSS_HUBER, 6);
SAME(MARTLET_LOSS_KL_DIVERGENCE, 7);
SAME(MARTLET_LOSS_HINGE, 8);
SAME(MARTLET_LOSS_LOG_COSH, 9);
SAME(MARTLET_LOSS_POISSON, 10);
SAME(MARTLET_LOSS_COSINE, 11);
SAME(MARTLET_LOSS_FOCAL, 12);
SAME(MARTLET_LOSS_BINARY_FOCAL, 13);
SAME(MARTLET_FROM_AUTO, 0);
SAME(MARTLET_FROM_PROBABILITIES, 2);
SAME(MARTLET_METRIC_ACCURACY, 0);
SAME(MARTLET_METRIC_TOP_ACCURACY, 1);
SAME(MARTLET_METRIC_MSE, 2);
SAME(MARTLET_METRIC_MAE, 3);
SAME(MARTLET_METRIC_RMSE, 4);
SAME(MARTLET_METRIC_R2, 5);
SAME(MARTLET_METRIC_PRECISION, 6);
SAME(MARTLET_METRIC_RECALL, 7);
SAME(MARTLET_METRIC_F1, 8);
SAME(MARTLET_METRIC_AUC, 9);
SAME(MARTLET_METRIC_PERPLEXITY, 10);
SAME(MARTLET_METRIC_COUNT, 11);
SAME(MARTLET_METRIC_ROOM, 16);
SAME(MARTLET_KEEP_ORDER, 1);
SAME(MARTLET_BUFFER_PARAMETERS, 0);
SAME(MARTLET_BUFFER_GRADIENTS, 1);
SAME(MARTLET_BUFFER_STATISTICS, 2);

/* Every function that is declared, as what any function's address may become and come back from. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wcast-function-type-strict"
#endif
typedef void (*any_function)(void);
static const any_function functions[] = {
    (any_function)martlet_version_get,
    (any_function)martlet_version_name,
    (any_function)martlet_abi_get,
    (any_function)martlet_status_name,
    (any_function)martlet_last_error,
    (any_function)martlet_machine_get,
    (any_function)martlet_threads_set,
    (any_function)martlet_threads_get,
    (any_function)martlet_isa_set,
    (any_function)martlet_chunk_set,
    (any_function)martlet_config_init,
    (any_function)martlet_algorithm_name,
    (any_function)martlet_algorithm_flags,
    (any_function)martlet_algorithm_needs,
    (any_function)martlet_hyperparameter_name,
    (any_function)martlet_algorithm_slot_count,
    (any_function)martlet_slot_get,
    (any_function)martlet_slot_count,
    (any_function)martlet_report_init,
    (any_function)martlet_schedule_init,
    (any_function)martlet_schedule_name,
    (any_function)martlet_schedule_get,
    (any_function)martlet_plateau_init,
    (any_function)martlet_plateau_step,
    (any_function)martlet_step,
    (any_function)martlet_step_sharded,
    (any_function)martlet_measure,
    (any_function)martlet_finish,
    (any_function)martlet_backlog_size,
    (any_function)martlet_array_step,
    (any_function)martlet_answers_get,
    (any_function)martlet_optimizer_create,
    (any_function)martlet_optimizer_destroy,
    (any_function)martlet_optimizer_clone,
    (any_function)martlet_optimizer_reset,
    (any_function)martlet_optimizer_group_add,
    (any_function)martlet_optimizer_add,
    (any_function)martlet_optimizer_copy_set,
    (any_function)martlet_optimizer_step,
    (any_function)martlet_optimizer_sparse_step,
    (any_function)martlet_optimizer_finish,
    (any_function)martlet_optimizer_mode_set,
    (any_function)martlet_optimizer_set,
    (any_function)martlet_optimizer_get,
    (any_function)martlet_optimizer_config_get,
    (any_function)martlet_optimizer_count,
    (any_function)martlet_optimizer_group_count,
    (any_function)martlet_optimizer_size,
    (any_function)martlet_optimizer_state_get,
    (any_function)martlet_optimizer_state_set,
    (any_function)martlet_optimizer_step_get,
    (any_function)martlet_optimizer_step_set,
    (any_function)martlet_optimizer_save,
    (any_function)martlet_optimizer_load,
    (any_function)martlet_matmul,
    (any_function)martlet_layer_init,
    (any_function)martlet_model_create,
    (any_function)martlet_model_destroy,
    (any_function)martlet_model_reset,
    (any_function)martlet_mode_set,
    (any_function)martlet_model_add,
    (any_function)martlet_model_apply,
    (any_function)martlet_training_init,
    (any_function)martlet_metric_name,
    (any_function)martlet_model_outputs_set,
    (any_function)martlet_model_sizes_set,
    (any_function)martlet_model_output_count,
    (any_function)martlet_model_output_get,
    (any_function)martlet_model_score_get,
    (any_function)martlet_model_tally_set,
    (any_function)martlet_model_forward,
    (any_function)martlet_model_backward,
    (any_function)martlet_model_own_set,
    (any_function)martlet_model_confusion_get,
    (any_function)martlet_model_compile,
    (any_function)martlet_model_groups_compile,
    (any_function)martlet_result_init,
    (any_function)martlet_model_train,
    (any_function)martlet_model_differentiate,
    (any_function)martlet_model_step,
    (any_function)martlet_model_weighted_train,
    (any_function)martlet_loop_init,
    (any_function)martlet_model_fit,
    (any_function)martlet_model_evaluate,
    (any_function)martlet_model_predict,
    (any_function)martlet_model_sequence_reset,
    (any_function)martlet_model_sequence_predict,
    (any_function)martlet_model_mode_set,
    (any_function)martlet_model_set,
    (any_function)martlet_model_get,
    (any_function)martlet_model_group_count,
    (any_function)martlet_model_group_set,
    (any_function)martlet_model_config_get,
    (any_function)martlet_model_copy_set,
    (any_function)martlet_model_step_get,
    (any_function)martlet_model_grad_norm_get,
    (any_function)martlet_model_buffer_get,
    (any_function)martlet_model_view_count,
    (any_function)martlet_model_view_get,
    (any_function)martlet_model_node_count,
    (any_function)martlet_model_node_get,
    (any_function)martlet_model_layer_get,
    (any_function)martlet_model_training_get,
    (any_function)martlet_model_seed_get,
    (any_function)martlet_model_order_get,
    (any_function)martlet_model_epoch_get,
    (any_function)martlet_model_epoch_set,
    (any_function)martlet_model_note_set,
    (any_function)martlet_model_note_get,
    (any_function)martlet_model_save,
    (any_function)martlet_model_export,
    (any_function)martlet_model_load,
};

int main(void) {
    martlet_config config;
    size_t k;
    for (k = 0; k < sizeof functions / sizeof functions[0]; k++)
        if (functions[k] == NULL) return 1;
    if (martlet_version_get() != MARTLET_VERSION || martlet_abi_get() != MARTLET_ABI) return 1;
    return martlet_config_init(&config, sizeof config, MARTLET_ADAM) == MARTLET_OK ? 0 : 1;
}
