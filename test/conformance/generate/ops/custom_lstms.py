"""Hand-written recurrent layers, as PyTorch's benchmark of custom LSTMs writes them."""

from typing import List, Tuple

import torch
import torch.nn as nn
from torch import Tensor

from generate.case import Family

family = Family("custom_lstms")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **{"batch": "none", **options})


class Cell(nn.Module):
    """An LSTM cell of plain operators, with layer normalisation if `norm`."""

    def __init__(self, size, hidden, norm=False):
        super().__init__()
        self.weight_ih = nn.Parameter(r(4 * hidden, size) * 0.4)
        self.weight_hh = nn.Parameter(r(4 * hidden, hidden) * 0.4)
        self.norm = nn.LayerNorm(4 * hidden) if norm else nn.Identity()

    def forward(self, input: Tensor, state: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        hx, cx = state
        gates = self.norm(torch.mm(input, self.weight_ih.t())) + torch.mm(hx, self.weight_hh.t())
        ingate, forgetgate, cellgate, outgate = gates.chunk(4, 1)
        cy = torch.sigmoid(forgetgate) * cx + torch.sigmoid(ingate) * torch.tanh(cellgate)
        hy = torch.sigmoid(outgate) * torch.tanh(cy)
        return hy, (hy, cy)


class Layer(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.cell = Cell(*args)

    def forward(self, input: Tensor, state: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        inputs = input.unbind(0)
        outputs = torch.jit.annotate(List[Tensor], [])
        for i in range(len(inputs)):
            out, state = self.cell(inputs[i], state)
            outputs += [out]
        return torch.stack(outputs), state


def flipped(items: List[Tensor]) -> List[Tensor]:
    return items[::-1]


class BackwardLayer(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.cell = Cell(*args)

    def forward(self, input: Tensor, state: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        inputs = flipped(input.unbind(0))
        outputs = torch.jit.annotate(List[Tensor], [])
        for i in range(len(inputs)):
            out, state = self.cell(inputs[i], state)
            outputs += [out]
        return torch.stack(flipped(outputs)), state


class BothLayers(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.directions = nn.ModuleList([Layer(*args), BackwardLayer(*args)])

    def forward(self, input: Tensor, states: List[Tuple[Tensor, Tensor]]) -> Tuple[Tensor, List[Tuple[Tensor, Tensor]]]:
        outputs = torch.jit.annotate(List[Tensor], [])
        output_states = torch.jit.annotate(List[Tuple[Tensor, Tensor]], [])
        i = 0
        for direction in self.directions:
            out, out_state = direction(input, states[i])
            outputs += [out]
            output_states += [out_state]
            i += 1
        return torch.cat(outputs, -1), output_states


def sequences(*shapes):
    return lambda: [(r(*shape), r(shape[1], 4), r(shape[1], 4)) for shape in shapes]


TIMES = sequences((5, 2, 3), (7, 1, 3), (1, 3, 3))


class OneLayer(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, h, c):
        out, (h, c) = self.layer(x, (h, c))
        return out, h, c


family.add("lstm_layer", lambda: OneLayer(Layer(3, 4)), TIMES, "script", batch="none")
family.add("lstm_layer_norm", lambda: OneLayer(Layer(3, 4, True)), TIMES, "script", batch="none")
family.add("lstm_layer_backward", lambda: OneLayer(BackwardLayer(3, 4)), TIMES, "script", batch="none")


@scripted("lstm_both_directions", TIMES)
class BothDirections(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = BothLayers(3, 4), BothLayers(8, 4)

    def forward(self, x, h, c):
        states = [(h, c), (h * 2, c)]
        x, kept = self.first(x, states)
        x, last = self.second(x, kept)
        return x, last[1][0], kept[0][1], last


@scripted("lstm_stack_with_dropout", TIMES)
class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer(3, 4), Layer(4, 4), Layer(4, 4)])
        self.dropout = nn.Dropout(0.4)

    def forward(self, x, h, c):
        states: List[Tuple[Tensor, Tensor]] = []
        for i, layer in enumerate(self.layers):
            x, state = layer(x, (h, c))
            if i < 2:
                x = self.dropout(x)
            states += [state]
        return x, states


@scripted("gru_cell_batch_first", lambda: [(r(2, 5, 3),), (r(3, 7, 3),), (r(1, 1, 3),)])
class GruCells(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x):
        xs = x.unbind(1)
        h = torch.zeros(x.size(0), 4)
        out: List[Tensor] = []
        for i in range(len(xs)):
            h = self.cell(xs[i], h)
            out += [h]
        back: List[Tensor] = []
        for i in range(x.size(1) - 1, -1, -1):
            h = self.cell(x[:, i], h)
            back.insert(0, h)
        return torch.stack(out, 1), torch.stack(back, dim=1)
