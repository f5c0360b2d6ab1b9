"""Draw docs/s-curve.svg: what bands and rows find, by the similarity of a pair.

python tools/s_curve.py > docs/s-curve.svg
"""

import numpy as np

from ann import choose_bands, s_curve

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 52, 44, 16, 16
MIDDLE = 'text-anchor="middle"'
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #57606a; }
.axis { stroke: #8b949e; stroke-width: .5; fill: none; }
path { fill: none; stroke-width: 2.5; }
.a { stroke: #0b7285; } .b { stroke: #7048a8; } .c { stroke: #c2410c; stroke-dasharray: 7 4; }
text.a { fill: #0b7285; stroke: none; } text.b { fill: #7048a8; stroke: none; }
text.c { fill: #c2410c; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4ae; } .a { stroke: #45b8cc; } .b { stroke: #b794f4; } .c { stroke: #fb923c; }
  text.a { fill: #45b8cc; } text.b { fill: #b794f4; } text.c { fill: #fb923c; }
}
"""


def x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def text(across: float, down: float, words: object, style: str) -> str:
    return f'<text x="{across:.1f}" y="{down:.1f}" {style}>{words}</text>'


def picture() -> str:
    """The curves of the default, of twice the slots, and of the usual choice of bands."""
    curves = [
        ("a", *choose_bands(0.8, 0.99, 128), "128 slots, recall .99"),
        ("b", *choose_bands(0.8, 0.99, 512), "512 slots, recall .99"),
        ("c", 9, 13, "the usual choice for .8"),
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f"<title>Probability that a pair becomes a candidate</title><style>{STYLE}</style>",
    ]
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f'<path class="axis" d="M{x(0):.0f} {y(share):.1f}H{x(1):.0f}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y(share) + 5:.1f}" text-anchor="end">{share}</text>'
        )
        parts.append(
            f'<text x="{x(share):.1f}" y="{y(0) + 20:.0f}" text-anchor="middle">{share}</text>'
        )
    parts.append(f'<path class="axis" d="M{x(0.8):.1f} {y(0):.1f}V{y(1):.1f}"/>')
    parts.append(f'<text x="{x(0.5):.0f}" y="{HEIGHT - 6}" text-anchor="middle">similarity</text>')
    similarity = np.linspace(0, 1, 161)
    for place, (kind, bands, rows, label) in enumerate(curves):
        found = s_curve(similarity, bands, rows)
        points = "L".join(f"{x(s):.1f} {y(f):.1f}" for s, f in zip(similarity, found, strict=True))
        parts.append(f'<path class="{kind}" d="M{points}"/>')
        at = float(s_curve(0.8, bands, rows))
        text = f"{bands} x {rows}: {label}, finds {at:.2f} at .8"
        parts.append(
            f'<text class="{kind}" x="{x(0.03):.0f}" y="{y(0.92 - 0.08 * place):.0f}">{text}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    print(picture(), end="")
