"""Seeded generators of TorchScript archives with the outputs PyTorch gives; see ../README.md."""
