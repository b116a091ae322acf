"""How every page of dawson looks and is put together: one typeface, one palette, light and dark, no network.

Callers hand over plain text and get escaped HTML; what is HTML already says so in its name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

LOOK = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1c1c; --soft: #5c5c5c; --line: #dcdcdc; --band: #f5f5f2;
  --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e9e9e6; --soft: #a6a6a2; --line: #3a3d42;
  --band: #1f2226; --mark: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 0.6rem; padding-bottom: 0.25rem; border-bottom: 2px solid var(--mark); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
p { max-width: 46rem; margin: 0.5rem 0; }
.soft, figcaption, small { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 0.28rem 0.7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; }
tbody tr:nth-child(even) { background: var(--band); }
th[scope=row], .left { text-align: left; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: 4px; }
figcaption { font-size: 0.85rem; margin-top: 0.35rem; }
figcaption strong { color: var(--ink); }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: 0.3rem 1rem; font-size: 0.88rem; }
dt { font-weight: 600; }
dd { margin: 0; color: var(--soft); }
.notice { border-left: 4px solid #d55e00; padding: 0.4rem 0.8rem; background: var(--band); }
details { margin: 0.6rem 0; }
summary { cursor: pointer; font-weight: 600; }
code { font-size: 0.82rem; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.5rem; } }
@page { margin: 14mm; }
@media print { .wide { overflow: visible; } details > * { display: block; } h2 { break-after: avoid; }
  figure { break-inside: avoid; } }
"""


def document(title: str, body_html: str, *, style: str = "", scripts: Sequence[str] = ()) -> str:
    """A whole page in one file, which asks the network for nothing.

    The page's own policy makes the browser refuse every request, and every script but those given here, which it
    tells by their hashes: text that slipped in could not run. Pictures are data: addresses.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + (f"; script-src {hashes}" * bool(hashes))
    tags = "".join(f"<script>{script}</script>\n" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{LOOK}{style}</style>\n</head>\n<body>\n"
        f"{body_html}\n{tags}</body>\n</html>\n"
    )


def section(title: str, body_html: str) -> str:
    """A section with its heading."""
    return f"<section><h2>{escape(title)}</h2>\n{body_html}</section>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms and what they mean, as a list."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in pairs)}</dl>"


def picture(png: bytes, *, title: str, caption: str) -> str:
    """A figure: the picture, with title and caption below it and as its alternative text."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(f"{title}. {caption}")}" src="data:image/png;base64,{data}">'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )
