"""Arrow structures that lie: each is refused with a reason and released exactly once."""

import ctypes as c
import struct

import numpy as np
import pytest

from sketches import _probe
from sketches.hashing import hash64


class Schema(c.Structure):
    pass


class Array(c.Structure):
    pass


class Stream(c.Structure):
    pass


FREE_SCHEMA, FREE_ARRAY = c.CFUNCTYPE(None, c.POINTER(Schema)), c.CFUNCTYPE(None, c.POINTER(Array))
FREE_STREAM = c.CFUNCTYPE(None, c.POINTER(Stream))
Schema._fields_ = [
    ("format", c.c_char_p),
    ("name", c.c_char_p),
    ("metadata", c.c_char_p),
    ("flags", c.c_int64),
    ("n_children", c.c_int64),
    ("children", c.POINTER(c.POINTER(Schema))),
    ("dictionary", c.POINTER(Schema)),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]
Array._fields_ = [
    ("length", c.c_int64),
    ("null_count", c.c_int64),
    ("offset", c.c_int64),
    ("n_buffers", c.c_int64),
    ("n_children", c.c_int64),
    ("buffers", c.POINTER(c.c_void_p)),
    ("children", c.POINTER(c.POINTER(Array))),
    ("dictionary", c.POINTER(Array)),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]
GET_SCHEMA = c.CFUNCTYPE(c.c_int, c.POINTER(Stream), c.POINTER(Schema))
GET_NEXT = c.CFUNCTYPE(c.c_int, c.POINTER(Stream), c.POINTER(Array))
GET_ERROR = c.CFUNCTYPE(c.c_void_p, c.POINTER(Stream))
Stream._fields_ = [
    ("get_schema", GET_SCHEMA),
    ("get_next", GET_NEXT),
    ("get_last_error", GET_ERROR),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]

new_capsule = c.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = c.py_object, [c.c_void_p, c.c_char_p, c.c_void_p]


NUMBERS = (None, struct.pack("<3q", 1, 2, 3))


class Fake:
    """A column made by hand; counts how often its structs are released."""

    def __init__(
        self,
        form="l",
        length=3,
        buffers=NUMBERS,
        *,
        null_count=0,
        offset=0,
        children=(),
        dictionary=None,
        schema=None,
        array=None,
    ):
        self.released = []
        self.free_schema = FREE_SCHEMA(lambda p: self.free(p, "schema"))
        self.free_array = FREE_ARRAY(lambda p: self.free(p, "array"))
        self.keep = [b if b is None else c.create_string_buffer(b, max(len(b), 1)) for b in buffers]
        pointers = (c.c_void_p * max(len(buffers), 1))(
            *(None if b is None else c.addressof(b) for b in self.keep)
        )
        self.children, self.dictionary = children, dictionary
        count = len(children)
        self.schema = Schema(
            form if form is None else form.encode(),
            b"",
            None,
            2,
            count,
            (c.POINTER(Schema) * count)(*(c.pointer(k.schema) for k in children))
            if count
            else None,
            c.pointer(dictionary.schema) if dictionary else None,
            self.address(self.free_schema),
        )
        self.array = Array(
            length,
            null_count,
            offset,
            len(buffers),
            count,
            pointers,
            (c.POINTER(Array) * count)(*(c.pointer(k.array) for k in children)) if count else None,
            c.pointer(dictionary.array) if dictionary else None,
            self.address(self.free_array),
        )
        for target, changes in ((self.schema, schema), (self.array, array)):
            for name, value in (changes or {}).items():
                setattr(target, name, value)

    @staticmethod
    def address(function):
        return c.cast(function, c.c_void_p).value

    def free(self, pointer, what):
        self.released.append(what)
        pointer.contents.release = None

    def __arrow_c_array__(self, requested_schema=None):
        return (
            new_capsule(c.addressof(self.schema), b"arrow_schema", None),
            new_capsule(c.addressof(self.array), b"arrow_array", None),
        )


