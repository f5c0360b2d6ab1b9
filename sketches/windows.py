"""Counts over the last hour, in steps of a minute: a ring of sketches, merged on demand.

Time is cut into steps of ``size / slots``, at multiples of it; each of the last `slots` steps has a
sketch like the prototype, made when the first event falls into it. A query merges those it asks
for. Which steps are the last is told by the events' own times, never by a clock, so that a stream
that is read again gives the same counts.
"""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches._frame import FormatError, pack, unpack

LATE = ("refuse", "drop", "fold")
SLOTS_MAX = 1 << 16
_NEVER = -(2**63)
_HEADER = struct.Struct(
    "<dIBBHqQQQ32s"
)  # size, slots, late, dated, 0, newest, dropped, n, seed, class
_SEEDED = {"HyperLogLog"}  # whose images do not tell the seed
_KNOWN = {"CountMin", "CountSketch", "MinHash", "PostgresHLL", "SparkCountMin", "TopK"} | _SEEDED
_FINER = {"ns", "ps", "fs", "as"}  # than microseconds, which hold all of their times
_MICROSECOND = np.timedelta64(1, "us")


class Windowed:
    """A sketch of the last `size` of time, whose events leave as time goes on.

    Parameters
    ----------
    prototype
        An empty sketch that merges: `CountMin`, `CountSketch`, `HyperLogLog`, `MinHash`,
        `PostgresHLL`, `SparkCountMin`, `TopK`. Every step gets one of the same parameters.
    size : float, timedelta or timedelta64
        Length of the window, in the unit of the times; a timedelta where they are datetime64.
    slots : int
        Steps, 1 .. 65536. The window moves by a step at a time: it always holds the newest step, as
        far as it has come, and the ``slots - 1`` before.
    late : {"refuse", "drop", "fold"}
        What becomes of an event that comes when the window has moved past it: a ValueError, before
        anything of its batch is taken; left out, and counted in `dropped`; or taken into the step
        that is the oldest then.

    Notes
    -----
    The answers have the errors of the merged sketch, and are about the last ``size - size / slots``
    to `size`. Memory: a sketch for each step with events.

    Examples
    --------
    >>> from sketches import CountMin, Windowed
    >>> hits = Windowed(CountMin(1024, 4), size=3600, slots=60)
    >>> hits.update(["/", "/about", "/"], times=[10, 70, 3000])
    0
    >>> hits.merged().estimate("/"), hits.merged(last=600).estimate("/")
    (2, 1)
    """

    def __init__(
        self,
        prototype: Any,
        size: float | timedelta | np.timedelta64,
        slots: int,
        late: str = "refuse",
    ) -> None:
        if type(prototype).__name__ not in _KNOWN:
            raise TypeError(f"a {type(prototype).__name__} is no sketch that merges")
        if not prototype.is_empty:
            raise ValueError(f"the prototype must be empty: {prototype!r}")
        if isinstance(slots, bool) or not isinstance(slots, (int, np.integer)):
            raise TypeError(f"slots must be an integer, not {type(slots).__name__}")
        if not 1 <= slots <= SLOTS_MAX:
            raise ValueError(f"slots must be 1 .. {SLOTS_MAX}, not {slots}")
        if late not in LATE:
            raise ValueError(f"late must be one of {LATE}, not {late!r}")
        self.dated = isinstance(size, (timedelta, np.timedelta64))
        self.size = self._length(size)
        if not _sound(self.size, slots, self.dated):
            raise ValueError(
                f"size must be positive, not too small to cut, and finite (of dates: below 2**63"
                f" microseconds), not {size}"
            )
        self.slots, self.late, self.dropped = int(slots), late, 0
        self._step = self.size / self.slots
        self._prototype = prototype.copy()
        self._ring: dict[int, Any] = {}  # number of a step -> its sketch
        self._newest = _NEVER
        self._lock = threading.RLock()

    # ------------------------------------------------------------------------ time

    def _length(self, length: float | timedelta | np.timedelta64) -> float:
        """A length of time as a number: of microseconds, where times are datetimes."""
        if isinstance(length, (timedelta, np.timedelta64)) != self.dated:
            wanted = "a timedelta" if self.dated else "a number"
            raise TypeError(f"a length of time here is {wanted}, not {length!r}")
        if isinstance(length, str):
            raise TypeError(f"a length of time is a number or a timedelta, not {length!r}")
        return float(np.timedelta64(length) / _MICROSECOND) if self.dated else float(length)  # type: ignore[arg-type]

    def _steps(self, times: Any, n: int) -> NDArray[np.int64]:
        """The numbers of the steps that n times lie in."""
        if np.ma.is_masked(times):
            raise ValueError("a time is missing (masked)")
        array = np.asarray(times)
        if self.dated and array.dtype.kind == "O":  # Python's datetimes
            naive = [_naive(time) for time in array.ravel()]
            array = np.asarray(naive, "M8[us]").reshape(array.shape)
        if array.ndim > 1 or array.dtype.kind not in ("M" if self.dated else "iuf"):
            wanted = "datetimes" if self.dated else "numbers"
            raise TypeError(f"times must be {wanted}, not {array.ndim}-dimensional {array.dtype}")
        if array.ndim and len(array) != n:
            raise ValueError(f"{len(array)} times for {n} items")
        if array.dtype.kind == "M":
            if np.isnat(array).any():
                raise ValueError("a time is missing (NaT)")
            moved = array.astype("M8[us]")
            if (
                np.datetime_data(array.dtype)[0] not in _FINER
                and (moved.astype(array.dtype) != array).any()
            ):
                raise ValueError("a time beyond what 64 bits of microseconds hold")
            array = moved.astype(np.int64)
        if array.dtype.kind in "iu" and self._step.is_integer() and self._step < 2**63:
            if array.size and int(array.max()) >= 2**63:
                raise ValueError("a time beyond 2**63 - 1")
            steps = array.astype(np.int64) // int(self._step)  # exact
        else:
            ratio = np.floor(array / self._step)
            if not (abs(ratio) < 2**62).all():
                raise ValueError(
                    f"a time that is not finite, or beyond 2**62 steps of {self._step}"
                )
            steps = ratio.astype(np.int64)
        return np.broadcast_to(steps, n)

    def _advance(self, step: int) -> None:
        if step > self._newest:
            self._newest = step
            for old in [number for number in self._ring if number <= step - self.slots]:
                del self._ring[old]

    def advance(self, time: Any) -> None:
        """Let time go on to `time` without an event; never back."""
        (step,) = self._steps(time, 1).tolist()
        with self._lock:
            self._advance(step)

    # ---------------------------------------------------------------------- events

    def update(self, items: Any, times: Any, weights: Any = None) -> int:
        """Take events into the steps of their times.

        Parameters
        ----------
        items
            A batch as the sketch's own `update` takes, or one item.
        times
            One time for all, or one an item, in any order: numbers (seconds, say), or datetimes
            (datetime64, an Arrow column, Python's own, of a time zone or in UTC) where `size` is a
            timedelta.
        weights : optional
            As the sketch's own `update` takes them, if it does.

        Returns
        -------
        int
            How many nulls were passed over, of events that are within the window.

        Raises
        ------
        ValueError
            For late events, if `late` says so; for times that are missing, or not as many as the
            items. What the sketch's `update` raises: then earlier steps may have been taken.
        """
        items = _batch(items)
        steps = self._steps(times, len(items))
        if not (weights is None or np.ndim(weights) == 0):
            weights = np.asanyarray(weights)  # a mask is refused, not lost
            if len(weights) != len(items):
                raise ValueError(f"{len(weights)} weights for {len(items)} items")
        if not len(items):
            return 0
        with self._lock:
            chosen, steps, late = self._in_order(steps)
            if chosen is not None:
                items = _pick(items, chosen)
                weights = weights[chosen] if np.ndim(weights) else weights
            cuts = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
            spans = pairwise(cuts)
            nulls = sum(self._take(items, int(steps[a]), a, b, weights) for a, b in spans if a < b)
            self.dropped += late if self.late == "drop" else 0
            return nulls

    def _in_order(
        self, steps: NDArray[np.int64]
    ) -> tuple[NDArray[np.intp] | None, NDArray[np.int64], int]:
        """Which events to take, oldest step first (None: all, as they are), their steps, and how
        many are late.

        An event is late if the window had moved past it when it came, in the batch or before. One
        that came in time, but has left the window by the end of the batch, need not be taken.
        """
        oldest = np.maximum(np.maximum.accumulate(steps), self._newest) - self.slots + 1
        late = steps < oldest
        if late.any() and self.late == "refuse":
            raise ValueError(
                f"{late.sum()} of {len(steps)} events are older than the window, the first at"
                f" position {late.argmax()}: late='drop' or 'fold' takes such batches"
            )
        if self.late == "fold":
            steps = np.maximum(steps, oldest)
        gone = steps < oldest[-1]
        if not gone.any() and (steps[1:] >= steps[:-1]).all():
            return None, steps, int(late.sum())
        order = np.argsort(steps, kind="stable")[int(gone.sum()) :]
        return order, steps[order], int(late.sum())

    def _take(self, items: Any, step: int, start: int, end: int, weights: Any) -> int:
        """The events from start to end, which are of one step. Time goes on once they are in: what
        is refused makes no older step leave."""
        found = self._ring.get(step)
        fresh = found is None or found.is_empty
        sketch: Any = self._prototype.copy() if fresh else found
        part = items if (start, end) == (0, len(items)) else items[start:end]
        given = () if weights is None else (weights[start:end] if np.ndim(weights) else weights,)
        nulls = int(sketch.update(part, *given))
        if fresh and hasattr(sketch, "item_type"):
            self._check_type(sketch.item_type, step)
        self._ring[step] = sketch
        self._advance(step)
        return nulls

    def _check_type(self, kind: str | None, step: int) -> None:
        """Whether items of this type can be merged with those of the other steps of a TopK."""
        there = {s.item_type for n, s in self._ring.items() if n > step - self.slots} - {None, kind}
        if kind and there:
            raise TypeError(f"{kind} items for a window of {there.pop()}")

    # --------------------------------------------------------------------- answers

    def merged(self, last: float | timedelta | np.timedelta64 | None = None) -> Any:
        """A sketch of the whole window, or of its newest part.

        Parameters
        ----------
        last : optional
            Length of time, rounded up to whole steps; the step that has only begun counts as one.
        """
        count = self.slots
        if last is not None:
            ratio = self._length(last) / self._step
            count = math.ceil(ratio - 1e-9) if 0 < ratio < math.inf else 0
            if not 1 <= count <= self.slots:
                raise ValueError(f"last must be above 0 and at most the window's size, not {last}")
        with self._lock:
            result = self._prototype.copy()
            for step in sorted(self._ring):
                if step > self._newest - count:
                    result.merge(self._ring[step])
            return result

    @property
    def steps(self) -> list[tuple[Any, Any]]:
        """When each step with events begins, and a copy of its sketch; oldest first."""
        with self._lock:
            return [(self._start(step), self._ring[step].copy()) for step in sorted(self._ring)]

    def _start(self, step: int) -> Any:
        start = step * self._step
        return np.datetime64(round(start), "us") if self.dated else start

    @property
    def is_empty(self) -> bool:
        """Whether the window holds no events."""
        return not self._ring

    @property
    def nbytes(self) -> int:
        """Bytes of the sketches."""
        with self._lock:
            return sum(sketch.nbytes for sketch in self._ring.values())

    # -------------------------------------------------------------------- together

    def merge(self, other: Windowed) -> None:
        """Take the steps of another window of the same kind: that of both streams, whose newest
        time is the later one. Raises ValueError for other parameters."""
        if not isinstance(other, Windowed):
            raise TypeError(f"expected a Windowed, not {type(other).__name__}")
        theirs = other.copy()
        for name in ("size", "slots", "dated", "prototype"):
            a, b = (getattr(w, "_" * (name == "prototype") + name) for w in (self, theirs))
            same = _image(a) == _image(b) if name == "prototype" else a == b
            if not same:
                raise ValueError(f"{name} differs: {a!r} here, {b!r} there")
        with self._lock:
            newest = max(self._newest, theirs._newest)
            ring = {}  # of both, before this changes: what is refused leaves it as it was
            for step, sketch in theirs._ring.items():
                if step > newest - self.slots:
                    if hasattr(sketch, "item_type"):
                        self._check_type(sketch.item_type, newest)
                    ring[step] = self._ring[step] | sketch if step in self._ring else sketch
            self._advance(newest)
            self._ring.update(ring)
            self.dropped += theirs.dropped

    def clear(self) -> None:
        """Back to no events and no time."""
        with self._lock:
            self._ring, self._newest, self.dropped = {}, _NEVER, 0

    def copy(self) -> Windowed:
        """An independent window of the same state."""
        twin = Windowed.__new__(Windowed)
        with self._lock:
            twin.__dict__.update(self.__dict__)
            twin._ring = {step: sketch.copy() for step, sketch in self._ring.items()}
        twin._lock = threading.RLock()
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Windowed:
        return self.copy()

    def to_bytes(self) -> bytes:
        """An image (docs/design/formats.md, kind ``WIND``)."""
        twin = self.copy()
        name, seed, image = _image(twin._prototype)
        header = _HEADER.pack(
            self.size,
            self.slots,
            LATE.index(self.late),
            self.dated,
            0,
            twin._newest,
            twin.dropped,
            len(twin._ring),
            seed,
            name.encode(),
        )
        parts = [struct.pack("<Q", len(image)), image]
        for step in sorted(twin._ring):
            image = _image(twin._ring[step])[2]
            parts += [struct.pack("<qQ", step, len(image)), image]
        return pack(b"WIND", 1, header, b"".join(parts))

    @staticmethod
    def from_bytes(image: bytes | bytearray | memoryview) -> Windowed:
        """The window an image holds. Raises `FormatError` for a bad one."""
        fields, payload = unpack(b"WIND", 1, _HEADER.format, image)
        size, slots, late, dated, zero, newest, dropped, n, seed, padded = fields
        name = padded.rstrip(b"\0").decode("ascii", "replace")
        if name not in _KNOWN or late >= len(LATE) or dated > 1 or zero:
            raise FormatError(f"WIND image of {name!r} with flags {late}, {dated}, {zero}")
        if not 1 <= slots <= SLOTS_MAX or n > slots or not _sound(size, slots, bool(dated)):
            raise FormatError(f"WIND image of size {size} with {n} of {slots} steps")
        (prototype,), rest = _sketches(name, seed, payload, 1, "<Q")
        if not prototype[1].is_empty:
            raise FormatError("WIND image whose prototype is not empty")
        window = Windowed.__new__(Windowed)
        window.dated, window.size, window.slots = bool(dated), size, slots
        window.late, window.dropped, window._newest = LATE[late], dropped, newest
        window._step, window._prototype = size / slots, prototype[1]
        window._lock = threading.RLock()
        found, rest = _sketches(name, seed, rest, n, "<qQ")
        window._ring = dict(found)
        if len(rest) or [step for step, _ in found] != sorted(window._ring):
            raise FormatError("WIND image with bytes too many, or steps out of order")
        if n and not newest - slots < min(window._ring) <= max(window._ring) <= newest:
            raise FormatError("WIND image with a step outside its window")
        try:  # of the parameters of the prototype, or they could not be merged
            window.merged()
        except (TypeError, ValueError) as error:
            raise FormatError(f"WIND image with sketches of several kinds: {error}") from None
        except OverflowError:  # too much for one sketch, but not for parts of the window
            pass
        return window

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return Windowed.from_bytes, (self.to_bytes(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Windowed):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size = np.timedelta64(round(self.size), "us").item() if self.dated else self.size
        return (
            f"Windowed({self._prototype!r}, size={size!r}, slots={self.slots}, late={self.late!r})"
            f" <{len(self._ring)} steps with events>"
        )


def _sound(size: float, slots: int, dated: bool) -> bool:
    return size / slots > 0 and size < (2.0**63 if dated else math.inf)


def _batch(items: Any) -> Any:
    """Items that have a length and can be cut, by code that calls back nobody's."""
    if isinstance(items, (str, bytes, int, float)):
        return [items]
    if isinstance(items, Mapping):
        raise TypeError(
            f"a {type(items).__name__} would lose its values: give list(counts), and"
            " list(counts.values()) as the weights, if they are wanted"
        )
    if isinstance(items, (np.generic, np.ndarray)):
        return np.atleast_1d(items)
    ours = isinstance(items, (list, tuple)) or hasattr(items, "__arrow_c_array__")
    ours |= hasattr(items, "__arrow_c_stream__")
    return items if ours and hasattr(items, "__len__") else list(items)


def _naive(time: Any) -> Any:
    """A datetime in UTC, without saying so."""
    aware = isinstance(time, datetime) and time.tzinfo is not None
    return time.astimezone(UTC).replace(tzinfo=None) if aware else time


def _pick(items: Any, order: NDArray[np.intp]) -> Any:
    """The items at these positions, as the container's own kind."""
    if isinstance(items, (list, tuple)):
        return [items[i] for i in order.tolist()]
    return items.take(order) if hasattr(items, "take") else items[order]


def _image(sketch: Any) -> tuple[str, int, bytes]:
    """Class, seed and image; the image as for pickle, which loses nothing."""
    seed = getattr(sketch, "seed", 0)
    return type(sketch).__name__, seed, sketch.__reduce__()[1][0]


def _sketches(
    name: str, seed: int, data: memoryview, n: int, layout: str
) -> tuple[list[tuple[int, Any]], memoryview]:
    """n sketches, each behind the number of its step, if the layout has one, and its length."""
    import sketches

    make, found, fields = getattr(sketches, name), [], struct.Struct(layout)
    for _ in range(n):
        if len(data) < fields.size:
            raise FormatError("WIND image that ends within its steps")
        *step, length = fields.unpack_from(data)
        if length > len(data) - fields.size:
            raise FormatError("WIND image that ends within its steps")
        image = bytes(data[fields.size : fields.size + length])
        sketch = make.from_bytes(image, seed) if name in _SEEDED else make.from_bytes(image)
        found.append((step[0] if step else 0, sketch))
        data = data[fields.size + length :]
    return found, data
