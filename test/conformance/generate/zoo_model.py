"""The description of a model of the zoo."""

import dataclasses
from typing import Callable

import torch


@dataclasses.dataclass
class ZooModel:
    """`make(how)` builds the module; `args(batch)` gives random arguments for that many rows."""

    name: str
    family: str
    make: Callable[[str], torch.nn.Module]
    args: Callable[[int], tuple]
    ways: tuple = ("trace", "script")


def images(size, channels=3):
    """Arguments of one batch of square images, or of (height, width)."""
    height, width = (size, size) if isinstance(size, int) else size
    return lambda batch: (torch.randn(batch, channels, height, width),)
