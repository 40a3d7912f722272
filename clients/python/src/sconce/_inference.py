"""Requests and answers of the Open Inference Protocol, with its binary tensors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import SconceError
from ._http import Answer as HttpAnswer
from ._tensor import Tensor, has_numpy, to_tensor

HEADER_LENGTH = "inference-header-content-length"

TensorSpecs = Sequence[Mapping[str, Any]]
"""The inputs or outputs in a model's metadata: ``name``, ``datatype``, ``shape``."""


class Answer:
    """The outputs of a request, in the model's order.

    ``answer["scores"]`` is one output by its name, and ``answer.value`` the only output. Outputs are NumPy arrays if NumPy is
    installed, and `Tensor` otherwise.

    Attributes:
        model: the model's name.
        version: the version that ran.
        tensors: the outputs as `Tensor`, by name.
        timing: where the time went, ms: ``queue``, ``batch`` (the wait for a thread and for others), ``run``.
        trace_id: the id of the trace, for ``sconce trace``.
        parameters: the parameters of the answer.
    """

    def __init__(self, head: Mapping[str, Any], tensors: dict[str, Tensor], headers: Mapping[str, str]) -> None:
        self.model = str(head.get("model_name", ""))
        self.version = str(head.get("model_version", ""))
        self.parameters: Mapping[str, Any] = head.get("parameters") or {}
        self.tensors = tensors
        self.timing = {name: float(ms) for name, ms in _TIMING.findall(headers.get("server-timing", ""))}
        trace = headers.get("traceparent", "").split("-")
        self.trace_id: str | None = trace[1] if len(trace) == 4 else None

    @property
    def outputs(self) -> dict[str, Any]:
        """All outputs by name."""
        return {name: self[name] for name in self.tensors}

    @property
    def value(self) -> Any:
        """The only output. Raises ValueError if the model has several."""
        return self[self._only]

    @property
    def _only(self) -> str:
        if len(self.tensors) != 1:
            raise ValueError(f"The model has {len(self.tensors)} outputs: {', '.join(self.tensors)}. Name one.")
        return next(iter(self.tensors))

    def __getitem__(self, name: str) -> Any:
        tensor = self.tensors[name]
        return tensor.numpy() if has_numpy() else tensor

    def torch(self, name: str | None = None) -> Any:
        """An output as a PyTorch tensor; without a name the only one."""
        return self.tensors[self._only if name is None else name].torch()

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name}: {t.datatype}{list(t.shape)}" for name, t in self.tensors.items())
        return f"<Answer of {self.model} {self.version}: {outputs}>"


_TIMING = re.compile(r"\b(queue|batch|run);dur=([\d.]+)")


def named_tensors(inputs: Any, specs: TensorSpecs) -> list[tuple[str, Tensor]]:
    """The inputs of a call by name.

    Args:
        inputs: by name, as a list or tuple in the model's order, or one array for a model with one input.
        specs: the model's inputs.

    Raises:
        SconceError: ``invalid_request`` if an input is unknown, or its value is no tensor.
    """
    by_name = {str(spec["name"]): spec for spec in specs}
    if isinstance(inputs, Mapping):
        values = dict(inputs)
    elif isinstance(inputs, tuple) or (isinstance(inputs, list) and len(by_name) > 1):
        if len(inputs) > len(by_name):
            raise SconceError("invalid_request", f"The model has {len(by_name)} inputs, and {len(inputs)} were given.")
        values = dict(zip(by_name, inputs))
    elif len(by_name) == 1:
        values = {next(iter(by_name)): inputs}
    else:
        names = ", ".join(by_name)
        raise SconceError("invalid_request", f"The model has several inputs. Give them by name: {names}.")
    tensors = []
    for name, value in values.items():
        datatype = by_name[name].get("datatype") if name in by_name else None
        try:
            tensors.append((str(name), to_tensor(value, datatype)))
        except (TypeError, ValueError) as cause:
            raise SconceError("invalid_request", f"Input {name!r}: {cause}", param=str(name)) from cause
    return tensors


def encode_request(
    tensors: Sequence[tuple[str, Tensor]],
    *,
    outputs: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> tuple[bytes, dict[str, str]]:
    """The body of a request with binary tensors, and its headers."""
    head: dict[str, Any] = {
        "inputs": [
            {
                "name": name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "parameters": {"binary_data_size": len(tensor.data)},
            }
            for name, tensor in tensors
        ],
        "parameters": {**({"binary_data_output": True} if outputs is None else {}), **(parameters or {})},
        **(extra or {}),
    }
    if outputs is not None:
        head["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    if request_id is not None:
        head["id"] = request_id
    text = json.dumps(head, separators=(",", ":")).encode()
    body = b"".join([text, *(tensor.data for _, tensor in tensors)])
    return body, {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(text))}


def decode_answer(answer: HttpAnswer) -> Answer:
    """The outputs in an answer."""
    body = answer.read()
    length = answer.headers.get(HEADER_LENGTH)
    at = len(body) if length is None else int(length)
    head = json.loads(body[:at])
    tensors: dict[str, Tensor] = {}
    for output in head["outputs"]:
        size = (output.get("parameters") or {}).get("binary_data_size")
        shape = tuple(output["shape"])
        if size is None:
            flat = to_tensor(_flat(output["data"]), output["datatype"])
            tensors[output["name"]] = Tensor(flat.datatype, shape, flat.data)
        else:
            tensors[output["name"]] = Tensor(output["datatype"], shape, body[at : at + size])
            at += size
    return Answer(head, tensors, answer.headers)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    return [leaf for each in data for leaf in _flat(each)] if data and isinstance(data[0], list) else data
