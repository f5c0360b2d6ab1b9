"""`DuplicateIndex`: documents seen before, from Python; the folder is that of `tractable index`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ann.dedup import indexing
from ann.dedup.arrays import Floats, Int64s
from ann.dedup.index import exists, open_index
from ann.dedup.memory import text_batches


class Known(NamedTuple):
    """What an index has that resembles documents: ordered by row, the likest first."""

    rows: Int64s  # of the documents that were asked about
    ids: list[str]  # of what each resembles
    similarity: Floats


class DuplicateIndex:
    """Documents seen before, in a folder that grows.

    Parameters
    ----------
    folder : path
        Where the index lies, or will from the first `add` on.
    threshold, recall, ngram, unit, num_perm, bits, seed
        As in `deduplicate`; settled when the index is made. Of one that is there already those
        given must be its own.

    Raises
    ------
    InputError
        If the folder holds anything else, or an index of other parameters.

    Notes
    -----
    A document at the threshold is found with the probability `recall`, one above it more surely,
    and each is compared exactly. An addition counts as a whole or not at all, whatever becomes of
    the process; several processes may add at once while others query. Each call sees the index as
    it is then. `docs/design/formats.md` says how the folder is laid out.

    Examples
    --------
    >>> import tempfile
    >>> from ann.dedup import DuplicateIndex
    >>> seen = DuplicateIndex(tempfile.mkdtemp(), ngram=3)
    >>> seen.add(["the cat sat on the mat and looked at the rain"])
    1
    >>> seen.query(["nothing", "The cat sat on the mat, and looked at the rain."]).rows
    array([1])
    """

    def __init__(self, folder: str | os.PathLike[str], **parameters: Any) -> None:
        self.folder, self._given = Path(folder), parameters
        self.settings = indexing.settings_for(self.folder, parameters)

    def __len__(self) -> int:
        """Documents that it holds; empty ones are left out."""
        return len(open_index(self.folder)) if exists(self.folder) else 0

    def add(
        self,
        data: Any,
        *,
        text: str = "text",
        id: str | None = None,
        again: bool = False,
        threads: int | None = None,
    ) -> int:
        """Add documents, all of them or, where anything fails, none.

        Parameters
        ----------
        data, text, id
            As in `deduplicate`; without ids documents are called by their number in the index.
        again : bool
            Add what was added before in just this form, which is refused else.
        threads : int, optional
            All cores by default.

        Returns
        -------
        int
            Documents added: all but those without a single unit.
        """
        self.settings = indexing.settings_for(self.folder, self._given)
        rows = indexing.rows_of(self._texts(data, text, id, len(self)), self.settings, threads)
        added, _ = indexing.add_rows(self.folder, self.settings, rows, again)
        return added

    def query(
        self, data: Any, *, text: str = "text", id: str | None = None, threads: int | None = None
    ) -> Known:
        """What resembles each of some documents: arrays `rows` and `similarity`, a list `ids`."""
        index, row = open_index(self.folder), 0
        ids: list[str] = []
        rows, similarity = [np.empty(0, np.int64)], [np.empty(0)]
        for part in indexing.rows_of(self._texts(data, text, id), index.settings, threads):
            found = indexing.find(index, part)
            rows.append(found.rows + row)
            ids += map(index.id_of, found.documents.tolist())
            similarity.append(found.similarity)
            row += len(part.ids)
        return Known(np.concatenate(rows), ids, np.concatenate(similarity))

    def stats(self, *, check: bool = False) -> dict[str, Any]:
        """Documents, segments, bytes and parameters; with `check` every byte is looked at."""
        return indexing.stats(self.folder, check)

    def merge(self, *others: "DuplicateIndex") -> None:
        """Make one segment of all, those of other indexes included, which stay as they are."""
        indexing.merge(self.folder, [other.folder for other in others])

    def _texts(
        self, data: Any, text: str, id: str | None, first: int = 0
    ) -> Iterator[indexing.Texts]:
        for batch in text_batches(data, text, id):
            yield indexing.Texts("what is given", "", first, batch)
            first += len(batch.sizes)
