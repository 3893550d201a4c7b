"""Fit a table as it comes, with words, dates and empty cells; ask why; save it and use it again."""

import warnings

import numpy as np
import pandas as pd

import chainrule as cr


def customers(n: int) -> pd.DataFrame:
    """Made-up: who is new, complains or has the basic plan may cancel; some cells are empty."""
    rng = np.random.default_rng(0)
    plan, complaints = rng.choice(["basic", "family", "team"], n), rng.poisson(1.0, n)
    days, bill = rng.integers(0, 2000, n), rng.normal(40, 10, n).round(2)
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(days, "D")
    risk = 4 * complaints + 4 * (plan == "basic") + 0.006 * days + rng.logistic(size=n)
    table = pd.DataFrame({"plan": plan, "since": since, "complaints": complaints, "bill": bill})
    return table.mask(rng.random((n, 4)) < 0.05).assign(cancels=np.where(risk > 12, "yes", "no"))


def main(file: str) -> float:
    """Fit, save, load, answer, explain an answer; returns the accuracy on rows kept back."""
    table = customers(1000)
    cr.TabularClassifier(random_state=0).fit(table[:800], "cancels").save(file)
    model, new = cr.TabularClassifier.load(file), table[800:]
    print(new.assign(p_yes=model.predict_proba(new)[:, 1].round(2)).head(9), end="\n\n")
    account = model.explain(table, row=808).to_dict()
    print(f"row 808: {account['answer']}. What each cell adds to the {account['unit']}:")
    cells = {cell["name"]: cell["raw"] for cell in account["inputs"]}
    for part in account["contributions"]:
        print(f"{part['name']:12}{cells[part['name']]!s:12.10}{part['exact']:+.2f}")
    with warnings.catch_warnings(action="always", record=True) as told:
        model.predict(new.assign(plan="student"))
    print("\na new plan:", told[0].message)
    return model.score(new, new["cancels"])


if __name__ == "__main__":
    print(f"\naccuracy on rows kept back: {main('cancels.safetensors'):.3f}")
