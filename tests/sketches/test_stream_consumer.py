"""The consumer that the docs show: killed again and again, it ends as an undisturbed one does."""

import importlib.util
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "docs" / "consume.py"
if not SOURCE.exists():
    pytest.skip("the docs are not here", allow_module_level=True)
spec = importlib.util.spec_from_file_location("consume", SOURCE)
consume = importlib.util.module_from_spec(spec)
spec.loader.exec_module(consume)


def lines(n):
    draw = random.Random(7)
    for i in range(n):
        yield f"{i // 10},user{draw.randrange(5000)},/page/{int(draw.paretovariate(1.0))}\n"


def same(state, other):
    return all(
        getattr(state, name) == getattr(other, name)
        for name in ("position", "users", "visits", "pages", "hour")
    )


def grow(log, rows, pause):
    """Writes rows in pieces that end in the middle of lines."""
    text = "".join(rows).encode()
    with log.open("ab", buffering=0) as file:
        for start in range(0, len(text), 40_000):
            file.write(text[start : start + 40_000])
            time.sleep(pause)


def test_killed_and_restarted_without_loss_or_double_counting(tmp_path):
    rows, log, state = list(lines(100_000)), tmp_path / "visits.csv", tmp_path / "state.zip"
    log.touch()
    writer = threading.Thread(target=grow, args=(log, rows, 0.06))
    writer.start()
    script = (
        f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import consume, pathlib;"
        "consume.EVERY, consume.BLOCK = 0.02, 20_000;"
        f"consume.consume(pathlib.Path({str(log)!r}), pathlib.Path({str(state)!r}))"
    )
    restarts, progress, draw = 0, 0, random.Random(1)
    while writer.is_alive() or restarts < 3:
        with subprocess.Popen([sys.executable, "-c", script]) as job:
            deadline = time.monotonic() + 30
            while not state.exists() or consume.State.load(state).position <= progress:
                assert time.monotonic() < deadline or not writer.is_alive()
                if not writer.is_alive():
                    break
                time.sleep(0.01)
            time.sleep(draw.random() / 10)  # some way into what is not saved yet
            job.send_signal(signal.SIGKILL)
        progress = consume.State.load(state).position if state.exists() else 0
        restarts += 1
    writer.join()
    found = consume.consume(log, state, once=True)
    whole = tmp_path / "whole.csv"
    whole.write_text("".join(rows))
    want = consume.consume(whole, tmp_path / "other.zip", once=True)
    assert found.position == want.position == log.stat().st_size
    assert same(found, want)
    exact = Counter(row.split(",")[1] for row in rows)
    assert found.visits.total == 100_000
    assert all(found.visits.estimate(user) >= n for user, n in exact.items())
    assert abs(found.users.estimate() - len(exact)) < 0.05 * len(exact)
    pages = Counter(row.strip().split(",")[2] for row in rows)
    assert [h.item for h in found.pages.top(3)] == [page for page, _ in pages.most_common(3)]


def test_a_checkpoint_is_all_or_nothing(tmp_path, monkeypatch):
    log, path = tmp_path / "visits.csv", tmp_path / "state.zip"
    log.write_text("".join(lines(1000)))
    state = consume.consume(log, path, once=True)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(consume.os, "fsync", full)
        state.position += 1
        with pytest.raises(OSError, match="space"):
            state.save(path)
    assert path.read_bytes() == before
    state.position -= 1
    assert same(consume.State.load(path), state)


def test_blank_lines_are_passed_over(tmp_path):
    log, path = tmp_path / "visits.csv", tmp_path / "state.zip"
    for text in ("\n", "\n1,ann,/\n\n", "\n\n"):
        with log.open("a") as file:
            file.write(text)
        consume.consume(log, path, once=True)
    assert consume.State.load(path).visits.total == 1


def test_a_line_is_taken_when_it_is_whole(tmp_path):
    log, path = tmp_path / "visits.csv", tmp_path / "state.zip"
    log.write_text("1,ann,/\n2,ben,/a")
    assert consume.consume(log, path, once=True).visits.total == 1
    with log.open("a") as file:
        file.write("bout\n")
    state = consume.consume(log, path, once=True)
    assert state.visits.total == 2
    assert state.pages.estimate("/about") == 1
