"""torch.nn.MultiheadAttention as one operation of an exported graph, in place of the many that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules import transformer

_SCHEMA = (
    "attention(Tensor query, Tensor key, Tensor value, Tensor[] weights, Tensor[] biases, Tensor? mask, "
    "Tensor? hidden, int heads, float dropout, bool causal, bool batch_first) -> (Tensor, Tensor)"
)
_library = torch.library.Library("martlet", "FRAGMENT")  # type: ignore[no-untyped-call]
_library.define(_SCHEMA)  # type: ignore[no-untyped-call]


@torch.library.register_fake("martlet::attention")  # type: ignore[untyped-decorator, unused-ignore]
def _shapes(query: Any, key: Any, value: Any, weights: Any, biases: Any, mask: Any, hidden: Any, heads: int,
            dropout: float, causal: bool, batch_first: bool) -> Any:  # fmt: skip
    samples, steps = (0, 1) if batch_first else (1, 0)
    beside = (query.shape[samples], query.shape[steps], key.shape[steps])
    return query.new_empty(query.shape), query.new_empty(beside)


def _forward(part: Any) -> Any:
    """What a MultiheadAttention is called by while it is written down."""

    def forward(
        query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
        attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> Any:  # fmt: skip
        inner = (part.in_proj_weight,) if part._qkv_same_embed_dim else (
            part.q_proj_weight, part.k_proj_weight, part.v_proj_weight
        )  # fmt: skip
        biases = [] if part.in_proj_bias is None else [part.in_proj_bias, part.out_proj.bias]
        return torch.ops.martlet.attention(
            query, key, value, [*inner, part.out_proj.weight], biases, attn_mask, key_padding_mask, part.num_heads,
            part.dropout, is_causal and attn_mask is None, part.batch_first,
        )  # fmt: skip

    return forward


def _is_taken(part: Any) -> bool:
    """Whether an operation is all that it does. Others are written down as what they are made of."""
    is_plain = (
        isinstance(part, torch.nn.MultiheadAttention) and type(part).forward is torch.nn.MultiheadAttention.forward
    )
    return is_plain and part.bias_k is None and not part.add_zero_attn


@contextmanager
def as_operations(module: Any) -> Iterator[None]:
    """Has attention written down as operations of its own, and encoders by what they say, whatever is quicker."""
    parts = [part for part in module.modules() if _is_taken(part) and "forward" not in vars(part)]
    is_fast = torch.backends.mha.get_fastpath_enabled()
    detect = transformer._detect_is_causal_mask
    torch.backends.mha.set_fastpath_enabled(False)
    # It asks for a mask's numbers, which there are none of here.
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: bool(is_causal)
    for part in parts:
        part.forward = _forward(part)
    try:
        yield
    finally:
        for part in parts:
            del part.forward
        transformer._detect_is_causal_mask = detect
        torch.backends.mha.set_fastpath_enabled(is_fast)
