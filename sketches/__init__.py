"""One pass over a stream, bounded memory, mergeable."""

from sketches._frame import FormatError
from sketches.bbit import BBitMinHash
from sketches.hashing import hash64, hash128
from sketches.minhash import MinHash, minhash_matrix

__all__ = ["BBitMinHash", "FormatError", "MinHash", "hash64", "hash128", "minhash_matrix"]
