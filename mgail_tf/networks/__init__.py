"""The networks, one a file; all take standardised states and actions in [-1, 1] or one-hot."""
