"""Flatten arguments and results into named tensors and write them as safetensors."""

import json

import torch

DTYPE_NAMES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def is_number(value):
    """True if the value is a plain number, which can become a 0-d tensor."""
    return isinstance(value, (bool, int, float))


def flatten(value):
    """The tensors of a value in order: containers in order, numbers as 0-d tensors, None and strings skipped."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flatten(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flatten(item)]
    return [as_tensor(value)] if is_number(value) else []


def as_tensor(value):
    """A Python number as a tensor: int as int64, float as float64."""
    dtype = torch.bool if isinstance(value, bool) else torch.int64 if isinstance(value, int) else torch.float64
    return torch.tensor(value, dtype=dtype)


def structure(value):
    """The structure of a value before flattening: the name of its kind, or a list or object of them. A string is `str:TEXT`."""
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, dict):
        return {str(key): structure(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [structure(item) for item in value]
    if isinstance(value, str):
        return f"str:{value}"
    return "none" if value is None else type(value).__name__


def copy_value(value, to=None):
    """A deep copy; floating tensors are cast to `to` when it is given. Strides and sharing are not kept."""
    if isinstance(value, torch.Tensor):
        fresh = value.detach().clone()
        return fresh.to(to) if to is not None and fresh.is_floating_point() else fresh
    if isinstance(value, dict):
        return {key: copy_value(item, to) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(copy_value(item, to) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(copy_value(item, to) for item in value)
    return value


def to_bytes(tensor):
    """Little-endian, row-major bytes."""
    tensor = tensor.detach().contiguous()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy().tobytes()


def save_safetensors(tensors, path):
    """Write named tensors; see https://github.com/huggingface/safetensors#format."""
    header, blobs, at = {}, [], 0
    for name, tensor in tensors.items():
        blob = to_bytes(tensor)
        header[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(blob)],
        }
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(blobs))
