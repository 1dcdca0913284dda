"""Beyond the window: what stands beside the label of those that stayed is what a longer horizon would have found."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine_companies import loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_time import Rules
from small_companies import SmallCompany, companies, parameters

from features.labels import labels

FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(companies(), parameters().filter(lambda rules: rules.definition == "subscription"), st.sampled_from([1, 30, 90]))
def test_it_is_the_label_of_a_longer_horizon(engine: Any, company: SmallCompany, rules: Rules, further: int) -> None:
    """For every account of every snapshot that is mature for the longer one: the same answer and the same day."""
    with loaded(engine, company, rules) as history:
        longer = replace(history, rules=replace(history.rules, horizon_days=rules.horizon_days + further))
        for as_of in company.as_ofs:
            if not longer.rules.is_mature(as_of, company.today):
                continue
            closes = as_of + timedelta(days=rules.lead_days + longer.rules.horizon_days)
            expected = {row["account_id"]: row for row in labels(longer, as_of, company.today).to_pyarrow().to_pylist()}
            for row in labels(history, as_of, company.today).to_pyarrow().to_pylist():
                day = row["churn_on"] or row["later_churn_on"]
                day = day if day is not None and day < closes else None
                wanted = expected[row["account_id"]]
                assert (wanted["label"], wanted["churn_on"]) == (None if row["label"] is None else day is not None, day)
                assert row["later_churn_on"] is None or row["label"] is False
