"""The scanner of JSON Lines: seconds for 3 MB, by how much of it is escaped, or left to Python."""

import json
from functools import cache

from ann._jsonl import JsonLines

from .common import Benchmark, rng

ROWS, WORDS = 3_000, 150


class Scan(Benchmark):
    """Rows of an id, a text of a kilobyte and a field that nobody wants."""

    params = (["plain", "escaped", "doubtful"],)
    param_names = ("text",)

    def setup(self, text):
        self.block = block(text)
        self.lines = JsonLines("text", "id")

    def time_take(self, text):
        self.lines.take(self.block, judge)


def judge(line, number):
    """What the job asks of a line that is not plainly a row."""
    row = json.loads(line)
    return row["text"].encode("utf-8", "replace").decode(), row["id"]


@cache
def block(text):
    drawn = rng().integers(0, 5000, (ROWS, WORDS)).tolist()
    space = {"plain": " ", "escaped": "\n", "doubtful": " \ud800"}[text]
    rows = (space.join(f"word{word}" for word in row) for row in drawn)
    lines = (
        json.dumps({"id": number, "text": value, "n": [1.5, None]}) + "\n"
        for number, value in enumerate(rows)
    )
    return "".join(lines).encode()
