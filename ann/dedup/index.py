"""An index of documents that were seen before: one folder, to which batches are added over time.

    INDEX/index.json           format, versions, parameters, the segments that count, and a hash of
                               each file that was added, to know it when it comes again
    INDEX/lock                 held for the moment in which index.json is replaced
    INDEX/segments/NAME/       documents that were added together, and never change
        keys.bin               u64[bands, n], the keys of each band, rising
        rows.bin               u32[bands, n], whose key each is
        offsets.bin            i64[n + 1], where each document's set starts
        shingles.bin           u64, the sets of shingle hashes, each rising
        id_offsets.bin         i64[n + 1]
        id_bytes.bin           UTF-8

All little-endian; files are mapped, and only what is asked for is read. A segment is written and
on the disk before index.json, replaced as a whole, names it, with the length and the BLAKE2b of
each file. So whatever happens to a process that adds, the index is what it was or has all of it;
two that add at once write segments of their own and take turns for that moment; a reader sees the
index as it was when it was opened. `merge` makes one segment of many, in which a search looks
once, and throws away what killed processes have left: folders that nothing names and nobody locks.

A document is found with the probability of the S-curve of these bands (`ann.bands`), and compared
exactly. Documents without units resemble nothing and are left out.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ann import _pairs
from ann.dedup.arrays import Bools, Floats, Int64s, UInt32s, UInt64s
from ann.dedup.locks import held
from ann.dedup.settings import InputError, Settings
from ann.dedup.sketching import bands_of
from ann.dedup.work import differences, option, programs, write_whole

MANIFEST = "index.json"
MADE_BY = "tractable index"
PARAMETERS = ("threshold", "recall", "ngram", "unit", "num_perm", "bits", "seed")
MOST = 1000  # documents under one key that one document is compared with: near-copies, mostly
PAIRS = 1 << 14  # compared at once
BLOCK = 1 << 24  # bytes read at once for a checksum
PIECE = 1 << 22  # entries copied at once
FILES = "keys.bin", "rows.bin", "offsets.bin", "shingles.bin", "id_offsets.bin", "id_bytes.bin"


class Matches(NamedTuple):
    """Documents of a search and of an index that resemble one another, by row and similarity."""

    rows: Int64s
    documents: Int64s  # by number in the index
    similarity: Floats


class Segment:
    """Documents that were added together."""

    def __init__(self, folder: Path, files: dict[str, list[Any]], bands: int) -> None:
        self.folder, self.files = folder, files
        for name, (size, _) in files.items():
            path = folder / name
            if path.stat().st_size != size:
                raise InputError(f"{path} has not the {size} bytes that {MANIFEST} says: damaged")
        self.offsets = self._map("offsets.bin", "<i8")
        self.shingles = self._map("shingles.bin", "<u8")
        self.id_offsets = self._map("id_offsets.bin", "<i8")
        self.id_bytes = self._map("id_bytes.bin", "u1")
        n = len(self.offsets) - 1
        self.keys = self._map("keys.bin", "<u8").reshape(bands, n)
        self.rows = self._map("rows.bin", "<u4").reshape(bands, n)

    def _map(self, name: str, dtype: str) -> Any:
        path = self.folder / name
        return np.memmap(path, dtype, "r") if self.files[name][0] else np.empty(0, dtype)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def set_of(self, document: int) -> UInt64s:
        """The shingles of a document."""
        found: UInt64s = self.shingles[self.offsets[document] : self.offsets[document + 1]]
        return found

    def id_of(self, document: int) -> str:
        """The id of a document."""
        span = self.id_bytes[self.id_offsets[document] : self.id_offsets[document + 1]]
        return bytes(span).decode()

    def check(self) -> None:
        """Compare all files with their checksums."""
        for name, (_, told) in self.files.items():
            if checksum(self.folder / name) != told:
                raise InputError(f"{self.folder / name} is damaged: its checksum is another")

    def candidates(self, keys: UInt64s, full: Bools) -> tuple[Int64s, Int64s]:
        """Each pair of a row of `keys` [n, bands] and a document that share a key, once."""
        asked = np.flatnonzero(full)
        pairs = [np.empty(0, np.uint64)]
        for band in range(len(self.keys)):
            wanted = keys[asked, band]
            order = np.argsort(wanted)  # so that the index is walked in one direction
            low = np.searchsorted(self.keys[band], wanted[order], "left")
            high = np.searchsorted(self.keys[band], wanted[order], "right")
            many = np.minimum(high - low, MOST)
            rows = np.repeat(asked[order], many)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
            met = self.rows[band][np.repeat(low, many) + within]
            pairs.append(rows.astype(np.uint64) << np.uint64(32) | met)
        both = np.unique(np.concatenate(pairs))
        return (both >> np.uint64(32)).astype(np.int64), both.astype(np.uint32).astype(np.int64)


@dataclass(frozen=True)
class Index:
    """An index as it was when it was opened."""

    folder: Path
    settings: Settings
    segments: Sequence[Segment]

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    @property
    def bands(self) -> tuple[int, int]:
        return bands_of(self.settings)

    def check_same(self, settings: Settings) -> None:
        """Refuse a search of other parameters."""
        changes = differences(_parameters(self.settings), _parameters(settings), option)
        if changes:
            raise InputError(f"{self.folder} is an index of other parameters: {changes}")

    def id_of(self, document: int) -> str:
        """The id of a document of `Matches`."""
        for segment in self.segments:
            if document < len(segment):
                return segment.id_of(document)
            document -= len(segment)
        raise IndexError(document)

    def matches(
        self, keys: UInt64s, full: Bools, sets: Callable[[int], UInt64s], threshold: float
    ) -> Matches:
        """What resembles the rows of `keys` that are not empty; `sets` gives the set of a row."""
        found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        first = 0
        for segment in self.segments:
            rows, documents = segment.candidates(keys, full)
            for start in range(0, len(rows), PAIRS):
                a, b = rows[start : start + PAIRS], documents[start : start + PAIRS]
                similarity = _compare(segment, sets, a, b, threshold)
                close = similarity >= threshold
                found.append((a[close], b[close] + first, similarity[close]))
            first += len(segment)
        rows, documents, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((documents, -similarity, rows))
        return Matches(rows[order], documents[order], similarity[order])


def _compare(
    segment: Segment, sets: Callable[[int], UInt64s], a: Int64s, b: Int64s, threshold: float
) -> Floats:
    """The similarity of pairs of a row and a document."""
    rows, at = np.unique(a, return_inverse=True)
    documents, among = np.unique(b, return_inverse=True)
    parts = [*map(sets, rows.tolist()), *map(segment.set_of, documents.tolist())]
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    starts = np.cumsum(sizes) - sizes
    shingles = np.concatenate(parts)
    return _pairs.similarity(
        at.astype(np.uint32),
        (among + len(rows)).astype(np.uint32),
        starts,
        sizes,
        shingles,
        threshold,
    )


def _parameters(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in PARAMETERS}


def _program() -> dict[str, Any]:
    """An index is read by later versions, so long as the hashes and the layout are these."""
    told = {name: value for name, value in programs().items() if name != "tractable"}
    return told | {"made_by": MADE_BY}


def load(folder: Path) -> dict[str, Any]:
    """What index.json says."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder} is no index: `tractable index add` makes one") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {folder / MANIFEST}: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("made_by") != MADE_BY:
        raise InputError(f"{folder} is no index")
    former = {name: manifest.get(name) for name in _program()}
    if changes := differences(former, _program()):
        raise InputError(f"{folder} is an index of another version ({changes})")
    return manifest


