"""One pass over a stream, bounded memory, mergeable: the sketches and the hash they share."""

try:
    from sketches._frame import FormatError
    from sketches._signatures import minhash_matrix
    from sketches.bbit import BBitMinHash
    from sketches.countmin import CountMin
    from sketches.countsketch import CountSketch
    from sketches.hashing import hash64, hash128
    from sketches.hll import HyperLogLog
    from sketches.hll_groups import GroupedCounts, group_distinct
    from sketches.minhash import MinHash
    from sketches.planning import plan
    from sketches.postgres_hll import PostgresHLL
    from sketches.spark import SparkCountMin
    from sketches.topk import TopK
    from sketches.windows import Windowed
except ModuleNotFoundError as error:
    if error.name != "sketches.hashing":
        raise
    raise ImportError(
        f"tractable is not built in {__path__[0]}: run `make dev` in that checkout, or "
        "`pip install .` and start Python in another folder"
    ) from None

__all__ = [
    "BBitMinHash",
    "CountMin",
    "CountSketch",
    "FormatError",
    "GroupedCounts",
    "HyperLogLog",
    "MinHash",
    "PostgresHLL",
    "SparkCountMin",
    "TopK",
    "Windowed",
    "group_distinct",
    "hash64",
    "hash128",
    "minhash_matrix",
    "plan",
]
