"""Seeded generators of TorchScript archives with PyTorch's outputs; see ../README.md."""
