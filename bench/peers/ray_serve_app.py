"""Peer: PyTorch in Ray Serve with `@serve.batch`: waiting requests are joined into one run.

    python ray_serve_app.py --model mlp --models FOLDER --port 9004 [--form FORM] [--threads N] [--workers N]
                            [--max-batch N] [--batch-wait-ms N]

`POST /infer`: body = the input's raw little-endian bytes, header `x-shape: 1,64`; answers raw float32 bytes.
Prints `ready` when the application is deployed; ends on SIGTERM, with Ray's processes.
"""
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading

# Nothing is reported anywhere, and nothing but the answers is written to stdout.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_SERVE_LOG_TO_STDERR="0")

import ray  # noqa: E402
import ray._private.services  # noqa: E402
from ray import serve  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402

from peer_arguments import bound_threads, peer_parser  # noqa: E402

# Ray replaces 127.0.0.1 by the machine's own address and then listens on every interface; this is for one machine.
ray._private.services.resolve_ip_for_localhost = lambda host: host

# Ray refuses less than 75 MiB; requests and answers of this size do not pass through it.
OBJECT_STORE_BYTES = 80 * 1024 * 1024
IN_FLIGHT = 1024
QUIET = {"log_level": "ERROR", "enable_access_log": False}


def deployment(options):
    """The application: replicas that each hold the model."""

    @serve.deployment(num_replicas=options.workers, max_ongoing_requests=IN_FLIGHT, logging_config=QUIET)
    class Peer:
        def __init__(self):
            bound_threads(options.threads)
            import torch

            import peer_models

            self.torch, self.models = torch, peer_models
            self.model = peer_models.load(options.model, options.models, options.form)

        @serve.batch(max_batch_size=options.max_batch, batch_wait_timeout_s=options.batch_wait_ms / 1000)
        async def run(self, inputs):
            with self.torch.inference_mode():
                outputs = self.model(self.torch.cat(inputs))
            return outputs.split([len(rows) for rows in inputs])

        async def __call__(self, request: Request):
            rows = self.models.read_rows(options.model, await request.body(), request.headers["x-shape"])
            return Response(self.models.write_rows(await self.run(rows)), media_type="application/octet-stream")

    return Peer.bind()


def end(*_):
    sys.exit(0)


def adopt_orphans():
    """Makes what this process' children leave behind its own children (Linux: PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def kill_children():
    """Ends the processes that Ray left behind: it leaves some when it is stopped during its start."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main():
    parser = peer_parser(__doc__, workers_help="replicas, each with the model")
    parser.add_argument("--max-batch", type=int, default=64)
    parser.add_argument("--batch-wait-ms", type=float, default=0, help="how long a run may wait for more rows")
    options = parser.parse_args()
    options.models = os.path.abspath(options.models)
    signal.signal(signal.SIGTERM, end)
    adopt_orphans()
    # Short: Ray puts sockets below it.
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        ray.init(address="local", num_cpus=max(2, options.workers), include_dashboard=False, log_to_driver=False,
                 logging_level="ERROR", object_store_memory=OBJECT_STORE_BYTES, _node_ip_address="127.0.0.1",
                 _temp_dir=folder)
        # Ray has put its own handler in place, which ends with another exit code.
        signal.signal(signal.SIGTERM, end)
        serve.start(http_options={"host": "127.0.0.1", "port": options.port}, logging_config=QUIET)
        serve.run(deployment(options), route_prefix="/infer")
        print("ready", flush=True)
        threading.Event().wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if ray.is_initialized():
            serve.shutdown()
            ray.shutdown()
        kill_children()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
