"""The near-duplicate job as one writes it today around rensa: candidates, exact check, union-find.

The same promise as ours, in the fastest form of it that was found: rensa's full R-MinHash (K = 128)
and LSH (16 bands of 8) give candidates, pairs that are joined already are passed over, the others
are compared exactly as frozensets, and the first row of each group is written to the cleaned file.
Union-find closes chains, so rows go that resemble no row that stays; ours does not do that.

    python benchmarks/peers/dedup_rensa.py FILE.jsonl OUT.jsonl
"""

import json
import sys

from dedup_baseline import NUM_PERM, shingles
from rensa import RMinHash, RMinHashLSH

THRESHOLD = 0.8


def clean(path: str, output: str) -> int:
    """Write the rows that stay; how many they are."""
    with open(path, encoding="utf-8") as lines:
        rows = lines.readlines()
    documents = [shingles(json.loads(row)["text"]) for row in rows]
    signatures = RMinHash.from_token_sets(documents, NUM_PERM, 42)
    lsh = RMinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM, num_bands=16)
    lsh.insert_many(signatures)
    sets = [frozenset(document) for document in documents]
    parent = list(range(len(rows)))

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for row, candidates in enumerate(lsh.query_all(signatures)):
        for other in candidates:
            if other >= row:
                continue
            a, b = find(row), find(other)
            if a == b:
                continue
            common = len(sets[row] & sets[other])
            if common >= THRESHOLD * (len(sets[row]) + len(sets[other]) - common):
                parent[max(a, b)] = min(a, b)
    with open(output, "w", encoding="utf-8") as out:
        kept = [text for row, text in enumerate(rows) if find(row) == row]
        out.writelines(kept)
    return len(kept)


if __name__ == "__main__":
    print(clean(*sys.argv[1:3]), "rows stay")
