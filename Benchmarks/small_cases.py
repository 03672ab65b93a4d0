"""What is measured of state in few bits and of parameters of 16 bits: Martlet's AdamW so kept beside its own in fp32,
and the libraries that keep state in 8 bits. Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from around_cases import BARE
from cases import Case, gpt2_shapes

BITSANDBYTES = "bitsandbytes AdamW8bit"
TORCHAO = "torchao AdamW8bit"


@dataclass(frozen=True, kw_only=True)
class SmallCase(Case):
    """A step of AdamW with these options of Martlet's; ``half``: parameters and gradients are bfloat16."""

    options: dict[str, Any]
    half: bool = False
    #: Bytes that a step reads and writes of an element.
    bytes: float

    @property
    def work(self) -> int:
        return int(self.count * self.bytes)


CASES = (
    SmallCase(
        name="int8-gpt2",
        title="AdamW with state of 8 bits, GPT-2 shapes",
        shapes=gpt2_shapes(),
        targets={BARE: 1.2, BITSANDBYTES: 20.0, TORCHAO: 20.0},
        peers=(BARE, BITSANDBYTES, TORCHAO),
        options={"state_dtype": "int8"},
        bytes=16.0,
        seconds=0.6,
    ),
    SmallCase(
        name="int4-gpt2",
        title="the same of 4 bits",
        shapes=gpt2_shapes(),
        targets={BARE: 1.2},
        peers=(BARE,),
        options={"state_dtype": "int4"},
        bytes=14.0,
        seconds=0.6,
    ),
    SmallCase(
        name="stochastic-gpt2",
        title="AdamW over bfloat16, rounded at random, GPT-2 shapes",
        shapes=gpt2_shapes(),
        targets={BARE: 0.95},
        peers=(BARE,),
        options={"low_precision": "stochastic"},
        half=True,
        bytes=14.0,
        seconds=0.6,
    ),
)
