"""Scripted decoders as models write them: loops with lists, breaks and states."""

from typing import List, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from generate.case import Family

family = Family("decoders")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **{"batch": "none", **options})


@scripted("lengths_of_rows", lambda: [(r(5, 2, 3), torch.tensor([5, 2])), (r(4, 3, 3), torch.tensor([4, 4, 1]))])
class LengthsOfRows(nn.Module):
    """Each row stops at its own length; the outputs of a row are returned without the rest."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def forward(self, x, lengths):
        h, c = torch.zeros(x.size(1), 4), torch.zeros(x.size(1), 4)
        out: List[Tensor] = []
        for t in range(x.size(0)):
            h2, c2 = self.cell(x[t], (h, c))
            alive = (lengths > t).unsqueeze(1)
            h, c = torch.where(alive, h2, h), torch.where(alive, c2, c)
            out.append(h)
        stacked = torch.stack(out)
        return [stacked[: int(lengths[i]), i] for i in range(x.size(1))]


class Next(nn.Module):
    """The logits after a token, and the state."""

    def __init__(self, size=7, hidden=5):
        super().__init__()
        self.embed, self.cell, self.head = (
            nn.Embedding(size, hidden),
            nn.GRUCell(hidden, hidden),
            nn.Linear(hidden, size),
        )

    def forward(self, token: Tensor, h: Tensor) -> Tuple[Tensor, Tensor]:
        h = self.cell(self.embed(token), h)
        return self.head(h * 3), h


STARTS = lambda: [(r(1, 5), 12), (r(1, 5) * 3, 4), (r(1, 5) * 2, 20)]


@scripted("greedy_ids", STARTS)
class GreedyIds(nn.Module):
    def __init__(self):
        super().__init__()
        self.next = Next()

    def forward(self, h, most: int):
        token = torch.tensor([1])
        ids: List[int] = [1]
        scores: List[Tensor] = []
        while len(ids) < most:
            logits, h = self.next(token, h)
            token = logits.argmax(-1)
            if int(token) == 0:
                break
            ids.append(int(token))
            scores.append(logits.log_softmax(-1).max())
        return ids, torch.tensor(ids), len(ids)


@scripted("greedy_batch", lambda: [(r(2, 5), 12), (r(3, 5) * 3, 4)])
class GreedyBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.next = Next()

    def forward(self, h, most: int):
        token = torch.ones(h.size(0), dtype=torch.long)
        done = torch.zeros(h.size(0), dtype=torch.bool)
        out: List[Tensor] = [token]
        for _ in range(most):
            logits, h = self.next(token, h)
            token = logits.argmax(-1).masked_fill(done, 0)
            out.append(token)
            done = done | (token == 0)
            if bool(done.all()):
                break
        ids = torch.stack(out, 1)
        texts = [row[row != 0] for row in ids]
        return ids, texts


@scripted("beam_of_tensors", lambda: [(r(1, 5), 6), (r(1, 5) * 2, 9)])
class BeamOfTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.next = Next()

    def forward(self, h, steps: int):
        h = h.repeat(3, 1)
        score = torch.tensor([0.0, -1e4, -1e4])
        ids = torch.ones(3, 1, dtype=torch.long)
        for _ in range(steps):
            logits, h = self.next(ids[:, -1], h)
            total = (score.unsqueeze(1) + logits.log_softmax(-1)).reshape(-1)
            score, best = total.topk(3)
            source = torch.div(best, 7, rounding_mode="floor")
            ids = torch.cat([ids[source], (best % 7).unsqueeze(1)], 1)
            h = h[source]
        return ids, score


@scripted("beam_of_lists", lambda: [(r(1, 5), 5), (r(1, 5) * 2, 3)], note="hypotheses are lists of tuples")
class BeamOfLists(nn.Module):
    def __init__(self):
        super().__init__()
        self.next = Next()

    def forward(self, h, steps: int):
        beams: List[Tuple[Tensor, Tensor, float]] = [(torch.ones(1, dtype=torch.long), h, 0.0)]
        for _ in range(steps):
            found: List[Tuple[Tensor, Tensor, float]] = []
            for ids, state, score in beams:
                logits, following = self.next(ids[-1:], state)
                top, tokens = logits.log_softmax(-1)[0].topk(2)
                for k in range(2):
                    found.append((torch.cat([ids, tokens[k : k + 1]]), following, score + float(top[k])))
            scores = torch.tensor([entry[2] for entry in found])
            kept: List[Tuple[Tensor, Tensor, float]] = []
            for i in scores.topk(min(3, len(found)))[1]:
                kept.append(found[int(i)])
            beams = kept
        ids, _, score = beams[0]
        return ids, score, [entry[2] for entry in beams]


@scripted("transducer_greedy", lambda: [(r(1, 6, 4),), (r(1, 9, 4),)], note="RNN-T: at most 3 symbols a frame")
class TransducerGreedy(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.joint, self.next = nn.Linear(4, 5), nn.Linear(5, 6), Next(6, 5)

    def forward(self, x):
        frames = self.encoder(x).tanh()
        hypothesis: List[int] = []
        _, state = self.next(torch.tensor([0]), torch.zeros(1, 5))
        for t in range(frames.size(1)):
            symbols = 0
            searching = True
            while searching and symbols < 3:
                logits = self.joint(torch.relu(frames[:, t] * 4 + state))
                best = int(logits.argmax(-1))
                if best == 0:
                    searching = False
                else:
                    hypothesis.append(best)
                    _, state = self.next(torch.tensor([best]), state)
                    symbols += 1
        return hypothesis, len(hypothesis)


@scripted("ctc_unique", lambda: [(r(2, 12, 6) * 3,), (r(3, 7, 6) * 3,), (r(1, 1, 6),)])
class CtcUnique(nn.Module):
    def forward(self, x) -> List[Tensor]:
        best = x.argmax(-1)
        out: List[Tensor] = []
        for i in range(best.size(0)):
            row = torch.unique_consecutive(best[i])
            out.append(row[row != 0])
        return out


@scripted("ctc_ids", lambda: [(r(12, 4) * 3,), (r(5, 4) * 3,)], note="collapses repeats one by one")
class CtcIds(nn.Module):
    def __init__(self):
        super().__init__()
        self.labels = ["-", "a", "b", "c"]

    def forward(self, x):
        last = 0
        ids: List[int] = []
        text: List[str] = []
        best: List[int] = x.argmax(-1).tolist()
        for token in best:
            if token != last and token != 0:
                ids.append(token)
                text.append(self.labels[token])
            last = token
        return ids, text


@scripted(
    "viterbi",
    lambda: [
        (r(2, 6, 4), torch.arange(6) < torch.tensor([[6], [3]])),
        (r(3, 4, 4), torch.arange(4) < torch.tensor([[4], [1], [2]])),
    ],
)
class Viterbi(nn.Module):
    def __init__(self):
        super().__init__()
        self.start, self.trans, self.end = nn.Parameter(r(4)), nn.Parameter(r(4, 4)), nn.Parameter(r(4))

    def forward(self, x, mask) -> List[List[int]]:
        emissions, mask = x.transpose(0, 1), mask.transpose(0, 1)
        score = self.start + emissions[0]
        history: List[Tensor] = []
        for i in range(1, emissions.size(0)):
            following, indices = (score.unsqueeze(2) + self.trans + emissions[i].unsqueeze(1)).max(dim=1)
            score = torch.where(mask[i].unsqueeze(1), following, score)
            history.append(indices)
        score = score + self.end
        ends = mask.long().sum(0) - 1
        best: List[List[int]] = []
        for b in range(x.size(0)):
            tags = [int(score[b].argmax())]
            for step in history[: int(ends[b])][::-1]:
                tags.append(int(step[b][tags[-1]]))
            tags.reverse()
            best.append(tags)
        return best


@scripted("viterbi_tensors", lambda: [(r(6, 4),), (r(1, 4),), (r(9, 4),)])
class ViterbiTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.trans = nn.Parameter(r(4, 4))

    def forward(self, x):
        back: List[Tensor] = []
        score = x[0]
        for i in range(1, x.size(0)):
            score, pointer = (score.unsqueeze(1) + self.trans).max(0)
            score = score + x[i]
            back.append(pointer)
        path = [score.argmax()]
        for pointer in back[::-1]:
            path.insert(0, pointer[path[0]])
        return torch.stack(path), score.max()


@scripted("attention_decoder", lambda: [(r(1, 7, 6), 8), (r(3, 5, 6), 5)], note="Tacotron's loop")
class AttentionDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.memory, self.energy = nn.Linear(8, 4), nn.Linear(6, 4), nn.Linear(4, 1)
        self.cell, self.mel, self.stop = nn.LSTMCell(10, 8), nn.Linear(14, 4), nn.Linear(14, 1)

    def forward(self, memory, most: int):
        batch = memory.size(0)
        h, c = memory.new_zeros(batch, 8), memory.new_zeros(batch, 8)
        context, y = memory.new_zeros(batch, 6), memory.new_zeros(batch, 4)
        keys = self.memory(memory)
        mels: List[Tensor] = []
        stops: List[Tensor] = []
        weights: List[Tensor] = []
        while True:
            h, c = self.cell(torch.cat([y, context], 1), (h, c))
            weight = self.energy(torch.tanh(self.query(h).unsqueeze(1) + keys)).squeeze(2).softmax(1)
            context = torch.bmm(weight.unsqueeze(1), memory).squeeze(1)
            y = self.mel(torch.cat([h, context], 1))
            stop = torch.sigmoid(self.stop(torch.cat([h, context], 1)))
            mels += [y]
            stops.append(stop)
            weights = weights + [weight]
            if len(mels) >= most or bool((stop > 0.6).all()):
                break
        return torch.stack(mels, 2), torch.cat(stops, 1), torch.stack(weights, 1)


@scripted("incremental_cache", lambda: [(r(2, 1, 4), 4), (r(1, 1, 4), 7)], note="keys and values grow, None at first")
class IncrementalCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def step(self, x, cache: Optional[Tuple[Tensor, Tensor]]) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        k, v = self.k(x), self.v(x)
        if cache is not None:
            k, v = torch.cat([cache[0], k], 1), torch.cat([cache[1], v], 1)
        return F.scaled_dot_product_attention(self.q(x), k, v), (k, v)

    def forward(self, x, steps: int):
        cache: Optional[Tuple[Tensor, Tensor]] = None
        out: List[Tensor] = []
        for _ in range(steps):
            x, cache = self.step(x, cache)
            out.append(x)
        return torch.cat(out, 1)


@scripted("windows", lambda: [(r(2, 11),), (r(1, 4),), (r(3, 16),)], note="a signal in windows, the last one padded")
class Windows(nn.Module):
    def forward(self, x):
        out: List[Tensor] = []
        start = 0
        while start < x.size(1):
            piece = x[:, start : start + 4]
            if piece.size(1) < 4:
                piece = F.pad(piece, (0, 4 - piece.size(1)))
            out.append(piece.mean(1, keepdim=True))
            start += 4
        return torch.cat(out, dim=1)
