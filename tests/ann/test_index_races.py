"""Searches of an index that another thread is changing: what is half done is not seen."""

import threading
import time

import numpy as np
import pytest

from ann import HNSW, IVF


def vectors(n, dim):
    return np.random.default_rng(1).standard_normal((n, dim)).astype(np.float32)


class Asking:
    """A filter that is told only when another thread has begun to add what it allows."""

    def __init__(self, index, base, new, allowed):
        self.index, self.base, self.new, self.allowed = index, base, new, allowed

    def __array__(self, dtype=None, copy=None):
        self.thread = threading.Thread(target=self.index.add, args=(self.base, self.new))
        self.thread.start()
        while int(self.new[-1]) not in self.index:
            time.sleep(0.001)
        return self.allowed


@pytest.mark.parametrize("first", [0, 2000])
@pytest.mark.parametrize("kind", [HNSW, IVF])
def test_a_filter_allows_nothing_that_is_still_being_added(kind, first):
    base = vectors(3000, 40)
    index = kind(40)
    index.add(base[:2000])
    filter = Asking(index, base[2000:], np.arange(2000, 3000), np.arange(first, 2020))
    ids, _ = index.search(base[2000:2010], 5, filter=filter)
    filter.thread.join()
    assert ids.max() < 2000
    assert index.search(base[2000:2010], 5, filter=np.arange(first, 2020))[0].max() >= 2000


def test_no_answer_calls_a_removed_vector_by_the_id_that_took_its_place():
    base, wrong = vectors(1500, 8), 0
    index = HNSW(8)
    index.add(base)

    def exchange():
        for name in range(1000):
            index.remove([name])
            index.add(np.full((1, 8), 1e4, np.float32), ids=[10_000 + name])

    thread = threading.Thread(target=exchange)
    thread.start()
    while thread.is_alive():
        ids, away = index.search(base, 3)
        wrong += int(((ids >= 10_000) & (away < 1e6)).sum())
    thread.join()
    assert wrong == 0


def test_get_of_what_is_being_added_finds_all_or_nothing():
    index, base = HNSW(4096), np.ones((900, 4096), np.float32)
    thread = threading.Thread(target=index.add, args=(base,))
    thread.start()
    while thread.is_alive():
        try:
            assert (index.get([899]) == 1).all()
        except KeyError:
            continue
    thread.join()
