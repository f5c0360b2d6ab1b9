"""What all vector indexes stand on: input, ids, filters, the gate, and the file."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ann import _container
from ann._filters import allowed_slots
from ann._gate import Gate
from ann._slots import Slots
from ann._threads import check_threads, share_out
from ann._vectors import (
    as_ids,
    as_matrix,
    check_dim,
    check_dtype,
    check_metric,
    convert,
    dtype_for,
    refuse_zeros,
)
from sketches import FormatError

F32 = np.dtype(np.float32)


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2, 3], [4, 5, 6]],
        ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        np.array([[1, 2, 3], [4, 5, 6]], ">f8"),
        np.array([[1, 4], [2, 5], [3, 6]], np.int64).T,
        np.array([[1, 0, 2, 0, 3, 0], [4, 0, 5, 0, 6, 0]], np.float16)[:, ::2],
        pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2, 3, 4, 5, 6], pa.float32()), 3),
        pa.chunked_array([pa.array([[1, 2, 3]], pa.list_(pa.int16()))] * 1 + [[[4, 5, 6]]]),
        pa.table({"v": pa.array([[0] * 3, [1, 2, 3], [4, 5, 6]], pa.large_list(pa.float64()))})[1:],
        pa.array([[0] * 3, [1, 2, 3], [4, 5, 6], [0] * 3], pa.list_(pa.uint8(), 3))[1:3],
    ],
)  # fmt: skip
def test_vectors_of_every_kind(given):
    got = convert(as_matrix(given, 3), F32)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got.flags.aligned
    assert got.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_one_vector_is_a_matrix_and_what_fits_is_not_copied():
    assert as_matrix([1.0, 2.0], 2).shape == (1, 2)
    assert as_matrix([], 2).shape == (0, 2)
    assert as_matrix(np.empty((0, 2)), 2).shape == (0, 2)
    for dtype in (np.float32, np.float16, np.uint8, np.int8):
        x = np.ones((5, 7), dtype)
        assert dtype_for(x) == dtype
        assert np.shares_memory(convert(as_matrix(x, 7), np.dtype(dtype)), x)
    assert dtype_for(np.ones(3)) == np.float32
    assert check_dtype(np.float64) == np.float32
    assert check_dtype(None) is None


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones((2, 4)), ValueError, r"shape \(2, 4\); the index has dim=3"),
        (np.ones(4), ValueError, r"shape \(4,\)"),
        ([[1, 2, 3], [4, 5]], ValueError, "3 numbers each"),
        ([["a", "b", "c"]], TypeError, "numbers, not <U1"),
        (np.ones((1, 3), bool), TypeError, "not bool"),
        (np.ones((1, 3), complex), TypeError, "real"),
        (np.array([[None] * 3]), TypeError, "numbers, not object"),
        (pa.array([[1, 2, 3], None]), ValueError, "row 1 of vectors is null"),
        (pa.array([[1, 2, 3], [1, None, 3]]), ValueError, "row 1 of vectors holds a null"),
        (pa.array([[1, 2, 3], [1, 2]]), ValueError, "row 1 of vectors has 2 numbers"),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), ValueError, "2 numbers each"),
        (pa.array([1, 2, 3]), TypeError, "lists"),
        (pa.array([["a"] * 3]), TypeError, "lists of numbers"),
    ],
)
def test_what_are_no_vectors(given, error, message):
    with pytest.raises(error, match=message):
        as_matrix(given, 3)


def test_numbers_that_an_index_cannot_hold_are_refused_with_their_row():
    x = np.ones((300_000, 8))
    x[270_001, 3] = np.nan
    with pytest.raises(ValueError, match="row 270001 of vectors holds NaN"):
        convert(x, F32)
    with pytest.raises(ValueError, match="row 1 of queries holds NaN or inf"):
        convert(np.array([[1, 2], [np.inf, 3]], np.float16), np.dtype(np.float16), "queries")
    with pytest.raises(ValueError, match="row 1 of vectors is beyond the range of float32"):
        convert(np.array([[1.0], [1e39]]), F32)
    with pytest.raises(ValueError, match="row 0 of vectors is beyond the range of float16"):
        convert(np.array([[70_000]]), np.dtype(np.float16))
    assert convert(np.array([[1.0, 255.0]]), np.dtype(np.uint8)).tolist() == [[1, 255]]
    for bad in ([[1.5]], [[-1]], [[256]], [[np.nan]]):
        with pytest.raises(ValueError, match="row 0 of vectors holds what is no uint8"):
            convert(np.array(bad), np.dtype(np.uint8))
    with pytest.raises(ValueError, match="row 2 of vectors is all zeros"):
        refuse_zeros(np.array([[1, 0], [0, 1], [0, 0]]))
    for dim in (0, -1, 32769, True):
        with pytest.raises(ValueError, match="dim must be 1"):
            check_dim(dim)
    with pytest.raises(ValueError, match="l2, ip, cosine, not 'euclid'"):
        check_metric("euclid")
    with pytest.raises(ValueError, match="float32, float16, uint8, int8, not int32"):
        check_dtype(np.int32)


def test_ids():
    assert as_ids([3, 4]).tolist() == as_ids(np.array([3, 4], np.uint8)).tolist() == [3, 4]
    assert as_ids(7).tolist() == [7]
    assert as_ids([]).dtype == np.int64
    assert as_ids(np.array([2**62], object)).tolist() == [2**62]
    for bad, error, message in (
        ([1.5], TypeError, "integers, not float64"),
        (["a"], TypeError, "integers"),
        ([True], TypeError, "integers, not bool"),
        (np.array([2**63], np.uint64), ValueError, "9223372036854775808 is beyond"),
        (np.array([2**70], object), ValueError, "beyond 64 bits"),
        ([[1]], ValueError, "one-dimensional"),
    ):
        with pytest.raises(error, match=message):
            as_ids(bad)
    with pytest.raises(ValueError, match="2 ids for 3 vectors"):
        as_ids([1, 2], 3)


class SlotsAndDictionary(RuleBasedStateMachine):
    """Ids that run on and such that do not, gone and come back, beside a dictionary."""

    def __init__(self):
        super().__init__()
        self.slots, self.truth, self.free, self.top = Slots(), {}, [], 0

    @rule(n=st.integers(0, 40))
    def add_next(self, n):
        ids = self.slots.next_ids(n)
        self.slots.add(ids, np.arange(self.top, self.top + n))
        self.truth.update(zip(ids.tolist(), range(self.top, self.top + n), strict=True))
        self.top += n

    @rule(ids=st.lists(st.integers(-60, 60), max_size=30))
    def add_own(self, ids):
        used = [self.free.pop() for _ in ids[: len(self.free)]]
        at = used + list(range(self.top, self.top + len(ids) - len(used)))
        array = np.array(ids, np.int64)
        if len(set(ids)) < len(ids) or set(ids) & set(self.truth):
            with pytest.raises(ValueError, match=r"id -?\d+ (comes twice|is there already)"):
                self.slots.add(array, np.array(at, np.int64))
            self.free += used
            return
        self.slots.add(array, np.array(at, np.int64))
        self.truth.update(zip(ids, at, strict=True))
        self.top += len(ids) - len(used)

    @rule(data=st.data())
    def remove(self, data):
        if self.truth:
            some = st.lists(st.sampled_from(sorted(self.truth)), max_size=20, unique=True)
            gone = data.draw(some)
            self.slots.remove(np.array(gone, np.int64))
            self.free += [self.truth.pop(name) for name in gone]

    @invariant()
    def same(self):
        ids = np.array([*range(-62, 63), *self.truth], np.int64)
        want = [self.truth.get(name, -1) for name in ids.tolist()]
        assert self.slots.find(ids).tolist() == want
        assert len(self.slots) == len(self.truth)
        assert self.slots.names(list(self.truth.values())).tolist() == list(self.truth)


TestSlotsAndDictionary = SlotsAndDictionary.TestCase
TestSlotsAndDictionary.settings = settings(max_examples=60, stateful_step_count=12)


def test_slots_cost_what_they_say_and_end_at_64_bits():
    slots = Slots()
    slots.add(np.arange(5, 1005), np.arange(1000))
    assert slots.nbytes == 8000  # ids that run on need no table
    assert 1004 in slots
    assert 2**70 not in slots
    assert "x" not in slots
    slots.move(5, 999)
    assert slots.find(np.array([5])).tolist() == [999]
    assert slots.nbytes == 8000 + 4 * 2048
    with pytest.raises(ValueError, match="slots -1 to"):
        slots.add(np.array([1]), np.array([-1]))
    slots.add(np.array([2**63 - 1]), np.array([1000]))
    with pytest.raises(ValueError, match="beyond 64 bits: give ids"):
        slots.next_ids(1)


def test_filters():
    slots, present = Slots(), np.array([0, 1, 3])
    slots.add(np.array([10, 20, 30, 40]), np.arange(4))
    slots.remove(np.array([30]))
    for given in ([40, 10, 99, 10, 30], {10, 40}, np.array([10, 40], np.uint8), pa.array([40, 10]),
                  [True, False, True], np.array([True, False, True]),
                  pa.array([True, None, True]), pa.chunked_array([[True], [False, True]]),
                  pa.array([False, True, False, True])[1:]):  # fmt: skip
        assert allowed_slots(given, slots, present).tolist() == [0, 3]
    assert allowed_slots([], slots, present).tolist() == []
    assert allowed_slots(range(15, 25), slots, present).tolist() == [1]
    with pytest.raises(ValueError, match="2 booleans for 3 vectors"):
        allowed_slots([True, False], slots, present)
    with pytest.raises(TypeError, match="integers"):
        allowed_slots([1.5], slots, present)


def test_gate():
    """Readers together, a writer alone, and no reader overtakes a waiting writer."""
    gate, inside, seen = Gate(), [0, 0], []

    def read():
        for _ in range(200):
            with gate.shared():
                inside[0] += 1
                seen.append(inside[1])
                inside[0] -= 1

    def write():
        for _ in range(50):
            with gate.alone():
                inside[1] += 1
                seen.append(inside[0] + inside[1] - 1)
                time.sleep(0.0001)
                inside[1] -= 1

    threads = [threading.Thread(target=t) for t in (read, read, write, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 500
    assert not any(seen)
    with pytest.raises(KeyError), gate.alone():
        raise KeyError
    with gate.shared(), gate.shared():
        pass


def test_work_is_shared_out():
    done = np.zeros(100, int)

    def work(start, stop):
        done[start:stop] += 1

    for threads in (1, 3, 200):
        share_out(work, 100, threads)
    share_out(work, 100, 8, least=60)
    assert (done == 4).all()

    def fail(start, stop):
        raise RuntimeError(f"{start}")

    with pytest.raises(RuntimeError, match="0"):
        share_out(fail, 10, 2)
    assert check_threads(None) >= 1
    with pytest.raises(ValueError, match="threads must be at least 1"):
        check_threads(0)


SECTIONS = {
    "x": np.arange(12, dtype=np.float32).reshape(3, 4),
    "n": np.arange(3, dtype=np.int64),
    "none": np.empty((0, 5), np.uint8),
}


@pytest.fixture
def written(tmp_path):
    _container.write(tmp_path / "i", b"TEST", 3, {"dim": 4, "metric": "l2"}, SECTIONS)
    return tmp_path / "i"


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_gives_back_what_was_written(written, mmap):
    reader = _container.Reader(written, b"TEST", 3, mmap)
    assert reader.parameter("dim", int) == 4
    for name, array in SECTIONS.items():
        got = reader.array(name, array.dtype, array.shape, verify=True)
        assert got.dtype == array.dtype
        assert got.tolist() == array.tolist()
        assert got.ctypes.data % 64 == 0 or not mmap or not got.size
    before = written.read_bytes()
    reader.array("x", np.float32, (3, 4))[:] = 0
    assert written.read_bytes() == before
    with pytest.raises(FormatError, match="parameter 'dim' is 4"):
        reader.parameter("dim", str)
    with pytest.raises(FormatError, match="without its section 'y'"):
        reader.array("y", np.float32, (3, 4))
    with pytest.raises(FormatError, match=r"section 'x' is float32\[3, 4\], not float32\[4, 3\]"):
        reader.array("x", np.float32, (4, 3))


def test_the_bytes_of_a_file_are_those_of_the_specification(written):
    image = written.read_bytes()
    text = b'{"dim": 4, "metric": "l2"}'
    assert image[:12] == b"TRCTTEST\x03\x00\x03\x00"
    assert image[24 : 24 + len(text)] == text
    at = int.from_bytes(image[24 + len(text) + 32 :][:8], "little")
    assert image[24 + len(text) :][:16] == b"x\0\0\0\0\0\0\0<f4\0\0\0\0\0"
    assert at % 64 == 0
    assert image[at : at + 48] == SECTIONS["x"].tobytes()


@pytest.mark.parametrize("mmap", [False, True])
def test_damaged_files_are_refused(written, tmp_path, mmap):
    image, bad = written.read_bytes(), tmp_path / "bad"

    def read():
        reader = _container.Reader(bad, b"TEST", 3, mmap)
        for name, array in SECTIONS.items():
            reader.array(name, array.dtype, array.shape, verify=True)

    for cut in range(0, len(image), 7):
        bad.write_bytes(image[:cut])
        with pytest.raises(FormatError):
            read()
    used = [*range(24 + 26 + 3 * 48 + 8), *range(256, 256 + 48)]
    for byte in used:
        damaged = bytearray(image)
        damaged[byte] ^= 0x21
        bad.write_bytes(damaged)
        with pytest.raises(FormatError):
            read()
    bad.write_bytes(image + b"\0")
    with pytest.raises(FormatError, match="where its header says"):
        read()


def test_hostile_headers_with_right_checksums_are_refused(tmp_path):
    def forge(table, text=b"{}"):
        size = 24 + len(text) + 48 * len(table) + 8 + 64
        entries = b"".join(_container._SECTION.pack(*entry) for entry in table)
        head = _container._PREFIX.pack(b"TRCT", b"TEST", 3, len(table), len(text), size)
        head += text + entries
        seal = _container._checksum(memoryview(head)).to_bytes(8, "little")
        (tmp_path / "f").write_bytes((head + seal).ljust(size, b"\0"))
        _container.Reader(tmp_path / "f", b"TEST", 3)

    for entry in (
        (b"x", b"<f4", 2**40, 2**40, 128, 0), (b"x", b"<f4", 2**63, 0, 128, 0),
        (b"x", b"|O8", 1, 1, 128, 0), (b"x", b"<f4", 1, 1, 2**64 - 64, 0),
        (b"x", b"<f4", 1, 1, 0, 0), (b"x", b"<f4", 1, 1, 130, 0), (b"x", b"<f4", 16, 9, 64, 0),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="section 'x'"):
            forge([entry])
    with pytest.raises(FormatError, match="twice"):
        forge([(b"x", b"<f4", 0, 0, 128, 0)] * 2)
    for text in (b"[]", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(FormatError, match="JSON"):
            forge([], text)


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path):
    """A writer that goes on and on is killed at random moments; what is there is always whole."""
    code = """
import sys, numpy as np
from ann import _container
for i in range(10**6):
    x = np.full((500, 500), i, np.float32)
    _container.write(sys.argv[1], b"TEST", 1, {"i": i}, {"x": x})
    if not i: print("ready", flush=True)
"""
    path, rng = tmp_path / "i", np.random.default_rng(3)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.03))
            child.send_signal(signal.SIGKILL)
        reader = _container.Reader(path, b"TEST", 1)
        x = reader.array("x", np.float32, (500, 500))
        assert (x == reader.parameter("i", int)).all()
    left = [name for name in os.listdir(tmp_path) if name != "i"]
    assert all(name.startswith(".") and name.endswith(".partial") for name in left)


def test_a_full_disk_leaves_the_old_file(written, monkeypatch):
    before = written.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _container.write(written, b"TEST", 3, {}, SECTIONS)
    assert written.read_bytes() == before
    assert [p.name for p in written.parent.iterdir()] == ["i"]
