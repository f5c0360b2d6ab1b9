"""IVF: seconds to build and to search, bytes, and the neighbours it misses."""

import tempfile
from pathlib import Path

import ann

from .common import Index


class IVF(Index):
    params = (["f32", "sq8", "pq4", "rabitq"], [4, 16])
    param_names = ("codes", "nprobe")

    def build(self, codes, nprobe):
        index = ann.IVF(self.dim, codes=codes)
        index.nprobe = nprobe
        return index

    def fill(self, structure):
        structure.add(self.items, threads=1)

    def ask(self, structure):
        return structure.search(self.queries, self.K, threads=1)

    def serialise(self, structure):
        with tempfile.TemporaryDirectory() as folder:
            structure.save(Path(folder, "index"))
            ann.IVF.load(Path(folder, "index"))
