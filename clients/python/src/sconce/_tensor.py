"""Tensors as the Open Inference Protocol has them, from and to NumPy, PyTorch and plain lists."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_STRUCT = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_BY_NUMPY = {code.lstrip("<"): datatype for datatype, code in _NUMPY.items()}


@dataclass(frozen=True)
class Tensor:
    """A tensor: its datatype (``FP32``, ``INT64``, ``BYTES``, …), its shape, and its elements in row-major order.

    ``data`` has the elements as the protocol's binary form has them: little-endian, and each element of ``BYTES`` behind its length.
    """

    datatype: str
    shape: tuple[int, ...]
    data: bytes

    def tolist(self) -> Any:
        """The elements as nested lists of the tensor's shape. Elements of ``BYTES`` are bytes."""
        return _nested(_elements(self), self.shape)

    def numpy(self) -> Any:
        """The elements as a NumPy array. ``BF16`` becomes float32, and ``BYTES`` an array of bytes objects."""
        import numpy as np

        if self.datatype == "BYTES":
            flat = np.empty(_count(self.shape), dtype=object)
            flat[:] = _split_bytes(self.data)
            return flat.reshape(self.shape)
        if self.datatype == "BF16":
            halves = np.frombuffer(self.data, dtype="<u2").astype("<u4") << 16
            return halves.view("<f4").reshape(self.shape)
        return np.frombuffer(self.data, dtype=_NUMPY[self.datatype]).reshape(self.shape)

    def torch(self) -> Any:
        """The elements as a PyTorch tensor. ``BYTES`` has no such form."""
        import torch

        if self.datatype == "BYTES":
            raise TypeError("PyTorch has no tensors of texts. Use tolist().")
        dtype = getattr(torch, _TORCH[self.datatype])
        if len(self.data) == 0:
            return torch.empty(self.shape, dtype=dtype)
        return torch.frombuffer(bytearray(self.data), dtype=dtype).reshape(self.shape)


_TORCH = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8",
    "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16", "BF16": "bfloat16", "FP32": "float32",
    "FP64": "float64",
}  # fmt: skip
_BY_TORCH = {f"torch.{name}": datatype for datatype, name in _TORCH.items()}


def to_tensor(value: Any, datatype: str | None = None) -> Tensor:
    """A value as a tensor.

    Args:
        value: a `Tensor`, a NumPy array, a PyTorch tensor, a number, a text, bytes, or nested lists of these.
        datatype: the datatype for values that have none: numbers and lists.

    Raises:
        TypeError: if the value is no tensor, or has a datatype that the protocol lacks.
        ValueError: if lists have different lengths, or a number does not fit the datatype.
    """
    if isinstance(value, Tensor):
        return value
    kind = type(value).__module__.split(".")[0]
    if kind == "torch":
        return _of_torch(value)
    if kind == "numpy" and hasattr(value, "dtype"):
        return _of_numpy(value)
    if hasattr(value, "__array__") and not isinstance(value, (list, tuple)):
        import numpy as np

        return _of_numpy(np.asarray(value))
    return _of_lists(value, datatype)


def _of_torch(value: Any) -> Tensor:
    datatype = _BY_TORCH.get(str(value.dtype))
    if datatype is None:
        raise TypeError(f"The protocol has no datatype for {value.dtype}.")
    flat = value.detach().cpu().contiguous()
    shape = tuple(flat.shape)
    if flat.numel() == 0:
        return Tensor(datatype, shape, b"")
    try:
        import torch

        # NumPy knows no bfloat16, and old releases of PyTorch give no NumPy array without NumPy.
        return Tensor(datatype, shape, flat.reshape(-1).view(torch.uint8).numpy().tobytes())
    except (RuntimeError, ImportError):
        return Tensor(datatype, shape, bytes(flat.reshape(-1).view(torch.uint8).tolist()))


