"""Those of optax.contrib, likewise."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers as _ffi
from martlet.optax._transformation import Rule, only


def ademamix(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.999,
    b3: Any = 0.9999,
    alpha: Any = 5.0,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    mu_dtype: Any = None,
    weight_decay: Any = 0.0,
    mask: Any = None,
) -> Any:
    """optax.contrib.ademamix (Pagliardini et al., 2024), with decoupled weight decay and mask as in adamw. b3 and
    alpha: numbers; eps_root: 0 alone; mu_dtype: None alone."""
    only("ademamix", eps_root=(eps_root, 0.0), mu_dtype=(mu_dtype, None))
    numbers = {"decoupled_weight_decay": True, "beta1": b1, "beta2": b2, "beta3": b3, "alpha": alpha, "eps": eps}
    return Rule("ademamix", _ffi.ADEMAMIX, numbers, learning_rate, weight_decay, mask).transformation()


def simplified_ademamix(
    learning_rate: Any,
    b1: Any = 0.99,
    b2: Any = 0.95,
    alpha: Any = 0.0,
    eps: Any = 1e-8,
    eps_root: Any = 0.0,
    weight_decay: Any = 0.0,
    mask: Any = None,
) -> Any:
    """optax.contrib.simplified_ademamix (Morwani et al., 2025), with decoupled weight decay and mask as in adamw.
    eps_root: 0 alone."""
    only("simplified_ademamix", eps_root=(eps_root, 0.0))
    numbers = {"decoupled_weight_decay": True, "beta1": b1, "beta2": b2, "alpha": alpha, "eps": eps}
    rule = Rule("simplified_ademamix", _ffi.SIMPLIFIED_ADEMAMIX, numbers, learning_rate, weight_decay, mask)
    return rule.transformation()


def adopt(
    learning_rate: Any,
    b1: Any = 0.9,
    b2: Any = 0.9999,
    eps: Any = 1e-6,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
) -> Any:
    """optax.contrib.adopt (Taniguchi et al., 2024), which clips to the fourth root of the count. mu_dtype: None alone;
    nesterov: False; use_clipping: True, and no clip_value_fn."""
    only("adopt", mu_dtype=(mu_dtype, None), nesterov=(nesterov, False), use_clipping=(use_clipping, True))
    numbers = {"beta1": b1, "beta2": b2, "eps": eps}
    return Rule("adopt", _ffi.ADOPT, numbers, learning_rate).transformation()


def prodigy(
    learning_rate: Any = 1.0,
    betas: Any = (0.9, 0.999),
    beta3: Any = None,
    eps: Any = 1e-8,
    estim_lr0: Any = 1e-6,
    estim_lr_coef: Any = 1.0,
    weight_decay: Any = 0.0,
    safeguard_warmup: bool = False,
) -> Any:
    """optax.contrib.prodigy (Mishchenko and Defazio, 2023), whose rate is an estimate over all parameters, with
    decoupled weight decay."""
    numbers = {"decoupled_weight_decay": True, "beta1": betas[0], "beta2": betas[1], "beta3": beta3, "eps": eps}
    numbers |= {"d0": estim_lr0, "d_coef": estim_lr_coef, "safeguard_warmup": bool(safeguard_warmup)}
    numbers |= {"use_bias_correction": True}
    return Rule("prodigy", _ffi.PRODIGY, numbers, learning_rate, weight_decay).transformation()
