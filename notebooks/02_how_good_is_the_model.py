# %% [markdown]
# # How good is the model, and where is it wrong?
#
# The backtest: what `churn backtest` prints, then the model beside simple lists, then the departures that it did not
# foresee. Run it from the folder of your `churn.toml`, or set `CHURN_CONFIG` to its path.

# %%
import os
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from models.baselines import list_names
from models.lists import listed
from pipeline.backtest_page import backtest_page
from pipeline.collected import collect
from pipeline.fitted import measure
from pipeline.papers import setting_of
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings

settings = read_settings(Path(os.environ.get("CHURN_CONFIG", "churn.toml")))
with open_log(quiet=True) as log:
    collected = collect(settings, None, log)
    tested = measure(collected, settings, log)
print(backtest_page(tested, setting_of(settings, settings.today(None))))

# %% [markdown]
# ## Beside the simple lists
#
# The share of the departures that each list had held, with 95 % intervals. Where the bars overlap, the list that is
# easier to explain may be the better one.

# %%
recall = {name: found.figures["recall"] for name, found in {"model": tested.model, **tested.baselines}.items()}
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
places = range(len(recall))
axes.hlines(
    places,
    [each.low * 100 for each in recall.values()],
    [each.high * 100 for each in recall.values()],
    color="#9fc9dc",
    lw=6,
)
axes.scatter([each.value * 100 for each in recall.values()], places, color="#1f5fa8", zorder=2)
names = list_names()
axes.set_yticks(list(places), [names.get(name, name) for name in recall])
axes.invert_yaxis()
axes.set(xlim=(0, None), xlabel="of 100 departures, on the list before")
axes.set_title(f"{tested.model.capacity} accounts on each list", loc="left")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Where it is wrong
#
# Departures that no list held although the account was there to be listed, and how surprised the model was: their risk
# on the last date before they left. If most lie at the base rate, nothing in the tables announced them.

# %%
rows = tested.rows.assign(on_list=listed(tested.rows, tested.rows["risk"].to_numpy(), tested.model.capacity))
left = rows[rows["label"]].sort_values("as_of").groupby(["account_id", "churn_on"])
departures = left.agg(risk=("risk", "last"), mrr=("mrr", "last"), found=("on_list", "max")).reset_index()
missed = departures[~departures["found"]].sort_values("mrr", ascending=False)
print(f"{len(missed)} of {len(departures)} departures were on no list. The largest of them:")
print(missed.drop(columns="found").head(10).round({"risk": 3, "mrr": 0}).to_string(index=False))

# %%
edges = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0]
share = pd.cut(departures["risk"], edges).value_counts(sort=False) / len(departures) * 100
everybody = pd.cut(rows["risk"], edges).value_counts(sort=False) / len(rows) * 100
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
axes.bar([place - 0.2 for place in range(len(share))], everybody, width=0.4, color="#c8c8c8", label="all accounts")
axes.bar([place + 0.2 for place in range(len(share))], share, width=0.4, color="#c8502d", label="those that left")
names = [f"{low * 100:g} to {high * 100:g} %" for low, high in pairwise(edges)]
axes.set_xticks(range(len(share)), names)
axes.set(ylabel="in 100", xlabel="risk given")
axes.set_title("How surprised was the model?", loc="left")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
