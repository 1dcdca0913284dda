# %% [markdown]
# # Why this account?
#
# One account's risk, taken apart: what adds to it and what takes away, now and over the past year. It is the account
# with the highest risk of the newest snapshot, or the one that `ACCOUNT` names. Run it from the folder of your
# `churn.toml`, or set `CHURN_CONFIG` to its path.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from models.calibration import probability
from models.churn_model import FAMILIES
from models.survival import fit_hazards
from models.training import fit
from pipeline.collected import collect
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings

settings = read_settings(Path(os.environ.get("CHURN_CONFIG", "churn.toml")))
with open_log(quiet=True) as log:
    collected = collect(settings, None, log)
rows, rules = collected.frame, collected.history.rules
model, report = fit(
    rows,
    collected.recipe.features,
    need_days=rules.label_days,
    horizon_days=rules.horizon_days,
    lead_days=rules.lead_days,
)
print(report)

# %%
newest = rows[rows["as_of"] == rows["as_of"].max()]
account = os.environ.get("ACCOUNT", newest["account_id"].iloc[int(model.risk(newest).argmax())])
life = rows[rows["account_id"] == account].sort_values("as_of")
explained = model.explain(life)
print(f"{account}: {explained.risk[-1]:.1%} within {rules.horizon_days} days, seen on {life['as_of'].iloc[-1].date()}.")

# %% [markdown]
# ## What the number is made of
#
# From where every account starts, one feature after the other, largest first, to the account's own log-odds. The steps
# add up exactly; on the right stands the risk at each place.

# %%
steps = explained.contributions[-1]
order = np.argsort(-np.abs(steps))[:10]
labels = ["every account"]
for place in order:
    feature, value = model.features[place], life[model.features[place].name].iloc[-1]
    told = "not known" if pd.isna(value) else f"{value:.3g}" if feature.kind == "number" else value
    labels.append(f"{feature.name.replace('_', ' ')}: {told}")
labels.append("all others")
moves = np.array([explained.base_log_odds, *steps[order], steps.sum() - steps[order].sum()])
ends = moves.cumsum()
figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
axes.barh(
    range(1, len(moves)),
    moves[1:],
    left=ends[:-1],
    color=np.where(moves[1:] > 0, "#c8502d", "#1f5fa8"),
)
axes.vlines(ends[:-1], np.arange(len(moves) - 1), np.arange(1, len(moves)), color="#888888", lw=0.6)
for place, (start, end) in enumerate(zip([ends[0], *ends], ends, strict=False)):
    axes.annotate(f"{probability(end):.1%}", (max(start, end), place), (5, -3), textcoords="offset points")
axes.scatter(ends[0], 0, color="black", s=18)
axes.set_yticks(range(len(labels)), labels)
axes.invert_yaxis()
axes.margins(x=0.12)
axes.set(xlabel="log-odds of leaving")
axes.set_title(f"{account} on {life['as_of'].iloc[-1].date()}", loc="left")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## How it came to that
#
# The same account on earlier dates, by family of reasons. A family that grew tells when it began.

# %%
by_family = dict(zip(FAMILIES, explained.families.T, strict=True))
moving = sorted(by_family, key=lambda family: -np.ptp(by_family[family]))[:5]
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for family in moving:
    axes.plot(life["as_of"], by_family[family], marker="o", ms=4, label=family)
axes.axhline(0, color="black", lw=0.8, ls=":")
axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
axes.set(ylabel="contribution to the log-odds")
axes.set_title(f"What moved the risk of {account}", loc="left")
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## And after that?
#
# Up to the horizon the curve is the account's own. Beyond it nothing of today is known to tell: dashed, it goes on as
# accounts of the same segment and age have left.

# %%
hazards = fit_hazards(rows, horizon_days=rules.horizon_days, lead_days=rules.lead_days)
if hazards is not None:
    own = life.iloc[-1]
    tenure, group = float(own["tenure_days"]), None if hazards.column is None else own[hazards.column]
    days = np.arange(rules.horizon_days, 366)
    gone = hazards.survival(tenure, group, days.astype(float)) / hazards.survival(tenure, group, days[:1].astype(float))
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    stays = 1 - explained.risk[-1]
    axes.plot([0, rules.horizon_days], [100, 100 * stays], color="#1f5fa8", lw=2)
    axes.plot(days, 100 * stays * gone, color="#1f5fa8", lw=2, ls=(0, (4, 3)))
    axes.set(xlim=(0, 365), ylim=(0, 103), xlabel="days from then", ylabel="still there, in 100")
    axes.set_title(f"How long {account} may stay", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    plt.show()
