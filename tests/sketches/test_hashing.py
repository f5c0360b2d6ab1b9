"""The hash itself and the kinds of Python and numpy input, against PyPI's mmh3."""

import threading
from decimal import Decimal

import mmh3
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sketches import _cpu, _probe
from sketches.hashing import hash64, hash128

SEEDS = st.integers(0, 2**32 - 1)
per_level = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def oracle(keys, seed=9001):
    pairs = [mmh3.hash64(key, seed, signed=False) for key in keys]
    return [h1 for h1, _ in pairs], [h2 for _, h2 in pairs]


def check(items, keys, seed=9001):
    """Both public functions give what mmh3 gives for the bytes."""
    h1, h2 = hash128(items, seed)
    assert h1.dtype == h2.dtype == np.uint64
    assert (h1.tolist(), h2.tolist()) == oracle(keys, seed)
    assert hash64(items, seed).tolist() == h1.tolist()


def int_key(value):
    return int(value).to_bytes(8, "little", signed=value < 2**63)


def float_key(value):
    value = np.float64(value)
    return np.float64(np.nan if np.isnan(value) else value + 0.0).tobytes()


# ------------------------------------------------------------------ the function


@per_level
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=40), SEEDS)
def test_bytes_equal_mmh3(isa, keys, seed):
    check(keys, keys, seed)


@per_level
@given(st.lists(st.text(max_size=80), min_size=1, max_size=40), SEEDS)
def test_str_equals_mmh3_of_its_utf8(isa, texts, seed):
    check(texts, [text.encode() for text in texts], seed)


@per_level
@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=40), SEEDS)
def test_int_equals_mmh3_of_its_eight_bytes(isa, values, seed):
    check(values, [int_key(v) for v in values], seed)


@per_level
@given(st.lists(st.floats(), min_size=1, max_size=40), SEEDS)
def test_float_is_canonical(isa, values, seed):
    check(values, [float_key(v) for v in values], seed)


def test_every_length_in_every_lane(isa):
    rng = np.random.default_rng(1)
    for shift in range(9):  # neighbours of other lengths in the same group of lanes
        keys = [rng.bytes(n) for n in (*range(shift), *range(301), 5000, 3, 100_000, 0)]
        check(keys, keys)


def test_levels_agree_with_the_baseline(isa):
    rng = np.random.default_rng(2)
    numbers = rng.integers(0, 2**63, 5003)
    texts = [rng.bytes(n) for n in rng.integers(0, 70, 5003)]
    here = [*hash128(numbers), *hash128(texts)]
    _cpu.set_isa("baseline")
    for got, want in zip(here, [*hash128(numbers), *hash128(texts)], strict=True):
        np.testing.assert_array_equal(got, want)


def test_known_answers():
    """Published in docs/design/hashing.md; a change here breaks every stored sketch."""
    assert hash128("") == hash128(b"") == (0x1E70A32266491BB9, 0x609736B252406B94)
    assert hash128("tractable") == (0xB9483D679C445856, 0x4BBA21D450095671)
    assert hash128(0) == hash128(False) == (0x40890191DCC2D7CB, 0x9A7ACDBE1B80EFB2)
    assert hash128(1) == (0x0B430D7B96FBF22B, 0xE8EA0960D4246765)
    assert hash128(-1) == hash128(2**64 - 1) == (0x1CF79F8C1BE764D9, 0x64879B0F1FFB7E86)
    assert hash128(1.0) == (0xF947AF95CB9DA50B, 0x3CFB2D832ADDA216)
    assert hash128("", seed=2**64 - 1) == (0xE4C18F38C65BD6ED, 0x8EFD8AE920620DAF)


# ------------------------------------------------------------------ numpy arrays


