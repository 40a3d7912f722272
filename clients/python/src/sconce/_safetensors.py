"""Files of tensors in the format of https://github.com/huggingface/safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._tensor import Tensor

_NAMES = {
    "BOOL": "BOOL", "UINT8": "U8", "UINT16": "U16", "UINT32": "U32", "UINT64": "U64", "INT8": "I8", "INT16": "I16",
    "INT32": "I32", "INT64": "I64", "FP16": "F16", "BF16": "BF16", "FP32": "F32", "FP64": "F64",
}  # fmt: skip
_DATATYPES = {name: datatype for datatype, name in _NAMES.items()}
_ALIGNMENT = 8


def save(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a file with these tensors.

    Raises:
        TypeError: for texts, which the format cannot hold.
    """
    head: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        if tensor.datatype not in _NAMES:
            raise TypeError(f"{name} is {tensor.datatype}. Safetensors holds numbers only.")
        start, end = end, end + len(tensor.data)
        head[name] = {"dtype": _NAMES[tensor.datatype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *(tensor.data for tensor in tensors.values())])


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in a file."""
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    head.pop("__metadata__", None)
    body = memoryview(data)[8 + length :]
    return {
        name: Tensor(_DATATYPES[entry["dtype"]], tuple(entry["shape"]), bytes(body[slice(*entry["data_offsets"])]))
        for name, entry in head.items()
    }
