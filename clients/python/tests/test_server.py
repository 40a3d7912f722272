"""The client against a running server. SCONCE_URL is its address, SCONCE_FIXTURES the folder with the models."""

import asyncio
import csv
import importlib.util
import io
import json
import os
import tempfile
import unittest
import uuid
from pathlib import Path
from typing import Any

from sconce import AsyncClient, Client, SconceError, Tensor, export
from sconce._tensor import to_tensor

FIXTURES = os.environ.get("SCONCE_FIXTURES")
HAS_NUMPY = importlib.util.find_spec("numpy") is not None
HAS_PANDAS = importlib.util.find_spec("pandas") is not None and importlib.util.find_spec("pyarrow") is not None
HAS_POLARS = importlib.util.find_spec("polars") is not None
HAS_TORCH = importlib.util.find_spec("torch") is not None

ROWS = [[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, -1.0, 8.0]]
DOUBLED = [[2 * value + 1 for value in row] for row in ROWS]


def listed(value: Any) -> Any:
    return value.tolist()


@unittest.skipUnless(FIXTURES, "SCONCE_FIXTURES is not set")
class Served(unittest.TestCase):
    client: Client
    model: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.client = Client()
        cls.model = f"affine-{uuid.uuid4().hex[:8]}"
        pushed = cls.client.models.push(cls.model, Path(str(FIXTURES)) / "affine.onnx", version="1")
        assert pushed["status"] == "ready", pushed

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.models.remove(cls.model, "1", force=True)
        cls.client.close()


class Inference(Served):
    def test_inputs_in_every_form_give_the_same_answer(self) -> None:
        forms: list[Any] = [ROWS, {"x": ROWS}, (ROWS,), to_tensor(ROWS, "FP32"), {"x": to_tensor(ROWS, "FP32")}]
        if HAS_NUMPY:
            import numpy as np

            forms += [np.array(ROWS, np.float32), {"x": np.array(ROWS, np.float32)}]
        if HAS_TORCH:
            import torch

            forms += [torch.tensor(ROWS), {"x": torch.tensor(ROWS)}]
        for inputs in forms:
            with self.subTest(type(inputs)):
                answer = self.client.infer(self.model, inputs)
                self.assertEqual(listed(answer.value), DOUBLED)
                self.assertEqual((answer.model, answer.version), (self.model, "1"))
        self.assertEqual(set(answer.timing), {"queue", "batch", "run"})
        self.assertRegex(answer.trace_id or "", "^[0-9a-f]{32}$")

    def test_an_output_is_what_the_installed_libraries_have(self) -> None:
        answer = self.client.infer(self.model, ROWS, version="1", outputs=["y"], timeout=30)
        self.assertEqual(answer.tensors["y"].tolist(), DOUBLED)
        if HAS_NUMPY:
            self.assertEqual((answer["y"].dtype.name, answer["y"].shape), ("float32", (2, 4)))
        else:
            self.assertIsInstance(answer["y"], Tensor)
        if HAS_TORCH:
            self.assertEqual(answer.torch().tolist(), DOUBLED)

    def test_errors_have_the_reason_of_the_server(self) -> None:
        with self.assertRaises(SconceError) as caught:
            self.client.infer("nobody", {"x": to_tensor(ROWS, "FP32")})
        self.assertEqual((caught.exception.code, caught.exception.status), ("not_found", 404))
        for wrong in ({"x": [[1.0, 2.0]]}, {"x": to_tensor(ROWS, "FP64")}, {"z": ROWS}):
            with self.subTest(wrong), self.assertRaises(SconceError) as caught:
                self.client.infer(self.model, wrong)
            self.assertEqual(caught.exception.status, 400, caught.exception)
        with self.assertRaisesRegex(SconceError, "'x': Nested lists"):
            self.client.infer(self.model, [[1.0], [1.0, 2.0]])

    def test_texts_travel(self) -> None:
        name = f"every-type-{uuid.uuid4().hex[:8]}"
        self.client.models.push(name, Path(str(FIXTURES)) / "every-type.onnx", version="1")
        specs = self.client.metadata(name)["inputs"]
        values: dict[str, Any] = {}
        for spec in specs:
            one: Any = {"BYTES": "ä", "BOOL": True}.get(spec["datatype"], 1)
            shape = [size if size > 0 else 1 for size in spec["shape"]]
            for size in reversed(shape):
                one = [one] * size
            values[spec["name"]] = one
        answer = self.client.infer(name, values)
        self.assertEqual({tensor.datatype for tensor in answer.tensors.values()}, {spec["datatype"] for spec in specs})
        texts = [tensor for tensor in answer.tensors.values() if tensor.datatype == "BYTES"]
        self.assertIn("ä".encode(), texts[0].data)
        self.client.models.remove(name, "1", force=True)

    def test_the_server_is_ready_and_knows_the_model(self) -> None:
        self.assertTrue(self.client.ready())
        self.assertIn(self.model, [entry["name"] for entry in self.client.models.list()])
        self.assertEqual(self.client.models.get(self.model, "1")["status"], "ready")


