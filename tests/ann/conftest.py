"""What the tests of the near-duplicate job share: an oracle, texts, files, and ways to run it."""

import json
import re
from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import tractable


def shingle_set(text, ngram=5, unit="word"):
    """The set of n-grams of a text, in plain Python."""
    folded = (text or "").casefold()
    units = re.findall(r"\w+", folded) if unit == "word" else list(folded)
    if not units:
        return frozenset()
    last = max(1, len(units) - ngram + 1)
    return frozenset(tuple(units[i : i + ngram]) for i in range(last))


def jaccard(a, b):
    return len(a & b) / len(a | b)


def brute_force(texts, threshold=0.8, **shingling):
    """All pairs at or above the threshold, {(a, b): similarity}, by counting what is shared."""
    sets = [shingle_set(text, **shingling) for text in texts]
    rows_with = defaultdict(list)
    pairs = {}
    for b, shingles in enumerate(sets):
        shared = Counter(a for shingle in shingles for a in rows_with[shingle])
        for a, common in shared.items():
            similarity = common / (len(sets[a]) + len(shingles) - common)
            if similarity >= threshold:
                pairs[a, b] = similarity
        for shingle in shingles:
            rows_with[shingle].append(b)
    return pairs


def make_corpus(seed, families, words=(1, 150)):
    """Texts in families: an original, and copies of it edited more or less, or not at all."""
    rng = np.random.default_rng(seed)
    vocabulary = [f"w{i}" for i in range(3000)] + ["Straße", "ÉTÉ", "İstanbul", "naïve", "日本"]
    texts = []
    for _ in range(families):
        original = rng.choice(vocabulary, rng.integers(*words)).tolist()
        texts.append(" ".join(original))
        for _ in range(rng.integers(0, 4)):
            copy = list(original)
            for _ in range(rng.integers(0, 1 + len(copy) // 25)):
                copy[rng.integers(len(copy))] = str(rng.choice(vocabulary))
            if rng.random() < 0.3:
                copy.insert(0, "front")
            joined = ", ".join(copy) if rng.random() < 0.5 else " ".join(copy).upper()
            texts.append(joined)
    texts += ["", "...", None]
    return [texts[i] for i in rng.permutation(len(texts))]


@pytest.fixture(scope="session")
def oracle():
    return SimpleNamespace(
        shingle_set=shingle_set, jaccard=jaccard, brute_force=brute_force, make_corpus=make_corpus
    )


@pytest.fixture(scope="session")
def corpus():
    """About a thousand texts."""
    return make_corpus(7, 400)


@pytest.fixture
def command():
    """Runs `tractable dedup` in this process: its result, with `output` and `exit_code`."""

    def run(*arguments, **options):
        words = ["dedup", *map(str, arguments)]
        result = CliRunner().invoke(tractable.main, words, **options)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def summary(command):
    """Runs `tractable dedup --json`, which must succeed: what it printed."""

    def run(*arguments, **options):
        result = command(*arguments, "--json", **options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session")
def json_lines():
    """Makes rows of texts and further columns into JSON lines, escaped and not by turns."""

    def make(texts, **columns):
        rows = zip(texts, *columns.values(), strict=True)
        named = (dict(zip(["text", *columns], row, strict=True)) for row in rows)
        return [json.dumps(row, ensure_ascii=bool(i % 2)) + "\n" for i, row in enumerate(named)]

    return make


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
