"""MinHash against a twin written from its definition, and against datasketch."""

import copy
import ctypes
import pickle
import threading

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ann import TextSketcher
from sketches import BBitMinHash, FormatError, MinHash, _cpu, hash64, minhash_matrix
from sketches.minhash import ALGORITHM, EMPTY

datasketch = pytest.importorskip("datasketch")

MASK = 2**64 - 1
C = [0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xAF251AF3B0F025B5, 0xF1357AEA2E62A9C5]
SIZES = [0, 1, 2, 3, 15, 16, 17, 40, 100, 300, 700, 3000]


def fmix64(k):
    k ^= k >> 33
    k = k * 0xFF51AFD7ED558CCD & MASK
    k ^= k >> 33
    k = k * 0xC4CEB9FE1A85EC53 & MASK
    return k ^ k >> 33


def twin(hashes, num_perm):
    """The signature by csrc/minhash.h's definition: every element in every round."""
    slots = [EMPTY] * num_perm
    for x in map(int, hashes):
        for r in range(3):
            y = x * C[r] & MASK if r else x
            y = y ^ y >> 32 if r else y
            k = (y >> 32) * num_perm >> 32
            slots[k] = min(slots[k], r << 30 | (y & 0xFFFFFFFF) >> 2)
        u = (x * C[3] & MASK) >> 32
        for k in range(num_perm):
            z = fmix64((k + 1) * C[0] & MASK)
            a, b = z & 0xFFFFFFFF | 1, z >> 32
            slots[k] = min(slots[k], 3 << 30 | ((a * u + b) & 0xFFFFFFFF) >> 2)
    return np.array(slots, np.uint32)


def random_hashes(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, n, np.uint64)


@pytest.mark.parametrize("num_perm", [1, 3, 16, 100, 128, 257])
@pytest.mark.parametrize("n", [0, 1, 2, 17, 40, 300])
def test_signature_is_the_definition_at_every_level(isa, num_perm, n):
    hashes = random_hashes(n, seed=n)
    sketch = MinHash(num_perm)
    sketch.update_hashes(hashes)
    np.testing.assert_array_equal(sketch.signature, twin(hashes, num_perm))


@pytest.mark.parametrize("n", SIZES)
def test_levels_and_batchings_agree(isa, n):
    hashes = random_hashes(n, seed=n + 1)
    whole = MinHash(128)
    _cpu.set_isa("baseline")
    whole.update_hashes(hashes)
    _cpu.set_isa(isa)
    for pieces in (1, 2, 7, n or 1):
        split = MinHash(128)
        for piece in np.array_split(hashes, pieces):
            split.update_hashes(piece)
        assert split == whole
    again = MinHash(128)
    again.update_hashes(np.concatenate([hashes[::-1], hashes]))
    assert again == whole
    if n:
        (row,) = minhash_matrix(hashes, [0, n])
        np.testing.assert_array_equal(row, whole.signature)


@given(
    st.lists(st.integers(-50, 50)),
    st.lists(st.integers(-50, 50)),
    st.sampled_from([1, 7, 64, 128]),
)
def test_merge_is_union(left, right, num_perm):
    a, b, union = MinHash(num_perm), MinHash(num_perm), MinHash(num_perm)
    a.update(left)
    b.update(right)
    union.update(left + right)
    assert a | b == union
    assert b | a == union
    a |= b
    assert a == union
    assert (a.is_empty, a.jaccard(a)) == ((not left + right), float(bool(left + right)))


def test_items_are_hashed_as_everywhere():
    items = ["a", "b", "", "ab", "\u00e9"]
    by_items, by_hashes, one_by_one = MinHash(), MinHash(), MinHash()
    assert by_items.update([*items, None]) == 1
    by_hashes.update_hashes(hash64(items))
    for item in items:
        assert one_by_one.update(item) == 0
    assert by_items == by_hashes == one_by_one
    other = MinHash(seed=7)
    other.update(items)
    assert not np.array_equal(other.signature, by_items.signature)
    np.testing.assert_array_equal(
        other.signature, twin([mmh3.hash64(i, 7, signed=False)[0] for i in items], 128)
    )


def test_known_answers():
    """Published vectors (docs/design/minhash.md): a change here is a new algorithm version."""
    assert ALGORITHM == "tractable.minhash.fss32.v1"
    sketch = MinHash(8)
    assert sketch.signature.tolist() == [EMPTY] * 8
    sketch.update("tractable")
    one = sketch.signature.tolist()
    sketch.update(range(100))
    hundred = sketch.signature.tolist()
    assert one == twin([mmh3.hash64(b"tractable", 9001, signed=False)[0]], 8).tolist()
    assert one == KNOWN_ONE
    assert hundred == KNOWN_HUNDRED


