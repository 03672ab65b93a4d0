"""Tables and columns of pandas, polars and pyarrow as numpy arrays, where numpy by itself would make Python objects of
them, or lose digits; and what to call where a thing has no numbers of its own yet.

None of these libraries is imported: whoever gives such a thing has it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError

NDArray = np.ndarray[Any, Any]
# Which elements are missing, and the others as numpy has them.
Numbers = tuple[NDArray, NDArray]
Reader = Callable[[Any], "Numbers | None"]

# Beyond it float64, which says by NaN what is missing, does not hold every integer.
_MOST_EXACT = 2**53


def as_numpy(data: Any, where: str) -> Any:
    """A table as an array of its columns' widest common type, NaN where something is missing; a column likewise; other
    things as they are. Raises DTypeError, which names the column, where one holds no numbers."""
    library = library_of(data)
    if library == "scipy" and hasattr(data, "toarray"):
        raise DTypeError(f"{where} is a sparse {type(data).__name__}; wanted a dense array: {where}.toarray()")
    if library == "polars" and hasattr(data, "collect"):
        raise DTypeError(f"{where} is a {type(data).__name__}, which has no numbers yet; wanted {where}.collect()")
    if library in ("", "scipy"):
        return data
    columns = _columns(data, library)
    if columns is not None:
        return _table(columns, _READERS[library], where)
    if not hasattr(data, "dtype") and not hasattr(data, "type"):
        return data
    return _column(data, _READERS[library], where, f", from {type(data).__name__}", "biufcmMV")


def _table(columns: list[tuple[Any, Any]], read: Reader, where: str) -> NDArray:
    arrays = [_column(column, read, where, f" in column {name!r}") for name, column in columns]
    table = np.empty((len(arrays[0]), len(arrays)), np.result_type(*arrays))
    for place, array in enumerate(arrays):
        table[:, place] = array
    return table


def library_of(data: Any) -> str:
    """Which of the libraries known here a thing comes from, itself or by its base; "" for none."""
    modules = (kind.__module__.partition(".")[0] for kind in type(data).__mro__)
    return next((name for name in modules if name in _READERS), "")


def _columns(data: Any, library: str) -> list[tuple[Any, Any]] | None:
    """The names and columns of a table; None for what is one column, and for what numpy takes as it is."""
    found: list[tuple[Any, Any]] = []
    if library == "pandas" and data.ndim == 2:
        kinds = {*data.dtypes}
        if len(kinds) > 1 or not all(isinstance(kind, np.dtype) and kind.kind in "biufcmM" for kind in kinds):
            found = [(name, data.iloc[:, place]) for place, name in enumerate(data.columns)]
    elif library == "polars" and hasattr(data, "get_columns"):
        found = [(column.name, column) for column in data.get_columns()]
    elif library == "pyarrow" and hasattr(data, "schema"):
        found = [*zip(data.schema.names, data.columns, strict=True)]
    return found or None


def _type(column: Any) -> Any:
    return column.dtype if hasattr(column, "dtype") else column.type


def _column(column: Any, read: Reader, where: str, place: str, kinds: str = "biuf") -> NDArray:
    """A column's numbers. place: which one it is, for messages; kinds: what else than numbers it may have, by numpy's
    letters."""
    found = read(column)
    if found is None:
        array = np.asarray(column)
        if array.dtype.kind not in kinds:
            raise DTypeError(f"{where} has dtype {_type(column)}{place}; wanted numbers")
        return array
    missing, numbers = found
    if numbers.dtype.kind == "O":  # decimals
        numbers = numbers.astype(np.float64)
    if not missing.any():
        return numbers
    if numbers.dtype.kind in "iu" and numbers.size and max(-int(numbers.min()), int(numbers.max())) > _MOST_EXACT:
        raise ArgumentError(f"{where} has integers beyond 2^53 beside missing ones{place}, and float64, which says by "
                            "NaN what is missing, does not hold them; fill the missing ones first")  # fmt: skip
    whole = np.full(len(missing), np.nan, numbers.dtype if numbers.dtype.kind == "f" else np.float64)
    whole[~missing] = numbers
    return whole


def _of_pandas(column: Any) -> Numbers | None:
    numpy = getattr(column.dtype, "numpy_dtype", None)
    if numpy is None or isinstance(column.dtype, np.dtype):  # numpy's own, categories, sparse ones
        return None
    if numpy.kind not in "biuf" and not sys.modules["pandas"].api.types.is_numeric_dtype(column.dtype):
        return None
    missing = np.asarray(column.isna())
    return missing, column[~missing].to_numpy(dtype=numpy)


def _of_polars(column: Any) -> Numbers | None:
    if not column.dtype.is_numeric() and column.dtype != sys.modules["polars"].Boolean:
        return None
    return column.is_null().to_numpy(), column.drop_nulls().to_numpy()


def _of_arrow(column: Any) -> Numbers | None:
    types = sys.modules["pyarrow"].types
    checks = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    if not hasattr(column, "is_null") or not any(check(column.type) for check in checks):
        return None
    return np.asarray(column.is_null()), np.asarray(column.drop_null())


_READERS: dict[str, Any] = {"pandas": _of_pandas, "polars": _of_polars, "pyarrow": _of_arrow, "scipy": None}