class FakeStream:
    """Chunks of a Fake; a chunk that is a number is an error code."""

    def __init__(self, chunks, form="l", schema_code=0):
        self.released, self.chunks, self.given = [], iter(chunks), []
        self.schema_code, self.model = schema_code, Fake(form)
        self.text = c.create_string_buffer(b"the disk is on fire")
        self.calls = (
            GET_SCHEMA(self.get_schema),
            GET_NEXT(self.get_next),
            GET_ERROR(lambda _: c.addressof(self.text)),
            FREE_STREAM(self.free),
        )
        self.stream = Stream(*self.calls[:3], Fake.address(self.calls[3]))

    def free(self, pointer):
        self.released.append("stream")
        pointer.contents.release = None

    def get_schema(self, _, out):
        if not self.schema_code:
            c.memmove(out, c.addressof(self.model.schema), c.sizeof(Schema))
        return self.schema_code

    def get_next(self, _, out):
        chunk = next(self.chunks, None)
        if isinstance(chunk, int):
            return chunk
        c.memset(out, 0, c.sizeof(Array))
        if chunk is not None:
            self.given.append(chunk)
            c.memmove(out, c.addressof(chunk.array), c.sizeof(Array))
        return 0

    def __arrow_c_stream__(self, requested_schema=None):
        return new_capsule(c.addressof(self.stream), b"arrow_array_stream", None)


def offsets(*values):
    return struct.pack(f"<{len(values)}i", *values)


def view(length, buffer=0, offset=0):
    return struct.pack("<iiii", length, 0, buffer, offset)


def sizes(*values):
    return struct.pack(f"<{len(values)}q", *values)


def fixed(width, rows=1):
    return Fake(f"w:{width}", rows, (None, b"x" * 8))


