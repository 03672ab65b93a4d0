"""What is measured of the family of optimizers: each algorithm over the same shapes, and its targets.

Where torch has the algorithm its variants are the peers, else those who have it: the reference's package, and the
collections of optimizers. "No slower than the best of them" is a target against each. The limit of a rule is the time
that stream.c takes to move the bytes that a step must move, with no arithmetic to speak of. Everybody is told the same
options, their own defaults otherwise. Nothing here runs or times anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, NamedTuple

from cases import DEFAULT, FOREACH, FUSED, Case, Shape, gpt2_shapes, resnet18_shapes

STREAM = "streaming limit"
KOZISTR = "pytorch_optimizer"
TIMM = "timm"
LION = "lion-pytorch"
ADABELIEF = "adabelief-pytorch"
PRODIGYOPT = "prodigyopt"
SCHEDULE_FREE = "schedulefree"

#: What one-pass rules reach of their limit at least, and what those of several passes do.
ONE_PASS, PASSES = 0.9, 0.8


class Sweep(NamedTuple):
    """One way through memory: how long its fp32 arrays are, and how many are only read, and read and written."""

    length: int
    reads: int
    writes: int

    @property
    def bytes(self) -> int:
        return 4 * self.length * (self.reads + 2 * self.writes)


Sweeps = Callable[[tuple[Shape, ...]], list[Sweep]]


def one_pass(slots: int) -> Sweeps:
    """The gradient is read, the value and the state's slots are read and written."""
    return lambda shapes: [Sweep(sum(map(prod, shapes)), 1, 1 + slots)]


