"""Sections 6 to 8 of the header, word for word: constants, structs and prototypes, over ctypes. _ffi.py says what holds
for all."""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
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

from martlet._ffi import Array, Parameter, _checked, _plain

ADAM = 1
ADAMW = 2
SGD = 3
RMSPROP = 4
ADAGRAD = 5
ADADELTA = 6
RPROP = 7
ASGD = 8
ADAMAX = 9
NADAM = 10
RADAM = 11
ADABOUND = 12
ADABELIEF = 13
ADAN = 14
LION = 15
ADEMAMIX = 16
SIMPLIFIED_ADEMAMIX = 17
ADOPT = 18
LAPROP = 19
SCHEDULE_FREE_SGD = 20
SCHEDULE_FREE_ADAMW = 21
SCHEDULE_FREE_RADAM = 22
ADAFACTOR = 23
LAMB = 24
LARS = 25
STABLE_ADAMW = 26
MUON = 27
PRODIGY = 28
MARS = 29
SOAP = 30
SHAMPOO = 31
ADAM_MINI = 32

SEMANTICS_TORCH = 0
SEMANTICS_KERAS = 1
SEMANTICS_OPTAX = 2
SEMANTICS_PAPER = 3

AMSGRAD = 1
MAXIMIZE = 2
FLUSH_DENORMALS = 4
KEEP_DENORMALS = 8
WIDE_RANGES = 16
DECOUPLED_DECAY = 32
CAUTIOUS_DECAY = 64
CORRECTED_DECAY = 128
NESTEROV = 256
CENTERED = 512
RECTIFY = 1024
SAFEGUARD_WARMUP = 2048
BIAS_CORRECTION = 4096
MATCH_RMS = 8192
SPECTRAL = 16384
QUINTIC = 32768
POLAR_EXPRESS = 65536
CAUTIOUS_UPDATE = 131072
GRAFT_ADAM = 262144
NORMUON = 524288
HYPERBALL = 1048576
SKIP_NONFINITE = 2097152
MEASURE = 4194304
EMA_CORRECTION = 8388608
EMA_WARMUP = 16777216
ZERO_GRADS = 33554432
MEASURE_UPDATE = 67108864
STOCHASTIC_ROUNDING = 134217728
KAHAN = 268435456
SPLIT = 536870912
DEFER_ROWS = 1073741824

NEEDS_WHOLE = 1
NEEDS_MATRICES = 2

LR = 1
BETA1 = 2
BETA2 = 3
BETA3 = 4
EPS = 5
WEIGHT_DECAY = 6
MOMENTUM = 7
DAMPENING = 8
ALPHA = 9
RHO = 10
LR_DECAY = 11
INITIAL_ACCUMULATOR_VALUE = 12
ETAMINUS = 13
ETAPLUS = 14
STEP_SIZE_MIN = 15
STEP_SIZE_MAX = 16
LAMBD = 17
T0 = 18
MOMENTUM_DECAY = 19
FINAL_LR = 20
GAMMA = 21
EPS_ROOT = 22
EPS2 = 23
BETA2_DECAY = 24
CLIPPING_THRESHOLD = 25
R = 26
WEIGHT_LR_POWER = 27
WARMUP_STEPS = 28
ALPHA_WARMUP = 29
BETA3_WARMUP = 30
TRUST_COEFFICIENT = 31
D0 = 32
D_COEF = 33
GROWTH_RATE = 34
NS_STEPS = 35
NS_A = 36
NS_B = 37
NS_C = 38
BLOCKS = 39
PRECONDITION_FREQUENCY = 40
MAX_PRECOND_DIM = 41
BLOCK_SIZE = 42
LOOKAHEAD_STEPS = 43
LOOKAHEAD_ALPHA = 44
LOSS_SCALE = 45
MAX_NORM = 46
CLIP_NORM = 47
CLIP_VALUE = 48
EMA_DECAY = 49
ACCUMULATE_STEPS = 50