KNOWN_ONE = [
    2535417122,
    1138557955,
    4234519132,
    3789633438,
    3513347362,
    655431189,
    4046766835,
    3839123106,
]
KNOWN_HUNDRED = [79469693, 84972134, 80181595, 72911180, 186287729, 35857141, 64684711, 14322535]


@pytest.mark.parametrize("num_perm", [1, 5, 16, 128, 200])
@pytest.mark.parametrize("seed", [1, 42, 2**32 - 1])
def test_affine32_is_datasketch(isa, num_perm, seed):
    items = [f"item {i}".encode() for i in range(50)]
    ours, theirs = (
        MinHash(num_perm, seed, family="affine32"),
        datasketch.MinHash(num_perm, seed),
    )
    np.testing.assert_array_equal(ours.signature, theirs.hashvalues)
    for n in (1, 10, 50):
        ours.update(items[:n])
        theirs.update_batch(items[:n])
        np.testing.assert_array_equal(ours.signature, theirs.hashvalues)
    ours_text = MinHash(num_perm, seed, family="affine32")
    assert ours_text.update([b.decode() for b in items] + [None]) == 1
    assert ours_text == ours
    default = MinHash(num_perm, family="affine32")
    assert default.seed == 1


def test_affine32_takes_base_hashes_and_refuses_numbers():
    ours, theirs = MinHash(family="affine32"), datasketch.MinHash(hashfunc=lambda v: v)
    base = random_hashes(40).astype(np.uint32)
    ours.update_hashes(base)
    theirs.update_batch(base.tolist())
    np.testing.assert_array_equal(ours.signature, theirs.hashvalues)
    with pytest.raises(TypeError):
        ours.update([b"a", 1])
    pa = pytest.importorskip("pyarrow")
    column, listed = MinHash(family="affine32"), MinHash(family="affine32")
    assert column.update(pa.array(["a", None, "b"])) == 1
    listed.update([b"a", b"b"])
    assert column == listed
    with pytest.raises(ValueError, match=r"below 2\*\*32"):
        MinHash(seed=2**32, family="affine32")


def test_matrix_from_every_container():
    pa = pytest.importorskip("pyarrow")
    sets = [["a", "b"], [], ["c"], ["a", "b", "b"], None]
    expected = np.array([MinHash.from_sets([s or []])[0].signature for s in sets])
    clean = [s or [] for s in sets]
    column = pa.array(sets)
    hashes, offsets = hash64([i for s in clean for i in s]), [0, 2, 2, 3, 6, 6]
    for given_sets in (
        clean,
        iter(clean),
        [set(s) for s in clean],
        column,
        pa.chunked_array([column[:2], column[2:]]),
        column.cast(pa.large_list(pa.string())),
    ):
        np.testing.assert_array_equal(minhash_matrix(given_sets), expected)
    np.testing.assert_array_equal(minhash_matrix(hashes, offsets), expected)
    assert minhash_matrix([]).shape == (0, 128)
    assert minhash_matrix(hashes[:0], [0], num_perm=3).shape == (0, 3)
    assert (minhash_matrix([[]]) == EMPTY).all()


@pytest.mark.parametrize("family", ["fss32", "affine32"])
def test_a_stored_signature_becomes_a_sketch_again(family):
    sketch = MinHash.from_sets([["a", "b"]], 20, family=family)[0]
    for stored in (sketch.signature, sketch.signature.tolist(), sketch.signature.astype("i8")):
        again = MinHash.from_signature(stored, family=family)
        assert again == sketch
        again.update("c")
        assert again != sketch
    assert MinHash.from_signature(sketch.signature, 5, family).seed == 5
    theirs = datasketch.MinHash(20)
    theirs.update_batch([b"a", b"b"])
    if family == "affine32":
        assert MinHash.from_signature(theirs.hashvalues, family=family) == sketch
    for bad, error in (
        ([], TypeError), (np.zeros(0, int), ValueError), ([0.5], TypeError), ([[1]], TypeError),
        ([-1], ValueError), ([2**32], ValueError),
    ):  # fmt: skip
        with pytest.raises(error):
            MinHash.from_signature(bad)


