"""The file of an index: parameters and arrays, checked, replaced at once, and mapped as they lie.

    offset       type    meaning
    0            4 s     "TRCT"
    4            4 s     kind: which index
    8            u16     version of the kind's layout
    10           u16     S, the number of sections
    12           u32     J, the length of the parameters
    16           u64     length of the file
    24           J       parameters: a JSON object in UTF-8
    24 + J       48 S    sections: 8 s name, 8 s type, u64 rows, u64 columns, u64 offset,
                         u64 h1 of MurmurHash3 x64 128, seed 0, over the section's bytes
    24 + J + 48S u64     the same hash over all that comes before

Types are numpy's names (`<f4`, `|u1`), little-endian, names and types filled up with NUL. A section
begins at a multiple of 64 (a line of the cache), with zeros before it. No length is trusted before
it has been compared with that of the file, and whoever reads a section into memory compares its
hash as well. One that is mapped is not read through, which is the point of mapping it: an index
asks for the hashes of those sections whose damage could do more than give wrong distances.
"""

import json
import mmap as memory_map
import os
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketches import FormatError
from sketches._files import replacing
from sketches.hashing import _checksum

_PREFIX = struct.Struct("<4s4sHHIQ")
_SECTION = struct.Struct("<8s8sQQQQ")
_SEAL = struct.Struct("<Q")
_MAGIC = b"TRCT"
_LINE = 64
_TYPES = {
    t.encode(): np.dtype(t) for t in ("|u1", "|i1", "<f2", "<f4", "<i2", "<u4", "<i4", "<i8", "<u8")
}

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def write(
    path: Path, kind: bytes, version: int, parameters: dict[str, Any], sections: dict[str, Any]
) -> None:
    """Write arrays of one or two dimensions under their names, all or nothing."""
    text = json.dumps(parameters, sort_keys=True, allow_nan=False).encode()
    at = _PREFIX.size + len(text) + _SECTION.size * len(sections) + _SEAL.size
    table, placed = [], []
    for name, given in sections.items():
        array = np.ascontiguousarray(given)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        rows, columns = array.shape if array.ndim == 2 else (array.size, 1)
        kept = array.reshape(-1).view(np.uint8).data
        at += -at % _LINE
        type_name = array.dtype.str.encode()
        table.append(_SECTION.pack(name.encode(), type_name, rows, columns, at, _checksum(kept)))
        placed.append((at, kept))
        at += len(kept)
    prefix = _PREFIX.pack(_MAGIC, kind, version, len(sections), len(text), at)
    header = b"".join([prefix, text, *table])
    with replacing(path) as file:
        file.write(header + _SEAL.pack(_checksum(memoryview(header))))
        for start, kept in placed:
            file.write(bytes(start - file.tell()))
            file.write(kept)


class Reader:
    """An index's file, open: `parameters`, and sections by name.

    Raises `FormatError` for whatever is no file of this kind, or was damaged.
    """

    def __init__(self, path: Path, kind: bytes, version: int, mmap: bool = False) -> None:
        self._name = kind.decode()
        with open(path, "rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            header = self._header(file.read(_PREFIX.size), kind, version)
            self._parse(header + file.read(self._header_size - len(header)))
            self._check_places()
            self._held: Any = None
            if mmap:
                copied = memory_map.ACCESS_COPY  # what an index changes is its own
                self._held = memory_map.mmap(file.fileno(), 0, access=copied)
            else:
                self._read = {name: self._load(file, name) for name in self._sections}

    def _header(self, prefix: bytes, kind: bytes, version: int) -> bytes:
        if len(prefix) < _PREFIX.size:
            raise FormatError(f"{len(prefix)} bytes are too few for a file of kind {self._name}")
        magic, found, of_version, count, n_text, size = _PREFIX.unpack(prefix)
        if magic != _MAGIC or found != kind:
            raise FormatError(f"no file of kind {self._name}: it begins with {prefix[:8]!r}")
        if of_version != version:
            raise FormatError(
                f"a file of kind {self._name}, version {of_version}; this library reads {version}"
            )
        self._header_size = _PREFIX.size + n_text + _SECTION.size * count + _SEAL.size
        self._n_text, self._count = n_text, count
        if size != self.size or self._header_size > size:
            raise FormatError(f"a file of {self.size} bytes where its header says {size}")
        return prefix

    def _parse(self, header: bytes) -> None:
        if len(header) != self._header_size or _checksum(
            memoryview(header)[: -_SEAL.size]
        ) != int.from_bytes(header[-_SEAL.size :], "little"):
            raise FormatError(f"a file of kind {self._name} whose header was damaged")
        end = _PREFIX.size + self._n_text
        try:
            self.parameters = json.loads(header[_PREFIX.size : end].decode())
        except (ValueError, RecursionError) as error:
            raise FormatError(f"parameters that are no JSON: {error}") from None
        if not isinstance(self.parameters, dict):
            raise FormatError("parameters that are no JSON object")
        table = header[end : end + _SECTION.size * self._count]
        self._sections = {
            name.rstrip(b"\0").decode("ascii", "replace"): (type_.rstrip(b"\0"), *rest)
            for name, type_, *rest in _SECTION.iter_unpack(table)
        }
        if len(self._sections) != self._count:
            raise FormatError(f"a file of kind {self._name} with a section twice")

    def _check_places(self) -> None:
        for name, (type_, rows, columns, at, _) in self._sections.items():
            if type_ not in _TYPES:
                raise FormatError(f"section {name!r} of unknown type {type_!r}")
            length = rows * columns * _TYPES[type_].itemsize
            if max(rows, columns) >= 2**32:
                raise FormatError(f"section {name!r} of {rows} x {columns}")
            if at % _LINE or at < self._header_size or at + length > self.size:
                raise FormatError(f"section {name!r} of {length} bytes at {at} leaves the file")

    def _load(self, file: Any, name: str) -> NDArray[Any]:
        type_, rows, columns, at, _ = self._sections[name]
        array = np.empty((rows, columns), _TYPES[type_])
        file.seek(at)
        if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise FormatError(f"section {name!r} ends before its length")
        self._check(name, array)
        return array

    def _check(self, name: str, array: NDArray[Any]) -> None:
        if _checksum(array.reshape(-1).view(np.uint8).data) != self._sections[name][-1]:
            raise FormatError(f"section {name!r} was damaged: its checksum is wrong")

    def array(
        self, name: str, dtype: Any, shape: tuple[int, ...], verify: bool = False
    ) -> NDArray[Any]:
        """A section, which must be of this type and shape; writing to it leaves the file alone.

        One in memory has been compared with its hash; one that is mapped is if `verify`.
        """
        if name not in self._sections:
            raise FormatError(f"a file of kind {self._name} without its section {name!r}")
        type_, rows, columns, at, _ = self._sections[name]
        wanted = shape if len(shape) == 2 else (*shape, 1)
        if _TYPES[type_] != np.dtype(dtype) or (rows, columns) != wanted:
            raise FormatError(
                f"section {name!r} is {_TYPES[type_]}[{rows}, {columns}], not"
                f" {np.dtype(dtype)}[{wanted[0]}, {wanted[1]}]"
            )
        if self._held is None:
            array = self._read[name]
        elif not rows * columns:
            array = np.empty((rows, columns), _TYPES[type_])
        else:
            flat = np.frombuffer(self._held, _TYPES[type_], rows * columns, at)
            array = flat.reshape(rows, columns)
            if verify:
                self._check(name, array)
        return array.reshape(shape)

    def parameter(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """A parameter of this type."""
        value = self.parameters.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise FormatError(f"parameter {name!r} is {value!r}")
        return value
