"""The head of every page: its style for a screen, a dark screen, a phone and paper."""

from pathlib import Path

STYLE = "\n" + Path(__file__).with_name("page.css").read_text(encoding="utf-8")

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
