# %% [markdown]
# # Which of two models?
#
# What the gate compares, what it finds, and whom the other model would see differently. What a training would learn
# today, or the version that `VERSION` names, is held against the champion; against the ten rules where no learned model
# is in use. Set `CHURN_CONFIG` to the path of your `churn.toml`. Nothing is promoted: `churn promote` does that.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

from models.registry import load_version
from pipeline.band_changes import band_changes
from pipeline.collected import collect
from pipeline.contest import contest, incumbent
from pipeline.fitted import Fitted, learned, measure
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings

settings, version = read_settings(Path(os.environ.get("CHURN_CONFIG", "churn.toml"))), os.environ.get("VERSION")
with open_log(quiet=True) as log:
    collected = collect(settings, None, log)
    if version is None:
        name, challenger = "today's training", learned(collected, settings, log)
    else:
        name, model = f"version {version}", load_version(int(version), **settings.registry())
        challenger = Fitted(model, measure(collected, settings, log, like=model))
    against = incumbent(settings, collected)
    verdict = contest(challenger, against, collected, settings, log)
print(f"{name} against {against.name}\n\n{verdict.told()}")
print("\n".join(f"- {reason}" for reason in verdict.decision.reasons))

# %% [markdown]
# ## The difference, with what chance may do
#
# Both are judged on the same customers in each draw of the bootstrap, so that what both find hard cancels out. To the
# right of the line the challenger is better.

# %%
found = {} if verdict.comparison is None else verdict.comparison.differences
shown = {name: each.gain for name, each in found.items() if name in {"average_precision", "auc", "log_loss"}}
figure, axes = plt.subplots(figsize=(8, 1.2 + 0.5 * max(1, len(shown))), layout="constrained")
axes.axvline(0, color="#52606d", lw=1)
for place, gain in enumerate(shown.values()):
    axes.hlines(place, gain.low, gain.high, color="#9fc9dc", lw=6)
    axes.scatter([gain.value], [place], color="#1f5fa8", zorder=2)
axes.set_yticks(range(len(shown)), [name.replace("_", " ") for name in shown])
axes.invert_yaxis()
axes.set_xlabel("better by")
axes.set_title(f"{name} against {against.name}", loc="left")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Today's customers under both
#
# Far from the diagonal the two disagree. Coloured are those whose band would change: a manager will ask about them.

# %%
customers, threads = collected.customers, settings.engine.threads
before, after = (model.log_odds(customers, threads=threads) for model in (against.model, verdict.live))
bands = [model.bands.of(model.risk(customers, threads=threads)) for model in (against.model, verdict.live)]
changed = bands[0] != bands[1]
figure, axes = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
ends = [min(before.min(), after.min()), max(before.max(), after.max())]
axes.plot(ends, ends, color="#52606d", lw=1, ls=(0, (4, 4)))
axes.scatter(before[~changed], after[~changed], s=9, color="#c8c8c8", label="same band")
axes.scatter(before[changed], after[changed], s=14, color="#c8502d", label="another band")
axes.set(xlabel=f"log-odds by {against.name}", ylabel=f"log-odds by {name}")
axes.set_title(f"{changed.sum():,} of {len(customers):,} customers change their band", loc="left")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
print(band_changes(against.model, verdict.live, customers, settings))
