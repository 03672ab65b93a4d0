"""The functions: each optax's signature over the algorithm that has its rule. docs/parity.md has the errors of both."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from martlet import _ffi_optimizers as _ffi
from martlet.optax._transformation import Rule, only

_APART = {"semantics": "optax", "decoupled_weight_decay": True}


def sgd(learning_rate: Any, momentum: Any = None, nesterov: bool = False, accumulator_dtype: Any = None) -> Any:
    """optax.sgd: gradient descent with momentum. accumulator_dtype: None alone."""
    only("sgd", accumulator_dtype=(accumulator_dtype, None))
    numbers = {"momentum": momentum or 0.0, "nesterov": bool(nesterov and momentum)}
    return Rule("sgd", _ffi.SGD, numbers, learning_rate).transformation()


def adam(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> Any:
    """optax.adam (Kingma and Ba, 2015); NAdam with nesterov. eps_root: 0 alone; mu_dtype: None alone."""
    only("adam", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    return _adam("adam", learning_rate, b1, b2, eps, nesterov)


def adamw(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: Any = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = False,
) -> Any:
    """optax.adamw (Loshchilov and Hutter, 2019); the rest as in adam. mask: a pytree of bools as the parameters, or a
    prefix of it, or a function of the parameters that gives one: what is decayed."""
    only("adamw", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    return _adam("adamw", learning_rate, b1, b2, eps, nesterov, weight_decay, mask)


def nadam(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
) -> Any:
    """optax.nadam (Dozat, 2016), whose momentum does not grow. eps_root: 0 alone; mu_dtype: None alone."""
    only("nadam", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    return _adam("nadam", learning_rate, b1, b2, eps, nesterov)


def nadamw(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: Any = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool = True,
) -> Any:
    """optax.nadamw: nadam with adamw's weight decay."""
    only("nadamw", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    return _adam("nadamw", learning_rate, b1, b2, eps, nesterov, weight_decay, mask)


def _adam(
    name: str, rate: Any, b1: Any, b2: Any, eps: Any, nesterov: bool, weight_decay: Any = 0.0, mask: Any = None
) -> Any:
    numbers = {**_APART, "beta1": b1, "beta2": b2, "eps": eps}
    return Rule(name, _ffi.NADAM if nesterov else _ffi.ADAM, numbers, rate, weight_decay, mask).transformation()


def amsgrad(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> Any:
    """optax.amsgrad (Reddi et al., 2018), which keeps the largest corrected average; without either correction the
    largest as it is. eps_root: 0 alone; mu_dtype: None alone; one correction without the other: an error."""
    only("amsgrad", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    only("amsgrad", bias_correction_nu=(bias_correction_nu, bias_correction_mu))
    semantics = "optax" if bias_correction_mu else "paper"
    numbers = {"semantics": semantics, "beta1": b1, "beta2": b2, "eps": eps, "amsgrad": True}
    return Rule("amsgrad", _ffi.ADAM, numbers, learning_rate).transformation()


def rmsprop(
    learning_rate: Any,
    decay: Any = 0.9,
    eps: Any = 1e-8,
    initial_scale: Any = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Any = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> Any:
    """optax.rmsprop (Tieleman and Hinton, 2012). initial_scale: 0 alone; eps_in_sqrt: True; nesterov and
    bias_correction: False."""
    only("rmsprop", initial_scale=(initial_scale, 0.0), eps_in_sqrt=(eps_in_sqrt, True), nesterov=(nesterov, False))
    only("rmsprop", bias_correction=(bias_correction, False))
    numbers = {"alpha": decay, "eps": eps, "momentum": momentum or 0.0, "centered": bool(centered)}
    return Rule("rmsprop", _ffi.RMSPROP, {"semantics": "optax", **numbers}, learning_rate).transformation()


def adagrad(learning_rate: Any, initial_accumulator_value: Any = 0.1, eps: Any = 1e-7) -> Any:
    """optax.adagrad (Duchi et al., 2011)."""
    numbers = {"semantics": "optax", "initial_accumulator_value": initial_accumulator_value, "eps": eps}
    return Rule("adagrad", _ffi.ADAGRAD, numbers, learning_rate).transformation()


def adadelta(
    learning_rate: Any = None, rho: Any = 0.9, eps: Any = 1e-6, weight_decay: Any = 0.0, weight_decay_mask: Any = None
) -> Any:
    """optax.adadelta (Zeiler, 2012), whose weight decay is L2. learning_rate: a number or a schedule, as optax wants it
    in spite of its default."""
    numbers = {"rho": rho, "eps": eps}
    return Rule("adadelta", _ffi.ADADELTA, numbers, learning_rate, weight_decay, weight_decay_mask).transformation()


def adafactor(
    learning_rate: Any = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: Any = 0.8,
    decay_offset: Any = 0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: Any = 1.0,
    momentum: Any = None,
    dtype_momentum: Any = jax.numpy.float32,
    weight_decay_rate: Any = None,
    eps: Any = 1e-30,
    factored: bool = True,
    weight_decay_mask: Any = None,
) -> Any:
    """optax.adafactor (Shazeer and Stern, 2018), which factors the two largest dimensions, where both are large enough.
    decay_offset: 0 alone; multiply_by_parameter_scale: True; momentum and weight_decay_rate: None, so that
    dtype_momentum and weight_decay_mask say nothing; clipping_threshold: a number."""
    only("adafactor", decay_offset=(decay_offset, 0), momentum=(momentum, None))
    only("adafactor", weight_decay_rate=(weight_decay_rate, None))
    only("adafactor", multiply_by_parameter_scale=(multiply_by_parameter_scale, True))
    numbers = {"semantics": "optax", "beta2_decay": -decay_rate, "clipping_threshold": clipping_threshold}
    numbers |= {"eps": (eps, 1e-3)}
    rate = 1.0 if learning_rate is None else learning_rate

    def seen(array: Any) -> Any:
        """The dimensions to factor last, or none."""
        order = np.argsort(array.shape)
        if factored and array.ndim > 1 and array.shape[order[-2]] >= min_dim_size_to_factor:
            return np.moveaxis(array, order[-2:], (-2, -1))
        return array.reshape(-1)

    return Rule("adafactor", _ffi.ADAFACTOR, numbers, rate, seen=seen).transformation()


def adamax(learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> Any:
    """optax.adamax (Kingma and Ba, 2015)."""
    numbers = {"beta1": b1, "beta2": b2, "eps": eps}
    return Rule("adamax", _ffi.ADAMAX, numbers, learning_rate).transformation()


def adamaxw(
    learning_rate: Any, b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8, weight_decay: Any = 1e-4, mask: Any = None
) -> Any:
    """optax.adamaxw: adamax with decoupled weight decay; mask as in adamw."""
    numbers = {"decoupled_weight_decay": True, "beta1": b1, "beta2": b2, "eps": eps}
    return Rule("adamaxw", _ffi.ADAMAX, numbers, learning_rate, weight_decay, mask).transformation()


def radam(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    threshold: Any = 5.0,
    *,
    nesterov: bool = False,
) -> Any:
    """optax.radam (Liu et al., 2020). eps_root: 0 alone; threshold: 5; nesterov: False."""
    only("radam", eps_root=(eps_root, 0.0), threshold=(threshold, 5.0), nesterov=(nesterov, False))
    numbers = {"semantics": "optax", "beta1": b1, "beta2": b2, "eps": eps}
    return Rule("radam", _ffi.RADAM, numbers, learning_rate).transformation()


def adabelief(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-16,
    eps_root: Any = 1e-16,
    *,
    nesterov: bool = False,
) -> Any:
    """optax.adabelief (Zhuang et al., 2020). eps_root: as eps alone; nesterov: False."""
    only("adabelief", eps_root=(eps_root, eps), nesterov=(nesterov, False))
    numbers = {"beta1": b1, "beta2": b2, "eps": eps, "rectify": False}
    return Rule("adabelief", _ffi.ADABELIEF, numbers, learning_rate).transformation()


def adan(
    learning_rate: Any,
    b1: Any = 0.98,
    b2: Any = 0.92,
    b3: Any = 0.99,
    eps: Any = 1e-8,
    eps_root: Any = 1e-8,
    weight_decay: Any = 0.0,
    mask: Any = None,
) -> Any:
    """optax.adan (Xie et al., 2022), with decoupled weight decay and mask as in adamw. eps_root: 0 alone, which is not
    its default in optax."""
    only("adan", eps_root=(eps_root, 0.0))
    numbers = {"semantics": "optax", "beta1": b1, "beta2": b2, "beta3": b3, "eps": eps}
    return Rule("adan", _ffi.ADAN, numbers, learning_rate, weight_decay, mask).transformation()


def lion(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.99,
    mu_dtype: Any = None,
    weight_decay: Any = 1e-3,
    mask: Any = None,
) -> Any:
    """optax.lion (Chen et al., 2023), with decoupled weight decay and mask as in adamw. mu_dtype: None alone."""
    only("lion", mu_dtype=(mu_dtype, None))
    numbers = {"decoupled_weight_decay": True, "beta1": b1, "beta2": b2}
    return Rule("lion", _ffi.LION, numbers, learning_rate, weight_decay, mask).transformation()


def lamb(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-6,
    eps_root: Any = 0.0,
    weight_decay: Any = 0.0,
    mask: Any = None,
) -> Any:
    """optax.lamb (You et al., 2019), with weight decay inside of the ratio and mask as in adamw. eps_root: 0 alone."""
    only("lamb", eps_root=(eps_root, 0.0))
    numbers = {"beta1": b1, "beta2": b2, "eps": eps}
    return Rule("lamb", _ffi.LAMB, numbers, learning_rate, weight_decay, mask).transformation()


def lars(
    learning_rate: Any,
    weight_decay: Any = 0.0,
    weight_decay_mask: Any = True,
    trust_coefficient: Any = 0.001,
    eps: Any = 0.0,
    trust_ratio_mask: Any = True,
    momentum: Any = 0.9,
    nesterov: bool = False,
) -> Any:
    """optax.lars (You et al., 2017); weight_decay_mask as adamw's mask. trust_ratio_mask: True alone."""
    only("lars", trust_ratio_mask=(trust_ratio_mask, True))
    numbers = {"trust_coefficient": trust_coefficient, "eps": eps, "momentum": momentum, "nesterov": bool(nesterov)}
    numbers |= {"semantics": "optax"}
    return Rule("lars", _ffi.LARS, numbers, learning_rate, weight_decay, weight_decay_mask).transformation()
