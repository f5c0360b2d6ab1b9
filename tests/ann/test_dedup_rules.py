"""The job on 35,320 real texts, against an exact join of them made elsewhere.

The data (ScanCode's licence rules) is no part of the project: it is looked for in
``../shared/data`` beside the repository, or where ``TRACTABLE_DATA`` points.
"""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ann.dedup.job import run
from ann.dedup.settings import Settings

DATA = Path(os.environ.get("TRACTABLE_DATA", Path(__file__).parents[2] / "../shared/data"))
RULES = DATA / "dedup/rules.jsonl.gz"
TRUTH = DATA / "dedup/truth_rules_w5_j08.npz"

pytestmark = pytest.mark.skipif(
    not (RULES.exists() and TRUTH.exists()), reason=f"no rules.jsonl.gz in {DATA}/dedup"
)


@pytest.fixture(scope="module")
def truth():
    pairs = np.load(TRUTH)
    rows = zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True)
    return dict(zip(rows, pairs["jaccard"].tolist(), strict=True))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    plain = folder / "rules.jsonl"
    plain.write_bytes(gzip.decompress(RULES.read_bytes()))
    return run([str(plain)], Settings(threads=2, engine="lsh"), output=folder / "out", id="id")


def test_recall_and_precision(outcome, truth):
    a, b, jaccard = outcome.result.pairs
    found = dict(zip(zip(a.tolist(), b.tolist(), strict=True), jaccard.tolist(), strict=True))
    assert found.keys() <= truth.keys()
    # the truth was lower-cased, where the job folds case: one text has the ligature U+FB01
    differ = [pair for pair in found if abs(found[pair] - truth[pair]) > 1e-12]
    assert differ == [(6871, 6893)]
    assert len(found) >= 0.99 * len(truth)


def test_the_exact_engine_finds_every_pair(outcome, truth):
    found = run([str(outcome.output.parent / "rules.jsonl")], Settings(threads=2, engine="exact"))
    a, b, _ = found.result.pairs
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == truth.keys()
    assert found.result.stats.removed == 7572
    assert found.result.stats.recall_at_threshold == 1


def test_no_row_goes_that_no_kept_row_resembles(outcome, truth):
    result = outcome.result
    kept = set(np.flatnonzero(result.kept).tolist())
    resembles_kept = {b for a, b in truth if a in kept} | {a for a, b in truth if b in kept}
    assert set(np.flatnonzero(~result.kept).tolist()) <= resembles_kept
    assert 7500 <= result.stats.removed <= 7620  # 7,572 with every pair found


def test_output_is_the_kept_lines(outcome):
    folder = outcome.output.parent
    lines = (folder / "rules.jsonl").read_bytes().splitlines(keepends=True)
    kept = [line for line, stays in zip(lines, outcome.result.kept, strict=True) if stays]
    assert (folder / "out/kept/rules.jsonl").read_bytes() == b"".join(kept)
    ids = [json.loads(line)["id"] for line in lines]
    assert outcome.ids.tolist() == ids
