"""Muon for matrices with AdamW for the rest, in one object over numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from martlet import _algorithms, _ffi_optimizers, _routing
from martlet._routing import Owner, Rules
from martlet._spellings import OMITTED
from martlet.optim._matrices import MatrixOptimizer


class Muon(MatrixOptimizer, algorithm=_ffi_optimizers.MUON):
    """Muon (Jordan et al., 2024) for matrices, and AdamW for the rest, over numpy arrays.

    params                 each array goes to Muon or to AdamW by the rules below, which describe() prints. Groups go
                           where they say: {"params": [...], "algorithm": "adamw"} or "muon", as one that does not say
    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3; Jordan's is 0.02
    weight_decay           0 or more, decoupled. Default 0.1
    momentum               what a step keeps of the one before, in [0, 1). Default 0.95
    nesterov               look ahead along the momentum
    ns_coefficients        (a, b, c) of Newton-Schulz's polynomial, or "simple", which are the defaults, "quintic" or
                           "polar_express", which have others at each step
    eps (or epsilon)       a norm under which a matrix stays where it is. Default 1e-7. Matrices are made orthogonal in
                           float32, and float64 gradients past its range become NaN
    ns_steps               Newton-Schulz's steps. Default 5
    adjust_lr_fn           how the rate follows from a matrix's sizes: "original", as None, sqrt(max(1, rows /
                           columns)); "match_rms_adamw", 0.2 sqrt(max(rows, columns)), whose steps have AdamW's size;
                           "spectral", sqrt(rows / columns)
    normuon                divide each row of what is made orthogonal by the root of an average of its mean squares,
                           to which eps is added; the matrix keeps its norm (Li et al., 2025: NorMuon)
    beta2                  what stays of that average at a step, in [0, 1). Default 0.95
    hyperball              let Muon's matrices keep their norms, as martlet.optim.Optimizer says: weight_decay is to be
                           0, and adjust_lr_fn "original"
    rules                  the caller's rules, before those below: (pattern, "muon" or "adamw") pairs, of which the
                           first that matches counts, or a function of a name and an array that gives one of the two,
                           or None. A pattern is a glob of an array's name, or of what stands before a dot in it;
                           "muon" leaves vectors under it to AdamW
    blocks                 how many matrices lie one above the other in fused projections: {"*.qkv": 3}, by such
                           patterns; a number is for all
    adamw_lr               AdamW's learning rate. None: lr with "match_rms_adamw", else 3e-4
    adamw_betas, adamw_eps AdamW's. Default (0.9, 0.95), 1e-8
    adamw_weight_decay     AdamW's; None: weight_decay

    An array is stepped by AdamW if it is a vector, a single row or column, or by its name an embedding ("embed" in it,
    wte, wpe), an output layer (lm_head, head, classifier) or a bias; all others, of which all dimensions but the first
    are a row, by Muon. Without names the number of dimensions decides. A pattern that matches nothing is an error.
    The first dimension is to be the outputs', as in torch: scales of arrays that lie as Keras's do, inputs first, are
    those of their transposes, but for "match_rms_adamw".

    params and what else there is are martlet.optim.Optimizer's.
    """

    _owner = Owner("Muon", "muon")

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        weight_decay: float = OMITTED,
        momentum: float | None = None,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] | str | None = None,
        eps: float | None = None,
        ns_steps: int | None = None,
        adjust_lr_fn: str | None = None,
        *,
        rules: Any = None,
        blocks: Mapping[str, int] | float | None = None,
        adamw_lr: float | None = None,
        adamw_betas: tuple[float, float] = (0.9, 0.95),
        adamw_eps: float = 1e-8,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "options": options,
        }
        if adamw_lr is None:
            rate = next((rate for rate in (lr, options.get("learning_rate")) if rate is not None), 1e-3)
            adamw_lr = _routing.adamw_rate(rate, adjust_lr_fn)
        if adamw_weight_decay is None:
            usual = _algorithms.of(self._algorithm).defaults["weight_decay"]
            adamw_weight_decay = usual if weight_decay is OMITTED else weight_decay
        adamw = {"lr": adamw_lr, "betas": adamw_betas, "eps": adamw_eps, "weight_decay": adamw_weight_decay}
        if isinstance(blocks, Real):
            given["blocks"], blocks = blocks, None
        super().__init__(params, given, Rules(self._owner, rules, blocks), adamw)
