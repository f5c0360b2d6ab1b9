"""CountMin and CountSketch beside exact counters, under any sequence of operations."""

import pickle
from collections import Counter

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sketches import CountMin, CountSketch


class Counts(RuleBasedStateMachine):
    """Two sketches of each kind and, to be merged, a spare of each."""

    items = st.lists(st.integers(-20, 20), max_size=30)

    @initialize(seed=st.integers(0, 2**64 - 1))
    def begin(self, seed):
        self.least = [CountMin(32, 3, seed), CountMin(32, 3, seed, conservative=True)]
        self.signed = CountSketch(32, 3, seed)
        self.spare = [*(s.copy() for s in self.least), self.signed.copy()]
        self.exact, self.exact_spare = Counter(), Counter()

    @rule(items=items, weight=st.integers(0, 100))
    def add(self, items, weight):
        for sketch in (*self.least, self.signed):
            sketch.update(items, weight)
        for item in items:
            self.exact[item] += weight

    @rule(items=items)
    def add_to_spare(self, items):
        for sketch in self.spare:
            sketch.update(np.array(items, np.int16))
        self.exact_spare.update(items)

    @rule()
    def merge(self):
        for sketch, spare in zip((*self.least, self.signed), self.spare, strict=True):
            sketch.merge(spare)
        self.exact.update(self.exact_spare)

    @rule()
    def store(self):
        self.least = [CountMin.from_bytes(s.to_bytes()) for s in self.least]
        self.signed = pickle.loads(pickle.dumps(self.signed))

    @rule()
    def clear_spare(self):
        for sketch in self.spare:
            sketch.clear()
        self.exact_spare.clear()

    @invariant()
    def never_below_and_never_wide(self):
        if not hasattr(self, "exact"):
            return
        plain, tight = (s.estimate(range(-20, 21)) for s in self.least)
        truth = [self.exact[i] for i in range(-20, 21)]
        assert all(t <= c <= p for t, c, p in zip(truth, tight, plain, strict=True))
        total = self.exact.total()
        assert {s.total for s in (*self.least, self.signed)} == {total}
        assert plain.max() <= total
        assert all(abs(e) <= total for e in self.signed.estimate(range(-20, 21)))


Counts.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestCounts = Counts.TestCase
