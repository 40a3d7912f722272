"""The client for asyncio: the calls of `Client`, each in a thread of its own pool."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast


from ._batches import Batches
from ._client import Client
from ._files import Files
from ._http import CallHandle, current_call
from ._jobs import Jobs
from ._models import Models

T = TypeVar("T")
if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec

    P = ParamSpec("P")


class _Threads:
    """Runs blocking calls. A call whose task is cancelled loses its connection, so that the server gives it up too."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="sconce")

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        handle = CallHandle()
        context = contextvars.copy_context()
        context.run(current_call.set, handle)
        work = functools.partial(context.run, function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except asyncio.CancelledError:
            handle.abort()
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Group:
    """A part of the client whose calls run in threads."""

    def __init__(self, threads: _Threads, blocking: Any) -> None:
        self._threads = threads
        self._blocking = blocking


def _call(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The method of a blocking group as a coroutine."""

    @functools.wraps(method)
    async def call(self: _Group, *args: Any, **kwargs: Any) -> T:
        return await self._threads.run(method, self._blocking, *args, **kwargs)

    return cast("Any", call)


_END = object()


def _stream(method: Callable[Concatenate[Any, P], Iterator[T]]) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    """The method of a blocking group that yields as an asynchronous generator."""

    @functools.wraps(method)
    async def stream(self: _Group, *args: Any, **kwargs: Any) -> AsyncIterator[T]:
        items = await self._threads.run(lambda: iter(method(self._blocking, *args, **kwargs)))
        while True:
            item = await self._threads.run(next, items, _END)
            if item is _END:
                return
            yield cast("Any", item)

    return cast("Any", stream)


class AsyncModels(_Group):
    """As `Models`."""

    list = _call(Models.list)
    get = _call(Models.get)
    push = _call(Models.push)
    wait_until_ready = _call(Models.wait_until_ready)
    remove = _call(Models.remove)


class AsyncJobs(_Group):
    """As `Jobs`."""

    submit = _call(Jobs.submit)
    get = _call(Jobs.get)
    list = _stream(Jobs.list)
    result = _call(Jobs.result)
    wait = _call(Jobs.wait)
    cancel = _call(Jobs.cancel)


class AsyncFiles(_Group):
    """As `Files`."""

    create = _call(Files.create)
    get = _call(Files.get)
    list = _stream(Files.list)
    content = _stream(Files.content)
    download = _call(Files.download)
    delete = _call(Files.delete)


class AsyncBatches(_Group):
    """As `Batches`."""

    score = _call(Batches.score)
    score_frame = _call(Batches.score_frame)
    create = _call(Batches.create)
    get = _call(Batches.get)
    list = _stream(Batches.list)
    wait = _call(Batches.wait)
    output = _stream(Batches.output)
    download = _call(Batches.download)
    frame = _call(Batches.frame)
    errors = _stream(Batches.errors)
    cancel = _call(Batches.cancel)
    retry = _call(Batches.retry)


class AsyncClient(_Group):
    """`Client` for asyncio. Arguments and errors are the same.

    Args:
        connections: the most calls at one time; further ones wait.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
        ssl_context: ssl.SSLContext | None = None,
        connections: int = 32,
    ) -> None:
        client = Client(url, api_key=api_key, timeout=timeout, retries=retries, ssl_context=ssl_context)
        super().__init__(_Threads(connections), client)
        self.url = client.url
        self.models = AsyncModels(self._threads, client.models)
        self.jobs = AsyncJobs(self._threads, client.jobs)
        self.files = AsyncFiles(self._threads, client.files)
        self.batches = AsyncBatches(self._threads, client.batches)

    infer = _call(Client.infer)
    metadata = _call(Client.metadata)
    ready = _call(Client.ready)

    async def close(self) -> None:
        """Closes the connections. Calls under way end with an error."""
        self._blocking.close()
        self._threads.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
