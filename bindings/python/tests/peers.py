"""Other libraries' optimizers behind the same words: started with arrays, stepped, read.

A peer is run as its users run it, in float32 or float64; nothing of it is copied. One that cannot be imported answers
with None: it is not installed. What a library calls an option is stated once, in `PEERS`.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]
Rate = Callable[[int], float]
#: A library's word for one of our options; words for the parts of a tuple; None for an option that it does not have.
Words = dict[str, str | tuple[str, ...] | None]


class Run(Protocol):
    """A peer with its parameters."""

    def step(self, t: int, grads: Sequence[Array]) -> None: ...

    def values(self, slot: str | None = None) -> list[Array]: ...


class TorchRun:
    """torch.optim and everything that steps torch's parameters."""

    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        import torch

        self.torch, self.rate = torch, rate
        self.parameters = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in start]
        with self.default_type(), redirect_stdout(io.StringIO()):
            self.optimizer = getattr(module, name)(self.given(name), lr=rate(1), **options)
        if hasattr(self.optimizer, "train"):
            self.optimizer.train()

    def given(self, name: str) -> Any:
        return self.parameters

    @contextmanager
    def default_type(self) -> Iterator[None]:
        """That of the parameters: some of torch's state has the default type, as ASGD's eta and NAdam's product."""
        before = self.torch.get_default_dtype()
        self.torch.set_default_dtype(self.parameters[0].dtype)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def step(self, t: int, grads: Sequence[Array]) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(t)
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter.grad = self.torch.from_numpy(grad.copy())
        with self.default_type():
            self.optimizer.step()

    def values(self, slot: str | None = None) -> list[Array]:
        if slot == "x":  # Schedule-Free's average: what evaluation sees
            self.optimizer.eval()
            found = self.values()
            self.optimizer.train()
            return found
        if slot is not None:
            return [self.optimizer.state[parameter][slot].numpy().copy() for parameter in self.parameters]
        return [parameter.detach().numpy().copy() for parameter in self.parameters]


class NamedRun(TorchRun):
    """With names, where kernels are matrices by rules that go by those."""

    def given(self, name: str) -> list[Any]:
        return [(f"{k}.weight", parameter) for k, parameter in enumerate(self.parameters)]


class BlocksRun(TorchRun):
    """Names alone say which elements share a second moment."""

    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        self.names = options.pop("names", ())
        super().__init__(module, name, start, rate, options)

    def given(self, name: str) -> Any:
        return list(zip(self.names, self.parameters, strict=True))


class KozistrRun(BlocksRun):
    """Where AdamW is beside Muon, groups say which of the two they are for; Adam-mini asks a model for its names; and
    Lookahead is put around an optimizer."""

    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        looks = {key.removeprefix("lookahead."): options.pop(key) for key in list(options) if "lookahead." in key}
        super().__init__(module, name, start, rate, options)
        if looks:
            self.optimizer = module.Lookahead(self.optimizer, **looks)

    def given(self, name: str) -> Any:
        if self.names:
            named = super().given(name)
            return SimpleNamespace(named_parameters=lambda: named)
        return [{"params": self.parameters, "use_muon": True}] if "Muon" in name else self.parameters


class HeavyballRun(TorchRun):
    """Its state is in the parameters' type: it fails where it is in another."""

    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        super().__init__(module, name, start, rate, {"storage_dtype": str(start[0].dtype), **options})


class KerasRun:
    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        import keras

        self.keras, self.rate, self.dtype = keras, rate, str(start[0].dtype)
        before = keras.config.floatx()
        keras.config.set_floatx(self.dtype)
        try:
            self.variables = [keras.Variable(array, dtype=self.dtype) for array in start]
            self.optimizer = getattr(module, name)(learning_rate=rate(1), **options)
            self.optimizer.build(self.variables)
        finally:
            keras.config.set_floatx(before)

    def step(self, t: int, grads: Sequence[Array]) -> None:
        self.optimizer.learning_rate = self.rate(t)
        self.optimizer.apply([self.keras.ops.convert_to_tensor(grad) for grad in grads], self.variables)

    def values(self, slot: str | None = None) -> list[Array]:
        return [np.asarray(variable.value) for variable in self.variables]


