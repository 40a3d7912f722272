"""Trains the digits example and writes its files. The generator of everything in this folder but this script.

Run (any machine, about 15 seconds; no network once the packages are there):

    pip install torch==2.13.0 onnx==1.23.1 onnxruntime==1.30.0 numpy==2.4.6 scikit-learn==1.9.1
    python train.py

Data: "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, UCI Machine Learning Repository,
CC BY 4.0), the 1,797 rows that scikit-learn ships as `load_digits`: 8x8 images with pixel values 0..16.

Writes, all from one seed:
    heldout.csv     500 rows no training step has seen: id, label, p0..p63
    digits.onnx     the model, opset 20, one file
    digits.pt       the same model traced and saved by torch.jit, without the debug records (they name local folders)
    reference.json  PyTorch's own predictions of the held-out rows, and its logits for the first eight

Then it reads the files back and fails unless ONNX Runtime and the traced archive give PyTorch's logits within 1e-5 on
every held-out row, whatever the batch size. On one machine a second run writes the same bytes.
"""

import csv
import json
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SEED = 20260101
HELD_OUT_ROWS = 500
EPOCHS = 60
BATCH = 64
FOLDER = pathlib.Path(__file__).resolve().parent


class DigitsCNN(nn.Module):
    """Raw pixel rows, float32 [batch, 64] with values 0..16, to logits, float32 [batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.drop = nn.Dropout(0.25)
        self.hidden = nn.Linear(32 * 2 * 2, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = (pixels / 16.0).view(-1, 1, 8, 8)
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.hidden(self.drop(x.flatten(1))))
        return self.out(x)


def train(pixels: np.ndarray, labels: np.ndarray) -> DigitsCNN:
    """Fits on these rows alone. Images are shifted by up to one pixel: the data are small."""
    torch.manual_seed(SEED)
    model = DigitsCNN()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=5e-3, total_steps=EPOCHS * (-(-len(pixels) // BATCH))
    )
    x, y = torch.from_numpy(pixels), torch.from_numpy(labels)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            images = x[rows].view(-1, 8, 8)
            down, right = (int(n) for n in torch.randint(-1, 2, (2,)))
            images = torch.roll(nn.functional.pad(images, (1, 1, 1, 1)), (down, right), (1, 2))[:, 1:9, 1:9]
            loss = nn.functional.cross_entropy(model(images.reshape(-1, 64)), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def save_archive(traced: torch.jit.ScriptModule, path: pathlib.Path) -> None:
    """torch.jit.save, less the debug records: they quote the training machine's folders and serve only tracebacks."""
    own = {"version", ".data/serialization_id"}  # The writer adds these itself.
    with tempfile.TemporaryDirectory() as folder:
        whole = str(pathlib.Path(folder) / path.name)
        torch.jit.save(traced, whole)
        reader, writer = torch._C.PyTorchFileReader(whole), torch._C.PyTorchFileWriter(str(path))
        # What an operator means depends on the version: under an older one, loading rewrites the division.
        writer.set_min_version(int(reader.get_record("version")))
        for name in reader.get_all_records():
            if name not in own and not name.endswith(".debug_pkl"):
                record = reader.get_record(name)
                writer.write_record(name, record, len(record))
        writer.write_end_of_file()


def main() -> None:
    torch.set_num_threads(1)  # One summation order, whatever the machine's cores.
    torch.use_deterministic_algorithms(True)
    digits = load_digits()
    pixels, labels = digits.data.astype(np.float32), digits.target.astype(np.int64)
    ids = np.arange(len(pixels))
    kept, held = train_test_split(ids, test_size=HELD_OUT_ROWS, stratify=labels, random_state=SEED)
    held = np.sort(held)
    model = train(pixels[kept], labels[kept])

    with open(FOLDER / "heldout.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "label", *(f"p{n}" for n in range(64))])
        for row in held:
            writer.writerow([row, labels[row], *(int(p) for p in pixels[row])])

    example = torch.from_numpy(pixels[held[:2]])
    traced = torch.jit.trace(model, (example,))
    save_archive(traced, FOLDER / "digits.pt")
    torch.onnx.export(
        model,
        (example,),
        str(FOLDER / "digits.onnx"),
        input_names=["pixels"],
        output_names=["logits"],
        dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=20,
        dynamo=False,
    )
    onnx.checker.check_model(str(FOLDER / "digits.onnx"))

    # From here on only what is on disk counts.
    with open(FOLDER / "heldout.csv") as file:
        rows = list(csv.reader(file))[1:]
    x = np.array([[float(p) for p in row[2:]] for row in rows], np.float32)
    y = np.array([int(row[1]) for row in rows])
    with torch.no_grad():
        logits = model(torch.from_numpy(x)).numpy()
    session = onnxruntime.InferenceSession(str(FOLDER / "digits.onnx"), providers=["CPUExecutionProvider"])
    loaded = torch.jit.load(str(FOLDER / "digits.pt"))
    for size in (1, 7, 64, len(x)):
        for start in range(0, len(x), size):
            part, want = x[start : start + size], logits[start : start + size]
            np.testing.assert_allclose(session.run(None, {"pixels": part})[0], want, rtol=0, atol=1e-5)
            with torch.no_grad():
                got = loaded(torch.from_numpy(part)).numpy()
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
    predictions = logits.argmax(1)
    accuracy = float((predictions == y).mean())
    reference = {
        "rows": len(y),
        "accuracy": accuracy,
        "torch_version": torch.__version__.split("+")[0],
        "predictions": predictions.tolist(),
        "logits": [[float(v) for v in row] for row in logits[:8]],
    }
    (FOLDER / "reference.json").write_text(json.dumps(reference) + "\n")
    print(f"{len(y)} held-out rows, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
