"""What users of torch, Keras and numpy call hyperparameters and flags: one table, and how a dict of such names is read.

The library has one name for each number. A group may have several of them under one key, as in torch's betas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from numbers import Integral
from typing import Any

import numpy as np

from martlet import _algorithms, _choices, _ffi_optimizers
from martlet._algorithms import Algorithm
from martlet._errors import ArgumentError, DTypeError

# Other names of one hyperparameter or flag.
ALIASES = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "beta_3": "beta3",
    "beta_2_decay": "beta2_decay",
    "d": "clipping_threshold",
    "clip_threshold": "clipping_threshold",
    "global_clipnorm": "max_norm",
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "gradient_accumulation_steps": "accumulate",
}
# What groups call a hyperparameter, where torch has another name for it, or the rule's reference.
TORCHS = {"clipping_threshold": "d"}
_TORCHS_OF = {
    _ffi_optimizers.SOAP: {"beta3": "shampoo_beta"},
    _ffi_optimizers.SHAMPOO: {"rho": "shampoo_beta", "eps2": "graft_eps"},
}
# Those of one algorithm alone.
_ALIASES_OF = {
    _ffi_optimizers.RMSPROP: {"rho": "alpha"},
    _ffi_optimizers.ADAFACTOR: {"epsilon_1": "eps", "epsilon_2": "eps2"},
    _ffi_optimizers.SOAP: {"shampoo_beta": "beta3"},
    _ffi_optimizers.SHAMPOO: {"shampoo_beta": "rho", "graft_eps": "eps2"},
}
# Several hyperparameters under one key: those of them that the algorithm reads, where it reads more than one.
LISTS = {
    "betas": ("beta1", "beta2", "beta3"),
    "ns_coefficients": ("ns_a", "ns_b", "ns_c"),
    "eps": ("eps", "eps2"),
    "etas": ("etaminus", "etaplus"),
    "step_sizes": ("step_size_min", "step_size_max"),
}
# What stands under a key of its own in an algorithm, though it is one of a list elsewhere.
_ALONE = {
    _ffi_optimizers.PRODIGY: frozenset({"beta3"}),
    _ffi_optimizers.SOAP: frozenset({"beta3"}),
    _ffi_optimizers.SHAMPOO: frozenset({"eps", "eps2"}),
}
# What is another hyperparameter's value where it is None or less than 0.
_AS_ANOTHER = {_ffi_optimizers.SOAP: {"beta3": "beta2"}}
# Where None stands for 0, by which the library takes a number of its own: the first eps of several, and a beta3 alone.
NONE_IS_ZERO = frozenset({"eps", "beta3"})
# Flags that every algorithm reads, and asks for nothing without.
AROUND = {
    "skip_nonfinite": _ffi_optimizers.SKIP_NONFINITE,
    "measure": _ffi_optimizers.MEASURE,
    "ema_bias_correction": _ffi_optimizers.EMA_CORRECTION,
    "ema_warmup": _ffi_optimizers.EMA_WARMUP,
    "zero_grads": _ffi_optimizers.ZERO_GRADS,
    "measure_update": _ffi_optimizers.MEASURE_UPDATE,
}
FLAGS = {
    "amsgrad": _ffi_optimizers.AMSGRAD,
    "nesterov": _ffi_optimizers.NESTEROV,
    "centered": _ffi_optimizers.CENTERED,
    "rectify": _ffi_optimizers.RECTIFY,
    "safeguard_warmup": _ffi_optimizers.SAFEGUARD_WARMUP,
    "use_bias_correction": _ffi_optimizers.BIAS_CORRECTION,
    "correct_bias": _ffi_optimizers.BIAS_CORRECTION,
    "maximize": _ffi_optimizers.MAXIMIZE,
    "decoupled_weight_decay": _ffi_optimizers.DECOUPLED_DECAY,
    "cautious_weight_decay": _ffi_optimizers.CAUTIOUS_DECAY,
    "corrected_weight_decay": _ffi_optimizers.CORRECTED_DECAY,
    "cautious": _ffi_optimizers.CAUTIOUS_UPDATE,
    "normuon": _ffi_optimizers.NORMUON,
    "hyperball": _ffi_optimizers.HYPERBALL,
    "defer_rows": _ffi_optimizers.DEFER_ROWS,
    **AROUND,
}
# The one of several names of a flag that an algorithm's reference has.
_FLAGS_OF = {_ffi_optimizers.SOAP: {"use_bias_correction": "correct_bias"}}
# Hyperparameters that every algorithm reads: groups have them only where they are not the defaults.
EVERYWHERE = (
    *("lookahead_steps", "lookahead_alpha", "loss_scale", "max_norm", "clip_norm", "clip_value", "ema_decay"),
    "accumulate",
)
# The options of an algorithm of matrices that the one beside it for vectors is told too, in any spelling: what becomes
# of decay, what an update leaves out, how 16 bits are rounded, and what stands around a step.
BESIDE = (
    *("maximize", "flush_denormals", "cautious_weight_decay", "corrected_weight_decay", "cautious"),
    *("low_precision", "seed", *AROUND, *EVERYWHERE),
    *(alias for alias, name in ALIASES.items() if name in EVERYWHERE),
)
# Those of which the same is so in groups of torch's shape.
_LEFT_OUT = {_ffi_optimizers.MUON: ("blocks", "beta2")}
# What an algorithm is by name, and is not asked.
_FIXED = {_ffi_optimizers.ADAMW: _ffi_optimizers.DECOUPLED_DECAY}
# What torch says of a number out of range, before the number; it has no words for others.
_WORDS = {
    "lr": "learning rate",
    "eps": "epsilon value",
    "beta1": "beta parameter at index 0",
    "beta2": "beta parameter at index 1",
    "beta3": "beta parameter at index 2",
    **{
        name: f"{name} value"
        for name in ("weight_decay", "momentum", "alpha", "rho", "lr_decay", "initial_accumulator_value",
                     "momentum_decay", "eps2", "beta2_decay")
    },
}  # fmt: skip


class _Omitted:
    def __repr__(self) -> str:
        return "<its default>"


# Stands where no weight_decay was given. None would say "no decay" to one reader and "the default" to another.
OMITTED: Any = _Omitted()


def aliases(kind: Algorithm) -> dict[str, str]:
    """Other names of an algorithm's hyperparameters and flags."""
    return ALIASES | _ALIASES_OF.get(kind.number, {})


