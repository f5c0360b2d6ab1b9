"""Inputs that once lost or altered rows, or ended in a traceback."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup.arrays import sorted_pairs
from ann.dedup.columns import check_filtered
from ann.dedup.job import run
from ann.dedup.settings import InputError, Settings
from ann.dedup.words import byte_count

pl = pytest.importorskip("polars")

LONG = "a text of quite some words that is long enough to be told from others by its shingles"


def job(inputs, **options):
    return run([str(path) for path in inputs], Settings(threads=1), **options)


def command(tmp_path, *words, **options):
    code = "import tractable; tractable.main(prog_name='tractable')"
    return subprocess.run(
        [sys.executable, "-c", code, "dedup", *words],
        cwd=tmp_path, capture_output=True, check=False, **options,
    )  # fmt: skip


def test_standard_input_keeps_its_place_and_no_file_of_its_name_suffers(tmp_path):
    (tmp_path / "stdin.jsonl").write_text(f'{{"text": "{LONG}", "from": "file"}}\n')
    piped = f'{{"text": "{LONG}", "from": "pipe"}}\n{{"text": "another"}}\n'.encode()
    for order, kept in (
        (["-", "stdin.jsonl"], {"stdin.jsonl": b"", "piped-stdin.jsonl": piped}),
        (
            ["stdin.jsonl", "-"],
            {
                "stdin.jsonl": (tmp_path / "stdin.jsonl").read_bytes(),
                "piped-stdin.jsonl": piped.splitlines(keepends=True)[1],
            },
        ),
    ):
        done = command(tmp_path, *order, "-o", "out", "--force", input=piped)
        assert done.returncode == 0, done.stderr
        found = {p.name: p.read_bytes() for p in (tmp_path / "out" / "kept").iterdir()}
        assert found == kept


def test_closed_standard_input_is_named(tmp_path):
    done = subprocess.run(
        f"exec {sys.executable} -m tractable dedup - <&-",
        shell=True, cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"Error: standard input is closed\n")


def test_two_files_that_would_be_kept_under_one_name(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.jsonl").write_text('{"text": "b"}\n')
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    both = [tmp_path / "a.jsonl", f"{tmp_path}/link/../a.jsonl"]
    with pytest.raises(InputError, match=r"would both be kept as a\.jsonl"):
        job(both)


def test_a_carriage_return_in_a_cell(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [["id", "text"], ["1", "a\rb"], ["2", "c\r\nd"], ["3", 'e"\n,f']]
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    job([path], output=tmp_path / "out")
    with (tmp_path / "out" / "kept" / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file)) == rows


def test_a_blank_first_line_is_no_header(tmp_path):
    (tmp_path / "rows.csv").write_text("\nid,text\n1,a\n")
    with pytest.raises(InputError, match="the first line is blank"):
        job([tmp_path / "rows.csv"])


def test_columns_of_views_and_dictionaries(tmp_path):
    texts = [LONG, "another", LONG, None]
    table = pa.table(
        {
            "text": pa.array(texts, pa.string_view()),
            "raw": pa.array([b"1", None, b"3", b"4"], pa.binary_view()),
            "kind": pa.array(["x", "y", "x", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    for text in ("text", "kind"):
        out = tmp_path / text
        job([tmp_path / "rows.parquet"], output=out, text=text)
        kept = pq.read_table(out / "kept" / "rows.parquet")
        assert kept.to_pylist() == [table.to_pylist()[row] for row in (0, 1, 3)]
        assert kept.schema == pq.read_schema(tmp_path / "rows.parquet")
    for kind in (pl.Categorical, pl.Enum([LONG, "another"]), pl.String):
        frame = pl.DataFrame({"text": pl.Series(texts, dtype=kind)})
        assert ann.deduplicate(frame).kept.tolist() == [True, True, False, True]


VIEWS = {
    "view": (pa.string_view(), [LONG, None]),
    "bytes": (pa.binary_view(), [LONG.encode(), b""]),
    "list": (pa.list_(pa.string_view()), [[LONG, None], None]),
    "large list": (pa.large_list(pa.binary_view()), [[b"a"], []]),
    "fixed list": (pa.list_(pa.string_view(), 1), [[LONG], None]),
    "list view": (pa.list_view(pa.string_view()), [[LONG], None]),
    "struct": (pa.struct({"x": pa.string_view(), "y": pa.int8()}), [{"x": "a", "y": 1}, None]),
    "map": (pa.map_(pa.string(), pa.string_view()), [[("a", "b")], None]),
    "deep": (pa.list_(pa.struct({"x": pa.list_(pa.string_view())})), [[{"x": ["a"]}], []]),
}


def test_views_inside_lists_structs_and_maps_are_filtered():
    result = ann.deduplicate([LONG, LONG])
    for kind, values in VIEWS.values():
        column = pa.array(values, kind)
        table = pa.table({"x": column, "n": [1, 2]})
        for data in (column, pa.chunked_array([column[:1], column[1:]]), table,
                     table.to_batches()[0]):  # fmt: skip
            kept = result.filter(data)
            assert type(kept) is type(data)
            assert kept.equals(data.slice(0, 1))
        assert result.filter(table).schema == table.schema


def test_a_parquet_file_with_views_inside_others_comes_back(tmp_path):
    columns = {name: pa.array(v, kind) for name, (kind, v) in VIEWS.items() if name != "list view"}
    table = pa.table({"text": [LONG, LONG], **columns})
    pq.write_table(table, tmp_path / "in.parquet")
    job([tmp_path / "in.parquet"], output=tmp_path / "out")
    written = pq.read_table(tmp_path / "out" / "kept" / "in.parquet")
    assert written.to_pylist() == table.slice(0, 1).to_pylist()
    assert written.schema.types == pq.read_table(tmp_path / "in.parquet").schema.types


def test_columns_that_arrow_cannot_filter_are_named_before_the_search():
    views = pa.list_view(pa.string_view())
    schema = pa.schema({"text": pa.string(), "x": pa.struct({"a": pa.string_view(), "b": views})})
    check_filtered(schema, "in.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ann.dedup.columns._viewless", lambda kind: pa.date32())
        with pytest.raises(InputError, match=r"in\.parquet: column 'x': Arrow cannot take rows"):
            check_filtered(schema.remove(0), "in.parquet")


def test_a_recall_out_of_reach_of_the_slots_is_no_matter_to_the_exact_engine(tmp_path):
    (tmp_path / "rows.csv").write_text("text\na\n")
    for engine, code in (("exact", 0), ("lsh", 1)):
        done = command(tmp_path, "rows.csv", "--num-perm", "2", "--engine", engine)
        assert done.returncode == code, done.stderr


def test_one_byte_and_more_bytes():
    assert list(map(byte_count, (0, 1, 2, 1500))) == ["0 bytes", "1 byte", "2 bytes", "1.5 kB"]


def test_a_name_with_a_line_end_is_refused_or_skipped(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a\nb.txt", "c.txt"):
        (tmp_path / "in" / name).write_text(LONG)
    with pytest.raises(InputError, match=r"'a\\nb.txt' has a line end in its name"):
        job([tmp_path / "in"], output=tmp_path / "out")
    outcome = job([tmp_path / "in"], output=tmp_path / "out", skip_bad=True)
    assert outcome.unusable.count == 1
    assert (tmp_path / "out" / "kept.txt").read_bytes() == b"c.txt\n"


def test_columns_of_pandas_that_are_named_by_numbers():
    frame = pd.DataFrame({0: [LONG, LONG], 1: ["a", "b"]})
    assert ann.deduplicate(frame, text="0", id="1").kept.tolist() == [True, False]
    with pytest.raises(InputError, match="no column 'text'; its columns are '0', '1'"):
        ann.deduplicate(frame)


@pytest.mark.parametrize("dtype", [object, "string", "category", "string[pyarrow]"])
def test_series_and_arrays_of_pandas_with_nulls(dtype):
    series = pd.Series([LONG, None, LONG], dtype=dtype, index=[7, 8, 9])
    for data in (series, series.array):
        result = ann.deduplicate(data)
        assert result.kept.tolist() == [True, True, False]
        assert result.stats.empty == 1


def test_nulls_of_numpy_strings_are_empty_documents():
    for null in (None, np.nan):
        texts = np.array([LONG, null, LONG], np.dtypes.StringDType(na_object=null))
        assert ann.deduplicate(texts).kept.tolist() == [True, True, False]


def test_the_numbers_of_pairs_are_in_order_from_row_to_row():
    a, b = np.array([2**32 - 2, 1, 2**31]), np.array([2**32 - 1, 2**31, 2**31 + 1])
    pairs = sorted_pairs(a, b, np.array([0.1, 0.2, 0.3]))
    assert pairs.a.tolist() == [1, 2**31, 2**32 - 2]
    assert pairs.similarity.tolist() == [0.2, 0.3, 0.1]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "text.txt"])
def test_an_unreadable_file_is_named_or_skipped(tmp_path, monkeypatch, name):
    """As root reads everything, the system's refusal is played."""
    path, opened = tmp_path / name, Path.open
    path.write_text("text")

    def refuse(self, *arguments, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=rf"cannot read .*{name}: Permission denied"):
        job([path])
    if name == "text.txt":
        (tmp_path / "other.txt").write_text("other")
        assert job([path, tmp_path / "other.txt"], skip_bad=True).as_dict()["skipped"] == 1


