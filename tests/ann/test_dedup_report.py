"""report.html and report.json: the figures by counting, the page in a browser."""

import json
import re
import runpy
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ann.dedup.differences import COMPARED, differences
from ann.dedup.job import run
from ann.dedup.page import page
from ann.dedup.settings import InputError, Settings

HOSTILE = "</pre><script>alert('x')</script> & \"quotes\" \x00\x1b[31m \u202e"


@pytest.fixture(scope="module")
def job(corpus, tmp_path_factory):
    """A run with a report, its figures and its page; every text and id is hostile."""
    folder = tmp_path_factory.mktemp("report")
    rows = [{"text": f"{text} {HOSTILE}", "id": f"{i} {HOSTILE}"} for i, text in enumerate(corpus)]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = run([str(path)], Settings(), output=folder / "out", id="id", report=True)
    out = folder / "out"
    return outcome, json.loads((out / "report.json").read_text()), (out / "report.html").read_text()


def test_figures_are_those_of_the_result(job):
    outcome, figures, _ = job
    result, summary = outcome.result, figures["summary"]
    told = outcome.as_dict()
    assert {**summary, "seconds": 0} == json.loads(json.dumps({**told, "seconds": 0}))
    bins = figures["similarity"]
    assert sum(bins["pairs"]) + bins["identical"] == result.stats.pairs
    assert bins["identical"] == (result.pairs.similarity == 1).sum() > 0
    for low, high, count in zip(bins["edges"], bins["edges"][1:], bins["pairs"], strict=False):
        inside = (result.pairs.similarity >= low) & (result.pairs.similarity < high)
        assert abs(inside.sum() - count) <= (result.pairs.similarity == high).sum()
    members = np.bincount(result.representative, minlength=len(result.kept))
    for size in figures["sizes"]:
        inside = members[(members >= size["from"]) & (members <= size["to"])]
        assert (size["clusters"], size["documents"]) == (len(inside), inside.sum())
    assert sum(size["clusters"] for size in figures["sizes"]) == result.stats.clusters
    curve = figures["s_curve"]
    at = curve["jaccard"].index(0.8)
    assert curve["probability"][at] == pytest.approx(curve["recall"], abs=1e-6)


def test_samples_and_clusters_show_their_texts(job, corpus):
    outcome, figures, _ = job
    result = outcome.result
    assert len(figures["samples"]) == 12
    similarities = [sample["jaccard"] for sample in figures["samples"]]
    assert similarities == sorted(similarities)
    assert similarities[-1] < 1
    for sample in figures["samples"]:
        kept, removed = (int(sample[side].split()[0]) for side in ("kept", "removed"))
        assert result.representative[removed] == kept != removed
        for row, side in ((kept, "kept"), (removed, "removed")):
            shown = [part[side] for part in sample["differences"] if part["kind"] != "gap"]
            text = f"{corpus[row]} {HOSTILE}"
            assert shown
            assert all(piece in text for piece in shown)
    top = figures["largest"][0]
    assert top["size"] == np.bincount(result.representative).max()
    assert f"{corpus[int(top['id'].split()[0])]} {HOSTILE}".startswith(top["text"])


class Elements(HTMLParser):
    """Checks that elements are closed, and notes their names and attributes."""

    EMPTY = frozenset({"meta"})
    IMPLIED = frozenset({"li", "tr", "th", "td"})

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY | self.IMPLIED:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_nothing_of_a_document_becomes_markup(job):
    _, _, html = job
    elements = Elements()
    elements.feed(html)
    elements.close()
    assert elements.open == []
    names = {name for name, _ in elements.seen}
    assert not names & {"script", "img", "link", "iframe", "object", "base"}
    used = {attribute for _, attributes in elements.seen for attribute in attributes}
    assert not used & {"src", "href", "onclick", "style"}
    assert html.count(escape("<script>")) > 20
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", html)
    assert "url(" not in html
    assert "default-src 'none'" in html  # the browser itself refuses to fetch anything


