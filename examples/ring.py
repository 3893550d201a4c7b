"""Learn which points lie inside a circle; draw what was learned and the network that learned it.

`python examples/ring.py docs/pictures` makes the two pictures of the README.
"""

import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.report import pictures


def main(folder: Path) -> float:
    """Train, save two pictures in the folder, and return the share of points that are right."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (np.sum(X**2, axis=1) < 1.2).astype(int)

    net = cr.Network.mlp([2, 4, 1], "tanh", rng=1)
    loss = cr.BinaryCrossEntropy()
    for record in cr.train(net, loss, cr.Adam(), X, y, epochs=200, lr=0.02, rng=0):
        if record.epoch % 50 == 0:
            print(f"epoch {record.epoch:3d}  loss {record.loss:.4f}")

    def inside(points: np.ndarray) -> np.ndarray:
        return loss.link(net.predict(points))

    surface = pictures.decision_boundary(inside, X, y, classes=("outside", "inside"))
    pictures.save_picture(surface, folder / "ring-boundary.png")
    pictures.save_picture(
        pictures.network(net, ["x1", "x2"], ["inside"]), folder / "ring-network.png"
    )
    return cr.metrics.accuracy(y, (inside(X)[:, 0] > 0.5).astype(int))


if __name__ == "__main__":
    print(f"right: {main(Path(sys.argv[1] if len(sys.argv) > 1 else '.')):.3f}")
