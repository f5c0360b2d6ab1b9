"""In which few dimensions the graph looks at vectors: principal axes, turned at random.

The leading principal axes of a sample keep most of a distance in few dimensions (Tepper et al.:
"LeanVec", 2023, arXiv 2312.16335). A random rotation among them spreads the variance evenly, so
that 8 bits with one scale serve every dimension. Where there are fewer axes than a code has room
for, they are turned into all of it: lengths stay, and roundings average out. csrc/hnsw.h says how
they are used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ann._container import Reader
from sketches import FormatError

LINE = 64  # bytes of a cache line; a code is some of them, less 4 bytes for its norm
NORM = 4
SAMPLE = 16_384  # vectors to learn from: more than enough for the axes of some hundred dimensions
ENOUGH = 0.9  # the share of the variance that codes must keep; measured in docs/design/hnsw.md
WIDE = 20_000  # length in 16-bit units of the longest vector seen; 46,340 at most, to leave room
ONE = 32_767  # of a matrix element
LINES_MAX = 64  # HNSW_LINES_MAX: 4,092 axes
WIDE_EYED = 2048  # dimensions above which axes are those of as many vectors, not of a covariance
INSIDE = 0.99  # the share of vectors that no dimension of their code clips


def lines_for(dim: int, metric: str) -> int:
    """Cache lines of a code that keeps every dimension; `ip` has one more than the vectors."""
    return min(LINES_MAX, -(-(dim + (metric == "ip") + NORM) // LINE))


@dataclass(frozen=True)
class Projection:
    """The fields of hnsw_projection in csrc/hnsw.h."""

    lines: int
    kept: int
    matrix: NDArray[np.int16]
    mean: NDArray[np.float32]
    step: float
    gain: float
    share: float
    longest: float

    @property
    def nbytes(self) -> int:
        return self.matrix.nbytes + self.mean.nbytes

    @staticmethod
    def nbytes_of(dim: int, metric: str, lines: int) -> int:
        m, padded = shape_of(dim, metric, lines)
        return 2 * m * padded + 4 * padded

    def parameters(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("step", "gain", "share", "longest")}

    @staticmethod
    def restored(file: Reader, dim: int, metric: str, lines: int) -> "Projection":
        """The projection of an index's file. Raises `FormatError` for what `learn` cannot make."""
        m, padded = shape_of(dim, metric, lines)
        most = float(np.finfo(np.float32).max)
        values = [file.parameter(name, float) for name in ("step", "gain", "share", "longest")]
        if not all(0 < value < most for value in values[:3]) or not 0 <= values[3] < most:
            raise FormatError(f"a projection with the scales {values}")
        matrix = file.array("matrix", np.int16, (m, padded), verify=True)
        mean = file.array("mean", np.float32, (padded,), verify=True)
        if not np.isfinite(mean).all():
            raise FormatError("a projection whose mean is not finite")
        return Projection(lines, m, matrix, mean, *values)


def shape_of(dim: int, metric: str, lines: int) -> tuple[int, int]:
    """Rows and columns of the matrix; these are whole vectors of 32."""
    return lines * LINE - NORM, -(-(dim + (metric == "ip")) // 32) * 32


def learn(sample: NDArray[np.float32], metric: str, lines: int | None, seed: int) -> Projection:
    """The projection for vectors such as these; `lines` of a code, or as many as keep ENOUGH."""
    rng = np.random.default_rng(seed)
    if len(sample) > SAMPLE:
        sample = sample[rng.choice(len(sample), SAMPLE, replace=False)]
    rows = sample.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    longest = float(lengths.max(initial=0))
    if metric == "cosine":
        rows /= np.where(lengths > 0, lengths, 1)
    elif metric == "ip":
        rows = np.hstack([rows, np.sqrt(np.maximum(longest**2 - lengths**2, 0))])
    dim = rows.shape[1]
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows -= mean
    values, axes = principal(rows)
    kept = np.cumsum(np.maximum(values, 0))
    if lines is None:
        need = int(np.searchsorted(kept, ENOUGH * kept[-1])) + 1
        lines = lines_for(need, "l2")
    m, padded = shape_of(sample.shape[1], metric, lines)
    led = axes[:, :m]
    turned = np.linalg.qr(rng.standard_normal((m, led.shape[1])))[0]
    matrix = turned @ led.T
    wide, held = np.zeros((m, padded), np.int16), np.zeros(padded, np.float32)
    wide[:, :dim] = np.rint(matrix * ONE)
    held[:dim] = mean
    far = float(np.linalg.norm(rows, axis=1).max(initial=0))
    step = WIDE / far if far > 0 else 1.0
    most = float(np.quantile(np.abs(rows @ matrix.T.astype(np.float32)).max(axis=1), INSIDE))
    scale = 127 / most if most > 0 else 1.0
    return Projection(
        lines, m, wide, held, step, scale / (step * ONE), (scale / step) ** 2, longest
    )


def principal(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Variances, falling, and the axes [dim, some] they belong to, of centred rows."""
    if rows.shape[1] <= WIDE_EYED:
        values, axes = np.linalg.eigh(rows.T @ rows)
        return values[::-1], axes[:, ::-1]
    few = rows[:WIDE_EYED]
    values, weights = np.linalg.eigh(few @ few.T)
    some = values > 1e-6 * values[-1]
    if not some.any():  # all rows are the same
        return values[-1:], np.eye(rows.shape[1], 1, dtype=np.float32)
    axes = (few.T @ weights[:, some]) / np.sqrt(values[some])
    return values[some][::-1], axes[:, ::-1]
