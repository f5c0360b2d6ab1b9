"""The file of an `IVF`: docs/design/formats.md, kind ``IVF``.

Which list a vector is in is not kept: the lists say so.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ann import _container
from ann._container import Path
from ann._encoding import WIDTH
from ann._lists import NOWHERE
from ann._vectors import check_count
from sketches import FormatError

if TYPE_CHECKING:
    from ann.ivf import IVF

KIND, VERSION = b"IVF ", 1


def write(index: "IVF", path: Path) -> None:
    """With the lock of the index held."""
    slots, lists = index._slots, index._lists
    parameters: dict[str, Any] = {
        "dim": index.dim, "metric": index.metric, "codes": index.codes, "rerank": index.rerank,
        "dtype": None if index.dtype is None else index.dtype.name, "seed": index.seed,
        "n_lists": index.n_lists, "nprobe": index.nprobe, "slots": slots,
        "last_id": index._names.last_id, "lists": 0 if lists is None else len(lists),
    }  # fmt: skip
    sections: dict[str, Any] = {}
    if lists is not None:
        encoding = index._encoding
        parameters |= lists.parameters | {"step": encoding.step, "middle": encoding.middle}
        sections = lists.sections() | {"ids": index._names.names(np.arange(slots))}
        sections["rows"] = index._rows[:slots]
        sections |= {name: array[:slots] for name, array in index._beside.items()}
        if encoding.turn is not None:
            sections["turn"] = encoding.turn
    _container.write(path, KIND, VERSION, parameters, sections)


class Reader(_container.Reader):
    """The file, and how an index comes of it."""

    def __init__(self, path: Path, mmap: bool) -> None:
        super().__init__(path, KIND, VERSION, mmap)

    def made_with(self) -> dict[str, Any]:
        """What the index is constructed with."""
        kinds: dict[str, Any] = {
            "dim": int, "metric": str, "n_lists": (int, str), "codes": str, "rerank": int,
            "dtype": (str, type(None)), "seed": int,
        }  # fmt: skip
        return {name: self.parameter(name, kind) for name, kind in kinds.items()}

    def fill(self, index: "IVF") -> None:
        """Lists and vectors, into an index without any."""
        nprobe = self.parameter("nprobe", (int, type(None)))
        index.nprobe = None if nprobe is None else check_count("nprobe", nprobe)
        lists, n = self.parameter("lists", int), self.parameter("slots", int)
        if lists:
            if not 0 < lists <= NOWHERE or index.dtype is None:
                raise FormatError(f"{lists} lists of {index.dtype}")
            ids = self.array("ids", np.int64, (n,), True)  # first: there are as many slots
            self._fill_lists(index, lists, n)
            self._fill_rows(index, ids)
        index._names.last_id = max(index._names.last_id, self.parameter("last_id", int))

    def _fill_lists(self, index: "IVF", lists: int, n: int) -> None:
        encoding, book = index._new_encoding(index.dtype), None
        encoding.step = float(self.parameter("step", (int, float)))
        encoding.middle = float(self.parameter("middle", (int, float)))
        if index.codes in WIDTH:
            m, width = encoding.groups
            book = self.array("book", np.float32, (m, width * 16), True).reshape(m, width, 16)
        if index.codes == "rabitq":
            encoding.turn = self.array("turn", np.float32, (index.dim, index.dim), True)
        index._begin(encoding, self.array("centroid", np.float32, (lists, index.dim), True), book)
        index._home = index._trained().restore(self, n)

    def _fill_rows(self, index: "IVF", ids: NDArray[np.int64]) -> None:
        index._slots = n = len(ids)
        index._rows = self.array("rows", index._rows.dtype, (n, index._rows.shape[1]))
        index._beside = {name: self.array(name, np.float32, (n,)) for name in index._beside}
        if index._keeps_rows:
            kernel = index._encoding.row_kernel
            index._trained().set_rows(index._rows, kernel, **index._beside)
        present = index._present()
        index._free = np.flatnonzero(index._home == NOWHERE).tolist()
        index._names.add(np.ascontiguousarray(ids[present]), present)
