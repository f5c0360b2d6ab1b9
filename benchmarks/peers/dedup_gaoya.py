"""gaoya 0.2's MinHash index over the rows of a file, as its documentation uses it.

Rows of five words or more; a row is written if nothing before it has met it in a band and passed
gaoya's own estimate of the similarity (20 bands of 5). Nothing is verified.

    python benchmarks/peers/dedup_gaoya.py FILE.jsonl OUT.jsonl
"""

import json
import re
import sys

from gaoya.minhash import MinHashStringIndex

THRESHOLD = 0.8
WORD = re.compile(r"\w+")


def clean(path: str, output: str) -> int:
    """Write the rows that stay; how many they are."""
    with open(path, encoding="utf-8") as lines:
        rows = lines.readlines()
    texts = [json.loads(row)["text"] for row in rows]
    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=16,
        band_size=8,
        analyzer="word",
        lowercase=True,
        ngram_range=(5, 5),
    )
    long = [row for row, text in enumerate(texts) if len(WORD.findall(text)) >= 5]
    index.par_bulk_insert_docs(long, [texts[row] for row in long])
    stay = [True] * len(rows)
    for row, met in zip(long, index.par_bulk_query([texts[row] for row in long]), strict=True):
        stay[row] = not any(other < row for other in met)
    with open(output, "w", encoding="utf-8") as out:
        out.writelines(text for text, stays in zip(rows, stay, strict=True) if stays)
    return sum(stay)


if __name__ == "__main__":
    print(clean(*sys.argv[1:3]), "rows stay")