def test_threads_share_a_sketch():
    sketch, one = MinHash(64), MinHash(64)
    parts = [random_hashes(5000, seed) for seed in range(4)]

    def work(hashes):
        for piece in np.array_split(hashes, 100):
            sketch.update_hashes(piece)
            sketch.merge(sketch.copy())

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.update_hashes(np.concatenate(parts))
    assert sketch == one


@pytest.mark.parametrize(
    ("offsets", "error"),
    [
        ([0, 2**62 + 1, -(2**62 + 1), 3], ValueError),
        (np.array([0, 2**64 - 1], np.uint64), ValueError),
        ([0, 7], ValueError),
        ([0, 3, 2], ValueError),
        ([-1, 2], ValueError),
        (np.zeros(0, int), ValueError),
        ([0.0, 1.0], TypeError),
        ([[0, 1]], TypeError),
    ],
)
def test_matrix_refuses_bad_offsets(offsets, error):
    with pytest.raises(error, match="offsets"):
        minhash_matrix(random_hashes(6), offsets)


def test_matrix_refuses_values_that_are_not_hashes():
    with pytest.raises(TypeError, match="uint64"):
        minhash_matrix(np.arange(3), [0, 3])


@pytest.mark.parametrize("family", ["fss32", "affine32"])
def test_images_round_trip(family):
    sketch = MinHash(60, family=family)
    for items in ([], ["x"], [str(i) for i in range(500)]):
        sketch.update(items)
        image = sketch.to_bytes()
        assert MinHash.from_bytes(image) == sketch
        assert MinHash.from_bytes(bytearray(image)) == sketch
        assert pickle.loads(pickle.dumps(sketch)) == sketch
        assert copy.deepcopy(sketch) == copy.copy(sketch) == sketch
        for bits in (8, 16):
            small = sketch.compact(bits)
            assert BBitMinHash.from_bytes(small.to_bytes()) == small
            assert pickle.loads(pickle.dumps(small)) == small
            assert small.nbytes == 60 * bits // 8


def test_copies_are_independent():
    sketch = MinHash()
    twin_sketch = sketch.copy()
    twin_sketch.update("x")
    assert sketch.is_empty
    assert not twin_sketch.is_empty
    twin_sketch.clear()
    assert twin_sketch == sketch


@pytest.mark.parametrize("make", [MinHash.to_bytes, lambda s: s.compact(8).to_bytes()])
def test_damaged_images_are_refused(make):
    sketch = MinHash(16)
    sketch.update(range(9))
    image = make(sketch)
    read = MinHash.from_bytes if make is MinHash.to_bytes else BBitMinHash.from_bytes
    for cut in range(len(image)):
        with pytest.raises(FormatError):
            read(image[:cut])
    with pytest.raises(FormatError):
        read(image + b"\0")
    for byte in range(len(image)):
        for bit in (0, 7):
            damaged = bytearray(image)
            damaged[byte] ^= 1 << bit
            with pytest.raises(FormatError):
                read(damaged)
    with pytest.raises(TypeError, match="str"):
        read("text")


@given(st.binary(max_size=200))
def test_hostile_images_are_refused(image):
    with pytest.raises(FormatError):
        MinHash.from_bytes(b"TRCTMINH" + image)


def test_what_does_not_combine_is_refused():
    a = MinHash(16)
    for other, word in (
        (MinHash(32), "num_perm differs: 16 here, 32 there"),
        (MinHash(16, seed=1), "seed differs: 9001 here, 1 there"),
        (MinHash(16, family="affine32"), "family differs: 'fss32' here, 'affine32' there"),
    ):
        for act in (a.merge, a.jaccard, a.bounds):
            with pytest.raises(ValueError, match=word):
                act(other)
        assert a != other
    with pytest.raises(TypeError, match="str"):
        a.merge("x")
    with pytest.raises(TypeError):
        a | 3
    with pytest.raises(ValueError, match="bits differs"):
        a.compact(8).jaccard(a.compact(16))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_perm": 0}, ValueError),
        ({"num_perm": 65537}, ValueError),
        ({"num_perm": 1.5}, TypeError),
        ({"num_perm": True}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 2**64}, ValueError),
        ({"family": "x"}, ValueError),
    ],
)
def test_bad_parameters_are_refused(arguments, error):
    with pytest.raises(error):
        MinHash(**arguments)


