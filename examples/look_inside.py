"""Look inside a trained network: what its hidden layers make of digits, and why one is a 2."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

import chainrule as cr


def main() -> float:
    """Train, draw pixels, hidden units and one answer; returns the accuracy on rows kept back."""
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    mlp = cr.MLPClassifier((64, 16), "tanh", max_iter=500, random_state=0).fit(X, y)
    fig, axes = plt.subplots(2, 2, figsize=(9.5, 9), layout="constrained")
    views = {"64 pixels": X_test, "16 hidden units": mlp.transform(X_test)}
    for ax, (name, values) in zip(axes[0], views.items(), strict=True):
        plane = PCA(2).fit_transform(values)
        share = cross_val_score(KNeighborsClassifier(), plane, y_test).mean()
        print(f"two components of {name}: nearest neighbours {share:.1%} right")
        ax.scatter(*plane.T, c=y_test, cmap="tab10", s=8)
        for digit in range(10):
            ax.text(*plane[y_test == digit].mean(axis=0), digit, fontsize=16, weight="bold")
        ax.set_title(f"{name}: nearest neighbours {share:.0%} right")
        ax.set(xlabel="first principal component", ylabel="second principal component")
    account = mlp.explain(X_test[0])  # of the likeliest digit against the next
    added = np.array([part.exact for part in account.parts]).reshape(8, 8)
    axes[1, 0].imshow(X_test[0].reshape(8, 8), cmap="gray_r")
    axes[1, 0].set(title=f"a {y_test[0]} of the test rows", xlabel="pixel", ylabel="pixel")
    picture = axes[1, 1].imshow(added, "RdBu", vmin=-abs(added).max(), vmax=abs(added).max())
    axes[1, 1].set(title=f"why {account.output} and not {account.against}", xlabel="pixel")
    fig.colorbar(picture, label="added to the log-odds")
    fig.savefig("look_inside.png", dpi=120)
    return mlp.score(X_test, y_test)


if __name__ == "__main__":
    print(f"the network: {main():.1%} right")
