"""Rows of SGD, of the rules from before Adam, and of Lion."""

from __future__ import annotations

from parity_rows._row import ALONE, APART, EPS, KERAS, L2, MOMENTUM, OPTAX, UP, Row

DECAY = {"alpha": None, "decay": 0.99}  # optax's word for RMSprop's alpha
NO_ETAS = {"etas": None, "step_sizes": None, "fixed_rate": True}
ROOT = "has eps inside the root"
FLUSHED = "XLA takes denormal gradients for 0"

CLASSIC = [
    Row("SGD", "torch"),
    Row("SGD", "torch", {**UP, **MOMENTUM, "dampening": 0.5}),
    Row("SGD", "torch", {**L2, **MOMENTUM, "nesterov": True}),
    Row("SGD", "timm", {**APART, **MOMENTUM, "nesterov": True}, "SGDW"),
    Row("SGD", "optax", {**MOMENTUM, "nesterov": True}, "sgd"),
    Row("SGD", "Keras", {"semantics": "keras", **L2, **MOMENTUM, "nesterov": True}),
    Row("SGD", "Keras", MOMENTUM, differs="keeps the rate inside the buffer"),
    Row("RMSprop", "torch"),
    Row("RMSprop", "torch", {**UP, **MOMENTUM, "centered": True}),
    Row("RMSprop", "Keras", {**KERAS, **L2, **MOMENTUM, "centered": True}),
    Row("RMSprop", "optax", {**OPTAX, **MOMENTUM}, "rmsprop", DECAY),
    Row("RMSprop", "optax", EPS, "rmsprop", DECAY, differs=ROOT),
    Row("Adagrad", "torch"),
    Row("Adagrad", "torch", {**UP, "lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    Row("Adagrad", "Keras", {**KERAS, **L2, "initial_accumulator_value": 0.1}),
    Row("Adagrad", "optax", {**OPTAX, "initial_accumulator_value": 0.1}, "adagrad"),
    Row("Adagrad", "optax", EPS, "adagrad", differs=ROOT),
    Row("Adadelta", "torch"),
    Row("Adadelta", "torch", UP),
    Row("Adadelta", "Keras"),
    Row("Adadelta", "optax", L2, "adadelta"),
    Row("Adadelta", "pytorch_optimizer", APART, "AdaDelta"),
    Row("Rprop", "torch", denormals=False),
    Row("Rprop", "torch", {"maximize": True, "etas": (0.6, 1.1), "step_sizes": (1e-5, 0.1)}, denormals=False),
    Row("Rprop", "torch", note="the product of two denormal gradients is 0"),
    Row("Rprop", "optax", {"semantics": "optax"}, "rprop", NO_ETAS, denormals=False, foreign=True),
    Row("Rprop", "optax", {}, "rprop", NO_ETAS, denormals=False, differs="makes each step's move one step late"),
    Row("ASGD", "torch"),
    Row("ASGD", "torch", {**UP, "lambd": 0.01, "t0": 20.0}),
    Row("ASGD", "torch", {**UP, "lambd": 0.01, "t0": 20.0}, slot="ax"),
    Row("Lion", "lion-pytorch", denormals=False),
    Row("Lion", "lion-pytorch", APART, denormals=False),
    Row("Lion", "lion-pytorch", APART, note="Martlet takes denormal gradients for 0 unless told flush_denormals=False"),
    Row("Lion", "timm", {**APART, "maximize": True}, denormals=False),
    Row("Lion", "timm", {**APART, "corrected_weight_decay": True}, rates="falling", denormals=False),
    Row("Lion", "Keras", APART, note=FLUSHED),
    Row("Lion", "optax", APART, "lion", note=FLUSHED),
    Row("Lion", "pytorch_optimizer", APART, denormals=False),
    Row("Lion", ALONE, {**APART, "cautious_weight_decay": True}, denormals=False),
]
