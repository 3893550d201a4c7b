"""Say how sure a prediction is: a band for 80 % of the new rows, wider where noise is larger."""

import matplotlib.pyplot as plt
import numpy as np

import chainrule as cr


def weather(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Made-up temperatures by day and night: the further ahead, the less certain."""
    hours = np.sort(rng.uniform(0, 48, n))
    noise = (0.3 + 0.06 * hours) * rng.normal(size=n)
    return hours[:, None], 15 + 5 * np.sin(2 * np.pi * hours / 24) + noise


def main(share: float) -> float:
    """Fit, draw the band over new rows; returns the share of them inside."""
    rng = np.random.default_rng(0)
    model = cr.TabularRegressor(interval=share, random_state=0).fit(*weather(2000, rng))
    X, y = weather(1000, rng)
    hours, (low, high) = X[:, 0], model.predict_interval(X).T
    inside = (low <= y) & (y <= high)
    for day, part in {"first day": hours < 24, "second day": hours >= 24}.items():
        width = np.mean(high[part] - low[part])
        print(f"{day:10}  width {width:.1f} °C, inside {inside[part].mean():.1%}")
    fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    ax.fill_between(hours, low, high, alpha=0.3, label=f"predicted interval for {share:.0%}")
    ax.plot(hours, model.predict(X), label="predicted median")
    ax.plot(hours[inside], y[inside], "k.", markersize=3, label="new rows inside")
    ax.plot(hours[~inside], y[~inside], "C3.", markersize=3, label="new rows outside")
    ax.set_title(f"The band widens with the noise and holds {inside.mean():.0%} of the new rows")
    ax.set(xlabel="hours ahead", ylabel="temperature (°C)")
    ax.legend(ncols=2)
    fig.savefig("intervals.png", dpi=120)
    return inside.mean()


if __name__ == "__main__":
    print(f"inside in all: {main(share=0.8):.1%}, asked for 80 %")
