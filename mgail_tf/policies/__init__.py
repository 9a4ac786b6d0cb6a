"""Policies that act without training code: NumPy, SavedModel, and the committed experts."""
