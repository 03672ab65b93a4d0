"""Tables of pandas, polars and pyarrow, and sparse matrices, wherever samples are taken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import data, nn
from martlet._samples import any_array

pd = pytest.importorskip("pandas")
arrow = pytest.importorskip("pyarrow")
polars = pytest.importorskip("polars")
sparse = pytest.importorskip("scipy.sparse")

NAN = float("nan")
COLUMNS: dict[str, tuple[Any, list[Any], Any]] = {
    # What it is made as, its values, and what numpy has for them.
    "numpy bool": (np.bool_, [True, False, True], np.bool_),
    "numpy int8": (np.int8, [1, -2, 3], np.int8),
    "numpy float32": (np.float32, [0.5, 1, NAN], np.float32),
    "Int64": ("Int64", [2**53 + 1, 2, 3], np.int64),
    "UInt8": ("UInt8", [1, 2, 255], np.uint8),
    "Float32": ("Float32", [0.5, None, 1], np.float32),
    "Float64": ("Float64", [0.1, 1e300, None], np.float64),
    "boolean": ("boolean", [True, False, False], np.bool_),
    "boolean, missing": ("boolean", [True, None, False], np.float64),
    "Int32, missing": ("Int32", [7, None, -7], np.float64),
    "arrow int64": ("int64[pyarrow]", [2**53 + 1, 2, 3], np.int64),
    "arrow int16, missing": ("int16[pyarrow]", [1, None, 2], np.float64),
    "arrow double": ("double[pyarrow]", [0.1, 2, None], np.float64),
    "arrow float": ("float[pyarrow]", [0.5, 2, 3], np.float32),
    "arrow bool": ("bool[pyarrow]", [True, False, True], np.bool_),
    "arrow bool, missing": ("bool[pyarrow]", [None, False, True], np.float64),
    "arrow decimal": (pd.ArrowDtype(arrow.decimal128(5, 2)), [Decimal("1.25"), None, Decimal(3)], np.float64),
    "a category of numbers": ("category", [3, 1, 3], np.int64),
    "sparse": (pd.SparseDtype(np.float64), [0.0, 1.5, 0.0], np.float64),
}


def wanted(values: list[Any], dtype: Any) -> Any:
    return np.array([NAN if value is None else value for value in values], dtype)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_pandas(name: str) -> None:
    kind, values, dtype = COLUMNS[name]
    series = pd.Series(values, dtype=kind)
    for column in (series, series.array, pd.Index(series)):
        found = any_array(column, "x")
        assert found.dtype == dtype or (found.dtype == np.float64 and None in values)
        np.testing.assert_array_equal(found, wanted(values, found.dtype))
    frame = pd.DataFrame({"a": series, "b": np.array([0.5, 1, 2], np.float16)})
    found = any_array(frame, "x")
    assert found.dtype == np.result_type(wanted(values, dtype), np.float16)
    np.testing.assert_array_equal(found[:, 0], wanted(values, dtype).astype(found.dtype))
    np.testing.assert_array_equal(found[:, 1], [0.5, 1, 2])


def test_whole_tables() -> None:
    numbers = {"a": [1, 2, 3], "b": [True, False, True], "c": [0.5, 1.5, 2.5]}
    columns = np.array([[1, 1, 0.5], [2, 0, 1.5], [3, 1, 2.5]])
    for table in (
        pd.DataFrame(numbers),
        pd.DataFrame(numbers).convert_dtypes(),
        pd.DataFrame(numbers).convert_dtypes(dtype_backend="pyarrow"),
        polars.DataFrame(numbers),
        arrow.table(numbers),
        arrow.record_batch(numbers),
    ):
        found = any_array(table, "x")
        assert found.dtype == np.float64 and (found == columns).all()
        found = any_array(table[["a", "b"]] if hasattr(table, "iloc") else table.select(["a", "b"]), "x")
        assert found.dtype == np.int64 and (found == columns[:, :2]).all()
    assert (any_array(arrow.Tensor.from_numpy(columns), "x") == columns).all()
    same = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "a"])
    assert (any_array(same, "x") == [[1, 2], [3, 4]]).all()
    assert (any_array(same.astype("Float64"), "x") == [[1, 2], [3, 4]]).all()


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda given: pd.Series(given, dtype="Int64"), "Series"),
        (lambda given: pd.DataFrame({"n": pd.Series(given, dtype="int64[pyarrow]"), "m": [0.5, 1]}), "column 'n'"),
        (polars.Series, "Series"),
        (lambda given: polars.DataFrame({"n": given}), "column 'n'"),
        (arrow.array, "Array"),
        (lambda given: arrow.table({"n": given}), "column 'n'"),
    ],
)
def test_integers_that_float64_does_not_hold(make: Callable[[Any], Any], dtype: str) -> None:
    """polars gives 2^53 for 2^53 + 1 beside a null."""
    exact = any_array(make([2**53 + 1, -(2**62)]), "x")
    assert exact.dtype != np.int64 or exact.reshape(-1).tolist() == [2**53 + 1, -(2**62)]
    with pytest.raises(martlet.ArgumentError, match=rf"x has integers beyond 2\^53 beside missing ones.*{dtype}"):
        any_array(make([2**53 + 1, None]), "x")
    found = any_array(make([2**53, None]), "x").reshape(2, -1)[:, 0]
    assert found[0] == 2**53 and np.isnan(found[1])


TABLES = {
    "pandas": pd.DataFrame({"size": [1.0, 2.0], "city": ["a", "b"]}),
    "pandas, arrow": pd.DataFrame({"size": [1.0, 2.0], "city": pd.array(["a", "b"], dtype="string[pyarrow]")}),
    "pandas, objects": pd.DataFrame({"size": [1.0, 2.0], "city": np.array([1, None], object)}),
    "pandas, dates": pd.DataFrame({"size": [1.0, 2.0], "city": pd.to_datetime(["2026-01-01", "2026-01-02"])}),
    "polars": polars.DataFrame({"size": [1.0, 2.0], "city": ["a", "b"]}),
    "pyarrow": arrow.table({"size": [1.0, 2.0], "city": ["a", "b"]}),
}


def model() -> nn.Sequential:
    made = nn.Sequential([nn.Dense(2, input_shape=(2,))], seed=1)
    made.compile("adam", "sparse_categorical_crossentropy")
    return made


Y = [0, 1]
ENTRIES: dict[str, Callable[[Any], Any]] = {
    "x": lambda x: model().fit(x, Y, verbose=0),
    "y": lambda y: model().fit([[1, 2], [3, 4]], y, verbose=0),
    "validation_x": lambda x: model().fit([[1, 2], [3, 4]], Y, validation_data=(x, Y), verbose=0),
    "validation_y": lambda y: model().fit([[1, 2], [3, 4]], Y, validation_data=([[1, 2], [3, 4]], y), verbose=0),
    "x of predict": lambda x: model().predict(x),
    "x of evaluate": lambda x: model().evaluate(x, Y, verbose=0),
    "x of train_on_batch": lambda x: model().train_on_batch(x, Y),
    "x of Batches": data.Batches,
    "y of Batches": lambda y: data.Batches([[1, 2], [3, 4]], y),
    "x of Standardizer": lambda x: data.Standardizer().fit(x),
    "x of MinMaxScaler": lambda x: data.MinMaxScaler().fit([[1, 2], [3, 4]]).transform(x),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_no_number_is_named_everywhere(entry: str) -> None:
    call, name = ENTRIES[entry], entry.split(" ")[0]
    for table in TABLES.values():
        with pytest.raises(martlet.DTypeError, match=f"{name} has dtype .* in column 'city'; wanted numbers"):
            call(table)
    for matrix in (sparse.csr_matrix(np.eye(2)), sparse.coo_array(np.eye(2))):
        with pytest.raises(
            martlet.DTypeError, match=rf"{name} is a sparse .*; wanted a dense array: {name}.toarray\(\)"
        ):
            call(matrix)
    with pytest.raises(martlet.DTypeError, match=rf"{name} is a LazyFrame, .*; wanted {name}.collect\(\)"):
        call(polars.LazyFrame({"a": [1.0, 2.0]}))


def test_tables_give_the_bits_of_arrays() -> None:
    x = np.random.default_rng(1).standard_normal((64, 2))
    y = (x[:, 0] > 0).astype(np.int64)
    plain = model()
    plain.fit(x, y, verbose=0)
    for frame, labels in (
        (pd.DataFrame(x).convert_dtypes(), pd.Series(y, dtype="Int64")),
        (pd.DataFrame(x), pd.Series(y == 1)),
        (polars.DataFrame(x), polars.Series(y)),
        (arrow.table({"a": x[:, 0], "b": x[:, 1]}), arrow.array(y)),
    ):
        other = model()
        other.fit(frame, labels, validation_data=(frame, labels), verbose=0)
        assert (other.parameters() == plain.parameters()).all()
        assert (other.predict(frame) == plain.predict(x)).all()
        assert other.evaluate(frame, labels, verbose=0) == plain.evaluate(x, y, verbose=0)
        for batch, wanted_batch in zip(data.Batches(frame, labels, seed=1), data.Batches(x, y, seed=1), strict=True):
            assert all((found == right).all() for found, right in zip(batch, wanted_batch, strict=True))
        assert (data.Standardizer().fit_transform(frame) == data.Standardizer().fit_transform(x)).all()


def test_missing_numbers_are_what_nan_is() -> None:
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False]})
    with pytest.raises(martlet.ArgumentError, match=r"x holds a NaN, first at \(1, 0\)"):
        model().fit(frame, Y, verbose=0)
    model().fit(frame, Y, verbose=0, check=False)
    with pytest.raises(martlet.ArgumentError, match="y holds a NaN"):
        model().fit([[1, 2], [3, 4]], pd.Series([0, None], dtype="Int8"), verbose=0)
