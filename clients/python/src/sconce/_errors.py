"""The one error of this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_CODE_BY_STATUS = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "model_invalid",
    429: "queue_full",
    501: "unsupported",
    503: "model_not_ready",
    504: "deadline_exceeded",
}


class SconceError(Exception):
    """An error that the server reported, or ``server_unreachable``.

    Attributes:
        code: what went wrong, in one word, such as ``model_not_found``. Errors of ``/v2`` have no code: it is found by the status.
        message: what went wrong, and what to do.
        status: the HTTP status, if the server answered.
        param: the field or input at fault, if the server named one.
        retry_after: seconds after which the server asks to try again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.param = param
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> SconceError:
    """The error in a failed answer. The body of ``/v1`` has a code; that of ``/v2`` has a message alone."""
    text = body.decode("utf-8", "replace")
    fallback = _CODE_BY_STATUS.get(status, "internal")
    retry_after = _seconds(headers.get("retry-after"))
    error = _member(_parsed(text), "error")
    if isinstance(error, str):
        return SconceError(fallback, error, status=status, retry_after=retry_after)
    message, code, param = _member(error, "message"), _member(error, "code"), _member(error, "param")
    return SconceError(
        code if isinstance(code, str) else fallback,
        message if isinstance(message, str) else f"The server answered {status}: {text[:200]}",
        status=status,
        param=param if isinstance(param, str) else None,
        retry_after=retry_after,
    )


def error_of_resource(error: Any) -> SconceError:
    """The error inside a failed job or version: ``{"code": …, "message": …}``."""
    return SconceError(str(_member(error, "code") or "internal"), str(_member(error, "message") or "It failed."))


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None
