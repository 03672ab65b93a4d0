"""Properties that are not there yet, such as a model's optimizer before compile."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from martlet._errors import EarlyAttributeError, OrderError

T = TypeVar("T")


def early(read: Callable[[Any], T]) -> Callable[[Any], T]:
    """For a property: an OrderError says that there is no such attribute, as hasattr and inspect understand it."""

    @wraps(read)
    def found(self: Any) -> T:
        try:
            return read(self)
        except OrderError as error:
            raise EarlyAttributeError(str(error)) from None

    return found
