"""Studies of the algorithms: what bias adds to a score, how gradients compare, what things cost."""
