"""The fixed baseline of the near-duplicate job: what one writes today with rensa, in one process.

Python reads the JSON lines, lower-cases the text, finds its words and joins them to 5-grams;
rensa's full R-MinHash (K = 128) and its LSH (16 bands of 8) flag the rows that share a band with
another. Nothing is verified and nothing is written. Do not change it: ratios in the docs refer to
it.

    python benchmarks/peers/dedup_baseline.py FILE.jsonl
"""

import json
import re
import sys

from rensa import RMinHash, RMinHashLSH

WORD = re.compile(r"\w+")
NGRAM = 5
NUM_PERM = 128


def shingles(text: str) -> list[str]:
    """The word 5-grams of a text; fewer words are one."""
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]


def duplicate_flags(path: str) -> list[bool]:
    """Whether each row shares a band with another."""
    with open(path, encoding="utf-8") as lines:
        documents = [shingles(json.loads(line)["text"]) for line in lines]
    matrix = RMinHash.digest_matrix_from_token_sets(documents, NUM_PERM, 42)
    lsh = RMinHashLSH(threshold=0.8, num_perm=NUM_PERM, num_bands=16)
    flags: list[bool] = lsh.query_duplicate_flags_matrix_one_shot(matrix)
    return flags


if __name__ == "__main__":
    print(sum(duplicate_flags(sys.argv[1])), "rows share a band")
