"""Policies that act without training code: NumPy, SavedModel, ONNX, and the committed experts."""
