"""Rows of rules that step matrices alone."""

from __future__ import annotations

from parity_rows._row import ALONE, EPS, L2, UP, Row

RMS = {"adjust_lr_fn": "match_rms_adamw"}
BFLOAT = "iterates in bfloat16"
TORCH = {"foreach": None}
KERAS_ROWS = {"rms_rate": 0.2, "adjust_lr_fn": None}
EVEN, BALL = {"normuon": True}, {"hyperball": True}
KOZISTR_ROWS = {"normuon": None, "ns_coefficients": None}
OPTAX_ROWS = {"momentum": None, "beta": 0.95, "ns_coefficients": None, "adjust_lr_fn": None, "consistent_rms": 0.2}
FLAT = {"conv_mode": "flatten", "nesterov": True}
QR32 = 1e-5
FLOAT_QR = "orthogonalizes in float32"
HEAVY = {"merge_dims": False, "shampoo_beta": 0.95, "precondition_frequency": 10}
ROOTS = {"betas": None, "shampoo_beta": None, "block_size": None, "matrix_eps": 1e-6, "eps": None}
SCALED_ROOTS = {"start_preconditioning_step": 1, "preconditioning_compute_steps": 1, "graft_type": 0, "nesterov": False}
SCALED_ROOTS |= {"betas": (0.0, 0.95), "shampoo_beta": None, "block_size": 512, "use_svd": True, "matrix_eps": 1e-6}
SCALED_ROOTS |= {"eps": None, "use_bias_correction": None, "bias_correction": None}

MATRICES = [
    Row("Muon", "torch", {}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "torch", {**L2, **RMS}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "torch", {"nesterov": False}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "Keras", RMS, "Muon", KERAS_ROWS, exact=1e-5),
    Row("Muon", "Keras", {"nesterov": False, **L2, **RMS}, "Muon", KERAS_ROWS, exact=1e-5),
    Row("Muon", "optax.contrib", RMS, "muon", OPTAX_ROWS, differs="corrects the momentum before it looks ahead"),
    Row("Muon", "optax.contrib", {"nesterov": False, **L2, **RMS}, "muon", OPTAX_ROWS, exact=1e-5),
    Row("Muon", ALONE, {"adjust_lr_fn": "spectral"}),
    Row("Muon", ALONE, {"ns_coefficients": "quintic"}),
    Row("Muon", ALONE, {"ns_coefficients": "polar_express", "ns_steps": 7}),
    Row("Muon", ALONE, UP),
    Row("Muon", "timm", {**L2, **RMS}, own=FLAT, kernels=True, note=BFLOAT, exact=0.1),
    Row("Muon", ALONE, {"nesterov": False}, kernels=True),
    Row("Muon", "pytorch_optimizer", {**L2, **EVEN}, "NorMuon", KOZISTR_ROWS, note=BFLOAT, exact=0.2),
    Row("Muon", ALONE, {**EVEN, "beta2": 0.8, "nesterov": False}),
    Row(
        "AdamW",
        "heavyball",
        {**BALL, "weight_decay": 0.0},
        "HyperBallAdamW",
        {"hyperball": None},
        denormals=False,
        differs="averages no gradients, beta1 or not",
    ),
    Row("Lion", ALONE, {**BALL, "cautious": True}, denormals=False),
    Row("SOAP", "pytorch_optimizer", exact=QR32, note=FLOAT_QR),
    Row(
        "SOAP", "pytorch_optimizer", {**L2, "shampoo_beta": 0.9, "precondition_frequency": 3}, exact=QR32, note=FLOAT_QR
    ),
    Row("SOAP", "pytorch_optimizer", {"correct_bias": False, "maximize": True}, exact=QR32, note=FLOAT_QR),
    Row("SOAP", "pytorch_optimizer", {"max_precond_dim": 10}, exact=QR32),
    Row("SOAP", "heavyball", own=HEAVY, differs="turns the bases at uneven steps, and lifts their small eigenvalues"),
    Row("SOAP", ALONE, {"block_size": 12}),
    Row("SOAP", ALONE, L2, kernels=True),
    Row("Shampoo", "pytorch_optimizer", {"betas": (0.0, 0.999), "eps": 1e-6}, own=ROOTS, exact=1e-9),
    Row(
        "Shampoo",
        "pytorch_optimizer",
        {"betas": (0.0, 0.999), "shampoo_beta": 0.95, "eps": 1e-6, "use_bias_correction": False},
        "ScalableShampoo",
        SCALED_ROOTS,
        exact=1e-4,
        note="adds eps once at the start",
    ),
    Row(
        "Shampoo",
        "pytorch_optimizer",
        {"eps": 1e-6},
        own={**ROOTS, "momentum": 0.9},
        differs="averages each gradient with the step before, and takes that into its matrices",
    ),
    Row("Shampoo", ALONE, {**L2, **EPS, "block_size": 12, "shampoo_beta": 0.99, "precondition_frequency": 3}),
    Row("Shampoo", ALONE, {"grafting": "adam", "maximize": True}),
    Row("Shampoo", ALONE, {**L2, **EPS}, kernels=True),
]
