"""The scanner of JSON Lines beside Python's json: what it takes is what json reads, or it asks."""

import ctypes
import gc
import json
import weakref

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ann import TextSketcher
from ann._jsonl import JsonLines, Texts

ASKED = object()
FIELDS = st.sampled_from(["text", "id", "x", "é", 'q"', "\n", "te\\xt", "", "texts", "t"])
NAMES = st.sampled_from([("text", None), ("text", "id"), ("text", "text"), ("é", 'q"'), ("\n", "")])
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(FIELDS, STRINGS | st.integers(-(10**19), 10**19) | VALUES, max_size=6)


def expected(line, text, id):
    """What a line holds by way of json; None if it is no such row."""
    try:
        row = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or text not in row or (id is not None and id not in row):
        return None
    null = type(None) if id != text else str
    if not isinstance(row[text], str | null):
        return None
    if id not in (None, text) and type(row[id]) not in (str, int):
        return None
    return row[text] or "", row[id] if id is not None else None


def scan(data, text, id):
    """The rows of a block, ASKED where the judge was, None where a line is none."""
    lines = data.split(b"\n")
    ends = np.cumsum([len(line) + 1 for line in lines])
    rows = [None] * len(lines)

    def judge(line, number):
        assert line.rstrip(b"\n") == lines[number]
        rows[number] = ASKED

    texts, places, ids, count = JsonLines(text, id).take(data, judge)
    assert count == data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
    for row, (value, start, end) in enumerate(zip(texts, *places, strict=True)):
        number = int(np.searchsorted(ends, start, "right"))
        assert data[start:end].rstrip(b"\n") == lines[number]
        rows[number] = value, ids[row] if id is not None else None
    return list(zip(lines, rows, strict=True))


def separators(draw):
    space = st.sampled_from(["", " ", "\t", " \r"])
    return f"{draw(space)},{draw(space)}", f"{draw(space)}:{draw(space)}"


@st.composite
def spelled(draw):
    """A line of JSON, in one of the ways to write it."""
    ascii_only = draw(st.booleans())
    line = json.dumps(draw(OBJECTS), ensure_ascii=ascii_only, separators=separators(draw))
    return (draw(st.sampled_from(["", " "])) + line + draw(st.sampled_from(["", "\r"]))).encode()


@settings(max_examples=150)
@given(st.lists(spelled(), max_size=4), NAMES, st.booleans())
def test_whole_lines_are_read_as_json_reads_them(lines, names, last):
    data = b"\n".join(lines) + b"\n" * last
    for line, row in scan(data, *names):
        if row is ASKED:  # for want of a field, of the right kind, or of a number that surely fits
            wanted = expected(line, *names)
            assert wanted is None or abs(wanted[1]) >= 10**17
        elif row is not None or line:
            assert row == expected(line, *names)


