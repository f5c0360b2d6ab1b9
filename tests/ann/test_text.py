"""Shingling against `re`, `str.casefold` and mmh3, at every instruction set."""

import pickle
import re
import unicodedata

import mmh3
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ann import TextSketcher, shingle
from ann.text import ALGORITHM
from sketches import _cpu, minhash_matrix
from sketches.minhash import EMPTY

B = 0x5851F42D4C957F2D
MASK = 2**64 - 1
WORDS = re.compile(r"\w+")


def fmix64(k):
    k ^= k >> 33
    k = k * 0xFF51AFD7ED558CCD & MASK
    k ^= k >> 33
    k = k * 0xC4CEB9FE1A85EC53 & MASK
    return k ^ k >> 33


def oracle(text, ngram=5, unit="word", casefold=True, seed=9001):
    """The shingles by ann.text's definition."""
    text = text.casefold() if casefold else text
    units = WORDS.findall(text) if unit == "word" else text
    hashes = [mmh3.hash64(u, seed, signed=False)[0] for u in units]
    windows = [hashes[i : i + ngram] for i in range(max(1, len(hashes) - ngram + 1))]
    result = []
    for window in windows if hashes else []:
        h = 0
        for u in window:
            h = h * B + u & MASK
        result.append(fmix64(h))
    return result


def pinned(text):
    """Without characters younger than the pinned tables."""
    return "".join(c for c in text if c not in YOUNGER)


def younger():
    """Characters that were not there yet at the pinned Unicode version: to the tables, no words.

    Under Python 3.11, which has that version, there are none: the tables are tested in full.
    """
    found = set()
    for cp in range(0x80, 0x110000):
        if 0xD800 <= cp < 0xE000 or not (chr(cp).isalnum() or chr(cp).casefold() != chr(cp)):
            continue
        _, units = shingle(chr(cp), ngram=1)
        if units.tolist() != oracle(chr(cp), 1):
            assert len(units) == 0, hex(cp)
            found.add(chr(cp))
    return found


YOUNGER = set() if unicodedata.unidata_version == "14.0.0" else younger()

TEXTS = st.text(max_size=300).map(pinned)
ODD = "a\u00dfB \u0130i\u0307 \ufb03x \u0149 \u1e9e K\u017f \u4e2d\u6587_9 \U0001d7d8\U00010400 "


def test_the_tables_are_those_of_python():
    """Every code point alone, and between letters, under the pinned Unicode version."""
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    points = [c for c in points if c not in YOUNGER]
    for start in range(0, len(points), 40_000):
        some = points[start : start + 40_000]
        texts = [f"x{c}Y" for c in some]
        words = [len(WORDS.findall(text.casefold())) for text in texts]
        picked = [i for i in range(len(some)) if some[i].casefold() != some[i] or i % 97 == 0]
        hashes = {i: oracle(texts[i], 1) for i in picked}
        for level in _cpu.available():
            _cpu.set_isa(level)
            offsets, shingles = shingle(texts, ngram=1)
            wrong = np.flatnonzero(np.diff(offsets) != words)
            assert not len(wrong), f"U+{ord(some[wrong[0]]):04X} at {level}"
            for i in picked:
                assert shingles[offsets[i] : offsets[i + 1]].tolist() == hashes[i]


@settings(max_examples=300)
@given(TEXTS, st.sampled_from([1, 2, 5, 17]), st.sampled_from(["word", "char"]), st.booleans())
@example(ODD * 40, 5, "word", True)
@example(ODD * 40, 5, "char", True)
@example(ODD * 40, 2, "word", False)
def test_shingles_are_the_definition(text, ngram, unit, casefold):
    expected = oracle(text, ngram, unit, casefold)
    for level in _cpu.available():
        _cpu.set_isa(level)
        offsets, shingles = shingle([text], ngram=ngram, unit=unit, casefold=casefold)
        assert offsets.tolist() == [0, len(expected)]
        assert shingles.tolist() == expected


@pytest.mark.parametrize("unit", ["word", "char"])
@pytest.mark.parametrize(
    "text",
    [
        "x" * 8191, "x" * 8192, "x" * 8193, "x" * 100_000, "\u0416" * 50_000,
        "word " * 5000, ("y" * 63 + " ") * 300, ("\u00e9" * 40 + " ") * 500,
        "a b " * 4096, " " * 9000, "\n".join(str(i) for i in range(9000)),
        "\u1e9e" * 9000, "\u0390 " * 5000,
    ],
    ids=lambda text: f"{text[:3]!r}x{len(text)}",
)  # fmt: skip
def test_long_texts_cross_every_block(isa, text, unit):
    _, shingles = shingle(text, ngram=3, unit=unit)
    assert shingles.tolist() == oracle(text, 3, unit)


