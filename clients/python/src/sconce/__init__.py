"""Export PyTorch models for Sconce, and call a Sconce server.

The package needs Python's standard library only. NumPy, pandas, polars and PyTorch are used when they are installed and a call
needs them.
"""

from ._aio import AsyncClient
from ._client import Client
from ._errors import SconceError
from ._export import Export, export
from ._inference import Answer
from ._tensor import Tensor

__all__ = ["Answer", "AsyncClient", "Client", "Export", "SconceError", "Tensor", "export"]
__version__ = "0.1.0"
