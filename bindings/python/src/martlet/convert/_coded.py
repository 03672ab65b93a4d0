"""Libraries that keep their state in codes: what stands in it as numbers, under plain names, and the way back.

Each of these has the same functions. Between them and Martlet's own words lie the tables, as for any library
(_coded_forms.py). Numbers come as float32, and go to the nearest codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from martlet._errors import FormatError, UnsupportedError
from martlet.convert import _codes, _ours
from martlet.convert._forms import Form
from martlet.convert._values import like

Group = dict[str, Any]
Entry = dict[str, Any]
NDArray = np.ndarray[Any, Any]


class Bitsandbytes:
    """state1 and state2 as uint8 beside a map of 256 numbers and the largest magnitude of each block of 256; small
    parameters, and those of its classes of 32 bits, as float32."""

    _BLOCK = 256
    # state_dict() has all but the step under this key, and load_state_dict takes it without.
    _WRAPPED = "__bnb_optimizer_quant_state__"
    # What tells a state that is not in blocks, and steps that are clipped or bounded.
    _OTHERS = ("max1", "max2", "new_max1", "new_max2", "gnorm_vec", "unorm_vec")
    # Under which of betas, which every group has, another rule has its one number.
    _NUMBERS = ("momentum", "alpha")

    @classmethod
    def knows(cls, entry: Any) -> bool:
        """Whether a parameter's state is of this library."""
        return isinstance(entry, Mapping) and ("state1" in entry or cls._WRAPPED in entry)

    @staticmethod
    def attributes(given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an object says, of its attributes, beside its groups."""
        return {**given, **vars(given["args"])} if "args" in given else given

    @classmethod
    def groups(cls, groups: Any, form: Form) -> list[Group]:
        """Groups with a name for each number."""
        named, warm = cls._keys(form)
        found = []
        for index, group in enumerate(groups):
            betas = group.get("betas")
            if not isinstance(betas, list | tuple) or not betas:
                raise FormatError(f"bitsandbytes' param_groups[{index}] has betas {betas!r}; wanted a list of numbers")
            found.append({**group, **dict.fromkeys(named, betas[0]), **{key: group.get(key) or 0.0 for key in warm}})
        return found

    @classmethod
    def _keys(cls, form: Form) -> tuple[list[str], list[str]]:
        """Those of _NUMBERS, and of lengths for which None stands for none."""
        known = form.options.values()
        return [key for key in cls._NUMBERS if key in known], [key for key in ("t_alpha", "t_beta3") if key in known]

    @classmethod
    def told(cls, group: Group, form: Form) -> Group:
        """A group without them."""
        made, (named, warm) = dict(group), cls._keys(form)
        for key in named:
            made["betas"] = (made.pop(key), *made["betas"][1:])
        return made | {key: made[key] or None for key in warm}

    @classmethod
    def read(cls, entry: Mapping[str, Any], form: Form) -> Entry:
        """A parameter's state in numbers: what is of two parts as a list of these."""
        flat = {**entry, **entry.get(cls._WRAPPED, {})}
        for key in cls._OTHERS:
            if key in flat:
                raise UnsupportedError(
                    f"bitsandbytes' state has {key!r}: it is of codes for a whole tensor, or of steps that are clipped "
                    "or bounded by norms; wanted one in blocks, without percentile_clipping and max_unorm"
                )
        made: Entry = {"step": flat["step"]} if "step" in flat else {}
        for number in ("1", "2"):
            if (state := flat.get(f"state{number}")) is None:
                continue
            array = _ours.as_array(state)
            if array.dtype == np.uint8:
                array = cls._decoded(array, flat, number)
            is_two = f"state{number}.0" in form.slots.values()
            made[f"state{number}"] = list(array) if is_two else array
        return made

    @classmethod
    def _decoded(cls, codes: NDArray, entry: Mapping[str, Any], number: str) -> NDArray:
        try:
            table, scales = (_ours.as_array(entry[f"{key}{number}"]) for key in ("qmap", "absmax"))
            parts = codes.reshape(len(scales), -1) if scales.ndim == 2 else codes.reshape(1, -1)
            each = np.repeat(scales.reshape(len(parts), -1), cls._BLOCK, axis=1)[:, : parts.shape[1]]
            found: NDArray = (table[parts] * each).astype(np.float32).reshape(codes.shape)
        except (LookupError, ValueError, TypeError) as error:
            raise FormatError(
                f"bitsandbytes' state{number} of shape {codes.shape} does not go with its qmap{number} and "
                f"absmax{number}: {error!r}; wanted codes in blocks of {cls._BLOCK}"
            ) from None
        return found

    @classmethod
    def write(cls, entry: Entry, form: Form, theirs: Any, index: tuple[int, int]) -> Entry:
        """A parameter's state in their codes, where they have them. index: its group, and its place in that."""
        group = theirs.param_groups[index[0]]
        config = theirs.get_config(*index, group)
        parameter = group["params"][index[1]]
        is_coded = config["optim_bits"] == 8 and parameter.numel() >= config["min_8bit_size"]
        made: Entry = {"step": entry["step"]}
        for number, name in (("1", "dynamic"), ("2", "udynamic")):
            if (state := entry.get(f"state{number}")) is None:
                continue
            parts = [_ours.as_array(part) for part in (state if isinstance(state, list) else [state])]
            found = np.stack(parts) if isinstance(state, list) else parts[0]
            if is_coded:
                table = _ours.as_array(theirs.name2qmap[name])
                scales = [_codes.largest(part.ravel(), cls._BLOCK) for part in parts]
                codes = [
                    _codes.nearest(_codes.scaled(part.ravel().astype(np.float64), scale, cls._BLOCK), table)
                    for part, scale in zip(parts, scales, strict=True)
                ]
                made[f"qmap{number}"] = theirs.name2qmap[name]
                made[f"absmax{number}"] = like(np.stack(scales) if isinstance(state, list) else scales[0], parameter)
                found = np.stack(codes).reshape(found.shape)
            made[f"state{number}"] = like(found if is_coded else found.astype(np.float32), parameter)
        return made


class Torchao:
    """Tensors of classes of its own, which give their numbers, and take others where they are copied to."""

    @staticmethod
    def knows(entry: Any) -> bool:
        """Whether a parameter's state is of this library."""
        return isinstance(entry, Mapping) and any(map(_is_coded, entry.values()))

    @staticmethod
    def attributes(given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an object says, of its attributes, beside its groups."""
        return given

    @staticmethod
    def groups(groups: Any, form: Form) -> list[Group]:
        """Groups whose rate is a number."""
        return [{**group, **({"lr": float(group["lr"])} if _is_tensor(group.get("lr")) else {})} for group in groups]

    @staticmethod
    def told(group: Group, form: Form) -> Group:
        """A group whose rate is a tensor, as its steps want it."""
        return {**group, "lr": _ours.as_tensor(np.array(group["lr"], np.float32))}

    @staticmethod
    def read(entry: Mapping[str, Any], form: Form) -> Entry:
        """A parameter's state in numbers."""
        return {key: value.dequantize() if _is_coded(value) else value for key, value in entry.items()}

    @staticmethod
    def write(entry: Entry, form: Form, theirs: Any, index: tuple[int, int]) -> Entry:
        """A parameter's state in their codes, where they have them."""
        parameter = theirs.param_groups[index[0]]["params"][index[1]]
        made: Entry = {"step": _ours.as_tensor(np.array(entry["step"], np.float32))}
        for key, value in entry.items():
            if key != "step":
                made[key] = theirs._new_buffer(parameter, key == "exp_avg")
                made[key].copy_(_ours.as_tensor(value).to(made[key].dtype))
        return made


# By the name of the package that a class comes from.
LIBRARIES: Mapping[str, Any] = {"bitsandbytes": Bitsandbytes, "torchao": Torchao}


def library_of(state: Mapping[Any, Any]) -> str | None:
    """The library that a state is of; None: of none of these."""
    return next((name for name, kind in LIBRARIES.items() if any(map(kind.knows, state.values()))), None)


def _is_coded(value: Any) -> bool:
    """Whether a value is a tensor of torchao's."""
    return hasattr(value, "dequantize") and hasattr(value, "codes") and hasattr(value, "scale")


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "detach")
