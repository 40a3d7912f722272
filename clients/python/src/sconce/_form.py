"""Forms with files (multipart/form-data) whose files are read while they are sent."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, Union

from ._http import BodyStream, file_chunks

Source = Union[str, "os.PathLike[str]", bytes, IO[bytes]]
"""A file: its path, its bytes, or an open file."""

Progress = Callable[[int], None]
"""Gets the number of bytes that have been sent."""


class Part(NamedTuple):
    """One field of a form."""

    name: str
    content: Source
    filename: str | None = None
    content_type: str | None = None


def filename_of(source: Source, default: str) -> str:
    """The name of a file without its folder."""
    path: Any = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
    return os.path.basename(os.fspath(path)) if isinstance(path, (str, os.PathLike)) else default


def stream(source: Source, on_progress: Progress | None = None) -> BodyStream:
    """A source as a body. An open file is read from where it stands, and goes back there when it is sent again."""
    if isinstance(source, (str, os.PathLike, bytes)):
        return BodyStream(lambda: _read(source, on_progress))
    start = source.tell() if source.seekable() else None

    def chunks() -> Iterator[bytes]:
        if start is not None:
            source.seek(start)
        return file_chunks(source, on_progress)

    return BodyStream(chunks, repeatable=start is not None)


def form(parts: list[Part], on_progress: Progress | None = None) -> tuple[BodyStream, dict[str, str]]:
    """The body of a form and its headers. ``on_progress`` counts the bytes of the last part."""
    boundary = f"sconce-{secrets.token_hex(16)}"
    bodies = [stream(part.content, on_progress if part is parts[-1] else None) for part in parts]

    def chunks() -> Iterator[bytes]:
        for part, body in zip(parts, bodies):
            lines = [f"--{boundary}", f'content-disposition: form-data; name="{part.name}"']
            if part.filename is not None:
                lines[-1] += f'; filename="{_quoted(part.filename)}"'
            if part.content_type is not None:
                lines.append(f"content-type: {part.content_type}")
            yield ("\r\n".join(lines) + "\r\n\r\n").encode()
            yield from body.chunks()
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    repeatable = all(body.repeatable for body in bodies)
    return BodyStream(chunks, repeatable), {"content-type": f"multipart/form-data; boundary={boundary}"}


def _read(source: str | os.PathLike[str] | bytes, on_progress: Progress | None) -> Iterator[bytes]:
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        yield from file_chunks(file, on_progress)


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
