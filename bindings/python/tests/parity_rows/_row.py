"""A row of the parity table, and the options that rows of several files have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from parity_rules import DECOUPLED

#: In a peer's place: the oracle alone, where no library has the option.
ALONE = ""


@dataclass(frozen=True)
class Row:
    algorithm: str
    peer: str
    options: dict[str, Any] = field(default_factory=dict)
    #: The peer's name for the algorithm, and what it is told in its own words. None takes one of our words away.
    call: str = ""
    own: dict[str, Any] = field(default_factory=dict)
    #: What the peer computes that the reference does not: its error says how far away that leads.
    differs: str = ""
    note: str = ""
    #: How the learning rate goes: "changing", "falling" or "constant".
    rates: str = "changing"
    #: An array of the state that is looked at instead of the parameter.
    slot: str | None = None
    #: Whether some gradients are denormal.
    denormals: bool = True
    #: Whether parameters are kernels of convolutions, for rules that see shapes.
    kernels: bool = False
    #: Martlet does not have the convention, or the option.
    foreign: bool = False
    #: How near the peer comes to the oracle in float64.
    exact: float = 2e-11
    #: Which of the draws of parameters and gradients.
    draw: int = 0
    #: Its column in the table of options; rows of the other table have none.
    column: str = ""

    @property
    def case(self) -> tuple[str, str]:
        """What is the same for all peers of one computation: the algorithm, and its options in words."""
        said = [key if value is True else f"{key} {value}" for key, value in self.options.items()]
        said += [f"{self.rates} rate"] * (self.rates != "changing") + [f"its {self.slot}"] * (self.slot is not None)
        said += ["no denormal gradients"] * (not self.denormals) + ["kernels"] * self.kernels
        return self.algorithm, ", ".join(said) or "defaults"

    @property
    def place(self) -> tuple[str, str]:
        """Where the page has Martlet's error of it."""
        return self.algorithm, self.column or self.case[1]


L2 = {"weight_decay": 0.1}
APART = {**L2, **DECOUPLED}
UP = {"weight_decay": 0.1, "maximize": True}
EPS = {"eps": 1e-3}
KERAS = {"semantics": "keras", "eps": 1e-3}
PAPER = {"semantics": "paper"}
OPTAX = {"semantics": "optax", "eps": 1e-3}
NOT_APART = {"weight_decouple": False}
SQUARES = "adds 1e-15 to the squares"
MOMENTUM = {"momentum": 0.9}
