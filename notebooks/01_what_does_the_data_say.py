# %% [markdown]
# # What does the data say?
#
# Before any model: how many customers leave, and what sets them apart. Run it from the folder of your `churn.toml`, or
# set `CHURN_CONFIG` to its path.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from pipeline.collected import collect
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings

settings = read_settings(Path(os.environ.get("CHURN_CONFIG", "churn.toml")))
with open_log(quiet=True) as log:
    collected = collect(settings, None, log)
rows = collected.frame
print(f"{len(rows):,} rows of {rows['account_id'].nunique():,} accounts; {collected.known_churns:,} known departures.")

# %% [markdown]
# ## How many leave
#
# The share of the customers of each snapshot that left within the horizon. A trend here moves every risk; a jump is
# worth a look at how ends are recorded.

# %%
rate = rows.groupby("as_of")["label"].mean() * 100
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.plot(rate.index, rate.to_numpy(), marker="o", color="#1f5fa8")
axes.set(
    ylim=(0, None), ylabel="left, in 100", title=f"Left within {settings.churn.horizon_days} days of each snapshot"
)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Who announces it
#
# For each number feature: the share of those that left among the lowest and the highest fifth. Where both are near the
# average the feature says nothing by itself.

# %%
learned = [feature for feature in collected.recipe.features if feature.learned]
numbers = [feature for feature in learned if feature.kind == "number" and feature.name in rows]
found = []
for feature in numbers:
    fifth = rows[feature.name].rank(pct=True)
    low, high = rows["label"][fifth <= 0.2], rows["label"][fifth > 0.8]
    if min(len(low), len(high)) >= 50:
        found.append({"feature": feature.name, "lowest fifth": low.mean() * 100, "highest fifth": high.mean() * 100})
announcing = pd.DataFrame(found).set_index("feature")
announcing["difference"] = announcing["highest fifth"] - announcing["lowest fifth"]
announcing = announcing.sort_values("difference", key=abs, ascending=False).head(12)
print(announcing.round(1).to_string())

# %%
average = rows["label"].mean() * 100
places = range(len(announcing))
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
axes.hlines(places, announcing["lowest fifth"], announcing["highest fifth"], color="#c8c8c8", lw=2, zorder=1)
axes.scatter(announcing["lowest fifth"], places, color="#1f5fa8", label="lowest fifth", zorder=2)
axes.scatter(announcing["highest fifth"], places, color="#c8502d", label="highest fifth", zorder=2)
axes.axvline(average, color="black", lw=0.8, ls=":")
axes.set_yticks(list(places), announcing.index)
axes.invert_yaxis()
axes.set(xlim=(0, None), xlabel="left, in 100")
axes.set_title("What separates those who left", loc="left")
axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
axes.spines[["top", "right"]].set_visible(False)
plt.show()
