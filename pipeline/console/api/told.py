"""From what the stores hold to what the API answers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from pipeline.aftermath import aftermath
from pipeline.amounts import Language
from pipeline.console.api.answers import Account, Change, Reason, SourceOut, Summary, Tonight
from pipeline.console.api.written import Action, Became, Note, Outcome
from pipeline.headline import by_rules, sources_out
from pipeline.night_age import is_old, night_age
from pipeline.people import actions as stored
from pipeline.store.nights import AccountNight, Night, catalogue
from pipeline.told_reasons import told_reasons
from pipeline.wording import top_sentences

__all__ = ["Teller", "told_actions", "told_note", "told_outcome", "told_tonight"]


def told_tonight(of: Night, words: Mapping[str, Any], now: datetime, arrival_hours: int) -> Tonight:
    """The header of a night; `words` is its catalogue, `arrival_hours` when one may start."""
    head = of.headline  # an older churn may have published it, with less in it
    until = head.get("usage_until")
    return Tonight(
        as_of=of.as_of,
        run_id=of.run_id,
        scored_at=of.finished_at,
        age_hours=night_age(of, now, arrival_hours) // timedelta(hours=1),
        is_old=is_old(of, now, arrival_hours),
        company=head.get("company"),
        currency=head.get("currency"),
        horizon_days=words["horizon_days"],
        other_horizons=words["horizons"],
        ordered_by="model" if by_rules(head) is None else "rules",
        model_version=of.model_version,
        base_rate=head.get("base_rate"),
        band_limits={name: words["bands"][name] for name in ("medium", "high")},
        accounts=of.accounts,
        customers=head.get("customers"),
        states=head.get("states") or {},
        bands=head.get("bands") or {},
        mrr=head.get("mrr"),
        expected_loss=head.get("expected_loss") if by_rules(head) is None else None,
        reasons_in=words["families"],
        sources_out=[SourceOut(source=name, first=a, last=b) for name, (a, b) in sources_out(head).items()],
        usage_until=date.fromisoformat(until) if until else None,
        warnings=list(of.warnings),
    )


@dataclass(frozen=True)
class Teller:
    """Tells the accounts of one night, in one language. Where rules order them it gives no risks."""

    of: Night
    words: Mapping[str, Any]
    language: Language

    @classmethod
    def reading(cls, published: Connection, of: Night, language: Language) -> "Teller":
        """The same with the night's catalogue."""
        return cls(of, catalogue(published, of), language)

    @property
    def has_numbers(self) -> bool:
        """Whether a learned model gave the risks."""
        return by_rules(self.of.headline) is None

    def summary(self, account: AccountNight) -> Summary:
        """What a list says of an account."""
        return Summary(**self._summary(account))

    def whole(self, account: AccountNight) -> dict[str, Any]:
        """All fields of `Account`."""
        reasons = told_reasons(account, self.of.as_of, self.words["features"], self.language)
        own = {
            "as_of": self.of.as_of,
            "run_id": self.of.run_id,
            "base_log_odds": account.base_log_odds,
            "log_odds": account.log_odds,
            "reasons": [Reason(**each) for each in reasons],
            "families": dict(account.families),
            "change": self._change(account),
        }
        return {**self._summary(account), **{name: own[name] for name in Account.model_fields if name in own}}

    def _summary(self, account: AccountNight) -> dict[str, Any]:
        shown = (account.reasons, self.words["features"], account.facts, self.of.as_of, self.language)
        said = top_sentences(*shown) if account.reasons else []
        numbers = {
            "risk": account.risk if self.has_numbers else None,
            "risk_within": dict(account.horizons) if self.has_numbers else {},
            "value_at_risk": account.value_at_risk if self.has_numbers else None,
        }
        plain = {name: getattr(account, name) for name in Summary.model_fields if name not in {"sentences", *numbers}}
        return {**plain, **numbers, "sentences": [each.text for each in said]}

    def _change(self, account: AccountNight) -> Change | None:
        since = self.of.headline.get("compared_with")
        time, data, model, now = account.change_time, account.change_data, account.change_model, account.log_odds
        if since is None or time is None or data is None or model is None or now is None:
            return None
        whole = math.fsum((time, data, model))
        before = 1 / (1 + math.exp(whole - now)) if self.has_numbers else None
        return Change(
            since=date.fromisoformat(since), time=time, data=data, model=model, whole=whole, risk_before=before
        )


def told_actions(published: Connection, of: Night, actions: Iterable[stored.Action]) -> list[Action]:
    """Actions with what became of their accounts by that night."""
    done = list(actions)
    since = {each.action.action_id: each for each in aftermath(published, of, done)} if done else {}
    told = []
    for action in done:
        found = since.get(action.action_id)  # none of an action on a later night
        became = found and Became(fate=found.fate.value, left_on=found.left_on, stayed=found.stayed)
        plain = {name: getattr(action, name) for name in Action.model_fields if name not in {"id", "became"}}
        told.append(Action(id=action.action_id, became=became, **plain))
    return told


def told_outcome(outcome: stored.Outcome) -> Outcome:
    """An outcome."""
    plain = {name: getattr(outcome, name) for name in Outcome.model_fields if name != "id"}
    return Outcome(id=outcome.outcome_id, **plain)


def told_note(note: stored.Note) -> Note:
    """A note."""
    plain = {name: getattr(note, name) for name in Note.model_fields if name not in {"id", "note"}}
    return Note(id=note.note_id, note=note.body, **plain)
