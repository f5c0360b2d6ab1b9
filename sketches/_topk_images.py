"""The images of a TopK: our own, and that of Apache DataSketches' frequent items.

Ours (kind ``TOPK``, version 1; docs/design/formats.md) holds items by falling estimate:

    header   u32 k, u8 type of the items (0 none, 1 int, 2 float, 3 str, 4 bytes), u8 1 if the
             integers are unsigned, u16 0, u64 seed, u64 offset, u64 total, u64 n
    payload  u64 x n estimates, u64 x n ``estimate - lower bound``, then the items: 8 bytes each
             (an int, or a float64), or u64 x n lengths and the texts on end

DataSketches' (family 10, serial version 1; of its C++ and Java):

    byte 0 preamble longs (1 empty, 4), 1 version, 2 family, 3 log2 of the largest table, 4 log2 of
    the present one, 5 flags (5: empty), 6-7 zero; u32 n, u32 0, i64 total, i64 offset; i64 x n
    weights above the offset; then the items: longs, or u32 length and UTF-8 each
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketches._frame import FormatError, pack, unpack

NONE, INTS, FLOATS, STRS, BYTES = range(5)  # the order of sketches._objects, and of images
_HEADER = struct.Struct("<IBBHQQQQ")
_TOTAL_MAX = 2**63 - 1
_EMPTY = 5  # bits 0 and 2: what either language sets
_FAMILY = 10


class State(NamedTuple):
    """What a table holds: items are numbers (of an image: their keys), or texts as bytes."""

    family: int
    is_unsigned: bool
    offset: int
    total: int
    items: list[Any]
    counts: NDArray[np.uint64]
    born: NDArray[np.uint64]


def _check(state: State, most: int) -> None:
    """Refuse what no stream leads to; items that come twice show when they are put in."""
    n = len(state.items)
    if n > most or state.offset > state.total or state.total > _TOTAL_MAX:
        raise FormatError(f"image of {n} items, offset {state.offset}, total {state.total}")
    if n and (state.born >= state.counts).any() | (state.born > state.offset).any():
        raise FormatError("image with bounds that cross")
    if n and int(state.counts.min()) <= state.offset:
        raise FormatError("image with an item that should have been dropped")
    above = sum((state.counts - np.uint64(state.offset)).tolist())
    if above > state.total:
        raise FormatError(f"image with weights of {above} and a total of {state.total}")


def _texts(data: memoryview, lengths: list[int]) -> list[bytes]:
    if sum(lengths) != len(data):
        raise FormatError(f"image with {len(data)} bytes for texts of {sum(lengths)}")
    texts, at = [], 0
    for length in lengths:
        texts.append(bytes(data[at : at + length]))
        at += length
    return texts


def _check_utf8(texts: list[bytes]) -> None:
    """Of DataSketches' images; in ours a str is what came, which from Arrow may be anything."""
    try:
        for text in texts:
            text.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"image with a str that is not UTF-8: {error}") from None


def _most(k: int) -> int:
    return 6 << (k - 1).bit_length()


def pack_own(k: int, seed: int, state: State) -> bytes:
    """Our image."""
    if state.family >= STRS:
        lengths = np.array([len(t) for t in state.items], "<u8").tobytes()
        body = lengths + b"".join(state.items)
    elif state.family == FLOATS:
        body = np.array(state.items, "<f8").tobytes()
    else:
        body = np.array([i % 2**64 for i in state.items], "<u8").tobytes()
    header = _HEADER.pack(
        k,
        state.family,
        state.is_unsigned,
        0,
        seed,
        state.offset,
        state.total,
        len(state.items),
    )
    columns = [column.astype("<u8").tobytes() for column in (state.counts, state.born)]
    return pack(b"TOPK", 1, header, b"".join([*columns, body]))


def unpack_own(image: bytes | bytearray | memoryview) -> tuple[int, int, State]:
    """k, seed and the state in our image."""
    fields, payload = unpack(b"TOPK", 1, _HEADER.format, image)
    k, family, is_unsigned, zero, seed, offset, total, n = fields
    if not 1 <= k <= 1 << 24 or family > BYTES or is_unsigned > 1 or zero:
        raise FormatError(f"TOPK image with k {k}, type {family}, flags {is_unsigned}, {zero}")
    if n > _most(k) or len(payload) < 24 * n or (n and not family):
        raise FormatError(f"TOPK image with {n} items in {len(payload)} bytes and k {k}")
    if not family and (offset or total):
        raise FormatError("TOPK image with a total of nothing")
    counts, born, third = (np.frombuffer(payload, "<u8", n, 8 * n * i) for i in range(3))
    rest = payload[24 * n :]
    if family >= STRS:
        items: list[Any] = _texts(rest, third.tolist())
    elif len(rest):
        raise FormatError(f"TOPK image with {len(rest)} bytes too many")
    else:
        items = third.tolist()
    if family == FLOATS and not _canonical(third):
        raise FormatError("TOPK image with a float of more than one form")
    state = State(family, bool(is_unsigned), offset, total, items, counts, born)
    _check(state, _most(k))
    return k, seed, state