@given(st.binary(max_size=300), st.sampled_from(["word", "char"]))
@example(b"ok \xff\xfe \xc3 \xe4\xb8 x\xf0\x9f\x98", "char")
@example(b"\xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \xe0\x80\x80", "char")
def test_invalid_utf8_is_read_as_python_replaces_it(data, unit):
    expected = data.decode("utf-8", "replace")
    sketcher = TextSketcher(ngram=2, unit=unit)
    for level in _cpu.available():
        _cpu.set_isa(level)
        _, shingles = sketcher.shingles([data])
        assert shingles.tolist() == shingle([expected], ngram=2, unit=unit)[1].tolist()
    stretches = expected.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    assert sketcher.invalid == stretches * len(_cpu.available())


def test_signatures_are_minhash_of_the_shingles(isa):
    texts = [" ".join(str(j * j % 91) for j in range(i)) for i in range(0, 900, 7)]
    for num_perm in (1, 30, 128):
        sketcher = TextSketcher(num_perm)
        signatures, offsets, shingles = sketcher.sketch(texts)
        np.testing.assert_array_equal(
            signatures, minhash_matrix(shingles, offsets, num_perm=num_perm)
        )
        np.testing.assert_array_equal(signatures, sketcher.sketch(texts, shingles=False))


def test_short_and_empty_texts():
    texts = ["", "   ", "one", "One two", "one two three four five", None, "...", "one"]
    signatures, offsets, shingles = TextSketcher().sketch(texts)
    assert np.diff(offsets).tolist() == [0, 0, 1, 1, 1, 0, 0, 1]
    empty = (signatures == EMPTY).all(axis=1)
    assert empty.tolist() == [True, True, False, False, False, True, True, False]
    assert len(set(shingles.tolist())) == 3


def test_every_container_of_texts():
    pa = pytest.importorskip("pyarrow")
    texts = ["Hello, World of words", "", "na\u00efve caf\u00e9 " * 30, "\u4e2d\u6587" * 9]
    expected = shingle(texts, ngram=2)
    arrow = pa.array(texts)
    for container in (
        tuple(texts),
        iter(texts),
        (t for t in texts),
        np.array(texts),
        np.array(texts, object),
        np.array(texts, np.dtypes.StringDType()),
        [t.encode() for t in texts],
        arrow,
        arrow.cast(pa.large_string()),
        arrow.cast(pa.string_view()),
        arrow.dictionary_encode(),
        pa.chunked_array([arrow[:1], arrow[1:]]),
    ):
        for ours, theirs in zip(shingle(container, ngram=2), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    offsets, shingles = expected
    assert shingle(texts[2], ngram=2)[1].tolist() == shingles[offsets[2] : offsets[3]].tolist()


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
def test_normalisation(form):
    texts = ["cafe\u0301 \ufb01n", None, "\u00e9 \u2460"]
    plain = [unicodedata.normalize(form, t or "") for t in texts]
    for ours, theirs in zip(
        shingle(texts, ngram=1, normalize=form), shingle(plain, ngram=1), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_sketcher_can_be_pickled_and_counts_what_it_replaced():
    plain = TextSketcher(16, 2, "char", False, None, 5)
    again = pickle.loads(pickle.dumps(plain))
    assert repr(again) == repr(plain)
    np.testing.assert_array_equal(again.sketch(["Abc"])[0], plain.sketch(["Abc"])[0])
    for normalize in (None, "NFC"):
        sketcher = TextSketcher(normalize=normalize)
        sketcher.sketch([b"ab \xff cd \xef\xbf\xbd", b"\xef\xbf\xbd"])
        assert sketcher.invalid == 1


def test_known_answers():
    """Published vectors (docs/design/minhash.md): a change here is a new algorithm version."""
    assert ALGORITHM == "tractable.text.v1"
    _, shingles = shingle("The quick brown fox jumps over the lazy dog")
    assert shingles.tolist() == KNOWN
    assert TextSketcher(4).sketch("The quick brown fox", shingles=False).tolist() == KNOWN_SLOTS


KNOWN = [
    12174533692945706528,
    6530519078266809116,
    12643532636611472605,
    8666624530304812701,
    15054770234315657656,
]
KNOWN_SLOTS = [[4081644511, 515017109, 3995953588, 1939117424]]


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ({"ngram": 0}, ValueError, "1 .. 256"),
        ({"ngram": 257}, ValueError, "1 .. 256"),
        ({"ngram": 2.0}, TypeError, "ngram"),
        ({"ngram": True}, TypeError, "ngram"),
        ({"unit": "line"}, ValueError, "word"),
        ({"normalize": "nfc"}, ValueError, "NFC"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_parameters_are_refused(arguments, error, word):
    with pytest.raises(error, match=word):
        shingle(["x"], **arguments)


def test_bad_texts_are_refused():
    with pytest.raises(TypeError, match=r"2.*int"):
        shingle(["a", "b", 3])
    with pytest.raises(TypeError):
        shingle(np.arange(3))
    with pytest.raises(ValueError, match="1"):
        shingle(["fine", "\ud800"])
