"""`tractable dedup` on files: every format there and back, and nothing left behind."""

import csv
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup import jsonl, streams, tables
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings
from ann.dedup.sources import _regex

TRACTABLE = Path(sys.executable).with_name("tractable")
LONG = " ".join(f"word{i}" for i in range(60))


def pack(data, suffix):
    if suffix == ".gz":
        return gzip.compress(data)
    if suffix == ".zst":
        return pa.compress(data, "zstd", asbytes=True)
    return data


def unpack(path):
    with path.open("rb") as raw, streams.reading(raw, path.suffix) as stream:
        return stream.read()


def json_lines(texts, **columns):
    rows = zip(texts, *columns.values(), strict=True)
    return [
        json.dumps(dict(zip(["text", *columns], row, strict=True)), ensure_ascii=bool(i % 2)) + "\n"
        for i, row in enumerate(rows)
    ]


@pytest.fixture
def write(tmp_path):
    """Writes a file of bytes or lines below tmp_path and returns its path."""

    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = content if isinstance(content, list) else [content]
        path.write_bytes(b"".join(x if isinstance(x, bytes) else x.encode() for x in lines))
        return path

    return write_file


def summary_of(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("last", ["\n", ""])
def test_json_lines_pass_byte_for_byte(suffix, last, corpus, write, tmp_path, command, monkeypatch):
    monkeypatch.setattr(jsonl, "BLOCK", 1 << 10)
    lines = json_lines(corpus, extra=[{"n": [1.50, None, "é"]}] * len(corpus))
    lines[3] = lines[3].replace("\n", "  \r\n")
    lines[-1] = lines[-1].rstrip("\n") + last
    packed = pack("".join(lines).encode(), suffix)
    path = write(f"rows.jsonl{suffix}", packed)
    expected = ann.deduplicate(corpus)
    output = tmp_path / "out"
    told = summary_of(command(path, "-o", output, "--json"))
    assert told == json.loads((output / "summary.json").read_text()) | {"seconds": told["seconds"]}
    kept = [line for line, stays in zip(lines, expected.kept, strict=True) if stays]
    assert unpack(output / "kept" / path.name) == "".join(kept).encode()
    assert told["removed"] == expected.stats.removed > 100


def test_tables_of_pairs_and_clusters(corpus, write, tmp_path, command):
    ids = [f"id{row}" for row in range(len(corpus))]
    path = write("rows.ndjson", json_lines(corpus, name=ids))
    assert command(path, "-o", tmp_path / "out", "--id", "name").exit_code == 0
    expected = ann.deduplicate(corpus)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pydict()
    assert pairs["a_row"] == expected.pairs.a.tolist()
    assert pairs["b_row"] == expected.pairs.b.tolist()
    assert pairs["jaccard"] == expected.pairs.jaccard.tolist()
    assert pairs["a"] == [ids[row] for row in pairs["a_row"]]
    assert pairs["b"] == [ids[row] for row in pairs["b_row"]]
    clusters = pq.read_table(tmp_path / "out/clusters.parquet").to_pydict()
    rows = clusters["row"]
    assert rows == expected.clustered.tolist()
    assert clusters["id"] == [ids[row] for row in rows]
    assert clusters["cluster"] == [ids[expected.representative[row]] for row in rows]
    assert clusters["kept"] == [bool(expected.kept[row]) for row in rows]
    assert clusters["jaccard"] == [expected.similarity[row] for row in rows]


@pytest.mark.parametrize("values", [[7, 3, 5], [7, "3", 5], [2**70, 3, 5], ["é", "a", "b"]])
def test_ids_are_ints_if_all_are_and_text_if_not(values, write, tmp_path, command):
    path = write("rows.jsonl", json_lines([LONG] * 3, key=values))
    assert command(path, "-o", tmp_path / "out", "--id", "key").exit_code == 0
    ids = pq.read_table(tmp_path / "out/clusters.parquet").column("id").to_pylist()
    assert ids == (values if values == [7, 3, 5] else [str(value) for value in values])


def test_shards_keep_their_names_and_number_their_rows_on(corpus, write, tmp_path, command):
    thirds = np.array_split(np.arange(len(corpus)), 3)
    files = [f"data/{name}/part.jsonl" for name in "abc"]
    for name, rows in zip(files, thirds, strict=True):
        write(name, json_lines([corpus[row] for row in rows]))
    expected = ann.deduplicate(corpus)
    told = summary_of(command(tmp_path / "data", "-o", tmp_path / "out", "--json"))
    assert told["removed"] == expected.stats.removed
    for name, rows in zip(files, thirds, strict=True):
        text = (tmp_path / "out/kept" / Path(name).relative_to("data")).read_text()
        kept = [corpus[row] for row in rows if expected.kept[row]]
        assert [json.loads(line)["text"] for line in text.splitlines()] == kept
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pydict()
    assert pairs["a"] == pairs["a_row"] == expected.pairs.a.tolist()


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_parquet_there_and_back(compression, corpus, tmp_path, command, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_READ", 37)
    monkeypatch.setattr(tables, "ROWS_WRITTEN", 101)
    n = len(corpus)
    table = pa.table(
        {
            "key": pa.array(range(n), pa.uint16()),
            "text": pa.array(corpus).dictionary_encode(),
            "nested": [{"a": [i]} for i in range(n)],
        },
    ).replace_schema_metadata({"who": "me"})
    pq.write_table(table, tmp_path / "rows.parquet", compression=compression, row_group_size=70)
    expected = ann.deduplicate(corpus)
    result = command(tmp_path / "rows.parquet", "-o", tmp_path / "out", "--id", "key")
    assert result.exit_code == 0
    kept = pq.ParquetFile(tmp_path / "out/kept/rows.parquet")
    assert kept.read().equals(table.filter(expected.kept))
    original = pq.ParquetFile(tmp_path / "rows.parquet")
    assert kept.schema_arrow.equals(original.schema_arrow, check_metadata=True)
    codec = kept.metadata.row_group(0).column(0).compression.lower()
    assert codec == {"none": "uncompressed"}.get(compression, compression)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_csv_there_and_back(suffix, corpus, write, tmp_path, command):
    texts = [text or "" for text in corpus]
    texts[5] = 'with "quotes",\nand lines'
    rows = [[f"00{i}", text, "1.50"] for i, text in enumerate(texts)]
    plain = io.StringIO(newline="")
    csv.writer(plain, lineterminator="\n").writerows([["no", "a text", "x"], *rows])
    path = write(f"rows.csv{suffix}", pack(b"\xef\xbb\xbf" + plain.getvalue().encode(), suffix))
    expected = ann.deduplicate(texts)
    result = command(path, "-o", tmp_path / "out", "--text", "a text", "--id", "no")
    assert result.exit_code == 0, result.output
    kept = unpack(tmp_path / "out/kept" / path.name).decode()
    stay = [row for row, stays in zip(rows, expected.kept, strict=True) if stays]
    assert list(csv.reader(io.StringIO(kept, newline=""))) == [["no", "a text", "x"], *stay]


def test_standard_input(corpus, tmp_path, command):
    lines = "".join(json_lines(corpus))
    expected = ann.deduplicate(corpus)
    assert summary_of(command("-", "--json", input=lines))["removed"] == expected.stats.removed
    assert command("-", "-o", tmp_path / "out", input=lines).exit_code == 0
    kept = (tmp_path / "out/kept/stdin.jsonl").read_text().splitlines(keepends=True)
    stay = [line for line, s in zip(lines.splitlines(True), expected.kept, strict=True) if s]
    assert kept == stay
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "clusters.parquet", "kept", "pairs.parquet", "summary.json",
    ]  # fmt: skip


def test_folder_of_text(write, tmp_path, command):
    write("in/b.py", LONG)
    write("in/a/z.py", LONG + " more")
    write("in/a/latin.txt", b"caf\xe9 au lait")
    write("in/empty.txt", "")
    write("in/picture.png", b"\x89PNG\0\0")
    write("in/.hidden/x.py", LONG)
    write("in/.secret", LONG)
    (tmp_path / "in/link.py").symlink_to(tmp_path / "in/b.py")
    output = tmp_path / "in/out"
    told = summary_of(command(tmp_path / "in", "-o", output, "--copy", "--json"))
    counts = ("documents", "empty", "removed", "binary", "invalid_utf8", "skipped")
    assert [told[name] for name in counts] == [4, 1, 1, 1, 1, 0]
    assert (output / "kept.txt").read_text() == "a/latin.txt\na/z.py\nempty.txt\n"
    copies = {p.relative_to(output / "kept").as_posix() for p in output.rglob("kept/**/*.*")}
    assert copies == {"a/latin.txt", "a/z.py", "empty.txt"}
    assert (output / "kept/a/latin.txt").read_bytes() == b"caf\xe9 au lait"
    clusters = pq.read_table(output / "clusters.parquet").to_pydict()
    assert clusters["id"] == ["a/z.py", "b.py"]
    assert clusters["cluster"] == ["a/z.py"] * 2
    again = summary_of(command(tmp_path / "in", "-o", output, "--force", "--json"))
    assert again["documents"] == 4  # its own output is no input
    assert not (output / "kept").exists()


def test_files_and_folders_are_named_below_what_holds_them_all(write, tmp_path, command):
    paths = [write("x/a/one.txt", LONG), write("x/two.txt", LONG), write("x/b/three.txt", "other")]
    arguments = [paths[0].parent, paths[1], paths[2], paths[2]]
    assert command(*arguments, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out/kept.txt").read_text() == "a/one.txt\nb/three.txt\n"


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.py"], ["a.py", "lib/b.py", "lib/deep/c.py", "lib/site-packages/d.py"]),
        (["*.py", "!site-packages"], ["a.py", "lib/b.py", "lib/deep/c.py"]),
        (["!lib/**"], ["a.py", "e.txt"]),
        (["lib/*.py"], ["lib/b.py"]),
        (["**/deep/*"], ["lib/deep/c.py"]),
        (["/*.{py,txt}", "!a*"], ["e.txt"]),
        (["!*.py", "c.*"], ["lib/deep/c.py"]),
        (["[!ab].py"], ["lib/deep/c.py", "lib/site-packages/d.py"]),
    ],
)
def test_globs(globs, expected, write, tmp_path):
    for name in ("a.py", "lib/b.py", "lib/deep/c.py", "lib/site-packages/d.py", "e.txt"):
        write(f"in/{name}", name)
    outcome = run([str(tmp_path / "in")], Settings(), globs=globs)
    assert outcome.ids.tolist() == expected


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.py", "x/y.py", "y.pyc"),
        ("a/**", "a/b/c", "ba/c"),
        ("a?[0-9]", "ab1", "a/1"),
        ("x.y", "x.y", "xay"),
        ("a{b,c*}/d", "acc/d", "a/d"),
        ("build/", "x/build", "x/builds"),
    ],
)
def test_glob_patterns(glob, yes, no):
    assert _regex(glob).fullmatch(yes)
    assert not _regex(glob).fullmatch(no)