def lists(kind: Algorithm) -> dict[str, tuple[str, ...]]:
    """The keys of an algorithm that stand for several hyperparameters, and for which."""
    read = kind.places.keys() - _ALONE.get(kind.number, frozenset())
    found = {key: tuple(name for name in names if name in read) for key, names in LISTS.items()}
    return {key: names for key, names in found.items() if len(names) > 1}


def number_keys(algorithm: int) -> tuple[str, ...]:
    """The keys of a group under which all hyperparameters of an algorithm stand."""
    kind = _algorithms.of(algorithm)
    return number_keys_of(kind, kind.places)


@cache
def keys(algorithm: int) -> frozenset[str]:
    """All options of an algorithm: the keys of its groups, and its hyperparameters by their own names."""
    kind = _algorithms.of(algorithm)
    return frozenset({*number_keys(algorithm), *flag_keys(algorithm), *_choices.keys(algorithm), *kind.places})


def number_keys_of(kind: Algorithm, names: Iterable[str]) -> tuple[str, ...]:
    """The keys under which these hyperparameters stand."""
    key_of = {name: key for key, several in lists(kind).items() for name in several}
    torchs = TORCHS | _TORCHS_OF.get(kind.number, {})
    return tuple(dict.fromkeys(key_of.get(name, torchs.get(name, name)) for name in names))


def flag_keys(algorithm: int) -> tuple[str, ...]:
    """The flags that an algorithm reads."""
    own = _FLAGS_OF.get(algorithm, {})
    others = {new for names in _FLAGS_OF.values() for new in names.values()} - set(own.values()) | own.keys()
    return tuple(
        key for key, bit in FLAGS.items() if bit & _free_flags(_algorithms.of(algorithm)) and key not in others
    )


def left_out(algorithm: int) -> dict[str, float]:
    """What torch's groups have only where it is not the algorithm's own, and what that is."""
    own = _algorithms.of(algorithm).defaults
    return {key: int(own[key]) if own[key].is_integer() else own[key] for key in _left_out(algorithm)}


def as_another(kind: Algorithm) -> dict[str, str]:
    """The hyperparameters of an algorithm that are another's value where they say none, and which."""
    return _AS_ANOTHER.get(kind.number, {})


def required_keys(algorithm: int) -> tuple[str, ...]:
    """The keys of hyperparameters that a group in a state_dict must have."""
    optional = ("weight_decay", *_left_out(algorithm))
    return tuple(key for key in number_keys(algorithm) if key not in optional)


def _left_out(algorithm: int) -> tuple[str, ...]:
    return (*_LEFT_OUT.get(algorithm, ()), *EVERYWHERE)


