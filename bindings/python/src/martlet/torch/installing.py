"""torch.optim's classes made into Martlet's wherever they are used: install(), uninstall(), and installed() for a
while.

A class of torch's stays what it is, under every name that anybody has for it. What changes is its constructor: the
object that it is called for becomes one of a class that is derived from Martlet's and, as that is derived from torch's,
isinstance, issubclass and the names of types answer as before. For a class derived from torch's it is derived from
both, so that Martlet's methods stand where torch's stood. Pickles name torch's class, or the derived one.
"""

from __future__ import annotations

import copyreg
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, wraps
from inspect import unwrap
from threading import RLock
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer as TorchOptimizer

from martlet._errors import ArgumentError, DTypeError, MartletError
from martlet.torch import by_torch, options
from martlet.torch._optimizer import Optimizer
from martlet.torch.matrices import MatrixOptimizer

# By torch's class, what it had before install() and has now, by name; None: no attribute of its own.
_replaced: dict[type[TorchOptimizer], dict[str, tuple[Callable[..., Any] | None, Callable[..., Any]]]] = {}
_lock = RLock()


class _Choice:
    """The classes of torch's that install() or a context has chosen; None: nothing is installed."""

    def __init__(self, classes: set[type[TorchOptimizer]] | None = None) -> None:
        self.classes = classes


# install()'s, and behind it those of the contexts that are entered.
_choices = [_Choice()]
# What a warning was given for.
_told: set[str] = set()


def install(algorithms: Collection[str] | None = None) -> None:
    """From here on whoever makes an optimizer of torch.optim gets Martlet's of the same name, in this process.

    algorithms: which, by names of classes or algorithms: ("Adam", "adamw"). None: all that Martlet has. Others are as
    before; a second call changes the choice. Optimizers that exist stay what they are.

    Classes that were imported before, torch.optim.adamw.AdamW, getattr(torch.optim, name) and classes derived from
    these are served alike; a derived class that has _init_group() of its own, as it steps in another way, keeps to
    torch's. What Martlet's class refuses goes to torch's, with a warning where torch takes it, and so do classes that
    Martlet lacks, and sparse gradients beside SGD's momentum, which moves other rows too; under MARTLET_STRICT=1 the
    first and the last are errors. Of a group torch's own options are read, whatever other keys it has. Processes that
    are spawned, and not forked, have their own torch.optim.

    Raises an ArgumentError for a name that is none, a DTypeError for what is no collection of names.
    """
    chosen = _chosen(algorithms)
    with _lock:
        _choices[-1].classes = chosen
        _apply()


def uninstall() -> None:
    """Gives torch.optim's classes back what they had. Optimizers that exist stay what they are."""
    with _lock:
        _choices[-1].classes = None
        _apply()


@contextmanager
def installed(algorithms: Collection[str] | None = None) -> Iterator[None]:
    """install() for as long as the context is entered; what was installed before is so again behind it. Where threads
    enter contexts of their own, it is the one that was entered last, of those that have not been left."""
    own = _Choice(_chosen(algorithms))
    with _lock:
        _choices.append(own)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _choices.remove(own)
            _apply()


def _apply() -> None:
    """Gives torch's classes what they had, and then what has been chosen last."""
    while _replaced:
        peer, attributes = _replaced.popitem()
        for name, (before, now) in attributes.items():
            if vars(peer).get(name) is not now:
                continue  # somebody has wrapped it, and with nothing in _replaced it only passes on
            if before is None:
                delattr(peer, name)
            else:
                setattr(peer, name, before)
    kinds, chosen = by_torch.OURS, _choices[-1].classes
    if chosen is None:
        return
    for peer in chosen:
        _replace(peer, "__init__", _constructor(peer, kinds[peer]))
        _replace(peer, "__setstate__", _setter(peer, kinds[peer]))
    for peer in _all() - set(kinds):
        _replace(peer, "__init__", _teller(peer))


class Installed:
    """A base of installed objects' classes, before Martlet's: what is pickled is of the class that was called, and what
    Martlet cannot load is loaded as torch does."""

    _martlet_called: type
    _martlet_takes_any_state = True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch."""
        try:
            super().load_state_dict(state_dict)  # type: ignore[misc]
        except MartletError:
            TorchOptimizer.load_state_dict(self, state_dict)  # type: ignore[arg-type]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # As pickles of the oldest protocols make objects: of the class that they name.
        maker: Any = copyreg._reconstructor  # type: ignore[attr-defined]
        return maker, (self._martlet_called, object, None), self.__getstate__()

    def __copy__(self) -> Any:
        made: Any = type(self).__new__(type(self))
        made.__setstate__(self.__getstate__())
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made: Any = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__setstate__(deepcopy(self.__getstate__(), memo))
        return made


class _Yielding:
    """A property of Martlet's in a class that is derived from torch's, which may have an attribute of that name."""

    def __init__(self, given: property) -> None:
        self._given = given

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._given.__get__(instance, owner)


@cache
def _made(called: Any, kind: Any) -> type[Optimizer]:
    """The class of objects for which a class of torch's, or one derived from it, was called."""
    own: dict[str, Any] = {"__module__": _home(called), "__qualname__": called.__qualname__}
    own |= {
        "__doc__": called.__doc__,
        "_martlet_called": called,
        "_martlet_kind": options.PlainKind(kind._martlet_kind),
    }
    peer: Any = by_torch.peer_of(called)
    # torch has put its own step, with hooks around it, into a class of which there was an object before.
    if unwrap(called.step) is unwrap(peer.step):
        own["step"] = kind.step
    if called is peer:
        return type(called.__name__, (Installed, kind), own)
    for name in ("load_state_dict", "__reduce_ex__", "__copy__", "__deepcopy__"):
        if (given := getattr(called, name, None)) is not getattr(peer, name, None):
            own[name] = given
    own |= {name: _Yielding(given) for name, given in vars(Optimizer).items() if isinstance(given, property)}
    return type(called.__name__, (Installed, called, kind), own)


