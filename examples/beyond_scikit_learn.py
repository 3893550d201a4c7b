"""What scikit-learn's MLPClassifier lacks: class weights, dropout, early stopping by the loss."""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

import chainrule as cr


def main() -> list[int]:
    """Train without and with class weights; returns how many rare test rows either one finds."""
    X, y = make_classification(6000, n_informative=5, weights=[0.95], flip_y=0, random_state=0)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    found = []
    for class_weight, ax in zip([None, "balanced"], axes, strict=True):
        mlp = cr.MLPClassifier(
            class_weight=class_weight, dropout=0.3, early_stopping=True, scoring="loss",
            validation_fraction=0.3, n_iter_no_change=20, max_iter=500, random_state=0,
        )  # fmt: skip
        mlp.fit(X, y)
        matrix = confusion_matrix(y_test, mlp.predict(X_test))
        _, alarms, missed, hits = matrix.ravel()
        print(f"class_weight={class_weight}, {mlp.n_iter_} epochs, confusion matrix:\n{matrix}")
        ax.plot(mlp.loss_curve_, label="training rows, under dropout")
        ax.plot(mlp.validation_loss_curve_, label="validation rows")
        best = min(mlp.validation_loss_curve_)
        ax.plot(mlp.validation_loss_curve_.index(best), best, "ko", label="the epoch that is kept")
        told = f"{hits} rare rows found, {missed} missed, {alarms} false alarms"
        ax.set(title=f"class_weight={class_weight}\n{told}", xlabel="epoch")
        found.append(hits)
    axes[0].set_ylabel("loss, rows weighted as in training")
    axes[0].legend()
    fig.savefig("beyond_scikit_learn.png", dpi=120)
    return found


if __name__ == "__main__":
    print("rare rows found without and with class weights:", *main())
