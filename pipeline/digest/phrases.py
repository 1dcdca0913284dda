"""What a letter says around the sentences of reasons. Both languages are written, neither is translated."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, Protocol

from pipeline.amounts import STYLES, Language, money_word, plain_odds
from pipeline.digest.news import Change, Quiet

__all__ = ["Phrases", "phrases"]

Sources = Mapping[str, tuple[date, date]]
Counts = Mapping[Change, int]


class Phrases(Protocol):
    """The phrases of one language."""

    lang: str
    titles: Mapping[Change, str]
    rules: str
    footer: str

    def day(self, day: date) -> str:
        """A day with its weekday and year."""

    def subject(self, day: date, counts: Counts) -> str:
        """What it is about, without the name of a customer: it is shown on locked screens."""

    def opening(self, listed: int, customers: int) -> str:
        """How many of the manager's customers are on the list."""

    def change(
        self, change: Change, band: str | None, before: str, last_day: date | None, since: date, as_of: date
    ) -> str:
        """What changed, after the entry's first word."""

    def odds(self, risk: float, days: int) -> str:
        """How likely it leaves."""

    def money(self, mrr: float, at_stake: float | None, currency: str, definition: str | None) -> str:
        """What it pays, and what of it is at stake."""

    def together(self, accounts: int, name: str) -> str:
        """That the entry speaks of several accounts of one parent."""

    def joined(self, facts: Iterable[str]) -> str:
        """The facts behind the entry's first word."""

    def seen(self, day: date, as_of: date) -> str:
        """Of which night the reasons below are."""

    def unnamed(self, counts: Counts) -> str:
        """How many more there were; empty for none."""

    def moved_otherwise(self, quiet: Mapping[Quiet, int], since: date, as_of: date, sources: Sources) -> list[str]:
        """What another model and missing data have moved, a line each."""


def phrases(language: Language) -> Phrases:
    """The phrases of a language."""
    return _CHINESE if language == "zh" else _ENGLISH


def _number(amount: float) -> str:
    return f"{amount:,.0f}"


_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_WEEKDAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


class _English:
    lang = "en"
    titles: Mapping[Change, str] = {
        Change.NOTICE: "Gave notice",
        Change.WORSE: "Worse",
        Change.NEW: "New on the list",
        Change.RECOVERED: "Recovered",
    }
    rules = "The order comes from rules, not from a model that learned from departures, so there are no odds in it."
    footer = (
        "Sent on Mondays when something changed in your book, and on other days only when a customer gives notice or "
        "enters the high band. A customer is named at most once in 14 days, a notice always."
    )
    _counted: Mapping[Change, str] = {
        Change.NOTICE: "gave notice",
        Change.WORSE: "worse",
        Change.NEW: "new on the list",
        Change.RECOVERED: "recovered",
    }
    _sources: Mapping[str, str] = {"usage": "usage data", "tickets": "support tickets", "page_visits": "page visits"}

    def day(self, day: date) -> str:
        return f"{_WEEKDAYS[day.weekday()]} {_date(day, date.min, 'en')}"

    def subject(self, day: date, counts: Counts) -> str:
        what = self._listed(counts) or "what another model or missing data moved"
        return f"Your customers, {_WEEKDAYS[day.weekday()][:3]} {day.day} {_MONTHS[day.month - 1]}: {what}"

    def _listed(self, counts: Counts) -> str:
        return ", ".join(f"{counts[change]} {self._counted[change]}" for change in Change if counts.get(change))

    def opening(self, listed: int, customers: int) -> str:
        who = "None" if listed == 0 else f"{listed:,}"
        whose = "one customer" if customers == 1 else f"{customers:,} customers"
        return f"{who} of your {whose} {'is' if listed == 1 else 'are'} on the list."

    def change(
        self, change: Change, band: str | None, before: str, last_day: date | None, since: date, as_of: date
    ) -> str:
        if change is Change.NOTICE:
            return f"the contract ends on {_date(last_day, as_of, 'en')}" if last_day else "no last day is known"
        return f"{band} risk, {before} on {_date(since, as_of, 'en')}" if before else f"{band} risk"

    def odds(self, risk: float, days: int) -> str:
        return f"{plain_odds(risk)} like this leave within {days} days"

    def money(self, mrr: float, at_stake: float | None, currency: str, definition: str | None) -> str:
        word = money_word(definition)
        per = " in 30 days" if word == "orders" else ""
        stake = "" if at_stake is None else f", {_number(at_stake)} of it at stake"
        return f"{word} {_number(mrr)} {currency}{per}{stake}"

    def together(self, accounts: int, name: str) -> str:
        return f"{accounts} accounts, one call; band, odds and reasons are those of {name}"

    def joined(self, facts: Iterable[str]) -> str:
        return f": {'; '.join(facts)}."

    def seen(self, day: date, as_of: date) -> str:
        return f"As it was on {_date(day, as_of, 'en')}:"

    def unnamed(self, counts: Counts) -> str:
        return f"Not named here: {self._listed(counts)}." if counts else ""

    def moved_otherwise(self, quiet: Mapping[Quiet, int], since: date, as_of: date, sources: Sources) -> list[str]:
        lines = []
        if count := quiet.get(Quiet.MODEL):
            lines.append(
                f"Since {_date(since, as_of, 'en')} another model orders the list: that alone moved "
                f"{_customers(count)} to another band. Nothing happened there, so they are not named here."
            )
        if sources:
            which = " and ".join(self._data(name, *days, as_of) for name, days in sources.items())
            count = quiet.get(Quiet.OUTAGE, 0)
            moved = f" That moved {_customers(count)} to another band; they are not named here." if count else ""
            lines.append(f"{which[:1].upper()}{which[1:]} are missing.{moved}")
        return lines

    def _data(self, name: str, first: date, last: date, as_of: date) -> str:
        days = (
            _date(last, as_of, "en") if first == last else f"{_date(first, as_of, 'en')} to {_date(last, as_of, 'en')}"
        )
        return f"{self._sources.get(name, name)} of {days}"


