"""Real tables: read them, infer what their columns are, split the rows, prepare the numbers."""

from .idx import idx_test_part
from .prepare import Preparation, RowStep
from .read import read_table, source_files
from .schema import KINDS, Column, Schema, describe_columns, infer_schema, row_weights
from .split import Split, split_rows
from .table import MISSING_MARKERS, Table

__all__ = [
    "KINDS",
    "MISSING_MARKERS",
    "Column",
    "Preparation",
    "RowStep",
    "Schema",
    "Split",
    "Table",
    "describe_columns",
    "idx_test_part",
    "infer_schema",
    "read_table",
    "source_files",
    "row_weights",
    "split_rows",
]
