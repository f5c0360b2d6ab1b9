"""Write csrc/unicode_ranges.h: which code points are word characters and how they fold.

Run by a person, once per change of the pinned Unicode version (CPython 3.11 carries 14.0):
``python3.11 tools/unicode_ranges.py > csrc/unicode_ranges.h``. The tables are pinned, not taken
from the running Python, because a shingle must hash the same under every Python.

A word character is what Python's ``re`` calls ``\\w``: ``ch.isalnum() or ch == "_"``. Folding is
``str.casefold()``. ASCII is left out: the kernels do it by arithmetic.
"""

import sys
import unicodedata
from collections.abc import Iterator

PINNED = "14.0.0"
LAST = 0x110000
SURROGATES = range(0xD800, 0xE000)


def word_ranges() -> Iterator[tuple[int, int]]:
    """Runs (first, last) of word characters."""
    first = None
    for cp in range(0x80, LAST + 1):
        word = cp < LAST and cp not in SURROGATES and chr(cp).isalnum()
        if word and first is None:
            first = cp
        elif not word and first is not None:
            yield first, cp - 1
            first = None


def folds() -> tuple[list[list[int]], list[tuple[int, str]]]:
    """Runs [first, last, step, delta] that fold one to one, and the folds to several."""
    runs: list[list[int]] = []
    several: list[tuple[int, str]] = []
    for cp in range(0x80, LAST):
        if cp in SURROGATES or (folded := chr(cp).casefold()) == chr(cp):
            continue
        if len(folded) > 1:
            several.append((cp, folded))
            continue
        delta = ord(folded) - cp
        run = runs[-1] if runs and runs[-1][3] == delta else None
        if run and cp - run[1] in (1, 2) and (run[0] == run[1] or run[2] == cp - run[1]):
            run[1], run[2] = cp, cp - run[1]
        else:
            runs.append([cp, cp, 1, delta])
    return runs, several


def table(kind: str, name: str, cells: list[str]) -> str:
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 98:
            lines.append(line)
            line = "   "
        line += f" {cell},"
    return f"static const {kind} {name}[] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def main() -> None:
    if unicodedata.unidata_version != PINNED:
        sys.exit(f"need Unicode {PINNED}, this Python has {unicodedata.unidata_version}")
    runs, several = folds()
    print(f"/* Unicode {PINNED}, written by tools/unicode_ranges.py; see csrc/unicode.h. */")
    print(table("uint32_t", "WORD_RANGES", [f"{a:#x}, {b:#x}" for a, b in word_ranges()]))
    cells = [f"{{{a:#x}, {b:#x}, {step}, {delta}}}" for a, b, step, delta in runs]
    print(table("fold_run", "FOLD_RUNS", cells))
    cells = [f"{{{cp:#x}, {{{', '.join(hex(ord(c)) for c in to)}}}}}" for cp, to in several]
    print(table("fold_several", "FOLD_SEVERAL", cells), end="")


if __name__ == "__main__":
    main()