def open_index(folder: Path) -> Index:
    """The index of a folder."""
    for _ in range(100):  # a merge may take the segments away as they are opened
        manifest = load(folder)
        settings = Settings(**manifest["parameters"])
        bands, _ = bands_of(settings)
        try:
            segments = [
                Segment(folder / "segments" / name, entry["files"], bands)
                for name, entry in manifest["segments"].items()
            ]
        except FileNotFoundError as error:
            missing = error
        else:
            return Index(folder, settings, segments)
    raise InputError(f"{folder} is damaged: {missing.filename} is missing")


def exists(folder: Path) -> bool:
    """Whether there is an index; refuses a folder of anything else."""
    if (folder / MANIFEST).exists():
        return True
    if folder.exists() and (not folder.is_dir() or set(os.listdir(folder)) - {"lock", "segments"}):
        raise InputError(f"{folder} is no index and not empty")
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_orphans(folder: Path) -> None:
    """Throw away the segments that nothing names and nobody is writing."""
    with _locked(folder):
        named = load(folder)["segments"]
        for path in (folder / "segments").iterdir():
            if path.name not in named:
                with suppress(BlockingIOError), held(path):
                    shutil.rmtree(path)


def checksum(path: Path) -> str:
    """BLAKE2b of a file, 128 bits."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Adding:
    """Segments that are written, and count all at once when the block is left without an error."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self.sources: dict[str, str] = {}  # what is added: hash of its documents -> its name
        self.again = False  # though it is there already
        self._written: dict[str, Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Adding":
        try:
            (self._folder / "segments").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {self._folder}: {error.strerror or error}") from error
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        try:
            if kind is None:
                self.publish()
        finally:
            self._open.close()
            for name in self._written:  # what was not published
                shutil.rmtree(self._folder / "segments" / name, ignore_errors=True)

    def publish(self, instead_of: Sequence[str] = ()) -> None:
        """Let them count, in the place of some others."""
        with _locked(self._folder):
            if exists(self._folder):
                manifest = load(self._folder)
                former = Settings(**manifest["parameters"])
                Index(self._folder, former, ()).check_same(self._settings)
            else:
                manifest = _program() | {"parameters": _parameters(self._settings), "segments": {}}
            sources = manifest.setdefault("sources", {})
            for digest, name in () if self.again else self.sources.items():
                if digest in sources:
                    raise InputError(
                        f"{name} is in {self._folder} already, added as {sources[digest]}: nothing"
                        " was added; --again adds it once more"
                    )
            sources.update(self.sources)
            segments = manifest["segments"]
            if not segments.keys() >= set(instead_of):
                raise InputError(f"{self._folder} has been merged meanwhile: nothing was changed")
            stays = {name: segments[name] for name in segments if name not in instead_of}
            first = dict(self._written) if instead_of else {}  # so that numbers stay as they are
            manifest["segments"] = first | stays | self._written
            write_whole(self._folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        self._written = {}
        for name in instead_of:
            shutil.rmtree(self._folder / "segments" / name, ignore_errors=True)

    def segment(
        self,
        columns: Iterable[tuple[UInt64s, UInt32s]],
        offsets: Int64s,
        shingles: Iterable[UInt64s],
        id_offsets: Int64s,
        id_bytes: Iterable[Any],
    ) -> None:
        """Write one: for each band the keys, rising, and the row of each; the rest in pieces."""
        name = os.urandom(8).hex()
        folder = self._folder / "segments" / name
        with _locked(self._folder):  # so that nobody takes it for a killed process's
            folder.mkdir()
            self._open.enter_context(held(folder))
        self._written[name] = {"documents": len(offsets) - 1, "files": {}}
        with ExitStack() as stack:
            files = {file: stack.enter_context((folder / file).open("wb")) for file in FILES}
            for keys, rows in columns:
                _put(files["keys.bin"], keys, "<u8")
                _put(files["rows.bin"], rows, "<u4")
            for piece in shingles:
                _put(files["shingles.bin"], piece, "<u8")
            for piece in id_bytes:
                _put(files["id_bytes.bin"], piece, "u1")
            _put(files["offsets.bin"], offsets, "<i8")
            _put(files["id_offsets.bin"], id_offsets, "<i8")
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        for file_name in FILES:
            path = folder / file_name
            self._written[name]["files"][file_name] = [path.stat().st_size, checksum(path)]

    def join(self, segments: Sequence[Segment]) -> None:
        """Write one of many."""
        firsts = np.cumsum([0, *map(len, segments)])

        def columns() -> Iterator[tuple[UInt64s, UInt32s]]:
            for band in range(len(segments[0].keys)):
                keys = np.concatenate([segment.keys[band] for segment in segments])
                parts = zip(segments, firsts.tolist(), strict=False)
                rows = np.concatenate([part.rows[band] + np.uint32(first) for part, first in parts])
                order = np.argsort(keys, kind="stable")
                yield keys[order], rows[order]

        self.segment(
            columns(),
            _strung([segment.offsets for segment in segments]),
            _pieces([segment.shingles for segment in segments]),
            _strung([segment.id_offsets for segment in segments]),
            _pieces([segment.id_bytes for segment in segments]),
        )


def _put(file: IO[bytes], array: Any, dtype: str) -> None:
    values = np.ascontiguousarray(array, dtype)
    file.write(values.data.cast("B") if values.size else b"")


def _strung(offsets: Sequence[Int64s]) -> Int64s:
    """The offsets of one array of several."""
    lengths = np.concatenate([np.diff(part) for part in offsets])
    return np.concatenate([[0], np.cumsum(lengths)])


def _pieces(arrays: Sequence[Any]) -> Iterator[Any]:
    for array in arrays:
        for start in range(0, len(array), PIECE):
            yield array[start : start + PIECE]
