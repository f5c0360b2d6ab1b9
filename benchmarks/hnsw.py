"""HNSW: seconds to build and to search, bytes, and the neighbours it misses."""

import ann

from .common import Index


class HNSW(Index):
    """1,000 vectors of 64 dimensions, 200 queries at once; one thread."""

    params = ([4, 8, 16], [10, 40])
    param_names = ("M", "ef_search")

    def build(self, M, ef_search):
        index = ann.HNSW(self.dim, M=M)
        index.ef_search = ef_search
        return index

    def fill(self, structure):
        structure.add(self.items, threads=1)
