"""The algorithms: behavioural cloning, TRPO, GAIL and MGAIL."""
