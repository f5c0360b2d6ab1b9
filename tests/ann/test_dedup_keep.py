"""Which document stays, by every policy, and the reason that is written for each row."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ann
from ann.dedup import InputError
from ann.dedup.keeping import REASONS

pl = pytest.importorskip("polars")

TEXT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
TEXTS = [TEXT, TEXT + " more", "quite another text of more than five words", TEXT, TEXT.upper()]


def kept(keep, **columns):
    table = pa.table({"text": TEXTS, **columns})
    result = ann.deduplicate(table, keep=keep, id="id" if "id" in columns else None)
    assert (result.representative[2], result.reason[2]) == (2, 0)
    (stays,) = set(result.representative.tolist()) - {2}
    assert result.kept.sum() == 2
    why = [REASONS[code] for code in result.reason]
    assert why[stays].startswith("kept")
    return stays, why


CASES = [
    ("first", {}, 0),
    ("longest", {}, 1),
    ("highest:n", {"n": [1, 5, 9, 7, None]}, 3),
    ("lowest:n", {"n": [3.5, 5.0, 0.0, 7.0, float("nan")]}, 0),
    ("highest:n", {"n": ["1", "5", "9", "70", "8"]}, 3),  # numbers, not texts
    ("newest:d", {"d": ["2020-01-01", "2024-05-06", "2030-01-01", "2024-05-07", None]}, 3),
    ("oldest:d", {"d": ["2020-01-02T01:00Z", "2020-01-01", None, "2021-01-01", "2022-02-02"]}, 1),
    ("newest:d", {"d": [date(2020, 1, 1), date(2020, 1, 2), None, None, date(1969, 1, 1)]}, 1),
    ("newest:d", {"d": [datetime(y, 1, 1, tzinfo=UTC) for y in (2020, 2020, 2022, 1, 2021)]}, 4),
    ("oldest:d", {"d": [1700000000, 1600000000, 1, 1650000000, 1690000000]}, 1),
    ("priority:s=web,book", {"s": ["x", "book", "web", "book", "y"]}, 1),
    ("priority:s=web,book", {"s": ["x", None, "web", "book", "web"]}, 4),
    ("priority:s=2,1", {"s": [1, 3, 2, 2, 1]}, 3),
]  # fmt: skip


@pytest.mark.parametrize(("keep", "columns", "stays"), CASES)
def test_the_preferred_one_stays(keep, columns, stays):
    assert kept(keep, **columns)[0] == stays


def test_ties_go_to_the_lesser_id_then_to_the_row():
    chosen, why = kept("highest:n", n=[7, 7, 0, 1, 7], id=["c", "b", "a", "a", "b"])
    assert chosen == 1
    assert why == [
        "removed: the other has the lesser id, and is equal else",
        "kept: preferred to all that it resembles",
        "in no cluster",
        "removed: the other is higher",
        "removed: the other comes first",
    ]
    chosen, why = kept("highest:n", n=[7, 7, 0, 1, 7])
    assert (chosen, why[1], why[3]) == (0, "removed: the other comes first", REASONS[9])
    chosen, why = kept("first", id=["c", "b", "a", "a", "b"])
    assert (chosen, why[1]) == (0, "removed: the other comes first")


def test_one_of_each_value():
    table = pa.table({"text": TEXTS, "source": ["web", "book", "book", "web", "book"]})
    result = ann.deduplicate(table, keep="one-per:source")
    assert result.kept.tolist() == [True, True, True, False, False]
    assert result.representative.tolist() == [0, 1, 2, 0, 0]
    assert result.cluster.tolist() == [0, 0, 2, 0, 0]
    assert result.clustered.tolist() == [0, 1, 3, 4]
    assert [REASONS[code] for code in result.reason[[0, 1, 3, 4]]] == [
        "kept: preferred to all that it resembles",
        "kept: the first of its value",
        "removed: the other comes first",
        "removed: the other comes first",
    ]
    assert (result.similarity[1], result.similarity[4]) == (1, 1)


def test_the_larger_of_two_contains_the_other():
    texts = [TEXT, TEXT + " and quite a lot more that was not there before", TEXT]
    result = ann.deduplicate(texts, measure="containment")
    assert result.representative.tolist() == [1, 1, 1]
    assert [REASONS[code] for code in result.reason][0::2] == ["removed: the other contains it"] * 2


@pytest.mark.parametrize("container", [pa.table, pd.DataFrame, pl.DataFrame])
def test_columns_of_frames(container):
    frame = container({"text": TEXTS, "n": [1, 2, 3, 4, 0]})
    assert np.flatnonzero(ann.deduplicate(frame, keep="highest:n").kept).tolist() == [2, 3]
    assert np.flatnonzero(ann.deduplicate(frame, keep="priority:n=2").kept).tolist() == [1, 2]


ROWS = {"text": TEXTS, "n": [1, 2, 3, 4, 0], "s": ["a", "b", "a", "b", "a"]}


@pytest.fixture(params=["rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.parquet"])
def rows(request, write, json_lines, tmp_path):
    table = pa.table(ROWS)
    if request.param.endswith(".parquet"):
        pq.write_table(table, tmp_path / request.param)
        return tmp_path / request.param
    if request.param.endswith(".csv"):
        return write(request.param, table.to_pandas().to_csv(index=False))
    lines = json_lines(TEXTS, n=ROWS["n"], s=ROWS["s"])
    if request.param.endswith(".gz"):
        import gzip

        lines = gzip.compress("".join(lines).encode())
    return write(request.param, lines)


@pytest.mark.parametrize("stages", [False, True])
@pytest.mark.parametrize(("keep", "stays"), [("highest:n", [3]), ("one-per:s", [0, 1])])
def test_files(rows, keep, stays, stages, command, tmp_path):
    work = ["--work", tmp_path / "work"] if stages else []
    done = command(rows, "-o", tmp_path / "out", "--keep", keep, *work)
    assert done.exit_code == 0, done.output
    clusters = pq.read_table(tmp_path / "out/clusters.parquet").to_pandas()
    assert clusters.row.tolist() == stays + [row for row in (0, 1, 3, 4) if row not in stays]
    assert clusters.row[clusters.kept].tolist() == stays
    assert (clusters.cluster == stays[0]).all()
    assert (
        set(clusters.reason[~clusters.kept])
        == {
            "highest:n": {"removed: the other is higher"},
            "one-per:s": {"removed: the other comes first"},
        }[keep]
    )


def test_fields_of_odd_lines(write, command):
    line = '{"text": "' + TEXT + '", "n": %s}\n'
    rows = write("rows.jsonl", [line % 1, "\n", "\ufeff" + line % 9, line % 2])
    assert "row 1 and 2 others" in command(rows, "--keep", "highest:n").output
    told = command(write("list.jsonl", [line % "[1]"]), "--keep", "highest:n")
    assert "field 'n' holds a list" in told.output


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        ("newest", "keep must be first, longest, newest:COL"),
        ("newest:", "keep must be"),
        ("priority:s", "keep must be"),
        ("priority:=a", "keep must be"),
        ("best:s", "keep must be"),
        ("first:s", "keep must be"),
        ("highest:s", "column 's' holds 'a' in row 0, not a number"),
        ("newest:s", "column 's' holds 'a' in row 0, not a date or a number"),
        ("highest:absent", "no column 'absent'"),
    ],
)
def test_what_cannot_be_preferred(keep, told):
    with pytest.raises(InputError, match=told):
        ann.deduplicate(pa.table(ROWS), keep=keep)
    with pytest.raises(TypeError, match="keep must be a str"):
        ann.deduplicate(TEXTS, keep=1)


def test_columns_that_are_not_there(write, json_lines, command, tmp_path):
    rows = write("rows.jsonl", json_lines(TEXTS))
    assert "no row has a value in column 'n'" in command(rows, "--keep", "highest:n").output
    text = write("folder/a.txt", TEXT)
    assert "text files have no column 'n'" in command(text, "--keep", "lowest:n").output
    told = command("-", "--keep", "lowest:n", input=rows.read_bytes())
    assert "only with an output: give -o" in told.output
    with pytest.raises(InputError, match="'n' names a column, and a list has none"):
        ann.deduplicate(TEXTS, keep="lowest:n")
