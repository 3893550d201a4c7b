"""Inputs and targets far from mean 0 and spread 1, each by the run that scales them alone."""

from dataclasses import replace

import numpy as np

from . import changes
from .examination import Examination
from .experiments import helps
from .formatting import listed, number


def unscaled_inputs(exam: Examination) -> None:
    """Columns far from mean 0 and spread 1; the experiment scales them, and nothing else."""
    X = exam.setup.train.X
    mean, std, flat = X.mean(axis=0), changes.spread(X), changes.is_flat(X)
    far = ~flat & ((np.abs(mean) > 5 * np.maximum(std, 1)) | (std > 5) | (std < 0.1))
    if not far.any() or exam.has_found("unscaled_inputs"):
        return
    scaled, after = exam.measure("scaled inputs", changes.scaled_inputs(exam.setup))
    if not helps(exam.now, after):
        return
    columns = tuple(np.flatnonzero(far).tolist())
    worst = int(np.argmax(np.where(far, np.abs(np.log(std)) + np.abs(mean) / std, -1)))
    verb = "is" if len(columns) == 1 else "are"
    evidence = (
        f"{listed(columns).capitalize()} of {X.shape[1]} {verb} far from mean 0 and spread 1: "
        f"column {worst} has mean {number(mean[worst])} and standard deviation "
        f"{number(std[worst])}.",
        f"Scaled, the same run ends at {number(after.train.loss)} on its training rows, unscaled "
        f"at {number(exam.now.train.loss)}.",
    )
    fix = "scale each column: subtract its mean and divide by its standard deviation"
    exam.add("unscaled_inputs", evidence, fix, exam.gain(after))
    exam.accept("scaled inputs", scaled, after)


def unscaled_target(exam: Examination) -> None:
    """A target far from mean 0 and spread 1; the experiment scales it, and nothing else."""
    y = exam.setup.train.y
    if y.dtype.kind != "f" or exam.setup.config.loss.wants_logits:
        return
    mean, std = y.mean(axis=0), changes.spread(y)
    if not np.any((np.abs(mean) > 3 * std) | (std > 5) | (std < 0.1)):
        return
    scaled, after = exam.measure("scaled target", changes.scaled_targets(exam.setup))
    if not helps(exam.now, after):
        return
    evidence = (
        f"The target has mean {number(np.max(np.abs(mean)))} and standard deviation "
        f"{number(np.max(std))}, while the network's first answers lie around 0.",
        f"In units of what guessing the mean gives, the same run ends at "
        f"{number(after.train.excess)} with the target scaled and at "
        f"{number(exam.now.train.excess)} without.",
    )
    fix = "train on (y - mean) / standard deviation and turn the answers back by hand"
    gain, before = exam.gain(after), exam.now.judged.excess
    measure = f"{gain.measure} in units of guessing"
    gain = replace(gain, measure=measure, before=before, after=after.judged.excess)
    exam.add("unscaled_target", evidence, fix, gain)
    exam.accept("a scaled target", scaled, after)
