"""A client of one Sconce server."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote


from ._batches import Batches
from ._errors import SconceError
from ._files import Files
from ._http import Transport
from ._inference import Answer, TensorSpecs, decode_answer, encode_request, named_tensors
from ._jobs import Jobs
from ._models import Models

_DEFAULT_URL = "http://127.0.0.1:8000"
_MAX_KNOWN_MODELS = 1_000
_GRACE_SECONDS = 5.0


class Client:
    """Calls a Sconce server. Threads may share a client.

    Args:
        url: the API's address. Default: ``SCONCE_URL``, else ``http://127.0.0.1:8000``.
        api_key: the key, if the server requires keys. Default: ``SCONCE_API_KEY``.
        timeout: longest silence of the server, seconds.
        retries: how often a request is sent again that the server refused with 429 or 503 and ``Retry-After``. Nothing ran then.
        ssl_context: for servers whose certificate needs one.

    Every failure is a `SconceError`: the error that the server reported, or ``server_unreachable``.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        address = url or os.environ.get("SCONCE_URL") or _DEFAULT_URL
        key = api_key or os.environ.get("SCONCE_API_KEY") or None
        self._http = Transport(address, key, timeout=timeout, retries=retries, context=ssl_context)
        self._timeout = timeout
        self._known = _KnownInputs(self._http)
        self.models = Models(self._http)
        self.jobs = Jobs(self._http, self._known.tensors)
        self.files = Files(self._http)
        self.batches = Batches(self._http)

    @property
    def url(self) -> str:
        return self._http.url

    def infer(
        self,
        model: str,
        inputs: Any,
        *,
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Runs one request and waits for its answer.

        Args:
            model: the model's name.
            inputs: arrays by name, in a tuple in the model's order, or one array for a model with one input. NumPy arrays, PyTorch
                tensors, `Tensor`, and numbers, texts or nested lists, which get the model's datatype.
            version: default: the model's default version.
            outputs: the outputs to return; default: all.
            parameters: request parameters such as ``priority``.
            timeout: seconds after which the server ends the request with ``deadline_exceeded``.
            headers: further headers, such as ``traceparent``.

        Raises:
            SconceError: ``model_not_found``, ``invalid_request``, ``invalid_input``, ``queue_full``, ``deadline_exceeded``, …
        """
        microseconds = {} if timeout is None else {"timeout": max(1, round(timeout * 1e6))}
        body, own = encode_request(
            self._known.tensors(model, version, inputs),
            outputs=outputs,
            parameters={**microseconds, **(parameters or {})},
            request_id=request_id,
        )
        answer = self._http.request(
            "POST",
            f"{_path(model, version)}/infer",
            body=body,
            headers={**own, **(headers or {})},
            timeout=None if timeout is None else max(timeout + _GRACE_SECONDS, self._timeout),
        )
        return decode_answer(answer)

    def metadata(self, model: str, version: str | None = None) -> dict[str, Any]:
        """Inputs and outputs of a served model: ``name``, ``versions``, ``platform``, ``inputs``, ``outputs``.

        Raises:
            SconceError: ``model_not_found``, ``model_not_ready``.
        """
        return self._http.json("GET", _path(model, version))

    def ready(self) -> bool:
        """Whether the server takes requests now.

        Raises:
            SconceError: ``server_unreachable`` if no server answers.
        """
        try:
            self._http.request("GET", "/v2/health/ready").read()
            return True
        except SconceError as error:
            if error.status == 503:
                return False
            raise

    def close(self) -> None:
        """Closes the connections that no call uses."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _KnownInputs:
    """The inputs of models that a call has named: names and datatypes, for inputs that come without them."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport
        self._lock = threading.Lock()
        self._specs: dict[tuple[str, str | None], TensorSpecs] = {}

    def tensors(self, model: str, version: str | None, inputs: Any) -> Any:
        """The inputs of a call by name. The server is asked if names or datatypes are missing."""
        specs = self._of(model, version) if _needs_specs(inputs) else ()
        try:
            return named_tensors(inputs, specs)
        except SconceError:
            # A newer version of the model may have other inputs.
            with self._lock:
                is_old = self._specs.pop((model, version), None) is not None
            if not is_old:
                raise
            return named_tensors(inputs, self._of(model, version))

    def _of(self, model: str, version: str | None) -> TensorSpecs:
        with self._lock:
            known = self._specs.get((model, version))
        if known is not None:
            return known
        specs: TensorSpecs = self._http.json("GET", _path(model, version))["inputs"]
        with self._lock:
            if len(self._specs) >= _MAX_KNOWN_MODELS:
                self._specs.clear()
            self._specs[(model, version)] = specs
        return specs


def _needs_specs(inputs: Any) -> bool:
    if not isinstance(inputs, Mapping):
        return True
    return any(not hasattr(value, "dtype") and not hasattr(value, "datatype") for value in inputs.values())


def _path(model: str, version: str | None) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"