def test_the_summary_in_a_pipe(corpus, write):
    path = write("rows.jsonl", json_lines(corpus))
    done = subprocess.run([TRACTABLE, "dedup", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    expected = ann.deduplicate(corpus).stats
    first = f"{expected.documents:,} documents: {expected.kept:,} kept, {expected.removed:,} near"
    assert done.stdout.startswith(first)
    for piece in ("Largest clusters", "row ", "found with probability 0.99", "saved"):
        assert piece in done.stdout


BAD_ROWS = {
    b'{"text": "a"': "not JSON: Expecting ',' delimiter at column 13",
    b"[1]": "a row must be an object, not list",
    b'{"txt": "a", "id": 1}': "no field 'text'; the fields are 'txt', 'id'",
    b'{"text": 3}': "field 'text' holds 3, not text",
    b'{"text": ["a"]}': "field 'text' holds \\[\"a\"\\], not text",
    b'{"text": "a"} {"text": "b"}': "not JSON: Extra data at column 15",
    b'{"text": "a': "not JSON: Unterminated string starting at column 10",
    b"[" * 100_000: "nested too deeply",
}


@pytest.mark.parametrize("bad", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_bad_line_is_named_or_skipped(bad, write, tmp_path, command):
    good = b'{"text": "some words"}\n'
    path = write("rows.jsonl", [good, b"\n", bad + b"\n", b"  \n", good])
    with pytest.raises(InputError, match=rf"rows.jsonl, line 3: {BAD_ROWS[bad]}.*--on-error skip"):
        run([str(path)], Settings())
    told = summary_of(command(path, "--on-error", "skip", "--json", "-o", tmp_path / "out"))
    assert (told["documents"], told["skipped"], told["removed"]) == (2, 1, 1)
    assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == good
    path.write_bytes(bad + b"\n")
    with pytest.raises(InputError, match=r"nothing of .* can be used; the last: .*line 1: "):
        run([str(path)], Settings(), skip_bad=True)


@pytest.mark.parametrize("bad", [b'{"text": "a", "k": 1.5}', b'{"text": "a", "k": null}'])
def test_an_id_is_text_or_a_whole_number(bad, write):
    path = write("rows.jsonl", bad)
    with pytest.raises(InputError, match=r"line 1: field 'k' holds .*, not text or a whole number"):
        run([str(path)], Settings(), id="k")


def test_what_real_json_lines_hold_is_read_and_passed_on(write, tmp_path, command):
    lines = [
        b'\xef\xbb\xbf{"text": "first words"}\n',
        b'{"text": "caf\xe9 au lait"}\r\n',
        b'{"text": "\\ud800 alone", "x": NaN}\n',
        b'{"x": "\xff\xfe", "text": null}\n',
        b'{"text": "caf\xef\xbf\xbd au lait"}',
    ]
    path = write("rows.jsonl", lines)
    told = summary_of(command(path, "-o", tmp_path / "out", "--json"))
    assert (told["documents"], told["empty"], told["removed"]) == (5, 1, 1)
    assert told["invalid_utf8"] == 2  # in the texts; other fields are not looked at
    assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == b"".join(lines[:4])


def test_a_bad_csv_row_is_named_or_skipped(write, tmp_path, command):
    path = write("rows.csv", "id,text\n1,some words\n2,b,c\n3,some words\n")
    with pytest.raises(
        InputError, match=r"rows.csv, row 3 .*: 3 cells for 2 columns: 2,b,c \(--on-error skip"
    ):
        run([str(path)], Settings())
    told = summary_of(command(path, "--on-error", "skip", "--json", "-o", tmp_path / "out"))
    assert (told["documents"], told["skipped"], told["removed"]) == (2, 1, 1)
    assert (tmp_path / "out/kept/rows.csv").read_text() == "id,text\n1,some words\n"


def test_the_first_that_are_skipped_are_noted(write, tmp_path, command):
    first = write("a.jsonl", ['{"text": "a"}\n', *(["{}\n"] * 11)])
    second = write("b.csv", "text,n\na,b,c\nb,1\n")
    told = summary_of(command(first, second, "--on-error", "skip", "--json"))
    assert told["skipped"] == 12
    why = "no field 'text'; the fields are none"
    assert told["first_skipped"] == [
        {"file": str(first), "place": f"line {line}", "why": why} for line in range(2, 12)
    ]
    shown = command(second, "--on-error", "skip").stdout
    assert f"{second}, row 2 (the header is row 1): 3 cells for 2 columns: a,b,c" in shown


def test_texts_too_short_for_the_shingles_are_counted(write, command):
    texts = [
        "国家统计局昨日公布的数据显示，全国居民收入增长。",
        "北京市气象台今天上午发布大风预警。",
        "",
        LONG,
    ]
    path = write("rows.jsonl", json_lines(texts))
    shown = command(path).stdout
    assert "2 of at most 5 words" in shown
    assert "see --ngram, and\n  --unit char for languages" in shown
    assert "--unit char" not in command(path, "--unit", "char").stdout
    assert summary_of(command(path, "--json"))["short"] == 2


def test_the_wording_of_one_and_of_copies(write, command):
    shown = command(write("rows.jsonl", json_lines([LONG, LONG])), "--threshold", "0.999").stdout
    for piece in (
        "2 documents: 1 kept, 1 near-duplicate removed",
        "  1 pair of Jaccard similarity >= 0.999",
        "  row 0 and 1 other\n",
        "; 0 candidates besides exact copies",
    ):
        assert piece in shown
    assert "probability 1.0000" not in shown


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_quote_that_is_never_closed_is_refused(suffix, write, tmp_path, command):
    rows = 'n,text\n1,"a ""b"", c"\n2,5 of snow\n3,"b\nb"\n4,"c\n5,d\n6,e\n'
    path = write(f"rows.csv{suffix}", pack(rows.encode(), suffix))
    result = command(path, "-o", tmp_path / "out", "--on-error", "skip")
    assert result.stderr == f"Error: {path}: the quote opened in line 6 is never closed\n"
    path = write(f"rows.csv{suffix}", pack(rows.replace('4,"', '4,5" of snow').encode(), suffix))
    assert summary_of(command(path, "--json"))["documents"] == 6


def test_ids_of_tables_are_text_or_whole_numbers(tmp_path, write):
    path = tmp_path / "rows.parquet"
    for ids, message in {
        (1.0, 2.0): "column 'k' holds double; ids are text or whole numbers",
        (True, False): "column 'k' holds bool; ids are",
        ("a", None): "column 'k' is null in row 1: each needs an id",
        (None, None): "column 'k' is null in row 0: each needs an id",
    }.items():
        pq.write_table(pa.table({"text": ["a", "b"], "k": ids}), path)
        with pytest.raises(InputError, match=message):
            run([str(path)], Settings(), id="k")
    path = write("rows.csv", "text,k\na,1\nb,\n")
    with pytest.raises(InputError, match="column 'k' is null in row 1: each needs an id"):
        run([str(path)], Settings(), id="k")


def test_ids_that_are_not_utf8_are_replaced(write, tmp_path, command):
    path = write("rows.jsonl", b'{"text": "a", "k": "\\ud800"}\n{"text": "a", "k": "\xff"}\n')
    assert command(path, "--id", "k", "-o", tmp_path / "out").exit_code == 0
    path = write("rows.csv", b"text,k\na,\xff\na,b\n")
    assert command(path, "--id", "k", "-o", tmp_path / "out", "--force").exit_code == 0
    ids = pq.read_table(tmp_path / "out/clusters.parquet").column("id").to_pylist()
    assert ids == ["\ufffd", "b"]


def test_invalid_utf8_in_tables(write, tmp_path, command):
    path = write("rows.csv", b"k,text\n\xff1,caf\xe9 au lait\n2,caf\xef\xbf\xbd au lait\n")
    told = summary_of(command(path, "--json", "-o", tmp_path / "out"))
    assert (told["removed"], told["invalid_utf8"]) == (1, 1)
    assert (tmp_path / "out/kept/rows.csv").read_bytes() == b"k,text\n\xff1,caf\xe9 au lait\n"


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.csv", "e.parquet", "e.txt", "-"])
@pytest.mark.parametrize("header", ["", "text,n", "text,n\n"])
def test_no_rows(name, header, write, tmp_path, command):
    if header and name != "e.csv":
        pytest.skip("only CSV has a header")
    path = "-" if name == "-" else write(name, pack(header.encode(), Path(name).suffix))
    if name == "e.parquet":
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    told = summary_of(command(path, "--json", "-o", tmp_path / "out", input=""))
    assert told["documents"] == told["kept"] == (name == "e.txt")
    if name not in ("-", "e.txt"):
        assert (tmp_path / "out/kept" / name).exists()
        assert command(tmp_path / "out/kept" / name).exit_code == 0


def corrupt(write, name, damage):
    content = {
        ".gz": gzip.compress(b'text\n{"text": "a"}\n' * 9999),
        ".zst": pa.compress(b'{"text": "a"}\n' * 9999, "zstd", asbytes=True),
        ".parquet": b"PAR1 and no more",
    }[Path(name).suffix]
    return write(name, damage(content))


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.csv.gz", "x.parquet"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"no such format", lambda b: b[:20] + b"\0\7" + b[22:]]
)
def test_a_corrupt_file_is_named(name, damage, write, tmp_path, command):
    path = corrupt(write, name, damage)
    result = command(path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert str(path) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(write, tmp_path, command):
    write("in/a.txt", "a")
    write("in/b.txt", "b").chmod(0)
    result = command(tmp_path / "in")
    assert "b.txt: Permission denied" in result.stderr
    assert summary_of(command(tmp_path / "in", "--on-error", "skip", "--json"))["skipped"] == 1


def test_a_file_that_vanishes_is_named_or_skipped(write, tmp_path, monkeypatch):
    write("in/a.txt", "a")
    gone = write("in/b.txt", "b")
    monkeypatch.setattr(streams.Original, "size", property(lambda self: gone.unlink(True) or 0))
    with pytest.raises(InputError, match=r"cannot read .*b.txt: No such file"):
        run([str(tmp_path / "in")], Settings())
    gone.write_text("b")
    assert run([str(tmp_path / "in")], Settings(), skip_bad=True).unusable.count == 1


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["rows.jsonl", "--text", "body"], "no field 'body'; the fields are 'text', 'n'", 1),
        (["rows.jsonl", "--id", "key"], "no field 'key'; the fields are 'text', 'n'", 1),
        (["rows.csv", "--text", "body"], "no column 'body'; its columns are 'id', 'text'", 1),
        (["rows.parquet", "--id", "k"], "no column 'k'; its columns are 'text', 'n'", 1),
        (["rows.parquet", "--text", "n"], "holds int64, not text: choose another (--text", 1),
        (["nowhere.jsonl"], "nowhere.jsonl does not exist", 1),
        (["folder", "--glob", "*.c"], "no file in folder matches the globs", 1),
        (["nothing"], "no file in nothing", 1),
        (["folder", "rows.csv"], "such as --glob '*.txt' or --glob '!*.csv*'", 1),
        (["folder", "-"], "do not mix it with text files", 1),
        (["folder", "--id", "x"], "text files have none", 1),
        (["folder", "--glob", "[z-a]"], "cannot understand the glob '[z-a]'", 1),
        (["folder", "--copy"], "--copy needs an output folder", 1),
        (["rows.csv", "--copy", "-o", "new"], "--copy is for text files", 1),
        (["folder", "-o", "rows.csv"], "rows.csv is a file; the output is a folder", 1),
        (["rows.csv", "-o", "folder"], "folder is no output of this command", 1),
        (["rows.csv", "-o", "folder", "--force"], "is no output of this command", 1),
        (["rows.csv", "-o", "rows.csv/out"], "cannot write", 1),
        (["rows.csv", "--num-perm", "2"], "raise --num-perm or lower --recall", 1),
        ([""], "the path is empty", 2),
        (["rows.csv", "-o", ""], "the path is empty", 2),
        (["rows.csv", "--glob", "*.csv"], "and no input is a folder", 1),
        (["rows.csv", "--ngram", "999"], "is not in the range 1<=x<=256", 2),
        (["rows.csv", "--num-perm", "65537"], "is not in the range 1<=x<=65536", 2),
        (["rows.csv", "--threshold", "0"], "--threshold", 2),
        (["rows.csv", "--threshold", "nan"], "threshold must be above 0", 1),
        (["rows.csv", "--recall", "1"], "--recall", 2),
        (["rows.csv", "--threads", "0"], "--threads", 2),
        (["rows.csv", "--unit", "line"], "--unit", 2),
        ([], "INPUT", 2),
    ],
)
def test_what_is_refused(arguments, message, code, write, tmp_path, command, monkeypatch):
    write("rows.jsonl", '{"text": "a", "n": 1}\n')
    write("rows.csv", "id,text\n1,a\n")
    write("folder/a.txt", "a")
    (tmp_path / "nothing").mkdir()
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_former_output_goes_only_when_the_new_one_is_whole(write, tmp_path, command):
    path = write("rows.jsonl", json_lines([LONG, LONG, "b"]))
    output = tmp_path / "out"
    assert command(path, "-o", output).exit_code == 0
    assert "exists" in command(path, "-o", output).stderr
    before = (output / "summary.json").read_bytes()
    bad = write("bad.jsonl", "{")
    assert command(bad, "-o", output, "--force").exit_code == 1
    assert (output / "summary.json").read_bytes() == before
    write("rows.jsonl", json_lines([LONG, "b"]))
    assert command(path, "-o", output, "--force").exit_code == 0
    assert json.loads((output / "summary.json").read_text())["documents"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.jsonl", "out", "rows.jsonl"]
    inside = output / "kept/rows.jsonl"
    assert "lies inside" in command(inside, "-o", output, "--force").stderr
    assert inside.exists()


def test_a_former_output_inside_an_input_is_passed_over(write, tmp_path, command):
    write("in/a.txt", LONG)
    write("in/report/summary.json.txt", "not ours")
    for name in ("one", "two"):
        told = summary_of(command(tmp_path / "in", "-o", tmp_path / "in" / name, "--json"))
        assert told["documents"] == 2


def test_a_folder_with_a_summary_of_another_kind_is_not_replaced(write, tmp_path, command):
    mine = write("mine/summary.json", "{}")
    result = command(write("rows.csv", "text\na\n"), "-o", mine.parent, "--force")
    assert "is no output of this command" in result.stderr
    assert mine.exists()


def test_an_input_that_changes_in_between_is_refused(write, tmp_path):
    path = write("rows.jsonl", json_lines([LONG, LONG, "b"]))

    def meddle(stage, done, total):
        if stage == "read":
            path.write_text("other")

    with pytest.raises(InputError, match=r"rows.jsonl changed while it was read"):
        run([str(path)], Settings(), output=tmp_path / "out", progress=meddle)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_full_disk_for_standard_input_names_the_copy(tmp_path, command, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    result = command("-", "-o", tmp_path / "out", input='{"text": "a"}')
    message = "cannot copy standard input to a file beside the output: No space left on device"
    assert result.stderr == f"Error: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_summary_that_cannot_be_printed(write):
    path = write("rows.jsonl", json_lines([LONG]))
    with open("/dev/full", "w") as full:
        done = subprocess.run([TRACTABLE, "dedup", path], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    message = b"Error: cannot write to standard output: No space left on device\n"
    assert done.stderr == message
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([TRACTABLE, "dedup", path], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_unreadable_folder_is_named_or_skipped(write, tmp_path, command, monkeypatch):
    write("in/a.txt", LONG)
    closed = write("in/closed/b.txt", LONG).parent
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = command(tmp_path / "in")
    assert f"cannot read {closed}: Permission denied (--on-error skip" in result.stderr
    told = summary_of(command(tmp_path / "in", "--on-error", "skip", "--json"))
    assert (told["documents"], told["skipped"]) == (1, 1)


@pytest.mark.parametrize(
    ("signal_sent", "code", "told"),
    [(signal.SIGINT, 1, "Aborted!"), (signal.SIGTERM, 143, "")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_leaves_nothing(signal_sent, code, told, tmp_path):
    """A job that waits for more input is interrupted in the middle of its reading."""
    words = [TRACTABLE, "dedup", "-", "-o", tmp_path / "out"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as job:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".out.*.partial")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job.send_signal(signal_sent)
        _, errors = job.communicate(timeout=30)
    assert job.returncode == code
    assert errors.decode().strip() == told
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_starts_lightly(tmp_path):
    code = (
        "import sys, tractable; heavy = {'numpy', 'pyarrow', 'rich', 'ann'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    told = subprocess.run([TRACTABLE, "--help"], capture_output=True, text=True, check=True)
    assert "dedup  Find near-duplicate documents" in told.stdout
    version = subprocess.run([TRACTABLE, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("tractable, version ")


@pytest.mark.parametrize("missing", ["msgspec", "pyarrow"])
def test_a_missing_extra_is_named(missing, write, tmp_path, command, monkeypatch):
    path = write("rows.jsonl", json_lines([LONG, LONG]))
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(missing), *sys.meta_path])
    result = command(path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert f"needs {missing}" in result.stderr
    assert "pip install 'tractable[jobs]'" in result.stderr


class Absent:
    """An importer that does not find one package."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.name)


@pytest.mark.parametrize(
    "name", ["c.json.gz", "C.JSONL.GZ", "c.json", "c.jsonl.zstd", "c.Json.zst"]
)
def test_rows_are_known_by_any_suffix_in_use(name, write, tmp_path, command):
    lines = json_lines([LONG, "b", LONG])
    packing = {".zstd": ".zst"}.get(Path(name).suffix.lower(), Path(name).suffix.lower())
    path = write(name, pack("".join(lines).encode(), packing))
    assert summary_of(command(path, "-o", tmp_path / "out", "--json"))["removed"] == 1
    assert unpack(tmp_path / "out/kept" / name).decode() == "".join(lines[:2])


def test_suffixes_of_tables_in_capitals(write, tmp_path, command):
    pq.write_table(pa.table({"text": [LONG, LONG]}), tmp_path / "x.PARQUET")
    told = summary_of(command(tmp_path / "x.PARQUET", write("x.CSV", f"text\n{LONG}\n"), "--json"))
    assert told["removed"] == 2


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("x.parq", b"PAR1\0\0", "is binary, not text. Rows are read from .jsonl"),
        ("x.bin", b"a" * 8191 + b"\0", "is binary, not text. Rows are read from .jsonl"),
        ("x.jsonl.bz2", b"BZh9", "unpack it (rows may come by standard input: bzcat"),
        ("x.JSONL.XZ", b"\xfd7zXZ\0", "unpack it (rows may come by standard input: xzcat"),
        ("x.tsv", b"text\tid\n", "convert it to CSV"),
        ("x.txt.gz", b"\x1f\x8b", "unpack it: text is not read from compressed files"),
        ("x.parquet.gz", b"\x1f\x8b", "unpack it"),
    ],
)
def test_a_named_file_of_another_kind_is_refused(name, content, advice, write, command):
    path = write(name, content)
    result = command(path)
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert advice in result.stderr
    assert "Rows are read from" in result.stderr


def test_a_folder_of_binary_files_alone_is_refused(write, tmp_path, command):
    write("in/a.png", b"\x89PNG\0\0")
    assert "every file is binary" in command(tmp_path / "in").stderr


def test_a_pipe_as_a_file_is_refused(tmp_path, command):
    os.mkfifo(tmp_path / "rows.jsonl")
    assert "give - and redirect it" in command(tmp_path / "rows.jsonl").stderr


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_the_text_may_be_its_own_id(suffix, write, tmp_path, command):
    texts = [LONG, "b", LONG.upper()]
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"text": texts}), path)
    else:
        write(path.name, ["text\n", *(f"{text}\n" for text in texts)])
        if suffix == "jsonl":
            write(path.name, json_lines(texts))
    assert command(path, "--id", "text", "-o", tmp_path / "out").exit_code == 0
    ids = pq.read_table(tmp_path / "out/clusters.parquet").column("id").to_pylist()
    assert ids == [LONG, LONG.upper()]


def test_a_null_text_is_no_id(write):
    path = write("rows.jsonl", '{"text": null}')
    with pytest.raises(InputError, match="field 'text' holds null, not text"):
        run([str(path)], Settings(), id="text")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_is_there_twice(suffix, write, tmp_path, command):
    path = tmp_path / f"rows.{suffix}"
    columns = [[LONG, LONG], ["1", "2"], ["3", "4"]]
    table = pa.table(columns, names=["text", "n", "n"])
    if suffix == "csv":
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style="none"))
        path.write_text(path.read_text().replace('"', ""))
    else:
        pq.write_table(table, path)
    result = command(path, "--id", "n")
    assert result.stderr == f"Error: {path} has 2 columns named 'n'\n"
    assert command(path, "-o", tmp_path / "out").exit_code == 0  # nobody asked for it
    kept = tmp_path / "out/kept" / path.name
    if suffix == "csv":
        assert kept.read_text() == f"text,n,n\n{LONG},1,3\n"
    else:
        assert pq.ParquetFile(kept).read().equals(table.slice(0, 1))


def test_copies_are_made_of_unchanged_files(write, tmp_path):
    path = write("in/a.txt", LONG)

    def meddle(stage, done, total):
        if stage == "read":
            shutil.copy(path, tmp_path / "before")
            path.write_text("other")

    with pytest.raises(InputError, match="changed while it was read"):
        run([str(tmp_path / "in")], Settings(), output=tmp_path / "o", copy=True, progress=meddle)
