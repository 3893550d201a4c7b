"""The lessons' pictures. Imported when one is drawn, because matplotlib is heavy."""

import numpy as np
from matplotlib.figure import Figure

from ..core.activations import sigmoid, softplus
from ..report import style
from ..report.pictures import decision_boundary, loss_curves, network

__all__ = ["decision_boundary", "error_measures", "loss_curves", "network"]


def error_measures() -> Figure:
    """For the target 0 behind a σ: each measure over z, and the slope by z that it sends back."""
    z = np.linspace(-6.0, 6.0, 241)
    o = sigmoid(z)
    curves = (
        ("absolute error", style.ORANGE, "--", o, o * (1 - o)),
        ("half squared error", style.BLUE, "-", 0.5 * o**2, o * o * (1 - o)),
        ("cross-entropy", style.INK, ":", softplus(z), o),
    )
    figure = style.new_figure(8.0, 3.8)
    left, right = figure.subplots(1, 2)
    style.quiet(left, "z: wrong and sure to the right", "error", "y")
    style.quiet(right, "z: wrong and sure to the right", "slope by z", "y")
    for name, colour, dashes, value, slope in curves:
        left.plot(z, value, color=colour, linestyle=dashes, label=name)
        right.plot(z, slope, color=colour, linestyle=dashes)
    left.set_ylim(0, 3)
    style.key(left, columns=3)
    description = "Error and slope over z from -6 to 6; only cross-entropy's slope stays near 1."
    title = "Wrong and sure: only cross-entropy still sends a slope"
    return style.finish(figure, title, description)
