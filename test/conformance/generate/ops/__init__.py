"""Operator cases, one module per family."""
