"""Environments: making and stepping them, several at once, and scoring a policy on them."""
