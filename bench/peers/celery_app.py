"""Peer: PyTorch in a Celery worker, Redis as broker and result backend, FastAPI in front that waits for the result.

    python celery_app.py --model mlp --models FOLDER --port 9002 [--form FORM] [--threads N] [--workers N]
                         [--pool prefork|threads] [--redis redis://127.0.0.1:6379/0]

`POST /infer`: body = the input's raw little-endian bytes, header `x-shape: 1,64`; answers raw float32 bytes.
Prints `ready` when a first task has been answered; ends on SIGTERM, with its worker and (without `--redis`) its Redis.
"""
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Annotated

from celery import Celery, signals

from peer_arguments import bound_threads, peer_parser, zero_row

ANSWER_SECONDS = 120
LOOK_SECONDS = 0.001


def celery_app(redis, options):
    """The Celery application, the same in the front and in the worker; its one task is `infer`."""
    app = Celery("peer", broker=redis, backend=redis)
    # Msgpack carries bytes as they are (JSON would make them base64). Four tasks reserved per process is Celery's default;
    # threads get no bound, since with one requests were seen to stall for up to 20 s.
    app.conf.update(task_serializer="msgpack", result_serializer="msgpack", accept_content=["msgpack"], result_expires=60,
                    worker_prefetch_multiplier=4 if options.pool == "prefork" else 0, worker_hijack_root_logger=False,
                    broker_connection_retry_on_startup=True)
    loaded = []

    def load(**_):
        bound_threads(options.threads)
        import peer_models

        loaded.append(peer_models.load(options.model, options.models, options.form))

    # Prefork: in each child, after the fork (PyTorch's threads do not survive one). Threads: once.
    (signals.worker_process_init if options.pool == "prefork" else signals.worker_init).connect(load, weak=False)

    @app.task(name="infer")
    def infer(body, shape):
        import torch

        import peer_models

        with torch.inference_mode():
            return peer_models.write_rows(loaded[0](peer_models.read_rows(options.model, body, shape)))

    return app, infer


class Results:
    """Waits for the results of many tasks at once: one MGET for all of them per turn.

    In favour of this peer: most write a blocked thread in `result.get()` per request, which answered fewer in a quick trial.
    """

    def __init__(self, backend):
        self.backend = backend
        # They are looked for, so the backend need not also subscribe to each.
        backend.on_task_call = lambda producer, task_id: None
        self.waiting = {}

    async def of(self, task):
        future = asyncio.get_running_loop().create_future()
        self.waiting[self.backend.get_key_for_task(task.id)] = future
        if len(self.waiting) == 1:
            self.turns = asyncio.create_task(self.look())
        return await asyncio.wait_for(future, ANSWER_SECONDS)

    async def look(self):
        while self.waiting:
            await asyncio.sleep(LOOK_SECONDS)
            keys = list(self.waiting)
            for key, value in zip(keys, self.backend.client.mget(keys)):
                if value is not None:
                    self.settle(self.waiting.pop(key), self.backend.decode_result(value))

    @staticmethod
    def settle(future, meta):
        if future.done():
            return
        if meta["status"] == "SUCCESS":
            future.set_result(meta["result"])
        else:
            future.set_exception(RuntimeError(f"task ended as {meta['status']}: {meta['result']}"))


def serve_front(app, infer, options):
    """The HTTP side, in this process."""
    import uvicorn
    from fastapi import FastAPI, Header, Request, Response

    front, results = FastAPI(), Results(app.backend)

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await results.of(infer.delay(*zero_row(options.model)))
            await super().startup(sockets=sockets)
            print("ready", flush=True)

    @front.post("/infer")
    async def answer(request: Request, x_shape: Annotated[str, Header()]):
        output = await results.of(infer.delay(await request.body(), x_shape))
        return Response(output, media_type="application/octet-stream")

    Server(uvicorn.Config(front, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)).run()


def start_redis(children, folder):
    """A private Redis without persistence on a free port, added to `children`: its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children.append(subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                                      "--appendonly", "no", "--dir", folder], stdout=subprocess.DEVNULL))
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return f"redis://127.0.0.1:{port}/0"
        except OSError:
            time.sleep(0.01)
    raise SystemExit("redis-server did not come up")


def main():
    parser = peer_parser(__doc__, workers_help="processes (prefork) or threads of the worker")
    parser.add_argument("--pool", default="prefork", choices=["prefork", "threads"])
    parser.add_argument("--redis", help="a Redis to use; without it a private one is started")
    parser.add_argument("--role", default="front", choices=["front", "worker"], help="used by the front to start the worker")
    options = parser.parse_args()
    if options.role == "worker":
        app, _ = celery_app(options.redis, options)
        # What `celery worker` runs, without its command line.
        worker = app.Worker(pool=options.pool, concurrency=options.workers, loglevel="ERROR", optimization="fair",
                            quiet=True, without_gossip=True, without_mingle=True, without_heartbeat=True)
        worker.start()
        sys.exit(worker.exitcode)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    children, folder, code = [], None, 1
    try:
        redis = options.redis
        if redis is None:
            folder = tempfile.mkdtemp(prefix="peer-redis-")
            redis = start_redis(children, folder)
        children.append(subprocess.Popen([sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--role", "worker",
                                          "--redis", redis]))
        serve_front(*celery_app(redis, options), options)
    except SystemExit as exit:
        code = exit.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        # Results that were not awaited would try to reach the stopped Redis again and again while Python ends.
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
