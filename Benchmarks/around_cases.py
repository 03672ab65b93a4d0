"""What is measured of what stands around a step: all of it in Martlet's one call, beside torch's fused step with what
its users put before and behind it. Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cases import FUSED, Case, gpt2_shapes, resnet18_shapes

#: Martlet's own step without anything around it.
BARE = "martlet, the step alone"


@dataclass(frozen=True, kw_only=True)
class AroundCase(Case):
    """A step of AdamW with these options of Martlet's."""

    options: dict[str, Any]
    #: Passes over arrays of fp32 beside the step's own, and of bf16.
    passes: float = 1.0

    @property
    def work(self) -> int:
        return super().work + int(self.count * 4 * self.passes)


CLIP = {"max_norm": 1.0}
ALL = {"max_norm": 1.0, "loss_scale": 1024.0, "skip_nonfinite": True, "ema_decay": 0.999, "param_copy": "bfloat16"}

CASES = (
    AroundCase(
        name="clip-gpt2",
        title="AdamW clipped by the global norm, GPT-2 shapes",
        shapes=gpt2_shapes(),
        targets={FUSED: 1.4},
        peers=(FUSED, BARE),
        options=CLIP,
        seconds=0.8,
    ),
    AroundCase(
        name="clip-resnet18",
        title="the same, ResNet-18 shapes",
        shapes=resnet18_shapes(),
        targets={FUSED: 1.4},
        peers=(FUSED, BARE),
        options=CLIP,
    ),
    AroundCase(
        name="all-gpt2",
        title="AdamW unscaled, looked at, clipped, averaged and copied to bf16, GPT-2 shapes",
        shapes=gpt2_shapes(),
        targets={FUSED: 2.0},
        peers=(FUSED, BARE),
        options=ALL,
        passes=3.5,
        seconds=1.2,
    ),
)