def _free_flags(kind: Algorithm) -> int:
    return kind.flags & ~_FIXED.get(kind.number, 0)


def range_error(found: str, given: Mapping[str, Any], algorithm: int) -> ArgumentError:
    """What is said of a number that the library refuses: found is its message, or the hyperparameter's name.

    given: the numbers by their names.
    """
    if "NESTEROV" in found:
        return ArgumentError("Nesterov momentum requires a momentum and zero dampening")
    if found.startswith("config.semantics"):
        words = re.sub(r"\b(TORCH|KERAS|OPTAX|PAPER)\b", lambda name: repr(name[0].lower()), found)
        return ArgumentError(words.removeprefix("config."))
    if any(word in found for word in ("convention", "HYPERBALL", " beside ")):
        return ArgumentError(found.removeprefix("config."))
    match = re.match(r"(?:config\.)?(\w+)(?: is .*?; (.*))?$", found)
    if match is None or match[1] not in given:
        return ArgumentError(found)
    name, wanted = match[1], match[2] or "expected a finite number"
    if name in ("etaminus", "etaplus"):
        return ArgumentError(f"Invalid eta values: {given['etaminus']}, {given['etaplus']}")
    shown = _shown(name, _algorithms.of(algorithm))
    is_alone = name in LISTS["betas"] and shown == name
    if name in _WORDS and name not in _TORCHS_OF.get(algorithm, {}) and not is_alone:
        return ArgumentError(f"Invalid {_WORDS[name]}: {given[name]}")
    return ArgumentError(f"{shown} is {given[name]}; {wanted}")


def _shown(name: str, kind: Algorithm) -> str:
    """What a group calls a hyperparameter."""
    for key, names in lists(kind).items():
        if name in names:
            return f"{key}[{names.index(name)}]"
    return number_keys_of(kind, [name])[0]


def number(value: Any, name: str) -> float:
    """A real number as a float: Python's, numpy's, or a tensor or array of one element."""
    if not isinstance(value, str | bytes | complex):
        try:
            return float(value)
        except OverflowError:
            raise ArgumentError(f"{name} is beyond float64's range; wanted a number") from None
        except (TypeError, ValueError, RuntimeError):
            pass
    raise DTypeError(f"{name} is {value!r} of type {type(value).__name__}; wanted a number")


def parts(value: Any, key: str, names: tuple[str, ...], kind: Algorithm) -> tuple[Any, ...]:
    """The values under a key that stands for several hyperparameters."""
    if key in NONE_IS_ZERO and type(value) in (tuple, list):
        value = tuple(0.0 if part is None and index == 0 else part for index, part in enumerate(value))
    if key in _choices.TABLE and isinstance(value, str):
        _choices.choose(0, value, key)
        return tuple(kind.defaults[name] for name in names)
    if type(value) is tuple and len(value) == len(names):
        return value
    try:
        found = tuple(value)
        wrong: type[ArgumentError | DTypeError] | None = None if len(found) == len(names) else ArgumentError
    except TypeError:
        wrong = DTypeError
    if wrong is None:
        return found
    example = tuple(kind.defaults[name] for name in names)
    count = "a pair of" if len(names) == 2 else str(len(names))
    raise wrong(f"{key} is {value!r}; wanted {count} numbers, such as {example}")


def flag(value: Any, key: str) -> bool:
    """A text such as "False" is true in Python, so only what is meant as yes or no is taken as such."""
    if type(value) is not bool and (not isinstance(value, Integral | np.bool_) or value not in (0, 1)):
        raise DTypeError(f"{key} is {value!r}; wanted True or False")
    return bool(value)


def seed(value: Any) -> int:
    """What a seed of random rounding may be."""
    if value is None:
        return 0
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or not 0 <= int(value) < 2**64:
        wrong = ArgumentError if isinstance(value, Integral) and not isinstance(value, bool | np.bool_) else DTypeError
        raise wrong(f"seed is {value!r}; wanted a whole number from 0 to 2**64 - 1")
    return int(value)


def denormal_flags(value: Any) -> int:
    """What flush_denormals stands for."""
    if value is None:
        return 0
    if not isinstance(value, Integral | np.bool_) or value not in (0, 1):
        raise DTypeError(f"flush_denormals is {value!r}; wanted True, False or None")
    return _ffi_optimizers.FLUSH_DENORMALS if value else _ffi_optimizers.KEEP_DENORMALS


