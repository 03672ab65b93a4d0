"""Adam-mini, which keeps one second moment for a row, a head or a tensor: which of these, names say (_blocks.py)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers
from martlet._blocks import Blocks, check_size
from martlet._errors import ArgumentError
from martlet._routing import ADAMW, Owner
from martlet.torch import state as states
from martlet.torch._optimizer import Optimizer
from martlet.torch.matrices import MatrixOptimizer, named_parameters

# The arguments of the constructor that are not options of its groups.
_ROUTING = ("params", "dim", "n_heads", "rules")


class AdamMini(MatrixOptimizer, algorithm=_ffi_optimizers.ADAM_MINI):
    """Adam-mini (Zhang et al., 2024) over tensors: Adam with one second moment for a block of rows.

    params        a module, its named_parameters(), or a dict of names: each parameter's blocks follow from its name by
                  the rules below, and describe() prints them. An iterable of tensors without names, or groups, have
                  block_size as it is given: {"params": [...], "block_size": 64}
    lr            learning rate, 0 or more. Default 1e-3
    betas         decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps           added to the denominator, 0 or more. Default 1e-8
    weight_decay  0 or more, decoupled. Default 0
    block_size    first indices that share a second moment, which is to divide a tensor's: 1, a row of a matrix, or an
                  element of a vector, has one of its own; the rows of a head share one; 0, all of a tensor does. None:
                  as names say, and 1 where there are none. A number is for all
    n_heads       how many heads queries have, which are dim / n_heads rows each; keys have as many or fewer
    dim           how large queries are; None: as long as their rows
    rules         the caller's rules, before those below: (pattern, way) pairs, of which the first that matches counts,
                  or a function of a name and a parameter that gives a way, or None. Ways are "rows", "heads",
                  "tensor", and "adamw", which has a second moment for each element. A pattern is a glob of a
                  parameter's name or of a module's in which it is

    The rules are those of adam-mini 1.1.1, by words anywhere in a name in lower case. Elements of a vector with "bias"
    in its name have a second moment each; any other vector has one. q_proj, k_proj, wq, wk, query, key: one for a head.
    embed, embd, wte; lm_head, output, final_layer; v_proj, wv, value; o_proj, wo, attn.proj; feed_forward, linear, mlp:
    one for a row. All others have one for all of a tensor, which suits no transformer: give rules where names are other
    ones. What has norm, ln or bias in its name does not decay.

    What else there is is martlet.torch.Optimizer's.
    """

    _martlet_owner = Owner("AdamMini", "adam_mini", takes_all=True)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        block_size: int | None = None,
        *,
        n_heads: int | None = None,
        dim: int | None = None,
        rules: Any = None,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _ROUTING}
        self._martlet_by_names = block_size is None
        given["block_size"] = 1 if block_size is None else block_size
        adamw = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, given, Blocks(rules, dim, n_heads), adamw)

    def _martlet_routed(self, params: Any, rules: Any) -> Any:
        named, known = named_parameters(params, self._martlet_owner)
        if named is None or not self._martlet_by_names:
            if rules:
                raise ArgumentError(
                    "rules, n_heads and dim go by names, and "
                    + ("block_size is for all" if named else "params has none: give model.named_parameters()")
                )
            return known if named is None else named
        groups: dict[tuple[int | None, bool], dict[str, Any]] = {}
        for (name, parameter), block in zip(named, rules.routes(named), strict=True):
            self._martlet_why[parameter] = block.why
            group = groups.setdefault(block[:2], {"params": []})
            group["params"].append((name, parameter))
            group |= {"algorithm": ADAMW} if block.size is None else {"block_size": block.size}
            if not block.decays:
                group["weight_decay"] = 0
        return list(groups.values())

    def _martlet_check_parameters(self, group: dict[str, Any], index: int) -> None:
        Optimizer._martlet_check_parameters(self, group, index)
        if self._martlet_kind.of(group) is self._martlet_kind:
            for parameter, name in states.named(group, index).items():
                check_size(name, tuple(parameter.shape), int(group["block_size"]))
