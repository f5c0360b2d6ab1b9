"""Does an index take what `ann.plan` said, at ten and more times the size of the sample?

    python benchmarks/peers/planning.py SET N [SAMPLE] [--choose]

SET is sift=FILE.npy, rotated=FILE.npy (the same, rotated at random) or fashion=FILE.npz. SAMPLE
rows (20,000) of the first N tell the plan; the indexes are then built over all N, and asked 300
queries that are in neither. --choose prints in JSON what was chosen, for a comparison with others.
"""

import json
import sys
import time

import numpy as np

import ann

QUERIES = 300


def load(name):
    """Rows and queries, float32."""
    kind, _, path = name.partition("=")
    if kind == "fashion":
        data = np.load(path)
        return data["train"].astype(np.float32), data["test"][:QUERIES].astype(np.float32)
    data = np.load(path, mmap_mode="r")
    rows, queries = np.asarray(data[:500_000]), np.asarray(data[-QUERIES:])
    # neighbours in the file are patches of one picture
    rows = rows[np.random.default_rng(1).permutation(len(rows))].astype(np.float32)
    queries = queries.astype(np.float32)
    if kind == "rotated":
        turn = np.linalg.qr(np.random.default_rng(2).standard_normal((128, 128)))[0]
        rows, queries = (x @ turn.astype(np.float32) for x in (rows, queries))
    return rows, queries


def main(name, n, sample=20_000, *flags):
    n, sample = int(n), int(sample)
    rows, queries = load(name)
    rows = rows[:n]
    start = time.perf_counter()
    plan = ann.plan(n, rows.shape[1], sample=rows[:sample], latency_ms=1.0, memory="8GB")
    took = time.perf_counter() - start
    kind = name.partition("=")[0]
    print(f"{kind}: {n:,} x {rows.shape[1]}, planned from {sample:,} in {took:.1f} s")
    print(plan)
    if "--choose" in flags:
        print(json.dumps(plan.as_dict()))
        return
    for candidate in plan.candidates:
        if not hasattr(ann, candidate.name):
            continue
        index = plan.build(rows, name=candidate.name)
        print(candidate)
        for each in plan.verify(index, queries, name=candidate.name, keep=False):
            print(f"  {each} {'within' if each.held else 'outside'} its interval")


if __name__ == "__main__":
    main(*sys.argv[1:])
