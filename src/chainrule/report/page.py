"""The head of every page: its style for a screen, a dark screen, a phone and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1d2733; --muted: #69727e; --grid: #d8dde3;
  --blue: #1f6fb2; --orange: #dd7a16; --card: #f4f6f8;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #13171c; --ink: #e4e9ee; --muted: #9aa5b1; --grid: #323b45;
    --blue: #6fb4ee; --orange: #f0a350; --card: #1c2229;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 2.5rem 1rem 4rem; max-width: 50rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 3rem 0 0.75rem; font-size: 1.25rem; line-height: 1.3; }
h1, h2, p, li, dd { overflow-wrap: anywhere; }
th, td { overflow-wrap: break-word; }
p, ul { margin: 0.6rem 0; max-width: 42rem; }
ul { padding-left: 1.2rem; }
.subtitle { margin-top: 0.4rem; color: var(--muted); }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 0.75rem;
  margin: 1.5rem 0 0;
}
.facts div { padding: 0.7rem 0.9rem; border-radius: 0.4rem; background: var(--card); }
dt { color: var(--muted); font-size: 0.8rem; }
dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.35; }
nav { margin-top: 2rem; font-size: 0.9rem; }
nav h2 { margin: 0 0 0.4rem; font-size: 0.8rem; font-weight: 400; color: var(--muted); }
nav ol { margin: 0; padding-left: 1.4rem; columns: 10rem; }
nav li { padding: 0.12rem 0; break-inside: avoid; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
figure { margin: 1.2rem 0; overflow-x: auto; }
figure svg { display: block; width: 100%; height: auto; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
.table { margin: 1.2rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; line-height: 1.4; }
th, td { padding: 0.35rem 1.4rem 0.35rem 0; text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0.2rem; }
td, tbody th { min-width: 4rem; max-width: 24rem; border-top: 1px solid var(--grid); }
tbody th { font-weight: 500; }
thead th { color: var(--muted); font-weight: 400; font-size: 0.8rem; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre {
  margin: 1.2rem 0; padding: 0.8rem 1rem; border-radius: 0.4rem; background: var(--card);
  overflow-x: auto; font: 0.85rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
.note {
  margin: 1.2rem 0; padding-left: 0.9rem; border-left: 3px solid var(--blue);
  color: var(--muted); font-size: 0.92rem;
}
footer {
  margin-top: 4rem; padding-top: 0.8rem; border-top: 1px solid var(--grid);
  color: var(--muted); font-size: 0.85rem;
}
@media screen and (min-width: 72rem) {
  body.long {
    display: grid; grid-template-columns: 13rem minmax(0, 48rem); column-gap: 3.5rem;
    max-width: 64.5rem;
  }
  body.long header, body.long main, body.long footer { grid-column: 2; }
  body.long nav {
    grid-column: 1; grid-row: 1 / span 3; position: sticky; top: 2.5rem; align-self: start;
    margin: 0.5rem 0 0;
  }
  body.long nav ol { columns: auto; padding: 0; list-style: none; }
}
@media print {
  @page { margin: 18mm 16mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  h2 { margin-top: 1.6rem; break-after: avoid; }
  figure, tr, pre, .note { break-inside: avoid; }
  figure, .table, pre { overflow: visible; }
  figure svg { min-width: 0 !important; }
  pre { white-space: pre-wrap; }
  .facts div { border: 1px solid var(--grid); }
}
"""

# Should a text ever slip through unescaped, the page still runs nothing and fetches nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def head(title: str, layout: str) -> str:
    """Everything up to <body>, for an escaped title; `layout` is "long" (with contents) or
    "short".
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body class="{layout}">"""
