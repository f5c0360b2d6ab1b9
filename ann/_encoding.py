"""How `IVF` sees vectors: as centroids do, as rows are kept, and as queries of either are asked.

Centroids and 4-bit codes see float32, of length 1 under cosine, and turned by one random rotation
where codes are signs ("rabitq"). Rows are kept as they come, or as 8-bit codes ("sq8" of floats),
x ~ step c + middle with one step for all dimensions; middle is 0 but for l2. What turns products of
rows into distances is told in csrc/ivf.h.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ann._centroids import nearest
from ann._distance import METRICS as KERNELS
from ann._lists import Lists, learn_book
from ann._vectors import as_matrix, convert, refuse_zeros

CODES = ("f32", "sq8", "pq4", "rabitq")
WIDTH = {"pq4": 2, "rabitq": 4}  # dimensions a code of 4 bits
LEARN_BOOK = 8192  # vectors that books are learnt from
BOOK_ROUNDS = 8


_ALL = {number: np.full(1, number, np.float32) for number in (0, 1, -1)}


class Asked(NamedTuple):
    """Queries for `Lists.search`: [nq, dim] twice, and [nq] or [1], one for all, twice."""

    floats: NDArray[np.float32]
    rows: NDArray[Any]
    base: NDArray[np.float32]
    factor: NDArray[np.float32]

    def one(self, i: int) -> "Asked":
        return Asked(*(part[i : i + 1] if len(part) > 1 else part for part in self))


class Encoding:
    """What vectors of one type become, under a metric, for one kind of codes."""

    def __init__(self, dim: int, metric: str, codes: str, keeps_rows: bool, dtype: Any) -> None:
        self.dim, self.metric, self.codes, self.dtype = dim, metric, codes, np.dtype(dtype)
        self.keeps_rows = keeps_rows
        self.coarse = codes == "sq8" and self.dtype.kind == "f"  # rows are codes of floats
        self.step, self.middle = 1.0, 0.0
        self.turn: NDArray[np.float32] | None = None

    @property
    def row_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int8) if self.coarse else self.dtype

    @property
    def row_kernel(self) -> int:
        return KERNELS["l2" if self.metric == "l2" and not self.coarse else "ip"]

    @property
    def beside(self) -> tuple[str, ...]:
        """What else is kept of a row: see Lists.set_rows."""
        if not self.keeps_rows:
            return ()
        if self.coarse:
            return ("plus",) if self.metric == "l2" else ()
        return ("by",) if self.metric == "cosine" else ()

    @property
    def groups(self) -> tuple[int, int]:
        """Codes of 4 bits a vector, an even number, and the dimensions of each."""
        width = WIDTH[self.codes]
        return 2 * -(-self.dim // (2 * width)), width

    def bytes_of(self, n: int, lists: int) -> tuple[int, float, int]:
        """Bytes a row, an entry of a list, and altogether beside them."""
        row = self.keeps_rows * self.row_dtype.itemsize * self.dim + 4 * len(self.beside)
        m, width = self.groups if self.codes in WIDTH else (0, 0)
        entry = 4 + (m // 2 + 4 + 4 * (self.codes == "rabitq") if m else 0)
        turn = 4 * self.dim**2 * (self.codes == "rabitq")
        return row, entry, lists * (5 * self.dim + 12) + 4 * m * width * 16 + turn

    def floats(self, matrix: NDArray[Any]) -> NDArray[np.float32]:
        """As centroids see vectors."""
        floats = np.ascontiguousarray(matrix, np.float32)
        if self.metric == "cosine":
            floats = floats * inverse_lengths(floats)[:, None]
        return floats if self.turn is None else floats @ self.turn

    def rows(self, matrix: NDArray[Any]) -> tuple[NDArray[Any], dict[str, NDArray[np.float32]]]:
        """Rows as they are kept, and what is kept beside them."""
        if not self.keeps_rows:
            return matrix[:, :0], {}
        if not self.coarse:
            return matrix, {"by": inverse_lengths(matrix)} if self.metric == "cosine" else {}
        exact = (self.floats(matrix) - np.float32(self.middle)) / np.float32(self.step)
        rows = np.clip(np.rint(exact), -127, 127).astype(np.int8)
        if self.metric != "l2":
            return rows, {}
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.int64) * self.step**2
        return rows, {"plus": squares.astype(np.float32)}

    def asked(self, queries: Any) -> Asked:
        """Bytes are compared with bytes; queries for rows of float16 are not rounded to it."""
        kind = self.dtype if self.dtype.kind in "ui" else np.dtype(np.float32)
        matrix = convert(as_matrix(queries, self.dim, "queries"), kind, "queries")
        if self.metric == "cosine":
            refuse_zeros(matrix, "queries")
        l2 = self.metric == "l2"
        floats = self.floats(matrix)
        base = _ALL[0 if l2 else 1]
        if not self.coarse:
            if self.metric == "cosine":
                return Asked(floats, matrix, base, -inverse_lengths(matrix))
            return Asked(floats, matrix, base, _ALL[1 if l2 else -1])
        exact = floats - np.float32(self.middle)  # each query in steps of its own
        step = np.maximum(np.abs(exact).max(axis=1), np.float32(1e-30)) / np.float32(127)
        rows = np.rint(exact / step[:, None]).astype(np.int8)
        if l2:
            base = np.einsum("ij,ij->i", exact, exact)
        return Asked(floats, rows, base, (-2 if l2 else -1) * np.float32(self.step) * step)

    def learn(self, matrix: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
        """Rotation and steps, from a sample, of which this gives what centroids see."""
        if self.codes == "rabitq":
            normal = rng.standard_normal((self.dim, self.dim))
            self.turn = np.ascontiguousarray(np.linalg.qr(normal)[0], np.float32)
        floats = self.floats(matrix)
        if self.coarse:
            if self.metric == "l2":
                self.middle = float(floats.min()) / 2 + float(floats.max()) / 2
            self.step = float(max(np.abs(floats - self.middle).max() / 127, 1e-30))
        return floats

    def learn_book(
        self, floats: NDArray[np.float32], centroids: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32] | None:
        """What 4-bit codes stand for, float32[m, width, 16]: signs, or learnt from residuals."""
        if self.codes not in WIDTH:
            return None
        m, width = self.groups
        if self.codes == "rabitq":
            signs = np.arange(16)[None, :] >> np.arange(width)[:, None] & 1
            book = np.broadcast_to((2 * signs - 1).astype(np.float32), (m, width, 16)).copy()
            book.reshape(m * width, 16)[self.dim :] = 0
            return book
        some = floats[rng.choice(len(floats), min(len(floats), LEARN_BOOK), replace=False)]
        residuals = np.zeros((len(some), m * width), np.float32)
        residuals[:, : self.dim] = some - centroids[nearest(some, centroids)]
        return learn_book(residuals, width, BOOK_ROUNDS, rng)

    def lists(self, centroids: NDArray[np.float32], book: NDArray[np.float32] | None) -> Lists:
        kernel = KERNELS["l2" if self.metric == "l2" else "ip"]
        return Lists(centroids, kernel, book, scaled=self.codes == "rabitq")


def inverse_lengths(rows: NDArray[Any]) -> NDArray[np.float32]:
    """1 / |x|: float32[n]."""
    floats = rows.astype(np.float64)
    return np.asarray(1 / np.sqrt(np.einsum("ij,ij->i", floats, floats)), np.float32)
