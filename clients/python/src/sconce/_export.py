"""From a PyTorch module to the files that `sconce push` takes."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from . import _safetensors
from ._tensor import Tensor, to_tensor

if TYPE_CHECKING:
    from ._client import Client

_TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
"""How far a traced module may be from the model itself."""


@dataclass(frozen=True)
class Export:
    """The files of an export."""

    artifact: Path
    """The TorchScript archive."""
    cases: Path
    """Calls with PyTorch's outputs, as safetensors."""
    config: Path
    """The model's config."""

    def push(self, client: Client, name: str, **options: Any) -> dict[str, Any]:
        """Pushes the files and waits until the server has proved the numbers. Options are those of `Models.push`."""
        config = json.loads(self.config.read_text()) or None
        return client.models.push(name, self.artifact, config=config, cases=self.cases, **options)


def export(
    model: Any,
    example_inputs: Any,
    folder: str | os.PathLike[str] = "model",
    *,
    how: str = "trace",
    more_inputs: Sequence[Any] = (),
    tolerance: Mapping[str, float] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Export:
    """Writes a PyTorch model as ``model.pt``, ``cases.safetensors`` and ``config.json``.

    The cases are the calls of ``example_inputs`` and ``more_inputs``, and the first call with its rows twice if the model takes that:
    it shows the server that rows may share a run. The model is run in evaluation mode, and is left in the mode that it had.

    Args:
        model: a ``torch.nn.Module``, or one that was scripted or traced.
        example_inputs: a tensor, a tuple of arguments, or a dict of arguments by name. Arguments are tensors, or lists, tuples and
            dicts of them.
        folder: where the files are written. It is created.
        how: ``trace`` records one run: loops and branches are as they were in it. ``script`` compiles the code with its loops and
            branches. A scripted or traced model is saved as it is.
        more_inputs: further calls, such as ones of other sizes.
        tolerance: how far the server's outputs may be from PyTorch's: ``{"rtol": …, "atol": …}``.
        config: further fields of the config.

    Raises:
        ValueError: if the traced module gives other numbers than the model.
        TypeError: if an argument or output is no tensor.
    """
    import torch

    if how not in ("trace", "script"):
        raise ValueError(f"how is {how!r}. It is 'trace' or 'script'.")
    calls = [_arguments(model, call) for call in (example_inputs, *more_inputs)]
    # Checked before the work: an error names the argument.
    for k, call in enumerate(calls):
        _flat(call, f"argument of call {k}")
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            module = _module(model, calls[0], how)
            doubled = _doubled(model, module, calls[0])
            if doubled is not None:
                calls.append(doubled)
            cases: dict[str, Tensor] = {}
            for k, call in enumerate(calls):
                # Models may change their arguments.
                cases.update(_named(f"{k}.in", _flat(call, f"argument of call {k}")))
                outputs = model(*_copies(call))
                if module is not model:
                    _compare(module(*_copies(call)), outputs, k)
                cases.update(_named(f"{k}.out", _flat(outputs, f"output of call {k}")))
    finally:
        model.train(was_training)

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = Export(target / "model.pt", target / "cases.safetensors", target / "config.json")
    cast("Any", torch.jit).save(module, str(files.artifact))
    files.cases.write_bytes(_safetensors.save(cases))
    settings = {**({} if tolerance is None else {"tolerance": dict(tolerance)}), **(config or {})}
    files.config.write_text(json.dumps(settings, indent=2) + "\n")
    return files


def _arguments(model: Any, inputs: Any) -> tuple[Any, ...]:
    """The arguments of a call in the order of the model's `forward`."""
    if isinstance(inputs, tuple):
        return inputs
    if not isinstance(inputs, dict):
        return (inputs,)
    try:
        bound = inspect.signature(model.forward).bind(**inputs)
    except TypeError as cause:
        raise TypeError(f"The inputs do not fit the model's forward: {cause}.") from None
    if bound.kwargs:
        raise TypeError(f"{', '.join(bound.kwargs)} can only be given by name. TorchScript has no such arguments.")
    return bound.args


def _module(model: Any, call: tuple[Any, ...], how: str) -> Any:
    import torch

    jit: Any = torch.jit
    if isinstance(model, torch.jit.ScriptModule):
        return model
    if how == "script":
        return jit.script(model)
    with warnings.catch_warnings():
        # What depends on data is found by comparing the numbers of all calls. Not strict: outputs may be dicts and lists.
        warnings.simplefilter("ignore", category=jit.TracerWarning)
        return jit.trace(model, _copies(call), check_trace=False, strict=False)


def _doubled(model: Any, module: Any, call: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The call with each tensor's rows twice, if the model and the module take it and give twice the rows."""
    import torch

    def twice(value: Any) -> Any:
        return torch.cat([value, value]) if isinstance(value, torch.Tensor) and value.dim() > 0 else value

    rows = _mapped(call, twice)
    try:
        outputs = _flat(model(*_copies(rows)), "output")
        if module is not model:
            _flat(module(*_copies(rows)), "output")
        single = _flat(model(*_copies(call)), "output")
    except Exception:
        return None
    is_double = all(both.dim() > 0 and both.shape[0] == 2 * one.shape[0] for both, one in zip(outputs, single) if one.dim() > 0)
    return rows if is_double else None


def _compare(actual: Any, expected: Any, call: int) -> None:
    import torch

    for own, right in zip(_flat(actual, "output"), _flat(expected, "output")):
        is_equal = own.shape == right.shape and torch.allclose(own.double(), right.double(), equal_nan=True, **_TOLERANCE)
        if not is_equal:
            raise ValueError(
                f"The traced module gives other numbers than the model for call {call}. The model's path depends on its inputs, or it "
                "draws random numbers. Use how='script' for the first."
            )


def _flat(value: Any, what: str) -> list[Any]:
    """The tensors of a nested value, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [tensor for each in value.values() for tensor in _flat(each, what)]
    if isinstance(value, (list, tuple)):
        return [tensor for each in value for tensor in _flat(each, what)]
    raise TypeError(f"An {what} is a {type(value).__name__}. Cases hold tensors only: fix it in the model or in the config's arguments.")


def _mapped(value: Any, change: Any) -> Any:
    """A nested value with each leaf changed."""
    if isinstance(value, Mapping):
        return {name: _mapped(each, change) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(each, change) for each in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(each, change) for each in value)
    return change(value)


def _copies(call: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_mapped(call, lambda value: value.clone() if hasattr(value, "clone") else value))


def _named(prefix: str, tensors: Sequence[Any]) -> dict[str, Tensor]:
    return {f"{prefix}.{i}": to_tensor(tensor) for i, tensor in enumerate(tensors)}
