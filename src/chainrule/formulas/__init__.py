"""Formulas and equations as data, and what walks them. Imports nothing of ours."""
