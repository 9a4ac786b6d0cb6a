"""Trust region policy optimisation, which trains the experts and is the core of GAIL."""
