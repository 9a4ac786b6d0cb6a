"""The algorithms: cloning, TRPO, GAIL, MGAIL, and those that ask an expert."""
