"""DataFrames and arrays as files of datasets, and back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Union

from ._form import Source

Dataset = Union[Source, Any]
"""A file, a pandas or polars DataFrame, or a NumPy array."""


def source_of(dataset: Dataset, filename: str | None) -> tuple[Source, str | None]:
    """The file to send and its name. DataFrames become Parquet, or CSV if pandas has no pyarrow; arrays become NPY.

    Raises:
        TypeError: if the dataset is nothing of these.
    """
    kind = type(dataset).__module__.split(".")[0]
    frame: Any = dataset
    if kind == "polars":
        return _written(frame.write_parquet), filename or "frame.parquet"
    if kind == "pandas":
        # The index is no column of the data.
        if _has_pyarrow():
            return _written(lambda file: frame.to_parquet(file, index=False)), filename or "frame.parquet"
        return frame.to_csv(index=False).encode(), filename or "frame.csv"
    if kind == "numpy":
        import numpy

        return _written(lambda file: numpy.save(file, frame, allow_pickle=False)), filename or "array.npy"
    if isinstance(dataset, (str, bytes)) or hasattr(dataset, "__fspath__") or hasattr(dataset, "read"):
        return dataset, filename
    raise TypeError(f"A {type(dataset).__name__} is no dataset. Give a path, bytes, an open file, a DataFrame or an array.")


def read_frame(data: bytes, format: str, kind: str) -> Any:
    """A file of results as a DataFrame of pandas or polars."""
    file = io.BytesIO(data)
    readers: dict[str, Callable[[io.BytesIO], Any]]
    if kind == "polars":
        import polars

        readers = {
            "parquet": polars.read_parquet,
            "csv": polars.read_csv,
            "jsonl": polars.read_ndjson,
            "arrow": polars.read_ipc,
        }
    else:
        import pandas

        readers = {
            "parquet": pandas.read_parquet,
            "csv": pandas.read_csv,
            "jsonl": lambda lines: pandas.read_json(lines, lines=True),
            "arrow": pandas.read_feather,
        }
    if format not in readers:
        raise ValueError(f"{format!r} is no table. Tables are {', '.join(readers)}.")
    return readers[format](file)


def _written(write: Any) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _has_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True