def test_a_run_that_finds_nothing_has_a_report(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n')
    run([str(path)], Settings(threshold=1), output=tmp_path / "out", report=True)
    figures = json.loads((tmp_path / "out/report.json").read_text())
    assert (figures["samples"], figures["largest"], figures["sizes"]) == ([], [], [])
    assert "1 document: 1 kept, 0 near-duplicates removed" in (
        tmp_path / "out/report.html"
    ).read_text("utf-8")


def test_a_report_of_rows_from_everywhere(corpus, tmp_path, command, write, json_lines):
    """The samples' texts are found again in every format, and behind rows that are skipped."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    texts = [text or "" for text in corpus[:300]]
    table = pa.table({"text": texts})
    pq.write_table(table, tmp_path / "b.parquet", row_group_size=50)
    pa.csv.write_csv(table, tmp_path / "c.csv")
    lines = json_lines(texts)
    write("a.jsonl", ["nonsense\n", *lines[:40], "[]\n", *lines[40:]])
    for name in ("a.jsonl", "b.parquet", "c.csv"):
        options = "-o", tmp_path / name.split(".")[1], "--report", "--on-error", "skip"
        assert command(tmp_path / name, *options).exit_code == 0
    given = "".join(lines)
    assert command("-", "-o", tmp_path / "piped", "--report", input=given).exit_code == 0
    read = [
        json.loads((tmp_path / folder / "report.json").read_text())
        for folder in ("jsonl", "parquet", "csv", "piped")
    ]
    assert len(read[0]["samples"]) == 12
    for other in read[1:]:
        assert other["samples"] == read[0]["samples"]
        assert other["largest"] == read[0]["largest"]
    assert command(tmp_path / "piped", "--report").exit_code == 1


def test_a_report_needs_an_output(tmp_path):
    with pytest.raises(InputError, match="--report needs an output folder"):
        run([str(tmp_path)], Settings(), report=True)


def test_differences_put_together_are_the_texts():
    a = "The  cat, sat\non the mat. " + "and so on " * 50 + "THE END"
    b = "the cat sat upon the mat: " + "and so on " * 50 + "the end!"
    for unit in ("word", "char"):
        found = differences(a, b, unit, context=0)
        assert "".join(part.a for part in found) == a
        assert "".join(part.b for part in found) == b
    found = differences(a, b, "word", context=0)
    assert [(p.a, p.b) for p in found if p.kind == "other"] == [("on ", "upon ")]
    assert [p.kind for p in differences(a, b)] == ["same", "other", "same", "gap"]
    assert differences("", "", "word") == []
    assert [p.kind for p in differences("...", "new", "word")] == ["other"]


def test_long_texts_are_compared_in_part():
    text = " ".join(f"w{i}" for i in range(COMPARED + 7))
    last = differences(text, "new " + text)[-1]
    assert (last.kind, last.units) == ("gap", 8)


def test_the_picture_in_the_docs_is_what_its_tool_draws():
    root = Path(__file__).parents[2]
    tool = runpy.run_path(str(root / "tools" / "s_curve.py"))
    assert (root / "docs" / "s-curve.svg").read_text("utf-8") == tool["picture"]()


# ---------------------------------------------------------------------------------- in the browser

MEASURE = """<!doctype html><meta charset=utf-8><pre id=out>nothing</pre>
<iframe style="border:0;width:WIDTHpx;height:900px" srcdoc="PAGE"></iframe><script>
function light(color) {
  const [r, g, b] = color.match(/[0-9.]+/g).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function behind(element) {  // the first colour under an element that is not transparent
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor
    if (!color.startsWith("rgba(0, 0, 0, 0")) return color
  }
  return "rgb(255, 255, 255)"
}
document.querySelector("iframe").onload = event => {
  const page = event.target.contentDocument, root = page.documentElement, width = root.clientWidth
  for (const closed of page.querySelectorAll("details")) closed.open = true
  let contrast = 99, letters = 99, wide = []
  for (const e of page.querySelectorAll("main *")) {
    const style = getComputedStyle(e), box = e.getBoundingClientRect()
    if (box.right > width + 0.5 && !e.closest("pre, .scroll")) wide.push(e.tagName)
    if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || e.tagName == "title")
      continue
    const inSvg = e.closest("svg")
    const scale = inSvg ? inSvg.getBoundingClientRect().width / inSvg.viewBox.baseVal.width : 1
    letters = Math.min(letters, parseFloat(style.fontSize) * scale)
    const x = light(inSvg ? style.fill : style.color), y = light(behind(e))
    contrast = Math.min(contrast, (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05))
  }
  out.textContent = JSON.stringify({wide, contrast, letters, scroll: root.scrollWidth, width,
    back: getComputedStyle(page.body).backgroundColor,
    sideBySide: new Set([...page.querySelector(".both").children].map(e => e.offsetTop)).size == 1,
    charts: [...page.querySelectorAll("svg")].map(e => e.getBoundingClientRect().height)})
}
</script>"""


def measured(html, width, scheme, folder, chromium):
    """What a browser of that width and colour scheme makes of a page."""
    framed = MEASURE.replace("WIDTH", str(width)).replace("PAGE", escape(html))
    (folder / "frame.html").write_text(framed, "utf-8")
    dom, console = chromium(folder / "frame.html", scheme)
    assert console == []
    told = re.search(r"<pre id=\"out\">(\{.*?\})</pre>", dom)
    assert told, dom[:500]
    return json.loads(told[1].replace("&quot;", '"'))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_can_be_read(width, scheme, job, tmp_path, chromium):
    _, figures, html = job
    assert html == page(figures)
    seen = measured(html, width, scheme, tmp_path, chromium)
    assert seen["width"] == width
    assert seen["scroll"] == width  # nothing to scroll sideways for
    assert seen["wide"] == []
    assert seen["letters"] >= 10.5
    assert seen["contrast"] >= 4.5  # WCAG 2.2 AA
    assert seen["sideBySide"] == (width > 640)
    assert len(seen["charts"]) == 3
    assert min(seen["charts"]) > 150
    assert (seen["back"] == "rgb(255, 255, 255)") == (scheme == "light")
