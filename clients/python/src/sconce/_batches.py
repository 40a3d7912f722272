"""Batches: score datasets, watch, fetch results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ._errors import SconceError
from ._files import pages, write_whole
from ._form import Part, Progress, filename_of, form
from ._frames import Dataset, read_frame, source_of
from ._http import Transport, pause

_ENDED = ("completed", "failed", "expired", "cancelled")
_POLL_FIRST_SECONDS = 0.05
_POLL_MAX_SECONDS = 2.0


class Batches:
    """The batches of a server. A batch is a dict as ``/v1/batches`` has it."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def score(
        self,
        /,
        model: str,
        dataset: Dataset,
        *,
        version: str | None = None,
        inputs: dict[str, Any] | None = None,
        outputs: Sequence[dict[str, Any]] | None = None,
        keep: Sequence[str] | None = None,
        output_format: str | None = None,
        filename: str | None = None,
        idempotency_key: str | None = None,
        on_progress: Progress | None = None,
        **request: Any,
    ) -> dict[str, Any]:
        """Uploads a dataset and submits its batch.

        Args:
            model: the model's name.
            dataset: a path (``rows.csv``, ``.jsonl``, ``.parquet``, ``.arrow``, ``.npy``), bytes or an open file with ``filename``,
                a pandas or polars DataFrame, or a NumPy array whose rows are the model's only input.
            inputs: where the model's inputs come from: ``{"pixels": "p*"}``. Default: columns of the inputs' names.
            outputs: which columns are made: ``[{"transform": "argmax", "name": "digit"}]``. Default: every output.
            keep: columns of the dataset that the results repeat in front.
            output_format: default: the dataset's.
            idempotency_key: the same key and request give the same batch.
            on_progress: gets the number of bytes that have been sent.
            request: further fields of ``POST /v1/batches``: ``max_error_rate``, ``completion_window``, ``webhook``, …

        Raises:
            SconceError: ``invalid_request``, ``model_not_found``, ``queue_full``, …
        """
        source, name = source_of(dataset, filename)
        fields = {
            "model": model,
            "version": version,
            "inputs": inputs,
            "outputs": outputs,
            "pass_through": keep,
            "output_format": output_format,
            **request,
        }
        text = json.dumps({field: value for field, value in fields.items() if value is not None}).encode()
        file = Part("file", source, name or filename_of(source, "data"), "application/octet-stream")
        body, headers = form([Part("request", text, None, "application/json"), file], on_progress)
        key = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return self._http.request("POST", "/v1/batches", body=body, headers={**headers, **key}).json()

    def create(self, request: dict[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Submits a batch for a dataset that the server has (``input_file_id``) or can read (``input_url``)."""
        key = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return self._http.json("POST", "/v1/batches", request, headers=key)

    def get(self, id: str) -> dict[str, Any]:
        """One batch.

        Raises:
            SconceError: ``batch_not_found``.
        """
        return self._http.json("GET", _path(id))

    def list(self) -> Iterator[dict[str, Any]]:
        """All batches, newest first. Pages are fetched when they are needed."""
        return pages(self._http, "/v1/batches")

    def wait(
        self,
        id: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Waits until a batch has completed.

        Args:
            timeout: seconds; default: as long as it takes.
            on_progress: gets the batch each time it was looked at.

        Raises:
            SconceError: ``batch_failed``, ``batch_expired`` or ``batch_cancelled`` with the reason, or ``deadline_exceeded`` after
                ``timeout``; the batch goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        seconds = _POLL_FIRST_SECONDS
        while True:
            batch = self.get(id)
            if on_progress is not None:
                on_progress(batch)
            if batch["status"] == "completed":
                return batch
            if batch["status"] in _ENDED:
                raise SconceError(f"batch_{batch['status']}", _reason(batch))
            if end is not None and time.monotonic() >= end:
                raise SconceError("deadline_exceeded", f"Batch {id!r} has not ended after {timeout:g} s. It goes on.")
            pause(seconds)
            seconds = min(_POLL_MAX_SECONDS, seconds * 1.3)

    def output(self, id: str) -> Iterator[bytes]:
        """The results so far, in pieces, as a file of the batch's output format."""
        return self._http.request("GET", f"{_path(id)}/output").chunks()

    def download(self, id: str, path: str | os.PathLike[str]) -> None:
        """Writes the results to disk. The path gets the whole file or nothing."""
        write_whole(self.output(id), path)

    def frame(self, id: str, *, format: str = "parquet", kind: str = "pandas") -> Any:
        """The results as a DataFrame.

        Args:
            format: the batch's output format.
            kind: ``pandas`` or ``polars``.
        """
        return read_frame(b"".join(self.output(id)), format, kind)

    def errors(self, id: str) -> Iterator[dict[str, Any]]:
        """The rows that failed so far: ``{"row": 17, "error": {"code", "message", "param"}}``; rows count from 1."""
        for line in _lines(self._http.request("GET", f"{_path(id)}/errors").chunks()):
            yield json.loads(line)

    def cancel(self, id: str) -> dict[str, Any]:
        """Stops a batch. Rows that are scored can be fetched."""
        return self._http.json("POST", f"{_path(id)}/cancel")

    def retry(self, id: str) -> dict[str, Any]:
        """Runs rows again that failed, were cancelled or not reached."""
        return self._http.json("POST", f"{_path(id)}/retry")

    def score_frame(self, /, model: str, frame: Any, *, timeout: float | None = None, **options: Any) -> Any:
        """Scores a DataFrame and returns the results as a DataFrame of the same library. Options are those of `score`.

        Raises:
            SconceError: as `score` and `wait`.
        """
        _, name = source_of(frame, None)
        format = str(options.pop("output_format", None) or (name or "").rpartition(".")[2])
        batch = self.score(model, frame, output_format=format, **options)
        self.wait(batch["id"], timeout=timeout)
        return self.frame(batch["id"], format=format, kind=type(frame).__module__.split(".")[0])


def _reason(batch: dict[str, Any]) -> str:
    errors = (batch.get("errors") or {}).get("data") or []
    return str(errors[0]["message"]) if errors else f"Batch {batch['id']!r} is {batch['status']}."


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest


def _path(id: str) -> str:
    return f"/v1/batches/{quote(id, safe='')}"