def test_bad_hashes_are_refused_and_lose_nothing():
    sketch = MinHash()
    sketch.update("x")
    before = sketch.copy()
    for bad in ([1.5], np.zeros((2, 2), np.uint64), np.arange(3)):
        with pytest.raises(TypeError, match="uint64"):
            sketch.update_hashes(bad)
    with pytest.raises(ValueError, match="8 or 16"):
        sketch.compact(4)
    assert sketch == before


def test_parameters_for_an_error():
    sketch = MinHash.for_error(0.05, confidence=0.95)
    assert sketch.num_perm == 738  # ln(40) / 0.005
    assert MinHash(100).error == 0.05
    for error, confidence in ((0, 0.9), (1, 0.9), (0.1, 0), (0.1, 1), (float("nan"), 0.9)):
        with pytest.raises(ValueError, match="must lie in"):
            MinHash.for_error(error, confidence)
    with pytest.raises(ValueError, match="num_perm"):
        MinHash.for_error(0.0001)


def test_bounds_are_clopper_pearson():
    scipy_stats = pytest.importorskip("scipy.stats")
    a, b = MinHash(64), MinHash(64)
    a.update(range(100))
    b.update(range(40, 140))
    share = a.jaccard(b)
    exact = scipy_stats.binomtest(round(share * 64), 64).proportion_ci(0.9, "exact")
    np.testing.assert_allclose(a.bounds(b, 0.9), [exact.low, exact.high], atol=1e-9)
    assert a.bounds(a)[1] == 1.0


def test_the_empty_set_resembles_nothing():
    empty, other = MinHash(), MinHash()
    other.update(1)
    assert empty.jaccard(MinHash()) == empty.jaccard(other) == other.jaccard(empty) == 0.0
    assert empty.compact().jaccard(MinHash().compact()) == 0.0
    assert empty.bounds(other) == empty.compact().bounds(MinHash().compact()) == (0.0, 0.0)
    assert "empty" in repr(empty)
    assert "filled" in repr(other)


@settings(max_examples=20, derandomize=True)
@given(st.sets(st.integers(0, 200), min_size=1), st.sets(st.integers(0, 200), min_size=1))
def test_one_slot_agrees_as_often_as_the_sets_do(left, right):
    """200 seeds: an exact binomial test at 1e-6 an example; under other seeds and examples, which
    are fixed here, a correct implementation would fail with probability 2e-5."""
    scipy_stats = pytest.importorskip("scipy.stats")
    a, b = (np.fromiter(s, np.int64) for s in (left, right))
    equal = 0
    for seed in range(200):
        x, y = MinHash(1, seed), MinHash(1, seed)
        x.update(a)
        y.update(b)
        equal += x == y
    truth = len(left & right) / len(left | right)
    assert scipy_stats.binomtest(equal, 200, truth).pvalue >= 1e-6


def test_from_sets_of_affine32_takes_collections_of_texts():
    sets = [["a", "b"], {b"a"}, None, (), np.array(["a"]), pa.array(["b", None])]
    for items, sketch in zip(sets, MinHash.from_sets(sets, 16, family="affine32"), strict=True):
        other = MinHash(16, family="affine32")
        other.update([] if items is None else items)
        assert sketch == other
    for bad in ("ab", b"ab", 7, pa.array([["a"]])):
        with pytest.raises(TypeError, match="affine32 takes an iterable of collections"):
            MinHash.from_sets(bad, family="affine32")
    with pytest.raises(TypeError, match="a collection of items wanted, not str"):
        MinHash.from_sets(["ab"], family="affine32")


@pytest.mark.parametrize(
    "sets", [bytearray(b"ab"), memoryview(b"ab"), np.array(5), np.ma.masked_array([[1], [2]], 1)]
)
def test_what_is_no_collection_of_sets_is_refused(sets):
    with pytest.raises(TypeError, match=r"a collection of sets wanted|a masked array"):
        minhash_matrix(sets)


@pytest.mark.parametrize("items", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_are_no_set_of_numbers(items):
    with pytest.raises(TypeError, match="a collection of items wanted"):
        minhash_matrix([items])


def test_a_matrix_holds_no_more_memory_than_it_shows():
    usable = getattr(ctypes.CDLL(None), "malloc_usable_size", None)
    if usable is None:
        pytest.skip("this C library does not tell the size of a block")
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    signatures, _, shingles = TextSketcher(128).sketch("a b c d e f")
    for array in (minhash_matrix([[1], [2]]), signatures, shingles):
        assert usable(array.ctypes.data) <= array.nbytes + 64
