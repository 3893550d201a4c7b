"""From a table to a trained network: data, presets, one run, and what came of it."""