class Work(Served):
    def test_a_job_is_submitted_once_and_fetched(self) -> None:
        key = uuid.uuid4().hex
        job = self.client.jobs.submit(self.model, {"x": ROWS}, idempotency_key=key)
        again = self.client.jobs.submit(self.model, {"x": ROWS}, idempotency_key=key)
        self.assertEqual(again["id"], job["id"])
        self.assertEqual(listed(self.client.jobs.wait(job["id"], timeout=30).value), DOUBLED)
        self.assertEqual(listed(self.client.jobs.result(job["id"]).value), DOUBLED)
        succeeded = [each["id"] for each in self.client.jobs.list(status="succeeded", model=self.model, created_from=1.5)]
        self.assertIn(job["id"], succeeded)
        self.assertEqual(list(self.client.jobs.list(model="other")), [])
        with self.assertRaises(SconceError) as caught:
            self.client.jobs.get("nobody")
        self.assertEqual(caught.exception.code, "job_not_found")

    def test_a_file_comes_back_and_goes(self) -> None:
        content = os.urandom(3_000_000)
        sent: list[int] = []
        file = self.client.files.create(content, filename='a "b".npy', expires_after=3_600, on_progress=sent.append)
        self.assertEqual((file["bytes"], sent[-1]), (len(content), len(content)))
        self.assertIn(file["id"], [entry["id"] for entry in self.client.files.list()])
        with tempfile.TemporaryDirectory() as folder:
            self.client.files.download(file["id"], Path(folder) / "back")
            self.assertEqual((Path(folder) / "back").read_bytes(), content)
            self.assertEqual(os.listdir(folder), ["back"])
        self.client.files.delete(file["id"])
        with self.assertRaises(SconceError):
            self.client.files.get(file["id"])

    def test_a_table_is_scored(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["id", "x_0", "x_1", "x_2", "x_3"])
        writer.writerows([i, *row] for i, row in enumerate(ROWS))
        writer.writerow([9, "bad", 0, 0, 0])
        batch = self.client.batches.score(self.model, text.getvalue().encode(), filename="rows.csv", keep=["id"], output_format="jsonl")
        seen: list[str] = []
        ended = self.client.batches.wait(batch["id"], timeout=60, on_progress=lambda now: seen.append(now["status"]))
        self.assertEqual((ended["status"], seen[-1]), ("completed", "completed"))
        lines = [json.loads(line) for line in b"".join(self.client.batches.output(batch["id"])).splitlines()]
        self.assertEqual([line["y"] for line in lines], DOUBLED)
        self.assertEqual([error["row"] for error in self.client.batches.errors(batch["id"])], [3])
        self.assertIn(batch["id"], [entry["id"] for entry in self.client.batches.list()])

    def test_a_batch_that_fails_says_why(self) -> None:
        batch = self.client.batches.score(self.model, b"a,b\n1,2\n", filename="rows.csv")
        with self.assertRaises(SconceError) as caught:
            self.client.batches.wait(batch["id"], timeout=60)
        self.assertEqual(caught.exception.code, "batch_failed")
        self.assertIn("x", caught.exception.message)

    @unittest.skipUnless(HAS_PANDAS, "pandas or pyarrow is not installed")
    def test_a_pandas_frame_is_scored(self) -> None:
        import pandas

        frame = pandas.DataFrame(ROWS, columns=["x_0", "x_1", "x_2", "x_3"], dtype="float32").assign(name=["a", "b"])
        scored = self.client.batches.score_frame(self.model, frame, keep=["name"], timeout=60)
        self.assertEqual(scored["name"].tolist(), ["a", "b"])
        self.assertEqual([list(row) for row in scored["y"]], DOUBLED)

    @unittest.skipUnless(HAS_POLARS, "polars is not installed")
    def test_a_polars_frame_is_scored(self) -> None:
        import polars

        frame = polars.DataFrame({"x": ROWS}, schema={"x": polars.List(polars.Float32)})
        scored = self.client.batches.score_frame(self.model, frame, timeout=60)
        self.assertEqual(scored["y"].to_list(), DOUBLED)

    @unittest.skipUnless(HAS_NUMPY, "NumPy is not installed")
    def test_an_array_is_scored(self) -> None:
        import numpy as np

        batch = self.client.batches.score(self.model, np.array(ROWS, np.float32), output_format="jsonl")
        self.client.batches.wait(batch["id"], timeout=60)
        lines = b"".join(self.client.batches.output(batch["id"])).splitlines()
        self.assertEqual([json.loads(line)["y"] for line in lines], DOUBLED)

    @unittest.skipUnless(HAS_TORCH, "PyTorch is not installed")
    def test_an_export_is_pushed_and_proved(self) -> None:
        import torch

        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
        name = f"export-{uuid.uuid4().hex[:8]}"
        with tempfile.TemporaryDirectory() as folder:
            pushed = export(model, torch.rand(3, 4), folder).push(self.client, name)
        self.assertEqual(pushed["parity"]["calls"], 2, pushed["parity"])
        self.assertEqual(pushed["batch"]["axis"], "dynamic")
        x = torch.rand(5, 4)
        self.assertTrue(torch.allclose(self.client.infer(name, x).torch(), model(x), atol=1e-6))
        self.client.models.remove(name, pushed["version"], force=True)

    def test_the_asynchronous_client_does_the_same(self) -> None:
        async def main() -> None:
            async with AsyncClient(connections=8) as client:
                answers = await asyncio.gather(*(client.infer(self.model, ROWS) for _ in range(20)))
                self.assertEqual([listed(answer.value) for answer in answers], [DOUBLED] * 20)
                job = await client.jobs.submit(self.model, ROWS)
                self.assertEqual(listed((await client.jobs.wait(job["id"])).value), DOUBLED)
                file = await client.files.create(b"x_0,x_1,x_2,x_3\n1,2,3,4\n", filename="rows.csv")
                batch = await client.batches.create({"input_file_id": file["id"], "model": self.model, "output_format": "jsonl"})
                await client.batches.wait(batch["id"])
                output = b"".join([chunk async for chunk in client.batches.output(batch["id"])])
                self.assertEqual(json.loads(output)["y"], [3, 5, 7, 9])
                self.assertIn(file["id"], [entry["id"] async for entry in client.files.list()])
                with self.assertRaises(SconceError):
                    await client.jobs.get("nobody")

        asyncio.run(main())


if __name__ == "__main__":
    unittest.main()
