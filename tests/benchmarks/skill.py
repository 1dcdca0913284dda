"""How good the model is where the true risk is known: beside the truth, and beside a peer made by hand.

    python tests/benchmarks/skill.py --accounts 20000 --seeds 1 2 3 4 5 --out docs/skill.md

For each seed a demo company is made up. Model and peer learn from the labels that were known on the first of its three
newest mature snapshots and are judged on these three. The oracle is the law by which the outcomes were drawn, given the
hidden state of each account. What a seed came to is kept under build/, so a run that was stopped goes on where it was.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ceiling import CAUSES, revealed, shown
from company import TRUE_DATES, KnownCompany, known_company
from numpy.typing import NDArray
from peer import peer_frame, peer_risk

from models.bootstrap import DRAWS, INTERVAL
from models.departures import count_departures
from models.metrics import (
    calibration_error_of_draws,
    ranking_of_draws,
    slope_of_draws,
    squared_and_log_errors,
    sums_by_root,
)
from models.training import fit
from pipeline.run_log import RunLog, open_log

Floats = NDArray[np.float64]

Measure = Callable[[KnownCompany, int], dict[str, Any]]

OURS = ("ceiling.py", "company.py", "peer.py", "skill.py")
KEPT = Path("build") / "skill"
WHO = ("model", "peer", "shown", "truth")
COLUMNS = {
    "auc": ("AUC", 1),
    "average_precision": ("average precision", 1),
    "log_loss": ("log loss", -1),
    "brier": ("Brier score", -1),
    "calibration_slope": ("calibration slope", 0),
    "calibration_error": ("calibration error", -1),
}
"""By figure: its heading, and whether more of it is better; a slope is the better the nearer it is to 1."""
TARGETS = {"auc": 0.93, "average_precision": 0.85}


def measured(company: KnownCompany, threads: int) -> dict[str, Any]:
    """The figures of model, peer and truth on the same test rows: the sample's, then those of every draw."""
    features = company.features
    known, test = parted(company)
    model, report = fit(known, features, **company.days, threads=threads)
    both = peer_frame(company.folder, pd.concat([known, test])[["account_id", "as_of"]])
    names = [name for name in both if name not in {"account_id", "as_of"}]
    label = known["label"].to_numpy(bool)
    risks = {
        "model": model.risk(test, threads=threads),
        "peer": peer_risk(both.iloc[: len(known)], both.iloc[len(known) :], label, names),
        "truth": test["truth"].to_numpy(np.float64),
    }
    risks["shown"] = shown(test, features, risks["model"], threads)
    return {
        "known": {"rows": len(known), "churns": count_departures(known)},
        "test": {"rows": len(test), "churns": count_departures(test), "base_rate": float(test["label"].mean())},
        "dates": [str(pd.Timestamp(day).date()) for day in test["as_of"].unique()],
        "rounds": report.rounds,
        "features": {"model": len(model.features), "peer": len(names)},
        "figures": {name: _figures(test, risk) for name, risk in risks.items()},
    }


def parted(company: KnownCompany) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows whose labels were known on the first of the newest dates, and the rows of these dates."""
    frame = company.frame
    tested = np.sort(frame["as_of"].unique())[-TRUE_DATES:]
    need = pd.Timedelta(days=company.days["need_days"])
    known = frame[frame["as_of"] + need <= tested[0]].reset_index(drop=True)
    return known, frame[frame["as_of"].isin(tested)].reset_index(drop=True)


def causes(company: KnownCompany, threads: int) -> dict[str, Any]:
    """What each hidden condition would tell besides the features: AUC and average precision."""
    known, test = parted(company)
    model, _ = fit(known, company.features, **company.days, threads=threads)
    return revealed(company.folder, test, company.features, model.risk(test, threads=threads), threads)


def _figures(test: pd.DataFrame, risk: Floats) -> dict[str, list[float]]:
    label = test["label"].to_numpy(bool)
    codes, roots = pd.factorize(test["root_id"], sort=True)
    root = codes.astype(np.int64)
    drawn = np.random.default_rng(7).poisson(1.0, size=(DRAWS, len(roots)))
    weight = np.vstack([np.ones((1, len(roots))), drawn])
    auc, precision = ranking_of_draws(label, risk, root, weight)
    errors = np.column_stack([squared_and_log_errors(label, risk), np.ones(label.size)])
    sums = weight @ sums_by_root(errors, root, len(roots))
    figures = {
        "auc": auc,
        "average_precision": precision,
        "log_loss": sums[:, 1] / sums[:, 2],
        "brier": sums[:, 0] / sums[:, 2],
        "calibration_slope": slope_of_draws(label, risk, root, weight),
        "calibration_error": calibration_error_of_draws(label, risk, root, weight),
    }
    return {name: [round(float(value), 7) for value in values] for name, values in figures.items()}


def kept(work: Measure, accounts: int, seed: int, threads: int, log: RunLog) -> dict[str, Any]:
    """What the work came to for a seed: from an earlier run of the same code, else measured now."""
    code = hashlib.sha256()
    for path in (*sorted(Path("models").glob("*.py")), *(Path(__file__).with_name(name) for name in OURS)):
        code.update(path.read_bytes())
    file = KEPT / f"{work.__name__}-{accounts}-{seed}.json"
    if file.exists() and (found := json.loads(file.read_text(encoding="utf-8")))["code"] == code.hexdigest():
        return found
    company = known_company(accounts, seed, log)
    log.step(f"{work.__name__}, seed {seed}")
    record = {"code": code.hexdigest(), **work(company, threads)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record), encoding="utf-8")
    return record


def shares(record: Mapping[str, Any], who: str) -> dict[str, float]:
    """Share of the oracle's skill: above one half in AUC, above the base rate in average precision."""
    floor = {"auc": 0.5, "average_precision": record["test"]["base_rate"]}
    figures = record["figures"]
    return {
        name: (figures[who][name][0] - least) / (figures["truth"][name][0] - least) for name, least in floor.items()
    }