def test_an_input_that_vanishes_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n')

    def vanish(stage, done, total):
        if stage == "write":
            path.unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"cannot read .*rows\.jsonl: No such file"):
        job([path], output=tmp_path / "out", progress=vanish)


def test_ids_that_come_again_are_counted(write, json_lines, command, summary):
    texts = [f"a text number {i} of many words" for i in range(4)]
    for ids, count in ((["a", "b", "a", "a"], 2), ([1, 2, 3, 1], 1), (["a", "b", "c", "d"], 0)):
        path = write("rows.jsonl", json_lines(texts, id=ids))
        assert summary(path, "--id", "id")["repeated_ids"] == count
    path = write("rows.jsonl", json_lines(texts, id=["a", "b", "a", "a"]))
    assert "2 with the id of an earlier row" in command(path, "--id", "id").output


def test_a_priority_that_matches_nothing_is_refused(write, json_lines, command):
    path = write(
        "rows.jsonl", json_lines(["some words here", "others there"], source=["web", "book"])
    )
    refused = command(path, "--keep", "priority:source=wiki,news")
    assert refused.exit_code == 1
    assert "'source' holds none of 'wiki', 'news', but 'web', 'book'" in refused.stderr
    assert command(path, "--keep", "priority:source=wiki,book").exit_code == 0


@pytest.mark.parametrize("mark", [";", "\t"])
def test_another_mark_between_cells_is_named(mark, write, command):
    refused = command(write("rows.csv", f"id{mark}text\n1{mark}words\n"))
    assert refused.exit_code == 1
    assert f"as if {mark!r} stood between them" in refused.stderr


@pytest.mark.parametrize(("name", "encoding"), [("r.jsonl", "utf-16"), ("r.csv", "utf-16")])
def test_utf16_is_named(name, encoding, write, command):
    refused = command(write(name, 'text\n{"text": "x"}\n'.encode(encoding)))
    assert refused.exit_code == 1
    assert "is UTF-16: convert it, such as by iconv" in refused.stderr


def test_standard_input_and_a_limit_do_not_go_together(command):
    refused = command("-", "--memory", "2GB", input='{"text": "x"}\n')
    assert refused.exit_code == 1
    assert "write it to a file first" in refused.stderr
