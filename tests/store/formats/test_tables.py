"""Tables of pandas, polars and pyarrow."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.store.values import Values

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")


def series(values: list[Any], dtype: Any) -> Any:
    return pd.DataFrame({"x": pd.Series(values, dtype=dtype)})


FITTING = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": [-0.0, np.inf], "d": [True, False]}),
    "small numbers": pd.DataFrame(
        {"a": np.array([1, 2], "u1"), "b": np.array([1, 2], "f2"), "c": np.array([1, 2], "i2")}
    ),
    "text": series(["ü", None, ""], "str"),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": np.array([], "f4"), "s": pd.Series([], dtype="str")}),
    "no columns": pd.DataFrame(index=range(3)),
    "ordered categories, one unused": series(["a", "b", None], pd.CategoricalDtype(["b", "a", "z"], ordered=True)),
    "categories of numbers": series([1, 2, 1], "category"),
    "no categories": series([None, None], pd.CategoricalDtype([])),
    "times": series(["2020-01-01", None], "datetime64[s]"),
    "times in nanoseconds": series(["2020-01-01T00:00:00.123456789"], "datetime64[ns]"),
    "times of a zone": series(["2020-07-01T12:00+02:00", None], "datetime64[us, Europe/Berlin]"),
    "times in UTC": series(["2020-07-01T12:00Z"], "datetime64[ns, UTC]"),
    "durations": series([dt.timedelta(1), None], "timedelta64[ms]"),
    "nullable integers": series([1, None], "Int64"),
    "nullable booleans": series([True, None], "boolean"),
    "nullable floats": series([1.5, None], "Float32"),
    "nullable text": series(["a", None], "string"),
    "Arrow's integers": series([1, None], "int64[pyarrow]"),
    "labels": pd.DataFrame({"x": [1, 2]}, index=["p", "q"]),
    "an index named as a column": pd.DataFrame({"x": [1, 2]}, index=pd.Index([5, 6], name="x")),
    "a range with steps": pd.DataFrame({"x": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="n")),
    "two levels": pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None])),
    "levels of times": pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_arrays([pd.to_datetime(["2020"]), ["a"]])),
    "repeated labels": pd.DataFrame({"x": [1, 2]}, index=["p", "p"]),
    "named columns": pd.DataFrame([[1]], columns=pd.Index(["a"], name="which")),
    "a slice": pd.DataFrame({"a": np.arange(10), "b": ["x"] * 10}).iloc[3:7],
    "filtered": pd.DataFrame({"a": np.arange(1000), "b": ["x"] * 1000}).query("a % 3 == 0"),
    "many rows": pd.DataFrame(np.random.default_rng(0).random((5000, 3)), columns=list("abc")),
    "a column named as Arrow names an index": pd.DataFrame({"__index_level_0__": [1, 2]}),
}

UNFIT = {
    "mixed objects": series(["a", 1], object),
    "a mixed object after many": series(["a"] * 1000 + [1], object),
    "dicts": series([{"a": 1}, {}], object),
    "decimals": series([Decimal("1.5")], object),
    "text in objects": series(["a", None], object),
    "repeated names": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "numbers for names": pd.DataFrame([[1, 2]]),
    "levels of names": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
    "a frequency": pd.DataFrame({"x": [1, 2]}, index=pd.date_range("2020", periods=2)),
    "periods": pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="D")}),
    "intervals": pd.DataFrame({"p": pd.interval_range(0, 2)}),
    "categories of intervals": pd.DataFrame({"p": pd.cut([1, 2], 2)}),
    "complex numbers": pd.DataFrame({"p": [1j, 2]}),
    "sparse": pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
    "big-endian": pd.DataFrame({"a": np.array([1, 2], ">i4")}),
    "lists of Arrow": series([[1], None], pd.ArrowDtype(pa.list_(pa.int64()))),
    "no rows, mixed index": pd.DataFrame({"x": [1, 2]}, index=pd.Index([1, "a"], dtype=object)),
}


def check(back: Any, frame: Any) -> None:
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_freq=True)
    assert list(map(repr, back.dtypes)) == list(map(repr, frame.dtypes))
    assert back.attrs == frame.attrs


@pytest.mark.parametrize("name", FITTING)
def test_frames_that_arrow_holds(there_and_back: Any, name: str) -> None:
    format, back = there_and_back(FITTING[name])
    check(back, FITTING[name])
    assert format == "arrow"


@pytest.mark.parametrize("name", UNFIT)
def test_frames_that_arrow_would_change_are_left_to_pickle(there_and_back: Any, name: str) -> None:
    format, back = there_and_back(UNFIT[name])
    check(back, UNFIT[name])
    assert format == "pickle"


def test_attributes_and_flags_are_left_to_pickle(there_and_back: Any) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = "m"
    format, back = there_and_back(frame)
    assert (format, back.attrs) == ("pickle", {"unit": "m"})
    format, back = there_and_back(pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False))
    assert (format, back.flags.allows_duplicate_labels) == ("pickle", False)


@pytest.mark.parametrize("index", [None, ["p", "q"]])
@pytest.mark.parametrize(("name", "format"), [(None, "arrow"), ("x", "arrow"), (3, "pickle")])
def test_series(there_and_back: Any, index: Any, name: Any, format: str) -> None:
    value = pd.Series([1.5, 2], index=index, name=name)
    found, back = there_and_back(value)
    assert found == format
    pd.testing.assert_series_equal(back, value, check_exact=True)


columns = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(),
    "str": st.text() | st.none(),
    "Int32": st.integers(-(2**31), 2**31 - 1) | st.none(),
    "boolean": st.booleans() | st.none(),
    "category": st.sampled_from(["a", "b", None]),
    "datetime64[us]": st.datetimes(dt.datetime(1700, 1, 1)) | st.none(),
}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_frame_comes_back(there_and_back: Any, data: Any) -> None:
    rows = data.draw(st.integers(0, 5))
    made = {}
    for name in data.draw(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=4)):
        dtype = data.draw(st.sampled_from(sorted(columns)))
        made[name] = pd.Series(data.draw(st.lists(columns[dtype], min_size=rows, max_size=rows)), dtype=dtype)
    frame = pd.DataFrame(made, index=range(rows))
    check(there_and_back(frame)[1], frame)


def test_a_loaded_frame_may_be_changed_and_the_object_stays(values: Values) -> None:
    ref = values.save(pd.DataFrame({"a": np.arange(300_000.0), "b": np.arange(300_000)}))
    frame = values.load(ref)
    frame.loc[0, "a"] = 5.0
    frame["a"] += 1
    frame.iloc[1, 1] = 7
    assert (frame.loc[0, "a"], frame.loc[1, "b"]) == (6.0, 7)
    again = values.load(ref)
    assert (again.loc[0, "a"], again.loc[1, "b"]) == (0.0, 1)
    values.verify(ref)


@pytest.mark.parametrize("name", FITTING)
def test_every_column_of_a_loaded_frame_may_be_written_to(values: Values, name: str) -> None:
    frame = values.load(values.save(FITTING[name]))
    for position in range(frame.shape[1] if len(frame) else 0):
        frame.iloc[0, position] = frame.iloc[-1, position]
    series = values.load(values.save(pd.Series(np.arange(5.0))))
    series[0] = 4
    assert series.sum() == 14


def test_files_are_readable_without_us(values: Values) -> None:
    path = values.path(values.save(FITTING["numbers"]))
    assert pa.ipc.open_file(path).read_all().column("a").to_pylist() == [1, 2]
    pl = pytest.importorskip("polars")
    assert pl.read_ipc(path)["a"].to_list() == [1, 2]
    path = values.path(values.save(pl.DataFrame({"a": [1, 2], "s": ["a", "b"]})))
    assert pa.ipc.open_file(path).read_all().column("s").to_pylist() == ["a", "b"]


def polars_frames() -> dict[str, Any]:
    pl = pytest.importorskip("polars")
    return {
        "plain": pl.DataFrame({"a": [1, None], "b": [1.5, float("nan")], "s": ["ü", None], "x": [b"a", None]}),
        "categories": pl.DataFrame({"c": pl.Series(["a", None, "a"], dtype=pl.Categorical)}),
        "enum": pl.DataFrame({"e": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y", "z"]))}),
        "nested": pl.DataFrame({"l": [[1], []], "s": [{"a": 1, "b": "x"}] * 2}),
        "fixed lists": pl.DataFrame({"l": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}),
        "times": pl.DataFrame({"d": [dt.date(2020, 1, 1)], "t": [dt.time(1)], "u": [dt.timedelta(1)]}),
        "zone": pl.DataFrame({"t": pl.Series([dt.datetime(2020, 1, 1)]).dt.replace_time_zone("Europe/Berlin")}),
        "decimals": pl.DataFrame({"d": [Decimal("1.50")]}),
        "long integers": pl.DataFrame({"d": pl.Series([1 << 100], dtype=pl.Int128)}),
        "nulls": pl.DataFrame({"n": [None, None]}),
        "no rows": pl.DataFrame({"a": []}, schema={"a": pl.Int8}),
        "empty": pl.DataFrame(),
        "chunks": pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False),
    }


@pytest.mark.parametrize("name", polars_frames())
def test_polars(there_and_back: Any, name: str) -> None:
    frame = polars_frames()[name]
    format, back = there_and_back(frame)
    assert (format, back.schema) == ("arrow", frame.schema)
    assert back.equals(frame)
    for column in frame:
        format, series = there_and_back(column)
        assert (format, series.name, series.dtype) == ("arrow", column.name, column.dtype)
        assert series.equals(column)


def test_polars_without_pyarrow_reads_the_same(there_and_back: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairlead.store.formats import polars_arrow

    monkeypatch.setattr(polars_arrow, "find_spec", lambda name: None)
    frame = polars_frames()["plain"]
    assert there_and_back(frame)[1].equals(frame)


def test_pandas_without_pyarrow_is_left_to_pickle(there_and_back: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairlead.store.formats import arrow

    monkeypatch.setattr(arrow, "find_spec", lambda name: None)
    format, back = there_and_back(FITTING["numbers"])
    assert format == "pickle"
    check(back, FITTING["numbers"])


def test_pyarrow_tables_and_batches(there_and_back: Any) -> None:
    table = pa.table({"a": [1, None], "d": pa.array(["x", "y"]).dictionary_encode()}).replace_schema_metadata(
        {"k": "v"}
    )
    two = pa.concat_tables([table, table])
    for value in (table, two, table.slice(1), table.slice(0, 0), pa.table({}), table.to_batches()[0]):
        format, back = there_and_back(value)
        assert (format, type(back)) == ("arrow", type(value))
        assert back.equals(value)
        assert back.schema.equals(value.schema, check_metadata=True)


def test_chunks_with_dictionaries_that_differ_are_left_to_pickle(there_and_back: Any) -> None:
    chunks = [pa.array(["x"]).dictionary_encode(), pa.array(["y"]).dictionary_encode()]
    table = pa.table({"d": pa.chunked_array(chunks)})
    format, back = there_and_back(table)
    assert format == "pickle"
    assert back.equals(table)


def test_a_fresh_process_reads_the_same(values: Values) -> None:
    ref = values.save(FITTING["times of a zone"])
    code = (
        "import sys; from pathlib import Path; from fairlead.specs.values import Ref;"
        "from fairlead.store.formats.arrow import ARROW;"
        "ref = Ref(digest='', format='arrow', size_bytes=0, type=sys.argv[2]);"
        "print(ARROW.read(Path(sys.argv[1]), ref).dtypes['x'])"
    )
    path: Path = values.path(ref)
    done = subprocess.run([sys.executable, "-c", code, path, ref.type], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "datetime64[us, Europe/Berlin]"