def _home(called: type) -> str:
    """The first of the packages down to a class's module that has it: who lists classes by their paths, as LightningCLI
    does for short names, has one of this name then and not two."""
    parts = called.__module__.split(".")
    paths = [".".join(parts[:count]) for count in range(1, len(parts))]
    return next(
        (path for path in paths if getattr(sys.modules.get(path), called.__qualname__, None) is called),
        called.__module__,
    )


def _becomes(optimizer: TorchOptimizer, peer: Any, kind: Any) -> bool:
    """Makes an object for which torch's class was called one of Martlet's; False: it is to stay torch's."""
    if isinstance(optimizer, Optimizer):
        return True
    called = type(optimizer)
    if peer not in _replaced or by_torch.peer_of(called) is not peer:
        return False
    if getattr(called, "_init_group", None) is not getattr(peer, "_init_group", None):
        _tell(f"{called.__name__} stays torch's: it has an _init_group() of its own", stacklevel=4)
        return False
    try:
        optimizer.__class__ = _made(called, kind)  # type: ignore[arg-type]
    except TypeError as error:  # its memory is laid out in another way
        _tell(f"{called.__name__} stays torch's: {error}", stacklevel=4)
        return False
    return True


def _as_torch_reads(params: Any, kind: type[Optimizer]) -> Any:
    """A constructor's params, so that nothing is routed by what Martlet knows of it and torch does not."""
    if not issubclass(kind, MatrixOptimizer):
        return params
    if isinstance(params, nn.Module | Mapping):
        raise DTypeError(f"params is a {type(params).__name__}, which torch's class does not take")
    is_group = isinstance(params, list) and bool(params) and not any(isinstance(one, dict) for one in params)
    return [{"params": params}] if is_group else params


def _constructor(peer: type[TorchOptimizer], kind: type[Optimizer]) -> Callable[..., None]:
    torchs: Callable[..., None] = peer.__init__

    @wraps(torchs)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        called, before = type(self), dict(vars(self))
        if not _becomes(self, peer, kind):
            torchs(self, *args, **kwargs)
            return
        if not args and "params" in kwargs:
            args = (kwargs.pop("params"),)
        if args and isinstance(args[0], Iterator):  # which can be read once
            args = (list(args[0]), *args[1:])
        try:
            kind.__init__(self, *(_as_torch_reads(one, kind) for one in args[:1]), *args[1:], **kwargs)
        except MartletError as error:
            if called is type(self) or by_torch.is_strict(None):
                raise
            self.__class__ = called
            vars(self).clear()
            vars(self).update(before)
            torchs(self, *args, **kwargs)
            _tell(f"{called.__name__} stays torch's where it is made so: {error}")

    return construct


def _setter(peer: type[TorchOptimizer], kind: type[Optimizer]) -> Callable[..., None]:
    torchs: Callable[..., None] = peer.__setstate__

    @wraps(torchs)
    def set_state(self: Any, state: dict[str, Any]) -> None:
        # One that has groups is in use, and loads a state.
        if "param_groups" in vars(self) or not _becomes(self, peer, kind):
            torchs(self, state)
        else:
            kind.__setstate__(self, state)

    return set_state


def _teller(peer: type[TorchOptimizer]) -> Callable[..., None]:
    torchs: Callable[..., None] = peer.__init__

    @wraps(torchs)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if peer in _replaced:
            _tell(f"{peer.__name__} stays torch's: Martlet has no {peer.__name__}")
        torchs(self, *args, **kwargs)

    return construct


def _tell(text: str, stacklevel: int = 3) -> None:
    """Warns once. stacklevel: of who made the optimizer, as warnings.warn counts from here."""
    if text not in _told:
        _told.add(text)
        warnings.warn(f"martlet.torch.install: {text}", UserWarning, stacklevel=stacklevel)


def _replace(peer: type[TorchOptimizer], name: str, now: Callable[..., Any]) -> None:
    _replaced.setdefault(peer, {})[name] = vars(peer).get(name), now
    setattr(peer, name, now)


def _all() -> set[type[TorchOptimizer]]:
    """torch's own optimizers."""
    found = {one for one in vars(torch.optim).values() if isinstance(one, type) and issubclass(one, TorchOptimizer)}
    return found - {TorchOptimizer}


def _chosen(algorithms: Any) -> set[type[TorchOptimizer]]:
    kinds = by_torch.OURS
    return set(kinds) if algorithms is None else {_class_of(name, kinds) for name in _names(algorithms)}


def _names(given: Any) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
        raise DTypeError(f"algorithms is {given!r}; wanted names, such as ('Adam', 'SGD'), or None for all")
    return list(names)


def _class_of(name: str, kinds: Mapping[type[TorchOptimizer], type[Any]]) -> type[TorchOptimizer]:
    by_name = {peer.__name__.lower(): peer for peer in kinds}
    if name.lower() not in by_name:
        known = ", ".join(sorted(peer.__name__ for peer in kinds))
        raise ArgumentError(f"algorithms has {name!r}; wanted names of {known}")
    return by_name[name.lower()]
