"""Files: datasets of batches, and their results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ._form import Part, Progress, Source, filename_of, form
from ._http import Transport


class Files:
    """The files of a server. A file is a dict as ``/v1/files`` has it."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def create(
        self,
        file: Source,
        *,
        filename: str | None = None,
        expires_after: int | None = None,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Uploads a file. It is read while it is sent.

        Args:
            file: its path, its bytes, or an open file.
            filename: the format is found by it: ``rows.csv``. Default: the name of the file.
            expires_after: seconds after which the server removes it.
        """
        parts = [Part("purpose", b"batch")]
        if expires_after is not None:
            parts.append(Part("expires_after[anchor]", b"created_at"))
            parts.append(Part("expires_after[seconds]", str(expires_after).encode()))
        parts.append(Part("file", file, filename or filename_of(file, "data"), "application/octet-stream"))
        body, headers = form(parts, on_progress)
        return self._http.request("POST", "/v1/files", body=body, headers=headers).json()

    def get(self, id: str) -> dict[str, Any]:
        """One file.

        Raises:
            SconceError: ``file_not_found``.
        """
        return self._http.json("GET", _path(id))

    def list(self, *, purpose: str | None = None) -> Iterator[dict[str, Any]]:
        """All files, newest first. Pages are fetched when they are needed."""
        return pages(self._http, "/v1/files", "" if purpose is None else f"&purpose={quote(purpose)}")

    def content(self, id: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces."""
        return self._http.request("GET", f"{_path(id)}/content").chunks()

    def download(self, id: str, path: str | os.PathLike[str]) -> None:
        """Writes a file to disk. The path gets the whole file or nothing."""
        write_whole(self.content(id), path)

    def delete(self, id: str) -> None:
        """Removes a file."""
        self._http.request("DELETE", _path(id)).read()


def pages(transport: Transport, path: str, query: str = "") -> Iterator[dict[str, Any]]:
    """Every entry of a list that has pages."""
    after = ""
    while True:
        page = transport.json("GET", f"{path}?limit=100{query}{after}")
        yield from page["data"]
        if not page["has_more"] or page["last_id"] is None:
            return
        after = f"&after={quote(page['last_id'], safe='')}"


def write_whole(chunks: Iterator[bytes], path: str | os.PathLike[str]) -> None:
    """Writes pieces to a file that gets its name when it is complete."""
    target = os.fspath(path)
    partial = f"{target}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            file.writelines(chunks)
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.remove(partial)
        raise


def _path(id: str) -> str:
    return f"/v1/files/{quote(id, safe='')}"
