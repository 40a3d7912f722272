"""Tensors from and to lists, NumPy and PyTorch."""

import importlib.util
import math
import struct
import unittest

from sconce import Tensor, _safetensors
from sconce._tensor import to_tensor

HAS_NUMPY = importlib.util.find_spec("numpy") is not None
HAS_TORCH = importlib.util.find_spec("torch") is not None


class Lists(unittest.TestCase):
    def test_lists_of_every_datatype_come_back(self) -> None:
        values = {
            "BOOL": [[True, False]], "UINT8": [[0, 255]], "UINT16": [[65_535, 1]], "UINT32": [[2**32 - 1, 0]],
            "UINT64": [[2**64 - 1, 3]], "INT8": [[-128, 127]], "INT16": [[-(2**15), 5]], "INT32": [[-(2**31), 6]],
            "INT64": [[-(2**63), 2**63 - 1]], "FP16": [[0.5, -65504.0]], "BF16": [[1.5, -2.0]], "FP32": [[0.25, -(2.0**100)]],
            "FP64": [[0.1, -1e300]], "BYTES": [[b"a", b"\xff\x00"]],
        }  # fmt: skip
        for datatype, rows in values.items():
            with self.subTest(datatype):
                tensor = to_tensor(rows, datatype)
                self.assertEqual((tensor.datatype, tensor.shape, tensor.tolist()), (datatype, (1, 2), rows))

    def test_a_value_without_datatype_gets_a_usual_one(self) -> None:
        found = [to_tensor(value).datatype for value in (1, True, 1.5, "text", b"bytes", [[2]], [])]
        self.assertEqual(found, ["INT64", "BOOL", "FP32", "BYTES", "BYTES", "INT64", "FP32"])

    def test_scalars_and_empty_axes_have_their_shape(self) -> None:
        self.assertEqual(to_tensor(3, "INT32"), Tensor("INT32", (), struct.pack("<i", 3)))
        self.assertEqual(to_tensor([[], []], "FP32").shape, (2, 0))
        self.assertEqual(Tensor("FP32", (2, 0), b"").tolist(), [[], []])

    def test_bfloat16_rounds_to_the_nearest_even(self) -> None:
        # 1 + 2^-8 lies between two bfloat16 values; so does 1 + 3 * 2^-8.
        rounded = to_tensor([1 + 2**-8, 1 + 3 * 2**-8, math.inf, 3.3895314e38], "BF16").tolist()
        self.assertEqual(rounded, [1.0, 1 + 2**-6, math.inf, 3.3895313892515355e38])
        self.assertTrue(math.isnan(to_tensor([math.nan], "BF16").tolist()[0]))

    def test_what_is_no_tensor_is_refused(self) -> None:
        for value, datatype in (([[1], [1, 2]], "FP32"), ([1, [2]], "FP32"), ([300], "UINT8"), ([1.5], "INT32"), (["a"], "FP32")):
            with self.subTest(value), self.assertRaises(ValueError):
                to_tensor(value, datatype)


@unittest.skipUnless(HAS_NUMPY, "NumPy is not installed")
class Numpy(unittest.TestCase):
    def test_arrays_of_every_dtype_come_back(self) -> None:
        import numpy as np

        for dtype in ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">f4", ">i8"):
            with self.subTest(dtype):
                array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
                back = to_tensor(array).numpy()
                np.testing.assert_array_equal(back, array)
                self.assertEqual(back.dtype, array.dtype.newbyteorder("<"))

    def test_views_are_copied_in_their_order(self) -> None:
        import numpy as np

        array = np.arange(12, dtype=np.float32).reshape(3, 4)
        self.assertEqual(to_tensor(array.T[::2]).tolist(), array.T[::2].tolist())

    def test_texts_are_bytes(self) -> None:
        import numpy as np

        for array in (np.array(["ä", "b"]), np.array([b"\xc3\xa4", b"b"]), np.array(["ä", b"b"], dtype=object)):
            self.assertEqual(to_tensor(array).numpy().tolist(), ["ä".encode(), b"b"])

    def test_a_dtype_that_the_protocol_lacks_is_refused(self) -> None:
        import numpy as np

        with self.assertRaisesRegex(TypeError, "complex64"):
            to_tensor(np.zeros(2, np.complex64))


@unittest.skipUnless(HAS_TORCH, "PyTorch is not installed")
class Torch(unittest.TestCase):
    def test_tensors_of_every_dtype_come_back(self) -> None:
        import torch

        names = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
        for dtype in (getattr(torch, name) for name in names):
            with self.subTest(dtype):
                tensor = torch.tensor([[0, 1], [1, 1]]).to(dtype).t()
                back = to_tensor(tensor).torch()
                self.assertEqual(back.dtype, dtype)
                self.assertTrue(torch.equal(back, tensor))
        self.assertEqual(to_tensor(torch.empty(0, 3)).torch().shape, (0, 3))
        self.assertEqual(to_tensor(torch.tensor(2.0, requires_grad=True)).tolist(), 2.0)


class Safetensors(unittest.TestCase):
    def test_files_come_back(self) -> None:
        tensors = {"0.in.0": to_tensor([[1.5, 2.5]], "FP32"), "0.out.0": to_tensor(7, "INT64"), "e": Tensor("FP16", (0,), b"")}
        data = _safetensors.save(tensors)
        self.assertEqual(_safetensors.load(data), tensors)
        self.assertEqual(int.from_bytes(data[:8], "little") % 8, 0)

    def test_texts_are_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "numbers only"):
            _safetensors.save({"x": to_tensor(["a"])})


if __name__ == "__main__":
    unittest.main()
