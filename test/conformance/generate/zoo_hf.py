"""Hugging Face transformers at full width and reduced depth."""


def models():
    return ()
