"""Archives that PyTorch runs and that the compiler must refuse, with the reason, before anything runs."""

from typing import List, Optional

import torch
import torch.nn as nn

from generate.case import Family

family = Family("refusals")
r = torch.randn


def refused(name, note, **options):
    return family(name, lambda: [(r(2, 3),)], refused=True, note=note, **options)


@refused("complex_changed", "a complex tensor changes whose real part was taken before")
class ComplexChanged(nn.Module):
    def forward(self, x):
        out = torch.zeros(x.size(0), 3, dtype=torch.complex64)
        before = out.real
        out[:, :2] = torch.complex(x, x)[:, :2]
        return before


@refused("sparse_weight", "a sparse weight")
class SparseWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.eye(3).to_sparse())

    def forward(self, x):
        return torch.sparse.mm(self.w, x.t())


@refused("decomposition", "operators that ONNX has no counterpart of")
class Decomposition(nn.Module):
    def forward(self, x):
        u, s, v = torch.linalg.svd(x)
        return s, torch.linalg.eigvalsh(x @ x.t())


def refused_script(name, note):
    return family(name, lambda: [(r(2, 3),)], how="script", refused=True, note=note)


@refused_script("changed_item_list", "a list that is an item of another list, which item only a run knows, changes")
class ChangedItemList(nn.Module):
    def forward(self, x):
        a: List[int] = [0]
        b: List[int] = [0]
        both = [a, b]
        for i in range(x.size(0)):
            both[i % 2].append(i)
        return a, b


@refused_script("changed_item_tensor", "a tensor that changes in place after it was put into a growing list")
class ChangedItemTensor(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        h = torch.zeros(x.size(1))
        for i in range(x.size(0)):
            h += x[i]
            out.append(h)
        return torch.stack(out)


@refused_script("items_of_two_ranks", "a growing list of tensors of different ranks")
class ItemsOfTwoRanks(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        for i in range(x.size(0)):
            out.append(x[i])
            out.append(x)
        return out


@refused_script("returned_optional", "only a run knows whether the result is None")
class ReturnedOptional(nn.Module):
    def forward(self, x) -> Optional[torch.Tensor]:
        y: Optional[torch.Tensor] = None
        if bool(x.sum() > 0):
            y = x * 2
        return y