def _canonical(keys: NDArray[np.uint64]) -> bool:
    """Whether floats have the one form that is counted: 0.0, not -0.0, and one NaN."""
    values = keys.view("<f8")
    nan = np.isnan(values) & (keys != 0x7FF8000000000000)
    return not (nan | (keys == 1 << 63)).any()


def pack_datasketches(slots_max: int, state: State) -> bytes:
    """The image of DataSketches."""
    n, lg_max = len(state.items), slots_max.bit_length() - 1
    lg_now = 3
    while 3 << lg_now < 4 * n:
        lg_now += 1
    if state.family not in (NONE, INTS, STRS):
        kind = "float" if state.family == FLOATS else "bytes"
        raise TypeError(f"DataSketches has frequent longs and strings; these items are {kind}")
    if not state.total:
        return bytes([1, 1, _FAMILY, lg_max, 3, _EMPTY, 0, 0])
    if state.family == STRS:
        _check_utf8(state.items)
        body = b"".join(struct.pack("<I", len(t)) + t for t in state.items)
    elif any(i > _TOTAL_MAX for i in state.items):
        raise TypeError("DataSketches has no longs beyond 2**63 - 1")
    else:
        body = np.array(state.items, "<i8").tobytes()
    preamble = bytes([4, 1, _FAMILY, lg_max, lg_now, 0, 0, 0])
    preamble += struct.pack("<IIqq", n, 0, state.total, state.offset)
    weights = (state.counts - np.uint64(state.offset)).astype("<i8")
    return preamble + weights.tobytes() + body


def unpack_datasketches(image: bytes | bytearray | memoryview, items: str) -> tuple[int, State]:
    """k and the state in an image of DataSketches."""
    if items not in ("int", "str"):
        raise ValueError(f"items must be 'int' or 'str', not {items!r}")
    try:
        view = memoryview(image).cast("B")
    except TypeError as error:
        raise TypeError(f"an image is bytes, not {type(image).__name__}") from error
    if len(view) < 8:
        raise FormatError(f"{len(view)} bytes are too few for a frequent-items image")
    longs, version, family, lg_max, lg_now, flags = view[:6]
    if (version, family) != (1, _FAMILY) or longs not in (1, 4):
        raise FormatError(f"not a frequent-items image: it begins with {bytes(view[:8])!r}")
    if not 3 <= lg_max <= 27 or lg_now > lg_max or (longs == 1) != bool(flags & _EMPTY):
        raise FormatError(f"image with tables of 2**{lg_now} and 2**{lg_max}, flags {flags}")
    k = 1 << (lg_max - 3)
    if longs == 1:
        return k, State(NONE, False, 0, 0, [], np.empty(0, np.uint64), np.empty(0, np.uint64))
    if len(view) < 32:
        raise FormatError(f"{len(view)} bytes are too few for a frequent-items image")
    n, _, total, offset = struct.unpack_from("<IIqq", view, 8)
    if n > _most(k) or len(view) < 32 + 8 * n or min(total, offset) < 0:
        raise FormatError(f"image with {n} items, total {total}, offset {offset}")
    weights = np.frombuffer(view, "<i8", n, 32)
    if (n and int(weights.min()) <= 0) or offset > total:
        raise FormatError("image with weights that are not positive")
    rest = view[32 + 8 * n :]
    if items == "str":
        keys: list[Any] = _strings(rest, n)
    elif len(rest) != 8 * n:
        raise FormatError(f"image with {len(rest)} bytes for {n} longs")
    else:
        keys = np.frombuffer(rest, "<u8").tolist()
    counts = weights.astype(np.uint64) + np.uint64(offset)
    born = np.full(n, offset, np.uint64)
    state = State(STRS if items == "str" else INTS, False, offset, total, keys, counts, born)
    _check(state, _most(k))
    return k, state


def _strings(data: memoryview, n: int) -> list[bytes]:
    texts, at = [], 0
    for _ in range(n):
        if at + 4 > len(data):
            raise FormatError("image that ends within its strings")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4 + length
        if at > len(data):
            raise FormatError("image that ends within its strings")
        texts.append(bytes(data[at - length : at]))
    if at != len(data):
        raise FormatError(f"image with {len(data) - at} bytes too many")
    _check_utf8(texts)
    return texts
