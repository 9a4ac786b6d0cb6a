"""Model-based GAIL, the algorithm of the paper."""
