"""Models: push, list, remove."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ._errors import error_of_resource
from ._form import Part, Progress, Source, form, stream
from ._http import Transport, pause

_BINARY = "application/octet-stream"
_POLL_FIRST_SECONDS = 0.025
_POLL_MAX_SECONDS = 0.25


class Models:
    """The models of a server. Versions are dicts as ``/v1/models`` has them."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def list(self) -> builtins.list[dict[str, Any]]:
        """Every version of every model."""
        return self._http.json("GET", "/v1/models")["data"]

    def get(self, name: str, version: str) -> dict[str, Any]:
        """One version.

        Raises:
            SconceError: ``model_not_found``.
        """
        return self._http.json("GET", _path(name, version))

    def push(
        self,
        name: str,
        artifact: Source,
        *,
        version: str | None = None,
        config: Mapping[str, Any] | None = None,
        cases: Source | None = None,
        pool: str | None = None,
        wait: bool = True,
        on_progress: Progress | None = None,
        on_status: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Uploads a model and waits until it is ready.

        Args:
            name: the model's name.
            artifact: a TorchScript archive or an ONNX file: its path, its bytes, or an open file.
            version: default: the next free number.
            config: the model's config, as ``config.json`` has it.
            cases: a safetensors file of calls with the outputs that they must have.
            pool: the workers that serve it.
            wait: False returns as soon as the server has the file.
            on_progress: gets the number of bytes that have been sent.
            on_status: gets each status: ``compiling``, ``proving``, …

        Raises:
            SconceError: ``model_invalid``, ``version_exists``, …; with ``wait`` the reason why registration failed.
        """
        headers = {"content-type": _BINARY}
        if config is None and cases is None:
            body = stream(artifact, on_progress)
        else:
            parts = []
            if config is not None:
                parts.append(Part("config", json.dumps(config).encode(), "config.json", "application/json"))
            if cases is not None:
                parts.append(Part("cases", cases, "cases.safetensors", _BINARY))
            # The server reads the artifact last, when it knows the other parts.
            parts.append(Part("model", artifact, "model", _BINARY))
            body, headers = form(parts, on_progress)
        path = _path(name, version) if version is not None else f"/v1/models/{quote(name, safe='')}/versions"
        query = "" if pool is None else f"?pool={quote(pool, safe='')}"
        method = "POST" if version is None else "PUT"
        pushed = self._http.request(method, path + query, body=body, headers=headers).json()
        return self.wait_until_ready(name, pushed["version"], on_status=on_status) if wait else pushed

    def wait_until_ready(self, name: str, version: str, *, on_status: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Waits until a version is ready.

        Raises:
            SconceError: the reason, if registration failed.
        """
        shown, seconds = None, _POLL_FIRST_SECONDS
        while True:
            model = self.get(name, version)
            if model["status"] != shown and on_status is not None:
                on_status(model["status"])
            shown = model["status"]
            if shown == "ready":
                return model
            if shown == "failed":
                raise error_of_resource(model.get("error"))
            pause(seconds)
            seconds = min(_POLL_MAX_SECONDS, seconds * 1.25)

    def remove(self, name: str, version: str, *, force: bool = False) -> None:
        """Removes a version.

        Raises:
            SconceError: ``model_not_found``; without ``force``, ``version_in_use``.
        """
        query = "?force=true" if force else ""
        self._http.request("DELETE", _path(name, version) + query).read()


def _path(name: str, version: str) -> str:
    return f"/v1/models/{quote(name, safe='')}/versions/{quote(version, safe='')}"
