"""The pictures: written where asked, of a readable size, without touching the caller's plotting state."""

import struct
from pathlib import Path

import pytest
from known_risk import known_risk, trained

from models.bootstrap import Figure
from models.curves import calibration_curve, lift_curve
from models.evaluate import evaluate
from models.lead_time import LeadTime
from models.report import calibration_plot, dependence_plot, lead_time_plot, lift_plot, shap_summary_plot


def _size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _no_figure_is_open() -> bool:
    from matplotlib import pyplot

    return pyplot.get_fignums() == []


def test_pictures_are_written_and_no_figure_is_left_open(tmp_path: Path) -> None:
    _, model, _ = trained()
    fresh = known_risk(300, 4, seed=5)
    risk = model.risk(fresh.frame, threads=1)
    evaluation = evaluate(fresh.frame, risk, capacity=20, draws=50)
    shap_path = shap_summary_plot(model, fresh.frame, tmp_path / "plots" / "shap_summary.png", threads=1)
    points = calibration_curve(fresh.frame, risk, draws=50)
    calibration_path = calibration_plot(points, evaluation, tmp_path / "plots" / "calibration.png")
    assert min(_size(shap_path)) > 400
    assert _size(calibration_path) == (960, 960)
    dependence_path = dependence_plot(model, fresh.frame, tmp_path / "plots" / "dependence.png", threads=1)
    assert min(_size(dependence_path)) > 400
    assert _no_figure_is_open()


def test_the_lift_of_every_list_is_drawn(tmp_path: Path) -> None:
    fresh = known_risk(300, 4, seed=5)
    curves = {
        "model": lift_curve(fresh.frame, fresh.true_risk),
        "MRR": lift_curve(fresh.frame, fresh.frame["mrr"].to_numpy()),
    }
    evaluation = evaluate(fresh.frame, fresh.true_risk, capacity=20, draws=50)
    assert min(_size(lift_plot(curves, evaluation, 0.07, tmp_path / "lift.png"))) > 400
    assert _no_figure_is_open()


@pytest.mark.parametrize("departures", [0, 40], ids=["nobody tested so early", "forty"])
def test_lead_times_are_drawn_also_where_nobody_was_tested_so_early(tmp_path: Path, departures: int) -> None:
    nothing = Figure(float("nan"), float("nan"), float("nan"))
    late = LeadTime(90, departures, departures // 2, 0.0, 0.0, Figure(0.5, 0.4, 0.6) if departures else nothing)
    found = {
        name: (LeadTime(30, 50, 20, 0.0, 0.0, Figure(share, share - 0.1, share + 0.1)), late)
        for name, share in (("model", 0.4), ("days to renewal", 0.1))
    }
    assert min(_size(lead_time_plot(found, tmp_path / "lead_time.png"))) > 300
    assert _no_figure_is_open()