@pytest.mark.parametrize("dtype", [f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)])
def test_integers_hash_by_value_whatever_their_width(isa, dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, 0, 1, info.max // 2, info.max] * 30, dtype)
    check(values, [int_key(int(v)) for v in values])
    check(values[::3], [int_key(int(v)) for v in values[::3]])
    check(values.astype(values.dtype.newbyteorder(">")), [int_key(int(v)) for v in values])
    check(list(values), [int_key(int(v)) for v in values])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_floats_hash_by_value_whatever_their_width(isa, dtype):
    bits = np.arange(0, 2**16, dtype=np.uint16).view("f2")  # every half there is
    values = bits.astype(dtype)
    check(values, [float_key(v) for v in values])
    check(list(values[:9]), [float_key(v) for v in values[:9]])
    assert hash64(values[:1] * -1)[0] == hash64(0.0)


def test_bools_and_times_hash_as_int64():
    check(np.array([True, False]), [int_key(1), int_key(0)])
    check([True, np.True_, 5], [int_key(1), int_key(1), int_key(5)])
    times = np.array(["2020-01-01T00:00:01", "NaT"], "M8[s]")
    check(times, [int_key(int(v)) for v in times.view("i8")])
    check(times - times[0], [int_key(int(v)) for v in (times - times[0]).view("i8")])


@pytest.mark.parametrize("count", [1, 7, 513, 2000])
def test_string_arrays(isa, count):
    texts = [("é", "日本", "x" * 40, "", "😀 plain")[i % 5] + str(i) for i in range(count)]
    keys = [text.encode() for text in texts]
    check(np.array(texts), keys)
    check(np.array(texts).astype(">U50"), keys)
    check(np.array(keys), keys)
    check(np.array(texts, dtype=object), keys)
    check(np.array(keys, dtype=object)[::2], keys[::2])
    check(np.array(texts, dtype=np.dtypes.StringDType()), keys)


def test_trailing_nuls_follow_numpy():
    check(np.array(["a\0", "\0b", "\0"]), [b"a", b"\0b", b""])
    check(np.array([b"a\0", b"\0b"]), [b"a", b"\0b"])
    check(["a\0"], [b"a\0"])


@pytest.mark.parametrize("absent", [None, np.nan])
def test_nulls_of_a_string_array(absent):
    array = np.array(["a", absent, "b"], dtype=np.dtypes.StringDType(na_object=absent))
    hashes, valid = hash64(array, return_valid=True)
    assert hashes.tolist() == hash64(["a", "b"]).tolist()
    assert valid.tolist() == [True, False, True]


def test_wide_string_arrays_need_blocks_of_few_rows():
    texts = ["é" * 70_000, "b", "日" * 69_999]
    check(np.array(texts), [text.encode() for text in texts])


def test_empty_batches():
    for items in ([], (), iter([]), np.array([]), np.array([], "U3"), np.array([], object)):
        hashes, valid = hash64(items, return_valid=True)
        assert hashes.dtype == np.uint64
        assert len(hashes) == len(valid) == 0


# ------------------------------------------------------------------- containers


@pytest.mark.parametrize("count", [1, 511, 512, 513, 3000])
@pytest.mark.parametrize("container", [list, tuple, iter, dict.fromkeys, lambda x: (i for i in x)])
def test_containers(container, count):
    keys = [str(i).encode() for i in range(count)]
    h1, h2 = hash128(container(keys))
    assert (h1.tolist(), h2.tolist()) == oracle(keys)


def test_long_texts_that_must_be_encoded():
    texts = ["日本語" * 200_000, "ascii " * 100_000, "é" * 300_000, "😀" * 50_000, "ÿ"] * 2
    check(texts, [text.encode() for text in texts])


def test_encoding_leaves_the_users_strings_as_they_are():
    text = "naïve " * 1000
    before = text.__sizeof__()
    hash64([text])
    assert text.__sizeof__() == before


def test_subclasses_hash_as_their_base():
    class Name(str):
        pass

    check([Name("a"), np.str_("b"), "c"], [b"a", b"b", b"c"])
    check([b"a", np.bytes_(b"b")], [b"a", b"b"])
    check([1.5, np.float64(2.5)], [float_key(1.5), float_key(2.5)])


def test_what_subclasses_redefine_does_not_count():
    class Text(str):
        def encode(self, *_):
            return self

    class Whole(int):
        def __int__(self):
            return 5

    class Real(float):
        def __float__(self):
            return 5.0

    for item, same in ((Text("é"), "é"), (Whole(7), 7), (Real(7.5), 7.5)):
        assert hash64(item) == hash64([item])[0] == hash64(same)


def test_trailing_nuls_of_numpy_scalars_count():
    for scalar, item in ((np.str_("a\0"), "a\0"), (np.bytes_(b"a\0"), b"a\0")):
        assert hash64(scalar) == hash64(item)
        assert hash64(scalar, return_valid=True) == (hash64(item), True)
        assert _probe.hashes(scalar, skip_empty=True)[0] == [hash128(item)]
        assert _probe.spans(scalar)[0] == [b"a\0"]


def test_scalars_give_numbers():
    for item in (
        "x",
        b"x",
        7,
        2**64 - 1,
        1.5,
        True,
        np.int8(-3),
        np.float32(1.5),
        np.str_("é"),
        np.datetime64(5, "s"),
        np.array(9),
    ):
        h1, h2 = hash128(item)
        assert type(h1) is type(h2) is int
        assert hash64(item) == h1
        assert hash64(item, return_valid=True) == (h1, True)
        batch = np.array([item]) if isinstance(item, np.generic | np.ndarray) else [item]
        assert hash128(batch)[0].tolist() == [h1]
        assert hash128(batch)[1].tolist() == [h2]


def test_nulls_are_skipped_and_can_be_realigned():
    items = [None, "a", None, "", "b"] * 300
    hashes, valid = hash64(items, return_valid=True)
    assert valid.tolist() == [item is not None for item in items]
    assert hashes.tolist() == hash64([item for item in items if item is not None]).tolist()
    assert hash64([None, None]).tolist() == []
    h1, h2, valid = hash128([None, 4], return_valid=True)
    assert (h1.tolist(), h2.tolist(), valid.tolist()) == (
        [hash64(4)],
        [hash128(4)[1]],
        [False, True],
    )


def test_skip_empty_is_the_habit_of_datasketches():
    items = ["", "a", None, "b", ""]
    hashes, valid = hash64(items, skip_empty=True, return_valid=True)
    assert hashes.tolist() == hash64(["a", "b"]).tolist()
    assert valid.tolist() == [False, True, False, True, False]
    assert len(hash64(items)) == 4
    assert hash64([b"", b"a"], skip_empty=True).tolist() == [hash64("a")]
    assert hash64(np.array(["", "a"]), skip_empty=True).tolist() == [hash64("a")]
    assert hash64("", skip_empty=True) is None
    assert hash64("", skip_empty=True, return_valid=True) == (None, False)
    assert hash64(0, skip_empty=True) == hash64(0)
    assert hash64([0, 1], skip_empty=True).tolist() == hash64([0, 1]).tolist()


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["a"] * 600 + [1], "position 600: int in a batch of str"),
        ([1, 2, "a"], "position 2: str in a batch of integers"),
        ([1.5, 1], "position 1: int in a batch of floats"),
        (["a", b"a"], "position 1: bytes in a batch of str"),
        ([None, 1, object()], "position 2: cannot hash a value of type object"),
        ([Decimal(1)], "position 0: cannot hash a value of type Decimal"),
        ([bytearray(b"x")], "position 0: cannot hash a value of type bytearray"),
        ([np.datetime64(1, "s")], "position 0: cannot hash a value of type datetime64"),
        ([[1], [2]], "position 0: cannot hash a value of type list"),
        (np.array([1, "a"], object), "position 1: str in a batch of integers"),
        (None, "type NoneType"),
        (bytearray(b"x"), "type bytearray"),
        (memoryview(b"x"), "type memoryview"),
        (object(), "type object"),
        (np.array([1j]), "dtype complex128"),
        (np.zeros(2, [("a", "i4")]), r"dtype \[\('a', '<i4'\)\]"),
        (np.zeros(2, "V3"), r"dtype \|V3"),
        (np.zeros(2, np.longdouble), "dtype float128|dtype longdouble"),
        (np.ma.array([1, 2], mask=[0, 1]), "masked array"),
    ],
)
def test_what_cannot_be_hashed_is_named(items, message):
    if isinstance(items, np.ndarray) and items.dtype == np.longdouble == np.float64:
        pytest.skip("long double is float64 here")
    with pytest.raises(TypeError, match=message):
        hash64(items)