def adafactor(shapes: tuple[Shape, ...]) -> list[Sweep]:
    """Three passes over what is factored: gradient and value are read for the sums of rows, of columns and of the
    value's squares, the gradient for the update's size, and the value is updated. The factors are a number for each row
    and each column of the last two sizes. A vector has two passes, with its average of squares in the first.
    """
    matrices = [shape for shape in shapes if len(shape) > 1]
    factored, whole = sum(map(prod, matrices)), sum(prod(shape) for shape in shapes if len(shape) < 2)
    factors = sum(prod(shape) // shape[-1] + prod(shape) // shape[-2] for shape in matrices)
    found = [Sweep(factored, 2, 0), Sweep(factors, 0, 1), Sweep(factored, 1, 0), Sweep(factors, 1, 0)]
    found += [Sweep(factored, 1, 1), Sweep(factors, 1, 0), Sweep(whole, 2, 1), Sweep(whole, 2, 1)]
    return [sweep for sweep in found if sweep.length]


def passes(*each: tuple[int, int]) -> Sweeps:
    """Passes over whole parameters: how many arrays each only reads, and how many it reads and writes."""
    return lambda shapes: [Sweep(sum(map(prod, shapes)), reads, writes) for reads, writes in each]


@dataclass(frozen=True)
class Algorithm:
    """A row of the family."""

    name: str
    sweeps: Sweeps
    #: The peers, and the least ratio to Martlet's time that counts as a pass; None where there is none.
    targets: Mapping[str, float | None]
    #: What everybody is told.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The class in martlet.torch, and those of peers that have another name for it.
    call: str = ""
    calls: Mapping[str, str] = field(default_factory=dict)
    #: What one peer is told in its own words.
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limit: float = ONE_PASS

    def call_of(self, peer: str) -> str:
        return self.calls.get(peer) or self.call or self.name


def torch_has(target: float | None, default: float | None = None, fused: bool = False) -> dict[str, float | None]:
    """The same target against each of torch's variants that there are; another against its default where given."""
    return {DEFAULT: default or target, FOREACH: target, **({FUSED: target} if fused else {})}


def others_have(*peers: str) -> dict[str, float | None]:
    return dict.fromkeys(peers, 5.0)


#: Rates are the defaults, but Adafactor's: relative to the value, it would overflow on gradients that stay the same.
ALGORITHMS = (
    Algorithm("SGD", one_pass(1), torch_has(0.97, default=1.3, fused=True), {"momentum": 0.9}),
    Algorithm("RMSprop", one_pass(1), torch_has(2.5)),
    Algorithm("Adagrad", one_pass(1), torch_has(0.97, default=3.0, fused=True)),
    Algorithm("Adadelta", one_pass(2), torch_has(3.0)),
    Algorithm("Rprop", one_pass(2), torch_has(3.0)),
    Algorithm("ASGD", one_pass(1), torch_has(1.4)),
    Algorithm("Adam", one_pass(2), torch_has(None, fused=True)),
    Algorithm("AMSGrad", one_pass(3), torch_has(None, fused=True), {"amsgrad": True}, "Adam"),
    Algorithm("Adamax", one_pass(2), torch_has(2.5)),
    Algorithm("NAdam", one_pass(2), torch_has(3.0)),
    Algorithm("RAdam", one_pass(2), torch_has(3.0)),
    Algorithm("AdaBound", one_pass(2), others_have(KOZISTR)),
    Algorithm("AdaBelief", one_pass(2), others_have(ADABELIEF, KOZISTR, TIMM), {"rectify": True},
              own={ADABELIEF: {"print_change_log": False}}),
    Algorithm("LaProp", one_pass(2), others_have(KOZISTR, TIMM)),
    Algorithm("ADOPT", one_pass(2), others_have(KOZISTR, TIMM), calls={TIMM: "Adopt"}),
    Algorithm("Adan", one_pass(4), others_have(KOZISTR, TIMM)),
    Algorithm("Lion", one_pass(1), others_have(LION, KOZISTR, TIMM)),
    Algorithm("AdEMAMix", one_pass(3), others_have(KOZISTR)),
    Algorithm("SimplifiedAdEMAMix", one_pass(2), others_have(KOZISTR)),
    Algorithm("SGDScheduleFree", one_pass(1), others_have(SCHEDULE_FREE, KOZISTR), calls={KOZISTR: "ScheduleFreeSGD"}),
    Algorithm("AdamWScheduleFree", one_pass(2), others_have(SCHEDULE_FREE, KOZISTR),
              calls={KOZISTR: "ScheduleFreeAdamW"}),
    Algorithm("RAdamScheduleFree", one_pass(2), others_have(SCHEDULE_FREE, KOZISTR),
              calls={KOZISTR: "ScheduleFreeRAdam"}),
    Algorithm("Adafactor", adafactor, torch_has(3.0), {"lr": 1e-6}, limit=PASSES),
    Algorithm("LAMB", passes((2, 2), (2, 1)), others_have(KOZISTR, TIMM), {"weight_decay": 0.01},
              calls={KOZISTR: "Lamb", TIMM: "Lamb"}, own={TIMM: {"max_grad_norm": None}}, limit=PASSES),
    Algorithm("LARS", passes((2, 0), (1, 2)), others_have(KOZISTR, TIMM),
              {"lr": 1.0, "momentum": 0.9, "weight_decay": 0.01}, calls={TIMM: "Lars"}, limit=PASSES),
    Algorithm("StableAdamW", passes((1, 2), (2, 1)), others_have(KOZISTR), limit=PASSES),
    Algorithm("MARS", passes((2, 0), (1, 4)), others_have(KOZISTR, TIMM), calls={TIMM: "Mars"},
              own={KOZISTR: {"optimize_1d": True}, TIMM: {"optimize_1d": True}}, limit=PASSES),
    Algorithm("Prodigy", passes((3, 3), (2, 1)), others_have(PRODIGYOPT, KOZISTR), limit=PASSES),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FamilyCase(Case):
    """One algorithm over one model's shapes."""

    algorithm: Algorithm
    model: str

    bound: ClassVar[str | None] = STREAM
    share_of = "of limit"

    @property
    def sweeps(self) -> list[Sweep]:
        return self.algorithm.sweeps(self.shapes)

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(number for sweep in self.sweeps for number in sweep)

    @property
    def work(self) -> int:
        return sum(sweep.bytes for sweep in self.sweeps)

    @property
    def element_bytes(self) -> int:
        """The arrays that the step moves, and as many temporaries of peers that work through whole arrays."""
        return 2 * 4 * max(sweep.reads + sweep.writes for sweep in self.sweeps)


def case(algorithm: Algorithm, model: str, shapes: tuple[Shape, ...], seconds: float) -> FamilyCase:
    moved = sum(sweep.bytes for sweep in algorithm.sweeps(shapes)) / sum(map(prod, shapes))
    wanted = {peer: target for peer, target in algorithm.targets.items() if target is not None}
    return FamilyCase(
        name=f"{algorithm.name.lower()}-{model.lower().replace('-', '')}",
        title=f"{algorithm.name}, {model} shapes: {moved:.3g} bytes to move for each element",
        shapes=shapes,
        targets={STREAM: algorithm.limit, **wanted},
        peers=(STREAM, *algorithm.targets),
        seconds=seconds,
        algorithm=algorithm,
        model=model,
    )


#: The few that run on GPT-2's shapes too, one of each kind: the peers of one case take up to 15 GB there, and a step of
#: the slower ones a second or more.
LARGE = ("SGD", "Adagrad", "NAdam", "Lion", "Adafactor")

CASES = (
    *(case(algorithm, "ResNet-18", resnet18_shapes(), 0.25) for algorithm in ALGORITHMS),
    *(case(algorithm, "GPT-2", gpt2_shapes(), 0.6) for algorithm in ALGORITHMS if algorithm.name in LARGE),
)
