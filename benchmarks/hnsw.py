"""HNSW: seconds to build and to search, bytes, and the neighbours it misses."""

import tempfile
from pathlib import Path

import ann

from .common import Index


class HNSW(Index):
    params = ([8, 16], [20, 80])
    param_names = ("M", "ef_search")

    def build(self, M, ef_search):
        index = ann.HNSW(self.dim, M=M)
        index.ef_search = ef_search
        return index

    def fill(self, structure):
        structure.add(self.items, threads=1)

    def ask(self, structure):
        return structure.search(self.queries, self.K, threads=1)

    def serialise(self, structure):
        with tempfile.TemporaryDirectory() as folder:
            structure.save(Path(folder, "index"))
            ann.HNSW.load(Path(folder, "index"))