@st.composite
def damaged(draw):
    """A line with some bytes changed, put in or left out."""
    line = bytearray(draw(spelled()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        byte = draw(st.sampled_from(b'"\\{}[],:u0d9-.eE+tfn \x00\x1f\x7f\x80\xc3\xa9\xed\xa0\xff'))
        line[at : at + draw(st.integers(0, 2))] = bytes([byte]) * draw(st.integers(0, 2))
    return bytes(line)


@settings(max_examples=400)
@given(damaged(), NAMES)
@example(b'{"text": "\\ud83d\\ude00"}', ("text", None))
@example(b'{"text": "\\ud83d"}', ("text", None))
@example(b'{"text": "a", "text": "b"}', ("text", None))
@example(b'{"te\\u0078t": "a"}', ("text", None))
@example(b'{"text": "a", "x": "\\\x00"}', ("text", None))
@example(b'{"text": "a", "id": 1e2}', ("text", "id"))
@example(b'{"text": "a", "id": 01}', ("text", "id"))
@example(b'{"text": "a", "x": NaN}', ("text", None))
@example(b'{"text": "a", "x": -Infinity}', ("text", None))
@example(b'{"text": "a",}', ("text", None))
@example(b'{"text": "a"} x', ("text", None))
@example(b"{" * 100, ("text", None))
@example(b'{"text": "a", "x": ' + b"[" * 62 + b"]" * 62 + b"}", ("text", None))
@example(b'{"text": "a", "x": ' + b"[" * 63 + b"]" * 63 + b"}", ("text", None))
def test_a_damaged_line_is_read_as_json_reads_it_or_left_to_the_judge(line, names):
    for part, row in scan(line, *names):
        if row is not ASKED and (row is not None or part.strip()):
            assert row == expected(part, *names)


@pytest.mark.parametrize("cut", range(40))
def test_a_truncated_line_is_left_to_the_judge(cut):
    line = b'{"text": "caf\xc3\xa9 \\n\\u00e9", "x": [1.5e3]}'
    ((_, row),) = scan(line[:cut] or b"{", "text", None)
    assert row is ASKED


@given(st.lists(STRINGS, max_size=30))
def test_what_the_judge_says_takes_its_place(texts):
    lines = [b"?\n" if i % 3 else json.dumps({"id": i, "text": t}).encode() + b"\n"
             for i, t in enumerate(texts)]  # fmt: skip
    told = lambda line, number: None if number % 3 == 2 else (texts[number], 2**70 + number)  # noqa: E731
    taken, _, ids, count = JsonLines("text", "id").take(b"".join(lines), told)
    stay = [i for i in range(len(texts)) if i % 3 != 2]
    assert list(taken) == [texts[i] for i in stay]
    assert ids == [2**70 + i if i % 3 else i for i in stay]
    assert count == len(texts)


def test_an_error_of_the_judge_passes_through():
    def judge(line, number):
        raise KeyError(number)

    with pytest.raises(KeyError, match="1"):
        JsonLines("text").take(b'{"text": ""}\n{}\n{"text": ""}\n', judge)


@given(st.lists(STRINGS, max_size=20))
def test_texts_as_an_arrow_array(texts):
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)])
    column = Texts(offsets, np.frombuffer(b"".join(encoded), np.uint8))
    array = pa.array(column)
    array.validate(full=True)
    assert array.type == pa.large_string()
    assert array.to_pylist() == list(column) == texts
    sketcher = TextSketcher(16, 2)
    assert np.array_equal(sketcher.sketch(column)[0], sketcher.sketch(texts)[0])


def test_an_array_keeps_its_texts_and_lets_them_go():
    class Named(Texts):  # Texts itself takes no weak references
        pass

    column = Named(np.array([0, 3]), np.frombuffer(b"abc", np.uint8))
    seen = weakref.ref(column)
    column.__arrow_c_array__()  # handed to nobody
    array = pa.array(column)
    del column
    gc.collect()
    assert seen() is not None
    assert array.to_pylist() == ["abc"]
    del array
    gc.collect()
    assert seen() is None


class ArrowArray(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("length", "nulls", "offset", "buffers", "children")),
        *((name, ctypes.c_void_p) for name in ("at", "child", "dictionary", "free", "own")),
    ]


def test_an_array_moved_out_of_its_capsule_needs_the_capsule_no_more():
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    schema, capsule = Texts(
        np.array([0, 3, 5]), np.frombuffer(b"abcde", np.uint8)
    ).__arrow_c_array__()
    there = ArrowArray.from_address(pointer(capsule, b"arrow_array"))
    moved = ArrowArray.from_buffer_copy(there)
    there.free = None
    del there, capsule
    malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
    malloc.restype = ctypes.c_void_p
    malloc.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    sizes = range(80, 160, 8)
    blocks = [malloc(size) for size in sizes]  # what the capsule freed is used again
    for block, size in zip(blocks, sizes, strict=True):
        ctypes.memset(block, 0xFF, size)
    array = pa.Array._import_from_c(ctypes.addressof(moved), pointer(schema, b"arrow_schema"))
    assert array.to_pylist() == ["abc", "de"]
    for block in blocks:
        free(block)
