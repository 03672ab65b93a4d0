"""Muon for matrices with AdamW for the rest, in one object: which parameters go where, and what AdamW's options are."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers, _routing
from martlet._errors import ArgumentError
from martlet._routing import ADAMW, Owner, Rules
from martlet.torch.matrices import MatrixOptimizer

# The arguments of the constructor that are not options of Muon's groups.
_ROUTING = ("params", "rules", "blocks", "adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay")


# Which torch has since 2.9.
_TorchsMuon: Any = getattr(torch.optim, "Muon", torch.optim.Optimizer)


class Muon(MatrixOptimizer, _TorchsMuon, algorithm=_ffi_optimizers.MUON):  # type: ignore[misc]
    """Muon (Jordan et al., 2024) for matrices, and AdamW for the rest, with the arguments of torch.optim.Muon.

    params           a module, its named_parameters(), or a dict of names: each parameter goes to Muon or to AdamW by
                     the rules below, which describe() prints. An iterable of tensors without names goes to Muon, as
                     in torch: they are to be matrices. Groups go where they say: {"params": [...], "algorithm":
                     "adamw"} or "muon"; Jordan's "use_muon": False is understood
    lr               learning rate, 0 or more. Default 1e-3; Jordan's is 0.02
    weight_decay     0 or more, decoupled. Default 0.1
    momentum         what a step keeps of the one before, in [0, 1). Default 0.95
    nesterov         look ahead along the momentum
    ns_coefficients  (a, b, c) of Newton-Schulz's polynomial, or "simple", which are the defaults, "quintic" or
                     "polar_express", which have others at each step
    eps              a norm under which a matrix stays where it is. Default 1e-7. Matrices are made orthogonal in
                     float32, and float64 gradients past its range become NaN
    ns_steps         Newton-Schulz's steps. Default 5
    adjust_lr_fn     how the rate follows from a matrix's sizes: "original", as None, sqrt(max(1, rows / columns));
                     "match_rms_adamw", 0.2 sqrt(max(rows, columns)), whose steps have AdamW's size; "spectral", torch's
                     "spectral_unclamped", sqrt(rows / columns)
    normuon          divide each row of what is made orthogonal by the root of an average of its mean squares,
                     to which eps is added; the matrix keeps its norm (Li et al., 2025: NorMuon)
    beta2            what stays of that average at a step, in [0, 1). Default 0.95
    hyperball        let Muon's matrices keep their norms, as martlet.torch.Optimizer says: weight_decay is to be
                     0, and adjust_lr_fn "original"
    rules            the caller's rules, before those below: (pattern, "muon" or "adamw") pairs, of which the first that
                     matches counts, or a function of a name and a parameter that gives one of the two, or None. A
                     pattern is a glob of a parameter's name or of a module's in which it is, whose vectors "muon"
                     leaves to AdamW
    blocks           how many matrices lie one above the other in fused projections: {"*.qkv": 3}, by such patterns.
                     They are made orthogonal each by itself. In a group: "blocks": 3; a number is for all groups
    adamw_lr         AdamW's learning rate. None: lr with "match_rms_adamw", else 3e-4
    adamw_betas, adamw_eps
                     AdamW's. Default (0.9, 0.95), 1e-8
    adamw_weight_decay
                     AdamW's; None: weight_decay

    A parameter is stepped by AdamW if it is a vector, a single row or column, an embedding (also where it is an output
    layer as well), a normalization, or the output layer: what get_output_embeddings() or get_classifier() gives, a
    layer called lm_head, head or classifier, or the last matrix, where that is a Linear's and no repeated block's. All
    other matrices and kernels, of which all dimensions but the first are a row, are stepped by Muon; q, k and v of
    MultiheadAttention are three. Where names are all there is, embeddings are what has "embed" in it, or is called wte
    or wpe. A pattern that matches nothing is an error.

    What else there is is martlet.torch.Optimizer's.
    """

    _martlet_owner = Owner("Muon", "muon")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] | str = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        rules: Any = None,
        blocks: Mapping[str, int] | int | None = None,
        adamw_lr: float | Tensor | None = None,
        adamw_betas: tuple[float, float] = (0.9, 0.95),
        adamw_eps: float = 1e-8,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _ROUTING}
        adamw = {
            "lr": _routing.adamw_rate(lr, adjust_lr_fn) if adamw_lr is None else adamw_lr,
            "betas": adamw_betas,
            "eps": adamw_eps,
            "weight_decay": weight_decay if adamw_weight_decay is None else adamw_weight_decay,
        }
        if isinstance(blocks, Real):
            given["blocks"], blocks = blocks, None
        super().__init__(params, given, Rules(self._martlet_owner, rules, blocks), adamw)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, for Muon, or for the "algorithm" that the group says."""
        if isinstance(param_group, dict) and "use_muon" in param_group:
            if "algorithm" in param_group:
                index = len(self.param_groups)
                raise ArgumentError(f"param_groups[{index}] has 'use_muon' and 'algorithm'; wanted one of the two")
            param_group = {key: value for key, value in param_group.items() if key != "use_muon"} | {
                "algorithm": self._martlet_owner.name if param_group["use_muon"] else ADAMW
            }
        super().add_param_group(param_group)

    def _martlet_check_plain(self, parameter: Tensor, group: dict[str, Any], name: str) -> None:
        if parameter.dim() != 2 and "algorithm" not in group:
            raise ArgumentError(
                f"Muon only supports 2D parameters whereas we found a parameter with size: {parameter.size()}, "
                f"{name}; give the model or its named_parameters(), and AdamW steps what is no matrix, or groups "
                "with 'algorithm': 'adamw', and 'muon' for kernels"
            )