def _customers(count: int) -> str:
    return "one of your customers" if count == 1 else f"{count:,} of your customers"


class _Chinese:
    lang = "zh-CN"
    titles: Mapping[Change, str] = {
        Change.NOTICE: "提出解约",
        Change.WORSE: "风险升高",
        Change.NEW: "新进名单",
        Change.RECOVERED: "已好转",
    }
    rules = "目前按固定规则排序,还没有从流失记录中学出的模型,因此不给出概率。"
    footer = "周一有变化时发送;其他日子只在有客户提出解约或进入高风险时发送。同一客户 14 天内最多提一次,解约必定告知。"
    _bands: Mapping[str, str] = {"low": "低风险", "medium": "中风险", "high": "高风险"}
    _sources: Mapping[str, str] = {"usage": "使用记录", "tickets": "工单", "page_visits": "页面访问记录"}
    _weekdays = "一二三四五六日"

    def day(self, day: date) -> str:
        return f"{_date(day, date.min, 'zh')} 星期{self._weekdays[day.weekday()]}"

    def subject(self, day: date, counts: Counts) -> str:
        what = self._listed(counts) or "换模型或数据缺失带来的变化"
        return f"您的客户({day.month} 月 {day.day} 日周{self._weekdays[day.weekday()]}):{what}"

    def _listed(self, counts: Counts) -> str:
        return ",".join(f"{counts[change]} 家{self.titles[change]}" for change in Change if counts.get(change))

    def opening(self, listed: int, customers: int) -> str:
        if listed == 0:
            return f"您名下 {customers:,} 家客户,目前都不在名单上。"
        return f"您名下 {customers:,} 家客户,{listed:,} 家在名单上。"

    def change(
        self, change: Change, band: str | None, before: str, last_day: date | None, since: date, as_of: date
    ) -> str:
        if change is Change.NOTICE:
            return f"合同 {_date(last_day, as_of, 'zh')}到期" if last_day else "到期日未知"
        now = self._bands.get(band or "", "")
        return f"{now}({_date(since, as_of, 'zh')}为{self._bands[before]})" if before else now

    def odds(self, risk: float, days: int) -> str:
        return f"同类客户 {days} 天内{plain_odds(risk, 'zh')}流失"

    def money(self, mrr: float, at_stake: float | None, currency: str, definition: str | None) -> str:
        what = "近 30 天订单额" if money_word(definition) == "orders" else "MRR"
        stake = "" if at_stake is None else f",预计损失 {_number(at_stake)}"
        return f"{what} {_number(mrr)} {currency}{stake}"

    def together(self, accounts: int, name: str) -> str:
        return f"共 {accounts} 个账户,打一次电话即可;风险、概率和原因取自 {name}"

    def joined(self, facts: Iterable[str]) -> str:
        return f":{';'.join(facts)}。"

    def seen(self, day: date, as_of: date) -> str:
        return f"{_date(day, as_of, 'zh')}时的情况:"

    def unnamed(self, counts: Counts) -> str:
        return f"另有 {self._listed(counts)},不逐一列出。" if counts else ""

    def moved_otherwise(self, quiet: Mapping[Quiet, int], since: date, as_of: date, sources: Sources) -> list[str]:
        lines = []
        if count := quiet.get(Quiet.MODEL):
            lines.append(
                f"{_date(since, as_of, 'zh')}以来换了新模型,仅因此就有 {count:,} 家客户的风险档位变了;"
                "客户本身没有变化,不逐一列出。"
            )
        if sources:
            which = "、".join(self._data(name, *days, as_of) for name, days in sources.items())
            count = quiet.get(Quiet.OUTAGE, 0)
            moved = f"有 {count:,} 家客户的风险档位因此变了,不逐一列出。" if count else ""
            lines.append(f"缺少{which}。{moved}")
        return lines

    def _data(self, name: str, first: date, last: date, as_of: date) -> str:
        days = _date(last, as_of, "zh") if first == last else f"{_date(first, as_of, 'zh')}至{_date(last, as_of, 'zh')}"
        return f" {days}的{self._sources.get(name, name)}"


def _date(day: date, as_of: date, language: Language) -> str:
    """A day as sentences have it: with its year where that is another than the night's."""
    days: Any = (day - as_of).days
    return STYLES["ahead"](days, as_of, language)


_ENGLISH: Final[Phrases] = _English()
_CHINESE: Final[Phrases] = _Chinese()
