"""The frame around every image of our own: what it is, its version, its lengths, a checksum.

    offset  type    meaning
    0       4 s     "TRCT"
    4       4 s     kind: which structure
    8       u16     version of the kind's layout
    10      u16     H, the length of the header
    12      u32     0
    16      u64     P, the length of the payload
    24      H       header: the parameters, laid out by the kind
    24 + H  P       payload
    end     u64     h1 of MurmurHash3 x64 128, seed 0, over all that comes before

All little-endian. A bad image is refused with `FormatError`; no length in it is trusted before it
has been compared with the length of the image itself.
"""

import struct
from typing import Any

from sketches.hashing import _checksum, _seal

_PREFIX = struct.Struct("<4s4sHHIQ")
_MAGIC = b"TRCT"


class FormatError(ValueError):
    """Bytes that are not an image of the structure they were given for."""


def pack(kind: bytes, version: int, header: bytes, *payload: Any) -> bytes:
    """One image; of the parts of the payload, which are buffers, it is the only copy."""
    length = sum(memoryview(part).nbytes for part in payload)
    prefix = _PREFIX.pack(_MAGIC, kind, version, len(header), 0, length)
    return _seal(b"".join([prefix, header, *payload, bytes(8)]))


def unpack(
    kind: bytes, version: int, header: str, image: bytes | bytearray | memoryview
) -> tuple[tuple[Any, ...], memoryview]:
    """The fields of the header (in `struct`'s notation) and the payload."""
    try:
        view = memoryview(image).cast("B")
    except TypeError as error:
        raise TypeError(f"an image is bytes, not {type(image).__name__}") from error
    fields = struct.Struct(header)
    name = kind.decode()
    if len(view) < _PREFIX.size + 8:
        raise FormatError(f"{len(view)} bytes are too few for a {name} image")
    magic, found, found_version, n_header, zero, n_payload = _PREFIX.unpack_from(view)
    if magic != _MAGIC or found != kind or zero:
        raise FormatError(f"not a {name} image: it begins with {bytes(view[:8])!r}")
    if found_version != version:
        raise FormatError(f"{name} image of version {found_version}; this library reads {version}")
    expected = _PREFIX.size + n_header + n_payload + 8
    if n_header != fields.size or len(view) != expected:
        raise FormatError(f"{name} image of {len(view)} bytes where its header says {expected}")
    (checksum,) = struct.unpack_from("<Q", view, len(view) - 8)
    if checksum != _checksum(view[:-8]):
        raise FormatError(f"{name} image with a wrong checksum: it was damaged")
    start = _PREFIX.size
    return fields.unpack_from(view, start), view[start + n_header : -8]