def page(accounts: int, records: Mapping[int, Mapping[str, Any]], hidden: Mapping[str, Any] | None) -> str:
    """The figures as a page of Markdown."""
    first = next(iter(records.values()))
    dates = first["dates"]
    lines = [
        "# How good the model is where the true risk is known",
        "",
        f"Made by `make skill`: demo companies of {accounts:,} accounts, seeds {', '.join(map(str, records))}.",
        f"Each teaches on what was known on {dates[0]} and is judged on {', '.join(dates)}.",
        "",
        "- *The truth* is the law by which the outcomes were drawn, told the hidden condition of every account.",
        f"- *The peer* is SQL by hand, {first['features']['peer']} features over 28 and 90 days, and LightGBM with its "
        f"defaults (`tests/benchmarks/peer.py`). The model has {first['features']['model']} features.",
        "- *What the tables show*: trees taught the true risks themselves, by the same features and the model's risk,",
        "  on other accounts of these dates. Nobody has such a teacher; what they miss, the features do not show.",
        "",
        *_by_seed(records),
        "",
        "Shares of the truth's skill, (AUC − 0.5) and (average precision − base rate), means over the seeds:",
        "",
        "| | the model | the peer | what the tables show | the model of it | aim |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, aim in TARGETS.items():
        ours, peer, most = (np.mean([shares(r, who)[name] for r in records.values()]) for who in WHO[:3])
        lines.append(f"| {COLUMNS[name][0]} | {ours:.3f} | {peer:.3f} | {most:.3f} | {ours / most:.3f} | {aim:.2f} |")
    told = [] if hidden is None else ["", *_causes(first, hidden)]
    return "\n".join([*lines, "", *_beside(records), *told]) + "\n"


def _by_seed(records: Mapping[int, Mapping[str, Any]]) -> list[str]:
    lines = [
        "| seed | rows, churns to learn from | rows, churns tested | trees | AUC | the truth's | share | "
        "average precision | the truth's | base rate | share |",
        "|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for seed, record in records.items():
        known, test, share = record["known"], record["test"], shares(record, "model")
        model, truth = record["figures"]["model"], record["figures"]["truth"]
        lines.append(
            f"| {seed} | {known['rows']:,}, {known['churns']:,} | {test['rows']:,}, {test['churns']:,} | "
            f"{record['rounds']} | {model['auc'][0]:.4f} | {truth['auc'][0]:.4f} | {share['auc']:.3f} | "
            f"{model['average_precision'][0]:.4f} | {truth['average_precision'][0]:.4f} | {test['base_rate']:.4f} | "
            f"{share['average_precision']:.3f} |"
        )
    return lines


def _causes(record: Mapping[str, Any], hidden: Mapping[str, Any]) -> list[str]:
    """What trees taught the truth would gain from each hidden condition, in shares of the truth's skill."""
    base = record["test"]["base_rate"]
    truth = record["figures"]["truth"]
    whole = truth["auc"][0] - 0.5, truth["average_precision"][0] - base
    auc, precision = hidden["nothing"]
    lines = [
        "What the tables do not show, at the first seed: how much more of the truth's skill those trees have when one "
        "hidden condition is told to them besides.",
        "",
        "| told besides | share in AUC | share in average precision |",
        "|---|---:|---:|",
        f"| nothing | {(auc - 0.5) / whole[0]:.3f} | {(precision - base) / whole[1]:.3f} |",
    ]
    for name in CAUSES:
        more = hidden[name]
        lines.append(
            f"| {name} | {(more[0] - auc) / whole[0]:+.3f} | {(more[1] - precision) / whole[1]:+.3f} |".replace(
                "-0.", "−0."
            )
        )
    return lines


def _beside(records: Mapping[int, Mapping[str, Any]]) -> list[str]:
    lines = [
        "How much better the model is than the peer, with the 95 % interval over draws of root accounts (paired, the "
        "mean over the seeds); above 0 is better, and a slope is judged by its distance from 1.",
        "",
        "| | the model | the peer | what the tables show | the truth | the model is better by |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, (title, sign) in COLUMNS.items():
        draws = {who: np.array([record["figures"][who][name] for record in records.values()]) for who in WHO}
        ours, theirs = draws["model"], draws["peer"]
        better = sign * (ours - theirs) if sign else np.abs(theirs - 1.0) - np.abs(ours - 1.0)
        mean = better.mean(axis=0)
        low, high = np.quantile(mean[1:], INTERVAL)
        cells = " | ".join(f"{draws[who][:, 0].mean():.4f}" for who in WHO)
        lines.append(f"| {title} | {cells} | {mean[0]:+.4f} ({low:+.4f} to {high:+.4f}) |".replace("-", "−"))
    return lines


def main() -> None:
    """Measure seed by seed and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    records = {}
    with open_log() as log:
        for seed in asked.seeds:
            records[seed] = kept(measured, asked.accounts, seed, asked.threads, log)
            asked.out.write_text(page(asked.accounts, records, None), encoding="utf-8")
        hidden = kept(causes, asked.accounts, asked.seeds[0], asked.threads, log)
    asked.out.write_text(page(asked.accounts, records, hidden), encoding="utf-8")


if __name__ == "__main__":
    main()
