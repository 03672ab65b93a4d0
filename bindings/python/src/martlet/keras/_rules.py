"""What Keras's optimizers are in the library's words: algorithms, numbers, and the variables that hold their state.

All of it is read off an optimizer at each step, since its numbers are attributes that anybody may change. Nothing here
knows tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from martlet import _choices, _ffi_optimizers
from martlet._config import Hyperparameters, defaults
from martlet._errors import UnsupportedError

# Keras's three ways to clip, of which it takes the first that is over 0.
_CLIPPING = {"clipnorm": "clip_norm", "global_clipnorm": "max_norm", "clipvalue": "clip_value"}
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Kind(NamedTuple):
    """One algorithm of one class.

    numbers     hyperparameters of the library to attributes of the optimizer
    flags       flags of the library to attributes
    slots       slots to attributes: lists with a variable for each of those that are trained, empty where there is none
    semantics   whose convention it is
    fixed       hyperparameters that Keras has without saying so
    """

    algorithm: int
    slots: Mapping[str, str] = _NOTHING
    numbers: Mapping[str, str] = _NOTHING
    flags: Mapping[int, str] = _NOTHING
    semantics: str = "keras"
    fixed: Mapping[str, float] = _NOTHING


class Group(NamedTuple):
    """Variables that are stepped alike: by which numbers, and where their state is."""

    row: Hyperparameters
    slots: Mapping[str, str]

    def decayed(self, decay: float | None) -> Group:
        """The same with weight decay."""
        return self._replace(row=self.row.changed({"weight_decay": float(decay)})) if decay else self

    def changed(self, numbers: Mapping[str, float], flags: int, semantics: str) -> Group:
        """The same with other numbers, further flags and another convention."""
        row = self.row.changed(numbers)
        return self._replace(row=row._replace(flags=row.flags | flags, semantics=semantics))


# Of an optimizer at a rate, where gradients are divided by a number: the groups in which its variables may be.
Groups = Callable[[Any, float, float], list[Group]]


def clipping(optimizer: Any) -> str | None:
    """The way in which an optimizer clips gradients."""
    return next((key for key in _CLIPPING if (getattr(optimizer, key) or 0) > 0), None)


def clips_by_norm(optimizer: Any) -> bool:
    return clipping(optimizer) in ("clipnorm", "global_clipnorm")


def _plain(kind: Kind, optimizer: Any, rate: float, scale: float) -> Group:
    """The numbers of an optimizer, without weight decay."""
    usual = defaults(kind.algorithm)
    values = {name: float(getattr(optimizer, key)) for name, key in kind.numbers.items()}
    values |= {"weight_decay": 0.0, **kind.fixed, "lr": rate, "loss_scale": scale}
    clip = clipping(optimizer)
    if clip is not None and not optimizer._martlet_clips_before():
        values[_CLIPPING[clip]] = float(getattr(optimizer, clip))
    flags = usual.flags | _ffi_optimizers.WIDE_RANGES
    for flag, key in kind.flags.items():
        flags = flags | flag if getattr(optimizer, key) else flags & ~flag
    flags = _choices.choose(flags, optimizer.low_precision, "low_precision")
    slots = kind.slots
    if optimizer.use_ema and 0 < optimizer.ema_momentum < 1 and kind.algorithm != _ffi_optimizers.SCHEDULE_FREE_ADAMW:
        values["ema_decay"] = float(optimizer.ema_momentum)
        slots = {**slots, "ema_params": "_model_variables_moving_average"}
    row = usual.changed(values)._replace(flags=flags, semantics=kind.semantics, seed=optimizer.seed)
    return Group(row, slots)


def usual(kind: Kind) -> Groups:
    """With weight decay, and without."""

    def groups(optimizer: Any, rate: float, scale: float) -> list[Group]:
        plain = _plain(kind, optimizer, rate, scale)
        return [plain.decayed(optimizer.weight_decay), plain]

    return groups


def sgd(kind: Kind) -> Groups:
    """Keras's momentum is what is added to a variable: of the other sign than the library's, with the rate inside. So
    the rate goes into what gradients are divided by, and the library's own is -1."""

    def groups(optimizer: Any, rate: float, scale: float) -> list[Group]:
        plain = _plain(kind, optimizer, rate, scale)
        if not optimizer.momentum:
            row = plain.row._replace(flags=plain.row.flags & ~_ffi_optimizers.NESTEROV)
            plain = plain._replace(row=row)
            return [plain.decayed(optimizer.weight_decay), plain]
        size = abs(rate)
        if not 1e-30 < size < 1e30:
            raise UnsupportedError(f"learning_rate is {rate}; beside a momentum the library takes sizes over 1e-30")
        numbers = {"lr": -1.0, "loss_scale": scale / size, "clip_value": plain.row.clip_value * size}
        flags = _ffi_optimizers.DECOUPLED_DECAY | (_ffi_optimizers.MAXIMIZE if rate > 0 else 0)
        plain = plain.changed(numbers, flags, "torch")
        return [plain.decayed(-rate * (optimizer.weight_decay or 0.0)), plain]

    return groups


def muon(kind: Kind, adamw: Kind) -> Groups:
    """Matrices, then what AdamW steps. Keras's momentum is a sum of gradients, where the library's is their average: so
    gradients are divided by the part that an average takes of each."""

    def groups(optimizer: Any, rate: float, scale: float) -> list[Group]:
        share, part = 1.0 - float(optimizer.momentum), float(optimizer.rms_rate or 0.0) / 0.2
        if not share > 0 or not part > 0:
            raise UnsupportedError("the library's Muon takes a momentum under 1 and a rms_rate over 0")
        matrices = _plain(kind, optimizer, rate * part, scale * share)
        # A value is clipped to behind the division.
        numbers = {"clip_value": matrices.row.clip_value / share}
        matrices = matrices.changed(numbers, _ffi_optimizers.MATCH_RMS, "torch")
        ratio = float(optimizer.adam_lr_ratio)
        rest = _plain(adamw, optimizer, rate * ratio, scale)
        of_matrices, of_rest = optimizer.weight_decay or 0.0, optimizer.adam_weight_decay or 0.0
        # Keras's decay follows learning_rate alone.
        return [
            *(matrices.decayed(of_matrices / part), matrices),
            *(rest.decayed(of_rest / ratio if ratio else 0.0), rest),
        ]

    return groups


def schedule_free(kind: Kind) -> Groups:
    """Keras takes weight decay off the point where gradients are taken, before a step."""

    def groups(optimizer: Any, rate: float, scale: float) -> list[Group]:
        if optimizer.weight_decay:
            raise UnsupportedError("the library's ScheduleFreeAdamW takes no weight_decay of Keras's kind")
        return [_plain(kind, optimizer, rate, scale)] * 2

    return groups
