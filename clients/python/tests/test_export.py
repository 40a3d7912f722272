"""Exports of PyTorch modules."""

import importlib.util
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from sconce import _safetensors, export

HAS_TORCH = importlib.util.find_spec("torch") is not None


@unittest.skipUnless(HAS_TORCH, "PyTorch is not installed")
class Exports(unittest.TestCase):
    def setUp(self) -> None:
        import torch

        torch.manual_seed(0)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "out"

    def test_files_hold_the_model_its_calls_and_its_config(self) -> None:
        import torch

        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5)).train()
        x = torch.rand(2, 4)
        files = export(model, x, self.folder, tolerance={"rtol": 1e-3}, config={"max_batch_size": 8})
        cases = _safetensors.load(files.cases.read_bytes())
        self.assertEqual(sorted(cases), ["0.in.0", "0.out.0", "1.in.0", "1.out.0"])
        self.assertEqual(cases["1.in.0"].shape, (4, 4))
        jit: Any = torch.jit
        expected = jit.load(str(files.artifact))(x)
        self.assertTrue(torch.allclose(cases["0.out.0"].torch(), expected))
        self.assertEqual(json.loads(files.config.read_text()), {"tolerance": {"rtol": 1e-3}, "max_batch_size": 8})
        self.assertTrue(model.training)

    def test_nested_arguments_and_outputs_are_flattened_in_order(self) -> None:
        import torch

        class Nested(torch.nn.Module):
            def forward(self, a: Any, pair: Any) -> Any:
                return {"sum": a + pair[0]}, (pair[1], [a])

        call = {"pair": (torch.ones(2), torch.zeros(2)), "a": torch.full((2,), 5.0)}
        cases = _safetensors.load(export(Nested(), call, self.folder).cases.read_bytes())
        self.assertEqual([cases[f"0.in.{i}"].tolist()[0] for i in range(3)], [5, 1, 0])
        self.assertEqual([cases[f"0.out.{i}"].tolist()[0] for i in range(3)], [6, 0, 5])

    def test_a_trace_that_baked_a_branch_in_is_refused(self) -> None:
        import torch

        class Branch(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x * 2 if bool(x.sum() > 0) else x

        with self.assertRaisesRegex(ValueError, "call 1.*how='script'"):
            export(Branch(), torch.ones(3), self.folder, more_inputs=[-torch.ones(3)])
        self.assertFalse(self.folder.exists())
        export(Branch(), torch.ones(3), self.folder, how="script", more_inputs=[-torch.ones(3)])

    def test_a_model_whose_rows_cannot_be_doubled_has_its_own_calls_only(self) -> None:
        import torch

        class Fixed(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.view(2, 3).sum(1)

        cases = _safetensors.load(export(Fixed(), torch.ones(6), self.folder).cases.read_bytes())
        self.assertEqual(sorted(cases), ["0.in.0", "0.out.0"])

    def test_a_model_that_changes_its_argument_has_the_argument_as_it_was(self) -> None:
        import torch

        class InPlace(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.add_(1)

        cases = _safetensors.load(export(InPlace(), torch.zeros(2), self.folder).cases.read_bytes())
        self.assertEqual((cases["0.in.0"].tolist(), cases["0.out.0"].tolist()), ([0, 0], [1, 1]))

    def test_an_argument_that_is_no_tensor_is_named(self) -> None:
        import torch

        with self.assertRaisesRegex(TypeError, "argument of call 0 is a int"):
            export(torch.nn.Identity(), (torch.ones(1), 3), self.folder)


if __name__ == "__main__":
    unittest.main()
