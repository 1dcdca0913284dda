"""Expected skill: how good a night's order should turn out, told from its own risks before any label is known.

If the risks are true, each account leaves by the toss of a coin that falls as its risk says. Tossing them many times
gives the AUC, the departures on the list and the number of departures to expect, with an interval. The idea is that of
confidence-based performance estimation (Garg et al., arXiv:2201.04234, speak of the same from another side): it knows
of drift in the accounts, and nothing of customers that begin to leave for new reasons. Only matured labels show those.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Figure, figure_of_draws

__all__ = ["expected_skill"]

Floats = NDArray[np.float64]

DRAWS: Final = 500


def expected_skill(risk: Floats, listed: NDArray[np.bool_], *, draws: int = DRAWS, seed: int = 7) -> dict[str, Figure]:
    """`auc`, `precision` (share of the listed that leave) and `departures` to expect of n accounts.

    Parameters
    ----------
    risk : (n,) calibrated probability of leaving within the horizon.
    listed : (n,) whether the account is on a list.
    """
    rng = np.random.default_rng(seed)
    rank = pd.Series(risk).rank().to_numpy(np.float64)
    auc, precision, departures = np.empty(draws), np.empty(draws), np.empty(draws)
    for draw in range(draws):
        left = rng.random(risk.size) < risk
        leavers, calls = int(left.sum()), int(listed.sum())
        stayers = risk.size - leavers
        pairs = leavers * stayers
        auc[draw] = (rank[left].sum() - leavers * (leavers + 1) / 2) / pairs if pairs else np.nan
        precision[draw] = left[listed].sum() / calls if calls else np.nan
        departures[draw] = leavers
    expected = {
        "auc": np.nanmean(auc) if np.isfinite(auc).any() else np.nan,
        "precision": float(risk[listed].mean()) if listed.any() else np.nan,
        "departures": float(risk.sum()),
    }
    drawn = {"auc": auc, "precision": precision, "departures": departures}
    return {name: figure_of_draws(np.append(value, drawn[name])) for name, value in expected.items()}
