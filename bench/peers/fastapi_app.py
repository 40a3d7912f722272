"""Peer: PyTorch behind FastAPI and uvicorn, the model run in a synchronous endpoint (FastAPI's thread pool).

    python fastapi_app.py --model mlp --models FOLDER --port 9001 [--form FORM] [--threads N] [--workers N]

`POST /infer`: body = the input's raw little-endian bytes, header `x-shape: 1,64`; answers raw float32 bytes.
Prints `ready` when every worker process answers; ends on SIGTERM.
"""
import signal
import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from uvicorn.supervisors import Multiprocess

from peer_arguments import bound_threads, peer_parser

STARTUP_SECONDS = 120


class Server(uvicorn.Server):
    """Prints `ready` when it accepts requests."""

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        print("ready", flush=True)


class Servers(Multiprocess):
    """Prints `ready` when all its processes accept requests."""

    def init_processes(self):
        super().init_processes()
        if all(process.wait_until_ready(STARTUP_SECONDS, self.should_exit) for process in self.processes):
            print("ready", flush=True)


class App:
    """Creates the application in the process that serves it: worker processes receive only the options."""

    def __init__(self, options):
        self.options = options

    def __call__(self):
        # Imported here: the parent of several server processes does not need PyTorch.
        bound_threads(self.options.threads)
        import torch

        import peer_models

        name = self.options.model
        model = peer_models.load(name, self.options.models, self.options.form)
        app = FastAPI()

        async def body(request: Request):
            return await request.body()

        @app.post("/infer")
        def infer(body: Annotated[bytes, Depends(body)], x_shape: Annotated[str, Header()]):
            with torch.inference_mode():
                output = model(peer_models.read_rows(name, body, x_shape))
            return Response(peer_models.write_rows(output), media_type="application/octet-stream")

        return app


def main():
    options = peer_parser(__doc__, workers_help="server processes, each with the model").parse_args()
    config = uvicorn.Config(App(options), factory=True, host="127.0.0.1", port=options.port, workers=options.workers,
                            log_level="warning", access_log=False)
    # uvicorn raises the signal again when it has ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if options.workers == 1:
        Server(config).run()
    else:
        Servers(config, sockets=[config.bind_socket()]).run()


if __name__ == "__main__":
    main()
