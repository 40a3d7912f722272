"""Jobs: requests whose answers are fetched later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from ._errors import SconceError, error_of_resource
from ._files import pages
from ._http import Transport, pause
from ._inference import Answer, decode_answer, encode_request

_POLL_FIRST_SECONDS = 0.01
_POLL_MAX_SECONDS = 0.5


class Jobs:
    """The jobs of a server. A job is a dict as ``/v1/jobs`` has it."""

    def __init__(self, transport: Transport, tensors: Callable[[str, str | None, Any], Any]) -> None:
        self._http = transport
        self._tensors = tensors

    def submit(self, model: str, inputs: Any, *, version: str | None = None, idempotency_key: str | None = None) -> dict[str, Any]:
        """Submits a job. ``inputs`` are as for `Client.infer`. The same ``idempotency_key`` gives the job of the first submission.

        Raises:
            SconceError: ``model_not_found``, ``invalid_request``, ``queue_full``, …
        """
        named = {"model": model} if version is None else {"model": model, "version": version}
        body, headers = encode_request(self._tensors(model, version, inputs), extra=named)
        key = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return self._http.request("POST", "/v1/jobs", body=body, headers={**headers, **key}).json()

    def get(self, id: str) -> dict[str, Any]:
        """One job.

        Raises:
            SconceError: ``job_not_found``.
        """
        return self._http.json("GET", _path(id))

    def list(
        self,
        *,
        status: str | None = None,
        model: str | None = None,
        version: str | None = None,
        created_from: float | None = None,
        created_before: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Jobs, newest first: those of the key's owner, or all for a key with ``admin``. Pages are fetched when they are needed.

        Args:
            created_from: epoch seconds: jobs that were created then or later.
            created_before: epoch seconds: jobs that were created before.
        """
        wanted = {
            "status": status,
            "model": model,
            "version": version,
            "created_from": created_from,
            "created_before": created_before,
        }
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return pages(self._http, "/v1/jobs", f"&{query}" if query else "")

    def result(self, id: str) -> Answer:
        """The outputs of a succeeded job.

        Raises:
            SconceError: ``job_not_finished``, ``job_cancelled``, or the error of the job.
        """
        return decode_answer(self._http.request("GET", f"{_path(id)}/result"))

    def wait(self, id: str, *, timeout: float | None = None) -> Answer:
        """Waits until a job has succeeded, and returns its outputs.

        Args:
            timeout: seconds; default: as long as it takes.

        Raises:
            SconceError: the error of the job, ``job_cancelled``, or ``deadline_exceeded`` after ``timeout``; the job goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        seconds = _POLL_FIRST_SECONDS
        while True:
            job = self.get(id)
            if job["status"] == "succeeded":
                return self.result(id)
            if job["status"] == "failed":
                raise error_of_resource(job.get("error"))
            if job["status"] == "cancelled":
                raise SconceError("job_cancelled", f"Job {id!r} was cancelled.")
            if end is not None and time.monotonic() >= end:
                raise SconceError("deadline_exceeded", f"Job {id!r} has not ended after {timeout:g} s. It goes on.")
            pause(seconds)
            seconds = min(_POLL_MAX_SECONDS, seconds * 1.3)

    def cancel(self, id: str) -> dict[str, Any]:
        """Cancels a job; one that has ended is removed."""
        return self._http.json("DELETE", _path(id))


def _path(id: str) -> str:
    return f"/v1/jobs/{quote(id, safe='')}"