GOOD = {
    "ints": (Fake, [1, 2, 3]),
    "strings": (lambda: Fake("u", 2, (None, offsets(0, 1, 3), b"abc")), ["a", "bc"]),
    "empty strings without data": (lambda: Fake("u", 2, (None, offsets(0, 0, 0), None)), ["", ""]),
    "strings of no bytes without data": (lambda: Fake("w:0", 2, (None, None)), ["", ""]),
    "nulls without buffers": (lambda: Fake("n", 2, (), null_count=2), [None, None]),
    "nulls with an absent bitmap": (lambda: Fake("n", 2, (None,), null_count=2), [None, None]),
    "no rows, no buffers": (lambda: Fake("u", 0, (None, None, None)), []),
    "no rows of ints": (lambda: Fake("l", 0, (None, None)), []),
    "views": (
        lambda: Fake(
            "vu", 2, (None, view(13) + struct.pack("<i12s", 2, b"hi"), b"x" * 13, sizes(13))
        ),
        ["x" * 13, "hi"],
    ),
    "view of a null is not followed": (
        lambda: Fake(
            "vu", 2, (b"\2", view(99, 7) + struct.pack("<i12s", 2, b"hi"), sizes()), null_count=1
        ),
        [None, "hi"],
    ),
    "index of a null is not followed": (
        lambda: Fake("c", 2, (b"\2", b"\x63\0"), null_count=1, dictionary=Fake()),
        [None, 1],
    ),
    "unaligned": (lambda: Fake("l", 1, (None, sizes(7)), offset=0), [7]),
    "unknown null count": (lambda: Fake("l", 2, (b"\1", sizes(1, 2)), null_count=-1), [1, None]),
    "bitmap that null_count 0 overrules": (lambda: Fake("l", 2, (b"\0", sizes(1, 2))), [1, 2]),
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_but_legal(name):
    make, items = GOOD[name]
    fake = make()
    hashes, valid = hash64(fake, return_valid=True)
    assert hashes.tolist() == hash64(items).tolist()
    assert valid.tolist() == [item is not None for item in items]
    assert sorted(fake.released) == ["array", "schema"]
    assert fake.schema.release is None
    assert fake.array.release is None


def test_misaligned_numbers():
    fake = Fake("l", 2, (None, b"?" + sizes(7, 8)))
    fake.array.buffers[1] += 1
    assert hash64(fake).tolist() == hash64([7, 8]).tolist()


BAD = {
    "released schema": (lambda: Fake(schema={"release": None}), "schema has already been released"),
    "released array": (
        lambda: Fake(array={"release": None}),
        "missing or has already been released",
    ),
    "no format": (lambda: Fake(None), "no usable format"),
    "empty format": (lambda: Fake(""), "no usable format"),
    "endless format": (lambda: Fake("x" * 5000), "no usable format"),
    "format that is not text": (lambda: Fake(schema={"format": b"\xff"}), "not ASCII"),
    "width missing": (lambda: Fake("w:"), "no valid width"),
    "width negative": (lambda: Fake("w:-3"), "no valid width"),
    "width huge": (lambda: Fake("w:99999999999999999999"), "no valid width"),
    "too few buffers": (lambda: Fake(buffers=(None,)), "1 buffers where its format has 2"),
    "too many buffers": (lambda: Fake(buffers=(None, sizes(1, 2, 3), None)), "3 buffers"),
    "negative buffers": (lambda: Fake(array={"n_buffers": -1}), "-1 buffers"),
    "views without sizes": (
        lambda: Fake("vu", 1, (None, view(0))),
        "2 buffers where its format has 3",
    ),
    "no table of buffers": (
        lambda: Fake(array={"buffers": c.POINTER(c.c_void_p)()}),
        "table of buffers",
    ),
    "no data": (lambda: Fake(buffers=(None, None)), "without its data buffer"),
    "no offsets": (lambda: Fake("u", 1, (None, None, b"a")), "without an offsets buffer"),
    "no characters": (lambda: Fake("u", 1, (None, offsets(0, 1), None)), "data buffer is missing"),
    "no characters but the last offset is 0": (
        lambda: Fake("u", 1024, (None, offsets(*[0] + [10**9] * 1022 + [2 * 10**9, 0]), None)),
        "data buffer is missing",
    ),
    "no characters behind large offsets": (
        lambda: Fake("Z", 2, (None, sizes(0, 10**12, 0), None)),
        "data buffer is missing",
    ),
    "negative length": (lambda: Fake(length=-1), "length -1, offset 0"),
    "negative offset": (lambda: Fake(offset=-1), "length 3, offset -1"),
    "length that overflows": (lambda: Fake(offset=2**63 - 1), "Arrow array of length 3"),
    "more nulls than rows": (lambda: Fake(null_count=4), "length 3 with 4 nulls"),
    "negative nulls": (lambda: Fake(null_count=-2), "length 3 with -2 nulls"),
    "nulls without a bitmap": (lambda: Fake(null_count=1), "no validity bitmap"),
    "children of a number": (lambda: Fake(children=(Fake(),)), "wants 0 children, not 1"),
    "negative children": (lambda: Fake(schema={"n_children": -1}), "-1 children"),
    "children promised": (
        lambda: Fake("+s", 3, (None,), schema={"n_children": 2}),
        "2 children, or none",
    ),
    "child missing": (
        lambda: Fake("+s", 3, (None,), children=(Fake(),), array={"n_children": 0}),
        "0 children where its schema has 1",
    ),
    "short child": (
        lambda: Fake("+s", 4, (None,), children=(Fake(),)),
        "child 0 of an Arrow array has 3 rows where its parent needs 4",
    ),
    "short child behind an offset": (
        lambda: Fake("+s", 2, (None,), offset=2, children=(Fake(), Fake())),
        "needs 4",
    ),
    "released child": (
        lambda: Fake("+s", 3, (None,), children=(Fake(array={"release": None}),)),
        "already been released",
    ),
    "offsets fall": (lambda: Fake("u", 2, (None, offsets(0, 2, 1), b"abc")), "negative or fall"),
    "offsets start below zero": (
        lambda: Fake("u", 1, (None, offsets(-1, 1), b"abc")),
        "negative or fall",
    ),
    "offsets dive": (
        lambda: Fake("u", 2, (None, offsets(0, 1, -(2**31)), b"abc")),
        "negative or fall",
    ),
    "large offsets fall": (
        lambda: Fake("U", 2, (None, sizes(0, 2, 1), b"abc")),
        "negative or fall",
    ),
    "large offsets dive": (
        lambda: Fake("Z", 2, (None, sizes(0, 1, -(2**63)), b"abc")),
        "negative or fall",
    ),
    "view of a missing buffer": (
        lambda: Fake("vu", 1, (None, view(13, 1), b"x" * 13, sizes(13))),
        "position 0: a view outside its buffers",
    ),
    "view before all buffers": (
        lambda: Fake("vu", 1, (None, view(13, -1), b"x" * 13, sizes(13))),
        "view outside",
    ),
    "view too long": (
        lambda: Fake("vu", 1, (None, view(14), b"x" * 13, sizes(13))),
        "view outside",
    ),
    "view that starts too late": (
        lambda: Fake("vu", 1, (None, view(13, 0, 1), b"x" * 13, sizes(13))),
        "view outside",
    ),
    "view that starts below zero": (
        lambda: Fake("vu", 1, (None, view(13, 0, -1), b"x" * 13, sizes(13))),
        "view outside",
    ),
    "view of negative length": (
        lambda: Fake("vu", 2, (None, struct.pack("<i12s", 1, b"a") + view(-1), sizes())),
        "position 1: a view",
    ),
    "view into nothing": (lambda: Fake("vz", 1, (None, view(13), None, sizes(13))), "view outside"),
    "view sizes missing": (
        lambda: Fake("vz", 1, (None, view(13), b"x" * 13, None)),
        "lengths of its buffers",
    ),
    "index too high": (
        lambda: Fake("c", 2, (None, b"\0\3"), dictionary=Fake()),
        "position 1: an index outside its dictionary",
    ),
    "index negative": (
        lambda: Fake("c", 2, (None, b"\0\xff"), dictionary=Fake()),
        "position 1: an index",
    ),
    "index into a long dictionary": (
        lambda: Fake("C", 1, (None, b"\xff"), dictionary=Fake("c", 200, (None, b"x" * 200))),
        "position 0: an index",
    ),
    "index of floats": (lambda: Fake("g", dictionary=Fake()), "dictionary indices of format 'g'"),
    "dictionary missing": (
        lambda: Fake(
            "c", 1, (None, b"\0"), dictionary=Fake(), array={"dictionary": c.POINTER(Array)()}
        ),
        "without its dictionary",
    ),
    "dictionary released": (
        lambda: Fake("c", 1, (None, b"\0"), dictionary=Fake(array={"release": None})),
        "already been released",
    ),
    "dictionary whose offsets fall": (
        lambda: Fake("c", 1, (None, b"\0"), dictionary=Fake("u", 1, (None, offsets(1, 0), b"a"))),
        "negative or fall",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_lies_are_refused_and_released(name):
    make, message = BAD[name]
    fake = make()
    owned = [w for w, part in (("array", fake.array), ("schema", fake.schema)) if part.release]
    with pytest.raises(ValueError, match=message):
        hash64(fake)
    assert sorted(fake.released) == owned


@pytest.mark.parametrize("form", ["q", "_pli128", "ttx"])
def test_a_format_we_do_not_know_is_named(form):
    fake = Fake(form)
    with pytest.raises(TypeError, match=f"Arrow format '{form}' cannot be hashed"):
        hash64(fake)
    assert sorted(fake.released) == ["array", "schema"]


def test_empty_strings_without_data_are_texts():
    assert _probe.spans(Fake("u", 2, (None, offsets(0, 0, 0), None)))[0] == [b"", b""]


def test_a_dictionary_of_dictionaries_or_of_nulls():
    for inner in (Fake("c", 1, (None, b"\0"), dictionary=Fake()), Fake("n", 1, ())):
        with pytest.raises(TypeError, match="dictionary of dictionaries or of nulls"):
            hash64(Fake("c", 1, (None, b"\0"), dictionary=inner))


def test_capsules_of_another_kind():
    class Wrong:
        def __arrow_c_array__(self):
            return self.answer

    wrong = Wrong()
    for wrong.answer in (None, (1, 2), (new_capsule(1, b"x", None), new_capsule(1, b"y", None))):
        with pytest.raises((TypeError, ValueError)):
            hash64(wrong)


# ------------------------------------------------------------------------- lists


BAD_LISTS = {
    "offsets fall": lambda: Fake("+l", 2, (None, offsets(0, 2, 1)), children=(Fake(),)),
    "offsets below zero": lambda: Fake("+l", 1, (None, offsets(-1, 1)), children=(Fake(),)),
    "offsets past the values": lambda: Fake("+l", 2, (None, offsets(0, 2, 4)), children=(Fake(),)),
    "large offsets fall": lambda: Fake("+L", 2, (None, sizes(0, 2, 1)), children=(Fake(),)),
    "no offsets": lambda: Fake("+l", 1, (None, None), children=(Fake(),)),
    "fixed lists past the values": lambda: Fake("+w:2", 2, (None,), children=(Fake(),)),
    "huge fixed lists": lambda: Fake("+w:999999999", 2**50, (None,), children=(Fake(),)),
    "two children": lambda: Fake("+l", 1, (None, offsets(0, 1)), children=(Fake(), Fake())),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_lying_lists_are_refused(name):
    fake = BAD_LISTS[name]()
    with pytest.raises(ValueError, match="Arrow"):
        _probe.sets(fake)
    assert sorted(fake.released) == ["array", "schema"]


def test_lists_without_rows_and_null_lists_with_values():
    assert _probe.sets(Fake("+l", 0, (None, None), children=(Fake(),)))[0] == []
    fake = Fake("+l", 2, (b"\2", offsets(0, 2, 3)), null_count=1, children=(Fake(),))
    assert _probe.sets(fake)[0] == [[], hash64([3]).tolist()]
    assert _probe.sets(Fake("+w:0", 2, (None,), children=(Fake(),)))[0] == [[], []]


# ----------------------------------------------------------------------- streams


def test_streams_are_read_to_the_end_and_released():
    stream = FakeStream([Fake(), Fake(length=0), Fake("l", 1, (None, sizes(9)))])
    assert hash64(stream).tolist() == hash64([1, 2, 3, 9]).tolist()
    assert [chunk.released for chunk in stream.given] == [["array"]] * 3
    assert (stream.released, stream.model.released) == (["stream"], ["schema"])
    with pytest.raises(ValueError, match="stream has already been released"):
        hash64(stream)


def test_streams_that_fail():
    stream = FakeStream([Fake(), 5])
    with pytest.raises(ValueError, match="failed with code 5: the disk is on fire"):
        hash64(stream)
    assert (stream.given[0].released, stream.released) == (["array"], ["stream"])
    stream = FakeStream([], schema_code=22)
    with pytest.raises(ValueError, match="code 22"):
        hash64(stream)
    assert (stream.released, stream.model.released) == (["stream"], [])
    stream = FakeStream([Fake(), Fake(length=-1), Fake()])
    with pytest.raises(ValueError, match="length -1"):
        hash64(stream)
    assert [chunk.released for chunk in stream.given] == [["array"]] * 2
    assert stream.released == ["stream"]


def test_positions_count_from_the_start_of_the_stream():
    chunks = [Fake("vu", 1, (None, view(0), sizes())), Fake("vu", 1, (None, view(13, 3), sizes()))]
    with pytest.raises(ValueError, match="position 1: a view"):
        hash64(FakeStream(chunks, "vu"))


def test_wide_fixed_values():
    rows = np.frombuffer(np.random.default_rng(3).bytes(8 * 600), "S8")
    fake = Fake("w:8", 600, (None, rows.tobytes()))
    assert hash64(fake).tolist() == hash64([rows[i : i + 1].tobytes() for i in range(600)]).tolist()
