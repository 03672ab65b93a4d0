"""Sections 10 to 13 of the header, word for word: the matrix product, layers, models.

What _ffi.py is for the first sections, and under the same test. It is apart so that a program that only steps
does not load it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from functools import partial

from martlet import _ffi, _ffi_optimizers
from martlet._ffi import _checked, _plain

TRANSPOSE_LEFT = 1
TRANSPOSE_RIGHT = 2
ACCUMULATE = 4

LAYER_INPUT = 0
LAYER_DENSE = 1
LAYER_CONV2D = 2
LAYER_MAX_POOL2D = 3
LAYER_AVERAGE_POOL2D = 4
LAYER_GLOBAL_AVERAGE_POOL2D = 5
LAYER_FLATTEN = 6
LAYER_RESHAPE = 7
LAYER_PERMUTE = 8
LAYER_DROPOUT = 9
LAYER_BATCH_NORM = 10
LAYER_NORMALIZATION = 11
LAYER_ACTIVATION = 12
LAYER_ADD = 13
LAYER_MULTIPLY = 14
LAYER_CONCATENATE = 15
LAYER_EMBEDDING = 16
LAYER_CONV1D = 17
LAYER_MAX_POOL1D = 18
LAYER_AVERAGE_POOL1D = 19
LAYER_GLOBAL_AVERAGE_POOL1D = 20
LAYER_GLOBAL_MAX_POOL1D = 21
LAYER_GLOBAL_MAX_POOL2D = 22
LAYER_LAYER_NORM = 23
LAYER_ZERO_PADDING2D = 24
LAYER_UP_SAMPLING2D = 25
LAYER_RESCALING = 26
LAYER_GAUSSIAN_NOISE = 27
LAYER_RANDOM_FLIP = 28
LAYER_RANDOM_CROP = 29
LAYER_RANDOM_TRANSLATION = 30
LAYER_GROUP_NORM = 31
LAYER_DEPTHWISE_CONV2D = 32
LAYER_CONV2D_TRANSPOSE = 33
LAYER_LSTM = 34
LAYER_GRU = 35
LAYER_SIMPLE_RNN = 36
LAYER_MASKING = 37
LAYER_RMS_NORM = 38
LAYER_ATTENTION = 39
LAYER_OWN = 40
LAYER_POSITION = 41
LAYER_CROPPING1D = 42
LAYER_TIED_DENSE = 43

ACTIVATION_LINEAR = 0
ACTIVATION_RELU = 1
ACTIVATION_LEAKY_RELU = 2
ACTIVATION_GELU = 3
ACTIVATION_SILU = 4
ACTIVATION_TANH = 5
ACTIVATION_SIGMOID = 6
ACTIVATION_SOFTMAX = 7
ACTIVATION_ELU = 8
ACTIVATION_SELU = 9
ACTIVATION_SOFTPLUS = 10
ACTIVATION_HARD_SIGMOID = 11
ACTIVATION_MISH = 12
ACTIVATION_EXPONENTIAL = 13

PADDING_VALID = 0
PADDING_SAME = 1
PADDING_EXPLICIT = 2

INITIALIZER_ZEROS = 0
INITIALIZER_CONSTANT = 1
INITIALIZER_GLOROT_UNIFORM = 2
INITIALIZER_GLOROT_NORMAL = 3
INITIALIZER_HE_UNIFORM = 4
INITIALIZER_HE_NORMAL = 5
INITIALIZER_LECUN_UNIFORM = 6
INITIALIZER_LECUN_NORMAL = 7
INITIALIZER_UNIFORM = 8
INITIALIZER_NORMAL = 9
INITIALIZER_ORTHOGONAL = 10
INITIALIZER_FAN_IN_NORMAL = 11
INITIALIZER_FAN_IN_UNTRUNCATED_NORMAL = 12
INITIALIZER_FAN_IN_UNIFORM = 13
INITIALIZER_FAN_OUT_NORMAL = 14
INITIALIZER_FAN_OUT_UNTRUNCATED_NORMAL = 15
INITIALIZER_FAN_OUT_UNIFORM = 16
INITIALIZER_FAN_AVERAGE_NORMAL = 17
INITIALIZER_FAN_AVERAGE_UNTRUNCATED_NORMAL = 18
INITIALIZER_FAN_AVERAGE_UNIFORM = 19

NO_BIAS = 1
NO_SCALE = 2
UNBIASED_VARIANCE = 4
COUNT_PADDING = 8
FROZEN = 16
FLIP_HORIZONTAL = 32
FLIP_VERTICAL = 64
RETURN_SEQUENCES = 128
GO_BACKWARDS = 256
UNIT_FORGET_BIAS = 512
SPARSE = 1024
BILINEAR = 2048
FILL_REFLECT = 4096
FILL_WRAP = 8192
FILL_NEAREST = 16384
MASK_ZERO = 32768
INPUT_ORDER = 65536
ZERO_HIDDEN = 131072
CAUSAL = 262144
RETURN_STATE = 524288
STATEFUL = 1048576
RESET_FIRST = 2097152
LENGTHS = 4194304

LOSS_CROSS_ENTROPY = 1
LOSS_NLL = 2
LOSS_BINARY_CROSS_ENTROPY = 3
LOSS_MSE = 4
LOSS_MAE = 5
LOSS_HUBER = 6
LOSS_KL_DIVERGENCE = 7
LOSS_HINGE = 8
LOSS_LOG_COSH = 9
LOSS_POISSON = 10
LOSS_COSINE = 11
LOSS_FOCAL = 12
LOSS_BINARY_FOCAL = 13

FROM_AUTO = 0
FROM_LOGITS = 1
FROM_PROBABILITIES = 2

METRIC_ACCURACY = 0
METRIC_TOP_ACCURACY = 1
METRIC_MSE = 2
METRIC_MAE = 3
METRIC_RMSE = 4
METRIC_R2 = 5
METRIC_PRECISION = 6
METRIC_RECALL = 7
METRIC_F1 = 8
METRIC_AUC = 9
METRIC_PERPLEXITY = 10
METRIC_COUNT = 11
METRIC_ROOM = 16

KEEP_ORDER = 1

BUFFER_PARAMETERS = 0
BUFFER_GRADIENTS = 1
BUFFER_STATISTICS = 2


class ModelToken(Structure):
    """Opaque: a pointer to it is a token."""


MODEL = POINTER(ModelToken)
FLOATS = POINTER(c_float)


class Layer(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_int32),
        ("activation", c_int32),
        ("flags", c_uint32),
        ("units", c_int64),
        ("kernel", c_int64 * 2),
        ("stride", c_int64 * 2),
        ("dilation", c_int64 * 2),
        ("pads", c_int64 * 4),
        ("groups", c_int64),
        ("padding", c_int32),
        ("rank", c_int32),
        ("sizes", c_int64 * 8),
        ("rate", c_double),
        ("slope", c_double),
        ("momentum", c_double),
        ("epsilon", c_double),
        ("kernel_initializer", c_int32),
        ("bias_initializer", c_int32),
        ("kernel_value", c_double),
        ("bias_value", c_double),
        ("name", c_char_p),
        ("vocabulary", c_int64),
        ("axis", c_int32),
        ("table", c_int32),
        ("scale", c_double),
        ("offset", c_double),
        ("output_padding", c_int64 * 2),
        ("l1", c_double),
        ("l2", c_double),
        ("recurrent_activation", c_int32),
        ("recurrent_initializer", c_int32),
        ("recurrent_value", c_double),
        ("recurrent_rate", c_double),
        ("still_row", c_int64),
    ]


class Training(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("loss", c_int32),
        ("from", c_int32),
        ("metrics", c_uint32),
        ("batch_size", c_int64),
        ("top", c_int32),
        ("state_dtype", c_int32),
        ("label_smoothing", c_double),
        ("delta", c_double),
        ("gamma", c_double),
        ("alpha", c_double),
        ("weight", c_double),
    ]


class Result(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("epochs", c_int32),
        ("batches", c_int64),
        ("samples", c_int64),
        ("loss", c_double),
        ("validation_loss", c_double),
        ("metrics", c_double * METRIC_ROOM),
        ("validation_metrics", c_double * METRIC_ROOM),
    ]


class Score(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_int32),
        ("loss", c_double),
        ("evaluation_loss", c_double),
        ("metrics", c_double * METRIC_ROOM),
        ("evaluation_metrics", c_double * METRIC_ROOM),
    ]


class Progress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("epoch", c_int32),
        ("epochs", c_int32),
        ("reserved", c_int32),
        ("batch", c_int64),
        ("batches", c_int64),
        ("samples", c_int64),
        ("loss", c_double),
        ("accuracy", c_double),
        ("seconds", c_double),
    ]


# What a loop calls after each batch. Python's loops are Python's own, so that none is called from here.
PROGRESS = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(Progress))


class Loop(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("epochs", c_int64),
        ("batch_size", c_int64),
        ("progress", PROGRESS),
        ("user", c_void_p),
        ("validation_x", POINTER(_ffi.Array)),
        ("validation_y", POINTER(_ffi.Array)),
        ("weights", POINTER(_ffi.Array)),
        ("validation_weights", POINTER(_ffi.Array)),
    ]


class View(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("node", c_int32),
        ("rank", c_int32),
        ("sizes", c_int64 * 8),
        ("offset", c_int64),
        ("count", c_int64),
        ("group", c_int32),
        ("reserved_too", c_int32),
        ("reserved", c_uint64 * 3),
    ]


class Node(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("kind", c_int32),
        ("rank", c_int32),
        ("sizes", c_int64 * 8),
        ("parameter_count", c_int64),
        ("statistics_count", c_int64),
        ("inputs", POINTER(c_int32)),
        ("input_count", c_int32),
        ("first", c_int32),
        ("reads_mask", c_int32),
        ("mask", c_int32),
        ("reserved", c_uint64 * 1),
    ]


class OwnPass(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("is_training", c_int32),
        ("batch", c_int64),
        ("input_count", c_int64),
        ("inputs", POINTER(c_void_p)),
        ("weights", c_void_p),
        ("out", c_void_p),
        ("slopes", c_void_p),
        ("input_slopes", POINTER(c_void_p)),
        ("weight_slopes", c_void_p),
    ]


OWN_FUNCTION = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(OwnPass))

martlet_matmul = _checked(
    "martlet_matmul", POINTER(c_float), POINTER(c_float), POINTER(c_float), c_int64, c_int64, c_int64, c_uint32
)
martlet_layer_init = _checked("martlet_layer_init", POINTER(Layer), c_size_t, c_int32)
martlet_model_create = _checked("martlet_model_create", POINTER(MODEL), POINTER(c_int64), c_int64, c_uint64)
martlet_model_destroy = _checked("martlet_model_destroy", MODEL)
martlet_model_reset = _checked("martlet_model_reset", MODEL)
martlet_model_apply = _checked("martlet_model_apply", MODEL, c_int32, POINTER(c_int32), c_int64, POINTER(c_int32))
martlet_model_add = _checked("martlet_model_add", MODEL, POINTER(Layer), POINTER(c_int32), c_int64, POINTER(c_int32))
martlet_training_init = _checked("martlet_training_init", POINTER(Training), c_size_t, c_int32)
martlet_model_compile = _checked("martlet_model_compile", MODEL, POINTER(Training), POINTER(_ffi_optimizers.Config))
martlet_model_groups_compile = _checked(
    "martlet_model_groups_compile",
    MODEL,
    POINTER(Training),
    POINTER(_ffi_optimizers.Config),
    c_int64,
    POINTER(c_int32),
    c_int64,
)
martlet_metric_name = _plain("martlet_metric_name", c_char_p, c_int32)
martlet_model_sizes_set = _checked("martlet_model_sizes_set", MODEL, POINTER(c_int64), c_int64)
martlet_model_outputs_set = _checked("martlet_model_outputs_set", MODEL, POINTER(c_int32), c_int64)
martlet_model_own_set = _checked("martlet_model_own_set", MODEL, c_int32, OWN_FUNCTION, c_void_p)
martlet_model_output_count = _checked("martlet_model_output_count", MODEL, POINTER(c_int64))
martlet_model_output_get = _checked("martlet_model_output_get", MODEL, POINTER(c_int32), c_int32)
martlet_model_tally_set = _checked("martlet_model_tally_set", MODEL, c_int32, c_int32)
martlet_model_score_get = _checked("martlet_model_score_get", MODEL, POINTER(Score), c_size_t, c_int32)
martlet_model_confusion_get = _checked(
    "martlet_model_confusion_get", MODEL, POINTER(c_int64), c_int64, c_int32, c_int32
)
martlet_result_init = _checked("martlet_result_init", POINTER(Result), c_size_t)
martlet_model_weighted_train = _checked(
    "martlet_model_weighted_train", MODEL, POINTER(Result), POINTER(_ffi.Array), POINTER(_ffi.Array),
    POINTER(_ffi.Array), POINTER(c_int64), c_int64,
)  # fmt: skip
martlet_model_train = _checked(
    "martlet_model_train", MODEL, POINTER(Result), POINTER(_ffi.Array), POINTER(_ffi.Array), POINTER(c_int64), c_int64
)
martlet_model_differentiate = _checked(
    "martlet_model_differentiate",
    MODEL,
    POINTER(Result),
    POINTER(_ffi.Array),
    POINTER(_ffi.Array),
    POINTER(c_int64),
    c_int64,
)
martlet_model_step = _checked("martlet_model_step", MODEL)
martlet_model_forward = _checked(
    "martlet_model_forward",
    MODEL,
    POINTER(Result),
    POINTER(c_float),
    c_int64,
    POINTER(_ffi.Array),
    POINTER(_ffi.Array),
    POINTER(_ffi.Array),
    POINTER(c_int64),
    c_int64,
)
martlet_model_backward = _checked("martlet_model_backward", MODEL, POINTER(c_float), c_int64, POINTER(_ffi.Array))
martlet_loop_init = _checked("martlet_loop_init", POINTER(Loop), c_size_t)
martlet_model_fit = _checked(
    "martlet_model_fit", MODEL, POINTER(Result), POINTER(_ffi.Array), POINTER(_ffi.Array), POINTER(Loop)
)
martlet_model_evaluate = _checked(
    "martlet_model_evaluate", MODEL, POINTER(Result), POINTER(_ffi.Array), POINTER(_ffi.Array), POINTER(Loop)
)
martlet_model_predict = _checked(
    "martlet_model_predict", MODEL, POINTER(c_float), c_int64, POINTER(_ffi.Array), POINTER(Loop)
)
martlet_model_sequence_reset = _checked("martlet_model_sequence_reset", MODEL, c_int64)
martlet_model_sequence_predict = _checked(
    "martlet_model_sequence_predict", MODEL, POINTER(c_float), c_int64, POINTER(_ffi.Array)
)
martlet_model_mode_set = _checked("martlet_model_mode_set", MODEL, c_int32)
martlet_model_set = _checked("martlet_model_set", MODEL, c_int32, c_double)
martlet_model_get = _checked("martlet_model_get", MODEL, POINTER(c_double), c_int32)
martlet_model_group_count = _checked("martlet_model_group_count", MODEL, POINTER(c_int64))
martlet_model_group_set = _checked("martlet_model_group_set", MODEL, c_int32, c_int32, c_double)
martlet_model_config_get = _checked(
    "martlet_model_config_get", MODEL, POINTER(_ffi_optimizers.Config), c_size_t, c_int32
)
martlet_model_step_get = _checked("martlet_model_step_get", MODEL, POINTER(c_int64))
martlet_model_copy_set = _checked("martlet_model_copy_set", MODEL, POINTER(_ffi.Array))
martlet_model_grad_norm_get = _checked("martlet_model_grad_norm_get", MODEL, POINTER(c_double))
martlet_model_buffer_get = _checked(
    "martlet_model_buffer_get", MODEL, POINTER(POINTER(c_float)), POINTER(c_int64), c_int32
)
martlet_model_view_count = _checked("martlet_model_view_count", MODEL, POINTER(c_int64), c_int32)
martlet_model_view_get = _checked("martlet_model_view_get", MODEL, POINTER(View), c_int32, c_int64)
martlet_model_node_count = _checked("martlet_model_node_count", MODEL, POINTER(c_int64))
martlet_model_node_get = _checked("martlet_model_node_get", MODEL, POINTER(Node), c_int64)
martlet_model_layer_get = _checked("martlet_model_layer_get", MODEL, POINTER(Layer), c_size_t, c_int64)
martlet_model_training_get = _checked("martlet_model_training_get", MODEL, POINTER(Training), c_size_t, c_int32)
martlet_model_seed_get = _checked("martlet_model_seed_get", MODEL, POINTER(c_uint64))
martlet_model_order_get = _checked("martlet_model_order_get", MODEL, POINTER(c_int64), c_int64, c_int64)
martlet_model_epoch_get = _checked("martlet_model_epoch_get", MODEL, POINTER(c_int64))
martlet_model_epoch_set = _checked("martlet_model_epoch_set", MODEL, c_int64)
martlet_model_note_set = _checked("martlet_model_note_set", MODEL, c_char_p, c_char_p)
martlet_model_note_get = _checked("martlet_model_note_get", MODEL, POINTER(c_char_p), c_char_p)
martlet_model_save = _checked("martlet_model_save", MODEL, c_char_p)
martlet_model_export = _checked("martlet_model_export", MODEL, c_char_p)
martlet_model_load = _checked("martlet_model_load", POINTER(MODEL), c_char_p)


# A second declaration of martlet_model_train, for a call that is repeated on the same arrays: ctypes converts plain
# integers and ready c_void_p in half the time that typed pointers take.
_train_by_address = _ffi._library_handle["martlet_model_train"]
_train_by_address.restype = _ffi.STATUS
_train_by_address.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int64]

# And of martlet_model_weighted_train.
_weighted_by_address = _ffi._library_handle["martlet_model_weighted_train"]
_weighted_by_address.restype = _ffi.STATUS
_weighted_by_address.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int64]

# And of martlet_model_predict, which is given ready arguments alone: ctypes need not look what becomes of each.
_predict_by_address = _ffi._library_handle["martlet_model_predict"]
_predict_by_address.restype = _ffi.STATUS


def bound_predict(model: int, out: int, out_count: int, x: int) -> Callable[[], int]:
    """martlet_model_predict with all its arguments fixed; it returns the status and raises nothing.

    model: the token. out, x: addresses of floats and of Arrays, which the caller keeps alive.
    """
    return partial(_predict_by_address, c_void_p(model), c_void_p(out), c_int64(out_count), c_void_p(x), c_void_p())


def bound_train(model: int, result: int, x: int, y: int, weights: int = 0) -> Callable[[int, int], int]:
    """martlet_model_train with all but its rows fixed: called with the rows' address and count, it returns the status
    and raises nothing. With weights, martlet_model_weighted_train.

    model: the token. result, x, y, weights: addresses of a Result and three Arrays, which the caller keeps alive.
    """
    if weights:
        places = map(c_void_p, (model, result, x, y, weights))
        return partial(_weighted_by_address, *places)
    return partial(_train_by_address, c_void_p(model), c_void_p(result), c_void_p(x), c_void_p(y))
