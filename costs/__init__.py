"""Computational cost as a first-class constraint: what it will cost, before it is built."""