def given_numbers(kind: Algorithm, given: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(hyperparameter, what it is called in messages, value) of what was given in any spelling, each once.

    None and OMITTED are what was not given, but that a weight decay may not be None. Other keys are left alone.
    """
    several, others, own = lists(kind), aliases(kind), _ALIASES_OF.get(kind.number, {})
    keys: dict[str, str] = {}
    for key, value in given.items():
        if value is OMITTED or (value is None and key != "weight_decay"):
            continue
        name = others.get(key, key)
        if name in several and key not in own:
            found = list(zip(several[name], parts(value, key, several[name], kind), strict=True))
        elif name in kind.places:
            found = [(name, value)]
        else:
            continue
        for index, (name, part) in enumerate(found):
            if name in keys:
                both = sorted((keys[name], key), key=lambda one: (one in others, one not in LISTS))
                raise DTypeError(f"{' and '.join(both)} are two names of one argument: give one of them")
            keys[name] = key
            yield name, key if len(found) == 1 else f"{key}[{index}]", part


class Reader:
    """Reads the numbers and flags of an algorithm out of dicts with certain keys, of which some may be left out.

    numbers: keys of one hyperparameter, with its place; lists: of several, with theirs; flags: with their bits;
    choices: the keys of those.
    """

    def __init__(self, algorithm: int, keys: Iterable[str], optional: Iterable[str] = ()) -> None:
        """keys: of numbers, flags and choices, others are left alone; optional: of numbers and flags, which are then
        as the algorithm has them."""
        self.kind = _algorithms.of(algorithm)
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, dict[str, int]] = {}
        self.flags: dict[str, int] = {}
        self._may_be_none: frozenset[str] = frozenset()
        self._defaults = tuple(self.kind.defaults.values())
        self._others = as_another(self.kind)
        # What None stands for.
        self._none = dict.fromkeys(NONE_IS_ZERO - {"eps"}, 0.0) | dict.fromkeys(
            number_keys_of(self.kind, self._others), -1.0
        )
        self._none |= {key: self.kind.defaults[key] for key in EVERYWHERE}
        several = lists(self.kind)
        self._optional = frozenset(optional)
        self.choices = tuple(key for key in _choices.keys(algorithm) if key in {*keys, *self._optional})
        for key in (*keys, *self._optional):
            name = aliases(self.kind).get(key, key)
            if name in several:
                self.lists[key] = {part: self.kind.places[part] for part in several[name]}
            elif name in self.kind.places:
                self.numbers[key] = self.kind.places[name]
            elif FLAGS.get(name, 0) & _free_flags(self.kind):
                self.flags[key] = FLAGS[name]

    def let_none_be_off(self, keys: Iterable[str]) -> None:
        """Lets None mean False under these keys."""
        self._may_be_none = frozenset(keys)

    def said(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters by name, as they stand in a group."""
        names = tuple(self.kind.places)
        found = {names[place]: group[key] for key, place in self.numbers.items() if self._says(group, key)}
        for key, places in self.lists.items():
            found |= zip(places, self.parts(group, key), strict=True)
        return found

    def values(self, group: Mapping[str, Any]) -> tuple[float, ...]:
        """The hyperparameters, in the order of their numbers."""
        found = list(self._defaults)
        for key, place in self.numbers.items():
            if not self._says(group, key):
                continue
            value = group[key]
            if type(value) is not float:
                value = self._none[key] if value is None and key in self._none else number(value, key)
            found[place] = value
        for key, places in self.lists.items():
            parts = self.parts(group, key)
            for index, place in enumerate(places.values()):
                part = parts[index]
                found[place] = part if type(part) is float else number(part, f"{key}[{index}]")
        for name, other in self._others.items():
            if found[self.kind.places[name]] < 0:
                found[self.kind.places[name]] = found[self.kind.places[other]]
        return tuple(found)

    def _says(self, group: Mapping[str, Any], key: str) -> bool:
        return key not in self._optional or key in group

    def parts(self, group: Mapping[str, Any], key: str) -> tuple[Any, ...]:
        """The values under a key of several."""
        return parts(group[key], key, tuple(self.lists[key]), self.kind)

    def bits(self, group: Mapping[str, Any]) -> int:
        """The flags."""
        bits = self.kind.default_flags
        for key, bit in self.flags.items():
            if key in group or key not in self._optional:
                value = group[key]
                if value is None and key in self._may_be_none:
                    value = False
                bits = bits | bit if value is True or (value is not False and flag(value, key)) else bits & ~bit
        for key in self.choices:
            if not self._says(group, key):
                continue
            bits = _choices.choose(bits, group[key], key)
        return bits