class OptaxRun:
    """The rate is a schedule; rprop, which takes none, is told `fixed_rate`."""

    def __init__(self, module: Any, name: str, start: list[Array], rate: Rate, options: dict[str, Any]) -> None:
        import jax
        import optax

        self.jax, dtype = jax, start[0].dtype
        table = jax.numpy.asarray([rate(t) for t in range(1, 1001)], dtype)
        made = getattr(module, name)(rate(1) if options.pop("fixed_rate", False) else lambda k: table[k], **options)
        self.parameters = [jax.numpy.asarray(array) for array in start]
        self.state = made.init(self.parameters)

        def step(grads: Any, state: Any, parameters: Any) -> Any:
            updates, state = made.update(grads, state, parameters)
            return optax.apply_updates(parameters, updates), state

        self.run = jax.jit(step)

    def step(self, t: int, grads: Sequence[Array]) -> None:
        arrays = [self.jax.numpy.asarray(grad) for grad in grads]
        self.parameters, self.state = self.run(arrays, self.state, self.parameters)

    def values(self, slot: str | None = None) -> list[Array]:
        return [np.asarray(parameter) for parameter in self.parameters]


@dataclass(frozen=True)
class Peer:
    """Where a library's optimizers are, what runs them, its words for our options, and what it is always told."""

    module: str
    package: str
    kind: Callable[..., Run] = TorchRun
    words: Words = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    #: What is to be done before it is used.
    prepare: Callable[[], None] = lambda: None

    def version(self) -> str | None:
        """None where it is not installed, or does not import."""
        return version(self.package) if self.load() is not None else None

    def load(self) -> Any:
        try:
            version(self.package)
            self.prepare()
            return importlib.import_module(self.module)
        except (ImportError, PackageNotFoundError, RuntimeError):  # torchvision beside another torch: RuntimeError
            return None

    def start(self, name: str, start: list[Array], rate: Rate, options: dict[str, Any], own: dict[str, Any]) -> Run:
        """`options` are in our words; `own`, in the library's, go before them, and None there says nothing."""
        said: dict[str, Any] = {}
        for key, value in options.items():
            words = self.words.get(key, key)
            if isinstance(words, tuple):
                said |= dict(zip(words, value, strict=False))
            elif words is not None:
                said[words] = value
        said |= {**self.always, **own}
        return self.kind(
            self.load(), name, start, rate, {key: value for key, value in said.items() if value is not None}
        )


def prepare_jax() -> None:
    """Keras runs on JAX, which computes in float64 only when told to."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax

    jax.config.update("jax_enable_x64", True)


def prepare_heavyball() -> None:
    """It compiles each step for minutes, unless told not to."""
    importlib.import_module("heavyball").utils.compile_mode = None


#: Libraries whose classes have weight decay in one way only.
NO_FLAG: Words = {"decoupled_weight_decay": None}
OPTAX: Words = {"betas": ("b1", "b2", "b3"), **NO_FLAG}
KOZISTR: Words = {
    "decoupled_weight_decay": "weight_decouple",
    "amsgrad": "ams_bound",
    "use_bias_correction": "bias_correction",
    "max_precond_dim": "max_precondition_dim",
    "lookahead_steps": "lookahead.k",
    "lookahead_alpha": "lookahead.alpha",
}

PEERS: dict[str, Peer] = {
    "torch": Peer("torch.optim", "torch", always={"foreach": False}),
    "Keras": Peer(
        "keras.optimizers",
        "keras",
        KerasRun,
        {
            "betas": ("beta_1", "beta_2"),
            "eps": "epsilon",
            "alpha": "rho",
            "ns_coefficients": ("muon_a", "muon_b", "muon_c"),
            **NO_FLAG,
        },
        prepare=prepare_jax,
    ),
    "optax": Peer("optax", "optax", OptaxRun, OPTAX, prepare=prepare_jax),
    "optax.contrib": Peer("optax.contrib", "optax", OptaxRun, OPTAX, prepare=prepare_jax),
    "pytorch_optimizer": Peer("pytorch_optimizer", "pytorch_optimizer", KozistrRun, KOZISTR),
    "adam-mini": Peer("adam_mini", "adam-mini", BlocksRun, {"block_size": None, **NO_FLAG}, {"verbose": False}),
    "timm": Peer("timm.optim", "timm", words={**NO_FLAG, "trust_coefficient": "trust_coeff", "cautious": "caution"}),
    "prodigyopt": Peer("prodigyopt", "prodigyopt", words={"decoupled_weight_decay": "decouple"}),
    "schedulefree": Peer("schedulefree", "schedulefree"),
    "heavyball": Peer("heavyball", "heavyball", HeavyballRun, NO_FLAG, prepare=prepare_heavyball),
    "lion-pytorch": Peer("lion_pytorch", "lion-pytorch", words=NO_FLAG),
    "adabelief-pytorch": Peer(
        "adabelief_pytorch", "adabelief-pytorch", words={**KOZISTR, "amsgrad": "amsgrad"},
        always={"print_change_log": False},
    ),
}  # fmt: skip
