"""The command line of all peers. It does not import PyTorch, so that front processes do not load it."""
import argparse
import os

# Each served model and the shape of one row of its input, with the rows first.
ROW_SHAPES = {
    "mlp": (1, 64),
    "big_mlp": (1, 1024),
    "resnet18": (1, 3, 224, 224),
    "mobilenet_v3_small": (1, 3, 224, 224),
    "encoder": (1, 64),
}
# numpy names of the element types of input and output.
INPUT_DTYPES = {name: "int64" if name == "encoder" else "float32" for name in ROW_SHAPES}
# TorchScript is always frozen; `torchscript` is optimised for inference besides. Both pairs have models that each is
# faster for. Channels last is for images.
FORMS = ("eager", "eager-channels-last", "torchscript", "torchscript-frozen")


def forms_of(name):
    """The forms that a model has."""
    return [form for form in FORMS if form != "eager-channels-last" or len(ROW_SHAPES[name]) == 4]


def peer_parser(doc, workers_help):
    """A parser with the arguments that are common to all peers; `doc` is the peer's module doc."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=ROW_SHAPES)
    parser.add_argument("--models", required=True, help="the folder that `export_models.py FOLDER --served` wrote")
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1")
    parser.add_argument("--threads", type=int, default=1, help="torch.set_num_threads of each process that runs the model")
    parser.add_argument("--workers", type=int, default=1, help=workers_help)
    parser.add_argument("--form", default="eager", choices=FORMS)
    return parser


def bound_threads(count):
    """Bounds PyTorch's threads within one run; to be called before anything imports it, in the process that runs the model.

    The environment besides `set_num_threads`: that one reaches OpenMP's and MKL's only in the thread that calls it, and a
    server's threads are others.
    """
    os.environ.update(OMP_NUM_THREADS=str(count), MKL_NUM_THREADS=str(count))
    import torch

    torch.set_num_threads(count)


def zero_row(name):
    """A request's body and shape: one row of zeros."""
    shape = ROW_SHAPES[name]
    count = 1
    for size in shape:
        count *= size
    return bytes(count * (8 if INPUT_DTYPES[name] == "int64" else 4)), ",".join(map(str, shape))