SLOT_ELEMENTS = 0
SLOT_SCALAR = 1
SLOT_ROWS = 2
SLOT_COLUMNS = 3
SLOT_VECTOR = 4
SLOT_ROW_SQUARES = 5
SLOT_COLUMN_SQUARES = 6
SLOT_LEADING = 7
SLOT_BLOCKS = 8

TRAINING = 0
EVALUATION = 1


class Config(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("algorithm", c_int32),
        ("semantics", c_int32),
        ("flags", c_uint32),
        ("seed", c_uint64),
        ("lr", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("beta3", c_double),
        ("eps", c_double),
        ("weight_decay", c_double),
        ("momentum", c_double),
        ("dampening", c_double),
        ("alpha", c_double),
        ("rho", c_double),
        ("lr_decay", c_double),
        ("initial_accumulator_value", c_double),
        ("etaminus", c_double),
        ("etaplus", c_double),
        ("step_size_min", c_double),
        ("step_size_max", c_double),
        ("lambd", c_double),
        ("t0", c_double),
        ("momentum_decay", c_double),
        ("final_lr", c_double),
        ("gamma", c_double),
        ("eps_root", c_double),
        ("eps2", c_double),
        ("beta2_decay", c_double),
        ("clipping_threshold", c_double),
        ("r", c_double),
        ("weight_lr_power", c_double),
        ("warmup_steps", c_double),
        ("alpha_warmup", c_double),
        ("beta3_warmup", c_double),
        ("trust_coefficient", c_double),
        ("d0", c_double),
        ("d_coef", c_double),
        ("growth_rate", c_double),
        ("ns_steps", c_double),
        ("ns_a", c_double),
        ("ns_b", c_double),
        ("ns_c", c_double),
        ("blocks", c_double),
        ("precondition_frequency", c_double),
        ("max_precond_dim", c_double),
        ("block_size", c_double),
        ("lookahead_steps", c_double),
        ("lookahead_alpha", c_double),
        ("loss_scale", c_double),
        ("max_norm", c_double),
        ("clip_norm", c_double),
        ("clip_value", c_double),
        ("ema_decay", c_double),
        ("accumulate", c_double),
    ]


class Slot(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("kind", c_int32),
        ("dtype", c_int32),
        ("dtype_8bit", c_int32),
        ("dtype_4bit", c_int32),
        ("dtype_16bit", c_int32),
        ("reserved", c_int32),
    ]


class Rows(Structure):
    _fields_ = [("rows", POINTER(c_int64)), ("count", c_int64), ("reserved", c_uint64 * 2)]


class Report(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("skipped", c_int32),
        ("grad_norm", c_double),
        ("update_norm", c_double),
        ("nonfinite_parameter", c_int64),
        ("dropped", c_int32),
        ("reserved", c_int32),
    ]


class Optimizer(Structure):
    """Opaque: a pointer to it is a token."""


HANDLE = POINTER(Optimizer)
QUESTION = CFUNCTYPE(c_int32, c_void_p, c_void_p)
REDUCE = CFUNCTYPE(c_int32, c_void_p, POINTER(c_double), c_int64)

martlet_config_init = _checked("martlet_config_init", POINTER(Config), c_size_t, c_int32)
martlet_algorithm_name = _plain("martlet_algorithm_name", c_char_p, c_int32)
martlet_algorithm_slot_count = _checked("martlet_algorithm_slot_count", POINTER(c_int64), POINTER(Config))
martlet_algorithm_flags = _plain("martlet_algorithm_flags", c_uint32, c_int32)
martlet_algorithm_needs = _plain("martlet_algorithm_needs", c_uint32, c_int32)
martlet_hyperparameter_name = _plain("martlet_hyperparameter_name", c_char_p, c_int32)
martlet_slot_count = _checked(
    "martlet_slot_count", POINTER(c_int64), POINTER(Config), c_int32, POINTER(c_int64), c_int32
)
martlet_slot_get = _checked("martlet_slot_get", POINTER(Slot), POINTER(Config), c_int32)

martlet_report_init = _checked("martlet_report_init", POINTER(Report), c_size_t)
martlet_step = _checked("martlet_step", POINTER(Report), POINTER(Parameter), c_int64, POINTER(Config), c_int64)
martlet_step_sharded = _checked(
    "martlet_step_sharded",
    POINTER(Report),
    POINTER(Parameter),
    c_int64,
    POINTER(Config),
    c_int64,
    REDUCE,
    c_void_p,
)
martlet_measure = _checked("martlet_measure", POINTER(c_double), POINTER(Array), c_int64)
martlet_mode_set = _checked("martlet_mode_set", POINTER(Parameter), c_int64, POINTER(Config), c_int64, c_int32)
martlet_finish = _checked("martlet_finish", POINTER(Parameter), c_int64, POINTER(Config), c_int64)
martlet_backlog_size = _checked("martlet_backlog_size", POINTER(c_int64), c_int64)
martlet_array_step = _checked(
    "martlet_array_step",
    POINTER(c_float),
    POINTER(c_float),
    POINTER(c_float),
    c_int64,
    POINTER(c_int64),
    POINTER(Config),
)
martlet_answers_get = _checked(
    "martlet_answers_get", POINTER(c_int64), POINTER(QUESTION), c_int64, POINTER(c_void_p), c_int64
)

martlet_optimizer_create = _checked("martlet_optimizer_create", POINTER(HANDLE), POINTER(Config))
martlet_optimizer_destroy = _checked("martlet_optimizer_destroy", HANDLE)
martlet_optimizer_clone = _checked("martlet_optimizer_clone", HANDLE, POINTER(HANDLE))
martlet_optimizer_reset = _checked("martlet_optimizer_reset", HANDLE)
martlet_optimizer_group_add = _checked("martlet_optimizer_group_add", HANDLE, POINTER(c_int32), POINTER(Config))
martlet_optimizer_add = _checked("martlet_optimizer_add", HANDLE, POINTER(c_int64), POINTER(Parameter))
martlet_optimizer_copy_set = _checked("martlet_optimizer_copy_set", HANDLE, c_int64, POINTER(Array))
martlet_optimizer_step = _checked("martlet_optimizer_step", HANDLE, POINTER(Report), POINTER(Array), c_int64)
martlet_optimizer_sparse_step = _checked(
    "martlet_optimizer_sparse_step", HANDLE, POINTER(Report), POINTER(Array), POINTER(Rows), c_int64
)
martlet_optimizer_finish = _checked("martlet_optimizer_finish", HANDLE, POINTER(Rows), c_int64)
martlet_optimizer_set = _checked("martlet_optimizer_set", HANDLE, c_int32, c_int32, c_double)
martlet_optimizer_get = _checked("martlet_optimizer_get", HANDLE, POINTER(c_double), c_int32, c_int32)
martlet_optimizer_config_get = _checked("martlet_optimizer_config_get", HANDLE, POINTER(Config), c_size_t, c_int32)
martlet_optimizer_mode_set = _checked("martlet_optimizer_mode_set", HANDLE, c_int32)
martlet_optimizer_count = _checked("martlet_optimizer_count", HANDLE, POINTER(c_int64))
martlet_optimizer_group_count = _checked("martlet_optimizer_group_count", HANDLE, POINTER(c_int64))
martlet_optimizer_size = _checked("martlet_optimizer_size", HANDLE, POINTER(c_int64))
martlet_optimizer_state_get = _checked("martlet_optimizer_state_get", HANDLE, POINTER(Array), c_int64, c_int32)
martlet_optimizer_state_set = _checked("martlet_optimizer_state_set", HANDLE, c_int64, c_int32, POINTER(Array))
martlet_optimizer_step_get = _checked("martlet_optimizer_step_get", HANDLE, POINTER(c_int64), c_int64)
martlet_optimizer_step_set = _checked("martlet_optimizer_step_set", HANDLE, c_int64, c_int64)
martlet_optimizer_save = _checked("martlet_optimizer_save", HANDLE, c_char_p)
martlet_optimizer_load = _checked("martlet_optimizer_load", HANDLE, c_char_p)
