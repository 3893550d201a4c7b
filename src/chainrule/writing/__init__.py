"""Explanations as pages: text, Markdown, LaTeX, HTML, JSON."""
