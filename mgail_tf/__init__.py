"""MGAIL in TensorFlow 2: imitation by the exact gradient of a discriminator."""

__version__ = "0.1.0"
