"""`ann.deduplicate`: the search over what is in memory: frames, tables, streams, lists of texts.

Whatever speaks the Arrow C stream interface is read through it, a few thousand rows at a time;
anything else is an iterable of str.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ann.dedup.arrays import Batch, Progress
from ann.dedup.columns import (
    id_values,
    plain,
    text_batch,
    text_sizes,
    wanted_columns,
)
from ann.dedup.engines import Heard, choose_engine
from ann.dedup.pipeline import find
from ann.dedup.result import Result, make_result
from ann.dedup.running import Clock
from ann.dedup.settings import (
    Engine,
    InputError,
    Link,
    Measure,
    Settings,
    Unit,
    available_threads,
    need,
    parse_keep,
)
from ann.dedup.sketching import sketch
from sketches._files import check_columns

ROWS_A_BATCH = 4096  # some megabytes of text: a millisecond or more of work, little memory


def deduplicate(
    data: Any,
    *,
    text: str = "text",
    id: str | None = None,
    threshold: float = 0.8,
    recall: float = 0.99,
    ngram: int = 5,
    unit: Unit = "word",
    num_perm: int = 128,
    keep: str = "first",
    engine: Engine = "auto",
    measure: Measure = "jaccard",
    link: Link = "representative",
    threads: int | None = None,
    seed: int = 9001,
    progress: Progress | None = None,
) -> Result:
    """Find the near-duplicates in `data` and say which rows to keep.

    Parameters
    ----------
    data : Arrow table, batch or stream, pandas or polars frame or series, or iterable of str
        The documents. None (null) and texts without a single word are empty documents: they
        resemble nothing and are kept.
    text : str
        The column of a table or frame that holds the text.
    id : str, optional
        The column that breaks ties where `keep` does not decide; else the row number does.
    threshold : float
        Documents are near-duplicates when the exact Jaccard similarity of their sets of n-grams
        is at least this.
    recall : float
        The least probability with which a pair right at the threshold is found; pairs above it
        are found more surely. `stats.recall_at_threshold` is what was reached.
    ngram, unit : int, {"word", "char"}
        What a set is made of: runs of `ngram` case-folded words (or characters). A document of
        fewer units is one run.
    num_perm : int
        Slots of the MinHash signatures the candidates come from.
    keep : str
        Which of a cluster stays: ``first`` row, or ``longest``, the one of most UTF-8 bytes; by a
        column of a table, ``newest:COL``, ``oldest:COL``, ``highest:COL``, ``lowest:COL`` or
        ``priority:COL=a,b,c``; ``one-per:COL``, the first of each value of a column. Ties go to
        the lesser id, then to the earlier row; a missing value comes after all others.
    engine : {"auto", "lsh", "exact"}
        How pairs are found: by MinHash signatures, with probability `recall` at least, or all of
        them, by a join over the rarest shingles. By default ``exact`` where it is estimated to fit
        in half of the machine's memory and to make the job a quarter longer at most, else ``lsh``:
        `stats.plan` says why.
    measure : {"jaccard", "containment"}
        What two documents have in common is measured against the union of both, or against the
        smaller one, for documents inside documents: then the one of more n-grams stays, and
        `keep` only decides between equals. Containment has the exact engine alone.
    link : {"representative", "transitive"}
        Whether a removed document resembles the one kept in its place itself, or is connected
        with it by a chain of documents each of which resembles the next.
    threads : int, optional
        All cores by default. The result does not depend on it.
    seed : int
        Seed of the shingle hash.
    progress : callable, optional
        Called as ``progress(stage, done, total)`` now and then, in the caller's thread.

    Returns
    -------
    Result
        `kept`, `representative`, `similarity`, `pairs`, `stats`, and `filter(data)`.

    Notes
    -----
    Every reported pair has been verified exactly on 64-bit shingle hashes, and every removed row
    is itself verified against the row that is kept in its place.

    Examples
    --------
    >>> import ann
    >>> result = ann.deduplicate(["one two three four five six"] * 2 + ["something else"])
    >>> result.kept
    array([ True, False,  True])
    """
    settings = Settings(
        threshold=threshold,
        recall=recall,
        ngram=ngram,
        unit=unit,
        num_perm=num_perm,
        keep=keep,
        engine=engine,
        measure=measure,
        link=link,
        seed=seed,
        threads=available_threads() if threads is None else threads,
    )
    report = progress or (lambda stage, done, total: None)
    clock, heard = Clock(), Heard(report)
    by = parse_keep(keep).column
    values: list[Any] = []
    read = clock.each("read", _batches(data, text, id, by, values, heard))
    with clock("plan"):
        batches, settings, plan = choose_engine(read, settings, heard)
    sketches, ids, *_ = sketch(batches, settings, clock)
    found = find(sketches, settings, ids, clock, report, lambda name: values)
    return make_result(sketches, found, settings, plan, clock)


def text_batches(data: Any, text: str, id: str | None) -> Iterator[Batch]:
    """The texts with their ids."""
    return _batches(data, text, id, None, [], lambda stage, done, total: None)


def _batches(
    data: Any,
    text: str,
    id: str | None,
    by: str | None,
    values: list[Any],
    progress: Progress,
) -> Iterator[Batch]:
    """The texts with their ids; what the column `by` holds goes to `values`."""
    if isinstance(data, (str, bytes, bytearray)):
        raise TypeError("one text alone has no duplicates: pass a list of texts")
    if isinstance(data, Mapping):
        raise TypeError(f"a {type(data).__name__} is no table: pass pyarrow.table(data), or a list")
    if type(data).__name__ == "LazyFrame":
        raise TypeError("a LazyFrame has no rows yet: pass what its collect() gives")
    if data is None:
        raise TypeError("None holds no documents: pass a table, a frame or texts")
    pandas: Any = sys.modules.get("pandas")
    if hasattr(pandas, "api") and isinstance(  # not while it is being imported
        data, (pandas.Index, pandas.api.extensions.ExtensionArray)
    ):
        data = pandas.Series(data)
    columnar = "__arrow_c_stream__", "__arrow_c_array__", "iloc"  # a series of pandas before 3
    if not any(hasattr(data, name) for name in columnar):
        _no_columns(data, id, by)
        yield from _text_batches(data, progress)
        return
    done, total = 0, _length(data)
    wanted = wanted_columns(text, id)
    for columns in _column_batches(data, wanted if by is None else [*wanted, by]):
        if by is not None:
            values += plain(columns.pop()).to_pylist()
        batch = text_batch(columns[0], f"column {text!r}")
        if id is not None:
            batch = batch._replace(ids=id_values(columns[-1], f"column {id!r}", done))
        yield batch
        done += len(columns[0])
        progress("read", done, total)


def _text_batches(data: Iterable[str | None], progress: Progress) -> Iterator[Batch]:
    if not isinstance(data, Iterable):
        raise TypeError(f"cannot take documents from type {type(data).__name__}: pass texts")
    items = iter(data)
    absent = getattr(getattr(data, "dtype", None), "na_object", None)  # of NumPy's StringDType
    done, total = 0, _length(data)
    while values := list(islice(items, ROWS_A_BATCH)):
        texts = ["" if value is None or value is absent else value for value in values]
        for row, value in enumerate(texts, done):
            if not isinstance(value, str):
                raise TypeError(f"document {row} is no str: its type is {type(value).__name__}")
        try:
            sizes = text_sizes(texts)
        except UnicodeEncodeError as error:
            row = done + texts.index(error.object)
            raise InputError(f"document {row} holds a lone surrogate: it is no text") from None
        yield Batch(texts, sizes)
        done += len(texts)
        progress("read", done, total)


def _length(data: Any) -> int:
    """Its length, for the progress; 0 where that is unknown."""
    return len(data) if hasattr(data, "__len__") else 0


def _no_columns(data: Any, *names: str | None) -> None:
    for name in names:
        if name is not None:
            raise InputError(f"{name!r} names a column, and a {type(data).__name__} has none")


def _column_batches(data: Any, wanted: list[str]) -> Iterator[list[Any]]:
    """The columns wanted, slice by slice; a series or an array is its own text column."""
    pa = need("pyarrow")
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas converts what it is asked for
        names = [str(name) for name in data.columns]  # numbers, where nobody named them
        check_columns(wanted, names, "the frame")
        once = list(dict.fromkeys(wanted))
        data = data.iloc[:, [names.index(name) for name in once]].set_axis(once, axis=1)
    columns: Iterable[list[Any]]
    if hasattr(data, "columns") or hasattr(data, "schema"):
        reader = pa.RecordBatchReader.from_stream(data)
        check_columns(wanted, reader.schema.names, "the table")
        columns = ([batch.column(name) for name in wanted] for batch in reader)
    else:
        _no_columns(data, *wanted[1:])
        stream = hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__")
        column = pa.chunked_array(data) if stream else pa.array(data)
        columns = ([chunk] for chunk in getattr(column, "chunks", [column]))
    for row in columns:
        for start in range(0, len(row[0]), ROWS_A_BATCH):
            yield [column.slice(start, ROWS_A_BATCH) for column in row]
