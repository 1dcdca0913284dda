"""The pictures: written where asked, of a readable size, without touching the caller's plotting state."""

import struct
from pathlib import Path

from known_risk import known_risk, trained

from models.evaluate import evaluate
from models.report import calibration_plot, shap_summary_plot


def _size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_pictures_are_written_and_no_figure_is_left_open(tmp_path: Path) -> None:
    _, model, _ = trained()
    fresh = known_risk(300, 4, seed=5)
    risk = model.risk(fresh.frame, threads=1)
    evaluation = evaluate(fresh.frame, risk, capacity=20, draws=50)
    shap_path = shap_summary_plot(model, fresh.frame, tmp_path / "plots" / "shap_summary.png", threads=1)
    calibration_path = calibration_plot(
        fresh.frame.assign(risk=risk), evaluation, tmp_path / "plots" / "calibration.png"
    )
    assert min(_size(shap_path)) > 400
    assert _size(calibration_path) == (960, 960)
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
