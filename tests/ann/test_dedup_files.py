"""`tractable dedup` on files: every format there and back."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup import jsonl, tables
from ann.dedup.job import run
from ann.dedup.settings import Settings
from ann.dedup.sources import _regex
from sketches._files import reading

LONG = " ".join(f"word{i}" for i in range(60))


def pack(data, suffix):
    if suffix == ".gz":
        return gzip.compress(data)
    if suffix == ".zst":
        return pa.compress(data, "zstd", asbytes=True)
    return data


def unpack(path):
    with path.open("rb") as raw, reading(raw, path.suffix) as stream:
        return stream.read()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("last", ["\n", ""])
def test_json_lines_pass_byte_for_byte(
    suffix, last, corpus, write, tmp_path, monkeypatch, json_lines, summary
):
    monkeypatch.setattr(jsonl, "BLOCK", 1 << 10)
    lines = json_lines(corpus, extra=[{"n": [1.50, None, "é"]}] * len(corpus))
    lines[3] = lines[3].replace("\n", "  \r\n")
    lines[-1] = lines[-1].rstrip("\n") + last
    packed = pack("".join(lines).encode(), suffix)
    path = write(f"rows.jsonl{suffix}", packed)
    expected = ann.deduplicate(corpus)
    output = tmp_path / "out"
    told = summary(path, "-o", output)
    assert told == json.loads((output / "summary.json").read_text()) | {"seconds": told["seconds"]}
    kept = [line for line, stays in zip(lines, expected.kept, strict=True) if stays]
    assert unpack(output / "kept" / path.name) == "".join(kept).encode()
    assert told["removed"] == expected.stats.removed > 100


def test_tables_of_pairs_and_clusters(corpus, write, tmp_path, command, json_lines):
    ids = [f"id{row}" for row in range(len(corpus))]
    path = write("rows.ndjson", json_lines(corpus, name=ids))
    assert command(path, "-o", tmp_path / "out", "--id", "name").exit_code == 0
    expected = ann.deduplicate(corpus)
    pairs = pq.read_table(tmp_path / "out/pairs.parquet").to_pydict()
    assert pairs["a_row"] == expected.pairs.a.tolist()
    assert pairs["b_row"] == expected.pairs.b.tolist()
    assert pairs["jaccard"] == expected.pairs.similarity.tolist()
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
def test_ids_are_ints_if_all_are_and_text_if_not(values, write, tmp_path, command, json_lines):
    path = write("rows.jsonl", json_lines([LONG] * 3, key=values))
    assert command(path, "-o", tmp_path / "out", "--id", "key").exit_code == 0
    ids = pq.read_table(tmp_path / "out/clusters.parquet").column("id").to_pylist()
    assert ids == (values if values == [7, 3, 5] else [str(value) for value in values])


def test_shards_keep_their_names_and_number_their_rows_on(
    corpus, write, tmp_path, json_lines, summary
):
    thirds = np.array_split(np.arange(len(corpus)), 3)
    files = [f"data/{name}/part.jsonl" for name in "abc"]
    for name, rows in zip(files, thirds, strict=True):
        write(name, json_lines([corpus[row] for row in rows]))
    expected = ann.deduplicate(corpus)
    told = summary(tmp_path / "data", "-o", tmp_path / "out")
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


def test_standard_input(corpus, tmp_path, command, json_lines, summary):
    lines = "".join(json_lines(corpus))
    expected = ann.deduplicate(corpus)
    assert summary("-", input=lines)["removed"] == expected.stats.removed
    assert command("-", "-o", tmp_path / "out", input=lines).exit_code == 0
    kept = (tmp_path / "out/kept/stdin.jsonl").read_text().splitlines(keepends=True)
    stay = [line for line, s in zip(lines.splitlines(True), expected.kept, strict=True) if s]
    assert kept == stay
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "clusters.parquet", "kept", "pairs.parquet", "summary.json",
    ]  # fmt: skip


def test_folder_of_text(write, tmp_path, summary):
    write("in/b.py", LONG)
    write("in/a/z.py", LONG + " more")
    write("in/a/latin.txt", b"caf\xe9 au lait")
    write("in/empty.txt", "")
    write("in/picture.png", b"\x89PNG\0\0")
    write("in/.hidden/x.py", LONG)
    write("in/.secret", LONG)
    (tmp_path / "in/link.py").symlink_to(tmp_path / "in/b.py")
    output = tmp_path / "in/out"
    told = summary(tmp_path / "in", "-o", output, "--copy")
    counts = ("documents", "empty", "removed", "binary", "invalid_utf8", "skipped")
    assert [told[name] for name in counts] == [4, 1, 1, 1, 1, 0]
    assert (output / "kept.txt").read_text() == "a/latin.txt\na/z.py\nempty.txt\n"
    copies = {p.relative_to(output / "kept").as_posix() for p in output.rglob("kept/**/*.*")}
    assert copies == {"a/latin.txt", "a/z.py", "empty.txt"}
    assert (output / "kept/a/latin.txt").read_bytes() == b"caf\xe9 au lait"
    clusters = pq.read_table(output / "clusters.parquet").to_pydict()
    assert clusters["id"] == ["a/z.py", "b.py"]
    assert clusters["cluster"] == ["a/z.py"] * 2
    again = summary(tmp_path / "in", "-o", output, "--force")
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


def test_what_real_json_lines_hold_is_read_and_passed_on(write, tmp_path, summary):
    lines = [
        b'\xef\xbb\xbf{"text": "first words"}\n',
        b'{"text": "caf\xe9 au lait"}\r\n',
        b'{"text": "\\ud800 alone", "x": NaN}\n',
        b'{"x": "\xff\xfe", "text": null}\n',
        b'{"text": "caf\xef\xbf\xbd au lait"}',
    ]
    path = write("rows.jsonl", lines)
    told = summary(path, "-o", tmp_path / "out")
    assert (told["documents"], told["empty"], told["removed"]) == (5, 1, 1)
    assert told["invalid_utf8"] == 2  # in the texts; other fields are not looked at
    assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == b"".join(lines[:4])


def test_ids_that_are_not_utf8_are_replaced(write, tmp_path, command):
    path = write("rows.jsonl", b'{"text": "a", "k": "\\ud800"}\n{"text": "a", "k": "\xff"}\n')
    assert command(path, "--id", "k", "-o", tmp_path / "out").exit_code == 0
    path = write("rows.csv", b"text,k\na,\xff\na,b\n")
    assert command(path, "--id", "k", "-o", tmp_path / "out", "--force").exit_code == 0
    ids = pq.read_table(tmp_path / "out/clusters.parquet").column("id").to_pylist()
    assert ids == ["\ufffd", "b"]


def test_invalid_utf8_in_tables(write, tmp_path, summary):
    path = write("rows.csv", b"k,text\n\xff1,caf\xe9 au lait\n2,caf\xef\xbf\xbd au lait\n")
    told = summary(path, "-o", tmp_path / "out")
    assert (told["removed"], told["invalid_utf8"]) == (1, 1)
    assert (tmp_path / "out/kept/rows.csv").read_bytes() == b"k,text\n\xff1,caf\xe9 au lait\n"


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.csv", "e.parquet", "e.txt", "-"])
@pytest.mark.parametrize("header", ["", "text,n", "text,n\n"])
def test_no_rows(name, header, write, tmp_path, command, summary):
    if header and name != "e.csv":
        pytest.skip("only CSV has a header")
    path = "-" if name == "-" else write(name, pack(header.encode(), Path(name).suffix))
    if name == "e.parquet":
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    told = summary(path, "-o", tmp_path / "out", input="")
    assert told["documents"] == told["kept"] == (name == "e.txt")
    if name not in ("-", "e.txt"):
        assert (tmp_path / "out/kept" / name).exists()
        assert command(tmp_path / "out/kept" / name).exit_code == 0


@pytest.mark.parametrize(
    "name", ["c.json.gz", "C.JSONL.GZ", "c.json", "c.jsonl.zstd", "c.Json.zst"]
)
def test_rows_are_known_by_any_suffix_in_use(name, write, tmp_path, json_lines, summary):
    lines = json_lines([LONG, "b", LONG])
    packing = {".zstd": ".zst"}.get(Path(name).suffix.lower(), Path(name).suffix.lower())
    path = write(name, pack("".join(lines).encode(), packing))
    assert summary(path, "-o", tmp_path / "out")["removed"] == 1
    assert unpack(tmp_path / "out/kept" / name).decode() == "".join(lines[:2])


def test_suffixes_of_tables_in_capitals(write, tmp_path, summary):
    pq.write_table(pa.table({"text": [LONG, LONG]}), tmp_path / "x.PARQUET")
    told = summary(tmp_path / "x.PARQUET", write("x.CSV", f"text\n{LONG}\n"))
    assert told["removed"] == 2


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_the_text_may_be_its_own_id(suffix, write, tmp_path, command, json_lines):
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


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_is_there_twice(suffix, tmp_path, command):
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
