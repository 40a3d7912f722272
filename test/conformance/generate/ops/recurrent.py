"""LSTM, GRU and plain recurrent networks and cells, with states and packed sequences."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from generate.case import Family

family = Family("recurrent")
r = torch.randn


class Recurrent(nn.Module):
    """One recurrent network whose outputs and last states are the results."""

    def __init__(self, kind, **options):
        super().__init__()
        self.net = getattr(nn, kind)(3, 4, **options)

    def forward(self, x):
        y, state = self.net(x)
        return y, state


def tokens(*shapes):
    return lambda: [(r(*shape),) for shape in shapes]


TIME_FIRST, BATCH_FIRST = tokens((5, 2, 3), (3, 1, 3)), tokens((2, 5, 3), (1, 3, 3))
DEEP = {"num_layers": 2, "bidirectional": True, "batch_first": True}
for kind in ("LSTM", "GRU", "RNN"):
    name = kind.lower()
    family.add(f"{name}", lambda kind=kind: Recurrent(kind), TIME_FIRST, how="both", batch="none")
    family.add(
        f"{name}_deep",
        lambda kind=kind: Recurrent(kind, **DEEP),
        BATCH_FIRST,
        how="both",
        note="two layers, two directions, batch first; states keep layers first",
    )
    family.add(f"{name}_no_bias", lambda kind=kind: Recurrent(kind, bias=False, batch_first=True), BATCH_FIRST)
family.add("rnn_relu", lambda: Recurrent("RNN", nonlinearity="relu", bidirectional=True), TIME_FIRST, batch="none")
family.add(
    "lstm_projected", lambda: Recurrent("LSTM", proj_size=2, batch_first=True), BATCH_FIRST, note="with a projection"
)
PROJECTED = {
    "deep": {**DEEP, "proj_size": 2},
    "no_bias": {"proj_size": 1, "bias": False, "batch_first": True},
    "three_layers": {"proj_size": 3, "num_layers": 3, "batch_first": True},
    "both_directions": {"proj_size": 2, "bidirectional": True, "batch_first": True},
}
for name, options in PROJECTED.items():
    make = lambda options=options: Recurrent("LSTM", **options)
    family.add(f"lstm_projected_{name}", make, BATCH_FIRST, how="both")
family.add("lstm_projected_unbatched", lambda: Recurrent("LSTM", proj_size=2), tokens((5, 3), (2, 3)), batch="none")
family.add(
    "lstm_projected_no_rows", lambda: Recurrent("LSTM", proj_size=2, batch_first=True), tokens((2, 5, 3), (0, 5, 3))
)


@family(
    "lstm_projected_state",
    lambda: [(r(5, 2, 3), r(4, 2, 2), r(4, 2, 4)), (r(3, 1, 3), r(4, 1, 2), r(4, 1, 4))],
    how="both",
    batch="none",
)
class ProjectedState(nn.Module):
    """States that the caller gives: the hidden ones are projected."""

    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)

    def forward(self, x, h, c):
        y, (h, c) = self.net(x, (h, c))
        return y, h, c


@family(
    "lstm_projected_packed",
    lambda: [(r(3, 5, 3), torch.tensor([5, 3, 1])), (r(2, 4, 3), torch.tensor([4, 4]))],
    how="script",
    batch="none",
)
class ProjectedPacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(3, 4, bidirectional=True, batch_first=True, proj_size=2)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True)
        y, (h, c) = self.net(packed)
        return pad_packed_sequence(y, batch_first=True)[0], h, c


family.add("lstm_unbatched", lambda: Recurrent("LSTM"), tokens((5, 3), (2, 3)), batch="none")
family.add(
    "lstm_dropout",
    lambda: Recurrent("LSTM", num_layers=2, dropout=0.5, batch_first=True),
    BATCH_FIRST,
    note="dropout between layers is inactive",
)


class LstmWithState(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(3, 4, num_layers=2, batch_first=True)

    def forward(self, x, h, c):
        y, (h2, c2) = self.net(x, (h, c))
        return y, h2, c2


class GruWithState(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.GRU(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x, h):
        y, h2 = self.net(x, h)
        return y, h2


family.add(
    "lstm_state",
    LstmWithState,
    lambda: [(r(2, 5, 3), r(2, 2, 4), r(2, 2, 4)), (r(1, 3, 3), r(2, 1, 4), r(2, 1, 4))],
    how="both",
)
family.add("gru_state", GruWithState, lambda: [(r(2, 5, 3), r(2, 2, 4)), (r(1, 3, 3), r(2, 1, 4))], how="both")


@family("tagger", lambda: [(torch.randint(1, 9, (2, 5)),), (torch.randint(1, 9, (3, 7)),)], how="both", batch="dynamic")
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.net, self.head = (
            nn.Embedding(9, 3, padding_idx=0),
            nn.LSTM(3, 4, bidirectional=True, batch_first=True),
            nn.Linear(8, 5),
        )

    def forward(self, ids):
        y, _ = self.net(self.embed(ids))
        return self.head(y)


@family("classifier", tokens((2, 5, 3), (1, 8, 3)), how="both", batch="dynamic")
class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        _, h = self.net(x)
        return torch.softmax(self.head(h[-1]), dim=1)


@family("cells", lambda: [(r(2, 3), r(2, 4)), (r(5, 3), r(5, 4))], how="both", batch="dynamic")
class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(3, 4), nn.GRUCell(3, 4), nn.RNNCell(3, 4)

    def forward(self, x, h):
        a, b = self.lstm(x, (h, h * 0.5))
        return a, b, self.gru(x, h), self.rnn(x, h)


@family(
    "cell_loop",
    tokens((4, 2, 3), (6, 1, 3)),
    how="script",
    batch="none",
    note="a cell called in a loop over the input's length",
)
class CellLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def forward(self, x):
        h = torch.zeros(x.size(1), 4)
        c = torch.zeros(x.size(1), 4)
        steps = []
        for t in range(x.size(0)):
            h, c = self.cell(x[t], (h, c))
            steps.append(h)
        return torch.stack(steps), c


class Packed(nn.Module):
    def __init__(self, kind="LSTM", sort=False):
        super().__init__()
        self.net = getattr(nn, kind)(3, 4, batch_first=True, bidirectional=kind == "GRU")
        self.sorted = sort

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=self.sorted)
        y, _ = self.net(packed)
        padded, sizes = pad_packed_sequence(y, batch_first=True)
        return padded, sizes


PACKED = lambda: [
    (r(3, 5, 3), torch.tensor([5, 3, 2])),
    (r(2, 4, 3), torch.tensor([4, 4])),
    (r(2, 6, 3), torch.tensor([5, 1])),
]
UNSORTED = lambda: [(r(3, 5, 3), torch.tensor([2, 5, 3])), (r(2, 4, 3), torch.tensor([1, 4]))]
family.add(
    "packed_lstm", lambda: Packed(sort=True), PACKED, note="the last call pads to a longer batch than its longest row"
)
family.add("packed_lstm_script", lambda: Packed(sort=True), PACKED, how="script")
family.add("packed_gru", lambda: Packed("GRU"), UNSORTED, note="rows in any order")
family.add("packed_gru_script", lambda: Packed("GRU"), UNSORTED, how="script")


@family(
    "packed_total_length",
    lambda: [(r(2, 5, 3), torch.tensor([4, 2])), (r(2, 6, 3), torch.tensor([3, 3]))],
    how="script",
)
class PackedTotalLength(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x, lengths):
        y, (h, _) = self.net(pack_padded_sequence(x, lengths, True))
        return pad_packed_sequence(y, batch_first=True, padding_value=-1.0, total_length=x.size(1))[0], h


@family("pads", lambda: [(r(3, 2), r(1, 2), r(2, 2))], how="both", batch="none")
class Pads(nn.Module):
    def forward(self, a, b, c):
        return pad_sequence([a, b, c], batch_first=True), pad_sequence([b, a], padding_value=-1.0)


family.add(
    "float64",
    lambda: Recurrent("LSTM", batch_first=True).double(),
    lambda: [(r(2, 5, 3).double(),), (r(1, 2, 3).double(),)],
)
