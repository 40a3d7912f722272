"""Scripted arguments of type Any or Union: the call says what they are."""

from typing import Any, Dict, List, Optional, Tuple, Union

import torch
import torch.nn as nn
from torch import Tensor

from generate.case import Family

family = Family("any_inputs")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **options)


class Either(nn.Module):
    def forward(self, x: Any) -> Tensor:
        if isinstance(x, Tensor):
            return x + 1
        if isinstance(x, List[Tensor]):
            return x[0] + x[1]
        return torch.zeros(1)


family.add("tensor", Either, lambda: [(r(2, 4),), (r(3, 4),)], "script")
family.add("list", Either, lambda: [([r(2, 4), r(2, 4)],), ([r(3, 1), r(3, 1)],)], "script")
family.add("whole_numbers", Either, lambda: [(torch.arange(4),), (torch.arange(7),)], "script")


class OneOrMany(nn.Module):
    def forward(self, x: Union[Tensor, List[Tensor]]) -> Tensor:
        if isinstance(x, Tensor):
            y = x
        else:
            y = torch.cat(x)
        return y * 2


family.add("union_tensor", OneOrMany, lambda: [(r(2, 4),), (r(3, 4),)], "script")
family.add("union_list", OneOrMany, lambda: [([r(2, 4), r(1, 4), r(3, 4)],), ([r(3, 1), r(3, 1), r(1, 1)],)], "script")


@scripted("union_of_dict", lambda: [({"a": r(2, 4)},), ({"a": r(3, 4)},)])
class UnionOfDict(nn.Module):
    def forward(self, x: Union[Tensor, Dict[str, Tensor]]) -> Tensor:
        if isinstance(x, Tensor):
            y = x
        else:
            y = x["a"].exp()
        return y


@scripted("second_argument", lambda: [(r(2, 4), r(2, 4)), (r(3, 4), r(3, 4))])
class SecondArgument(nn.Module):
    def forward(self, x, y: Any) -> Tensor:
        if isinstance(y, Tensor):
            x = x - y
        return x


@scripted("passed_on", lambda: [(r(2, 4),), (r(3, 4),)])
class PassedOn(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Either()

    def forward(self, x: Any) -> Tensor:
        return self.inner(x).sum(-1)


@scripted("kept_in_tuple", lambda: [(r(2, 4),), (r(3, 4),)])
class KeptInTuple(nn.Module):
    def forward(self, x: Any) -> Tuple[Tensor, int]:
        kind = 0
        y = torch.zeros(2)
        if isinstance(x, List[Tensor]):
            y, kind = x[0], 2
        elif isinstance(x, Tensor):
            y, kind = x.tanh(), 1
        return y, kind


@scripted("optional_union", lambda: [(r(2, 4), r(4)), (r(3, 4), r(4))])
class OptionalUnion(nn.Module):
    def forward(self, x, scale: Optional[Union[Tensor, List[Tensor]]]) -> Tensor:
        if scale is None:
            return x
        if isinstance(scale, Tensor):
            return x * scale
        return x