def _of_numpy(value: Any) -> Tensor:
    import numpy as np

    array = np.asarray(value)
    shape = tuple(int(size) for size in array.shape)
    if array.dtype.kind in "OSU":
        return Tensor("BYTES", shape, _join_bytes(array.reshape(-1).tolist()))
    datatype = _BY_NUMPY.get(array.dtype.newbyteorder("<").str.lstrip("<|").replace("b1", "?"))
    if datatype is None:
        if str(array.dtype) != "bfloat16":
            raise TypeError(f"The protocol has no datatype for arrays of {array.dtype}.")
        return Tensor("BF16", shape, np.ascontiguousarray(array).tobytes())
    return Tensor(datatype, shape, np.ascontiguousarray(array, dtype=_NUMPY[datatype]).tobytes())


def _of_lists(value: Any, datatype: str | None) -> Tensor:
    shape = tuple(_shape_of(value))
    flat: list[Any] = []
    _flatten(value, shape, flat)
    first = flat[0] if flat else None
    if datatype is None:
        datatype = _guess(first)
    if datatype == "BYTES":
        return Tensor(datatype, shape, _join_bytes(flat))
    if isinstance(first, (str, bytes)):
        raise ValueError(f"A text is no {datatype}.")
    if datatype == "BF16":
        singles = struct.pack(f"<{len(flat)}f", *flat)
        return Tensor(datatype, shape, b"".join(_rounded_bf16(singles[i : i + 4]) for i in range(0, len(singles), 4)))
    try:
        return Tensor(datatype, shape, struct.pack(f"<{len(flat)}{_STRUCT[datatype]}", *flat))
    except struct.error as cause:
        raise ValueError(f"A value does not fit {datatype}: {cause}.") from None


def _guess(first: Any) -> str:
    if isinstance(first, bool):
        return "BOOL"
    if isinstance(first, int):
        return "INT64"
    return "BYTES" if isinstance(first, (str, bytes)) else "FP32"


def _rounded_bf16(single: bytes) -> bytes:
    """The nearest bfloat16 of a little-endian float32; ties go to the even one."""
    bits = int.from_bytes(single, "little")
    if bits & 0x7FFFFFFF > 0x7F800000:
        return ((bits >> 16) | 0x40).to_bytes(2, "little")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).to_bytes(2, "little")


def _shape_of(value: Any) -> Iterable[int]:
    while isinstance(value, (list, tuple)):
        yield len(value)
        if not value:
            return
        value = value[0]


def _flatten(value: Any, shape: Sequence[int], into: list[Any]) -> None:
    is_list = isinstance(value, (list, tuple))
    if is_list != (len(shape) > 0) or (is_list and len(value) != shape[0]):
        raise ValueError("Nested lists must have equal lengths.")
    if not is_list:
        into.append(value)
        return
    for each in value:
        _flatten(each, shape[1:], into)


def _join_bytes(elements: Iterable[Any]) -> bytes:
    parts = []
    for element in elements:
        data = element if isinstance(element, bytes) else str(element).encode()
        parts.append(struct.pack("<I", len(data)))
        parts.append(data)
    return b"".join(parts)


def _split_bytes(data: bytes) -> list[bytes]:
    elements, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        elements.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return elements


def _elements(tensor: Tensor) -> list[Any]:
    count = _count(tensor.shape)
    if tensor.datatype == "BYTES":
        return list(_split_bytes(tensor.data))
    if tensor.datatype == "BF16":
        words = struct.unpack(f"<{count}H", tensor.data)
        return [struct.unpack("<f", (word << 16).to_bytes(4, "little"))[0] for word in words]
    return list(struct.unpack(f"<{count}{_STRUCT[tensor.datatype]}", tensor.data))


def _nested(flat: list[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    step = _count(shape[1:])
    return [_nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def has_numpy() -> bool:
    """Whether NumPy is loaded or can be."""
    if "numpy" in sys.modules:
        return True
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True
