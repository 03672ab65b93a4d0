"""Classes of a user's own: what they may not say, as the library computes and would not hear of it."""

from __future__ import annotations

from martlet._errors import UnsupportedError


def refuse_methods(cls: type, *names: str) -> None:
    """Raises UnsupportedError for a class, not Martlet's, that defines one of these methods."""
    for name in names:
        if name in vars(cls) and not is_martlets(cls):
            raise UnsupportedError(f"class {cls.__name__} defines {name}, which nothing calls: the library computes "
                                   "what a model does, and knows its own layers and losses alone; wanted some of "
                                   "these, a subclass of OwnLayer, functions for losses and metrics, or a model of "
                                   "torch")  # fmt: skip


def is_martlets(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "martlet"
