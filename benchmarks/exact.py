"""Exact search: the speed of brute force, and what smaller types of number cost in neighbours."""

import ann

from .common import Index


class Exact(Index):
    """1,000 vectors of 64 dimensions, 200 queries at once; one thread."""

    params = (["float32", "float16"],)
    param_names = ("dtype",)

    def build(self, dtype):
        return ann.Exact(self.dim, dtype=dtype)