def test_other_refusals():
    for value in (2**64, -(2**63) - 1, 10**30):
        with pytest.raises(OverflowError, match="position 1: an integer outside"):
            hash64([1, value])
        with pytest.raises(OverflowError):
            hash64(value)
    with pytest.raises(ValueError, match="position 1: a str with a lone surrogate"):
        hash64(["a", "\ud800"])
    with pytest.raises(ValueError, match="lone surrogate"):
        hash64("\udfff!")
    with pytest.raises(ValueError, match="position 1: a string with a surrogate"):
        hash64(np.array(["a", "\ud800"]))
    with pytest.raises(
        ValueError, match="position 0: a string with a surrogate or a number beyond"
    ):
        hash64(np.array([0x110000], "u4").view("U1"))
    with pytest.raises(ValueError, match="2 dimensions"):
        hash64(np.zeros((2, 2)))


def test_an_iterator_that_fails_passes_its_error_on():
    def broken():
        yield "a"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        hash64(broken())


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "1", None])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 to 2\*\*64 - 1"):
        hash64([1], seed)
    with pytest.raises(ValueError, match="seed must be"):
        hash64("x", seed)


def test_seeds_of_64_bits():
    seeds = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, np.uint64(12)]
    assert len({hash64("x", seed) for seed in seeds}) == len(seeds)
    for seed in seeds:
        assert hash64(["x"], seed)[0] == hash64("x", seed)
        assert hash64(np.array([5]), seed)[0] == hash64(5, seed)


def test_threads_get_the_same_hashes():
    numbers, texts = np.arange(200_000), [str(i) for i in range(20_000)]
    want = hash64(numbers).tolist(), hash64(texts).tolist()
    start, got = threading.Barrier(4), []

    def work():
        start.wait()
        got.append((hash64(numbers).tolist(), hash64(texts).tolist()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [want] * 4


def test_a_list_that_changes_meanwhile_is_safe():
    """Blocks own their items, so that emptying the list under the walk cannot free them."""
    items, stop = [str(i) for i in range(5000)], threading.Event()

    def churn():
        while not stop.is_set():
            del items[:]
            items.extend(str(i) for i in range(5000))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        known = set(hash64([str(i) for i in range(5000)]).tolist())
        for _ in range(200):
            assert known.issuperset(hash64(items).tolist())
    finally:
        stop.set()
        thread.join()
