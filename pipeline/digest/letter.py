"""The letter to a manager: its subject, its entries and lines, in English or in Chinese, as plain text and as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from pipeline.amounts import Language
from pipeline.digest.news import BookNews, Change, Comparison, News
from pipeline.digest.phrases import Phrases, phrases
from pipeline.headline import by_rules
from pipeline.printable import one_line
from pipeline.store.movements import Size
from pipeline.templates import templates_of
from pipeline.wording import PROFILE, all_sentences, top_sentences

__all__ = ["Letter", "Paper", "write_letter"]

_REASONS: Final = 2


@dataclass(frozen=True)
class Paper:
    """What all letters of a night share; `account_url` has one `{account_id}`, or is empty."""

    compared: Comparison
    words: Mapping[str, Any]
    language: Language
    account_url: str = ""


@dataclass(frozen=True)
class Item:
    """One entry as it is read. `told` are its facts, `reasons` the sentences; nothing in it ends a line."""

    mark: str
    title: str
    account_id: str
    url: str
    change: str
    told: str
    reasons_of: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Letter:
    """What one manager is sent. `announced` maps the accounts it names, those of one parent included, to what changed.

    `chat` is the text for services that make links, names and markup of what they are given.
    """

    recipient: str
    subject: str
    text: str
    chat: str
    html: str
    announced: Mapping[str, Change]


def write_letter(book: BookNews, size: Size, paper: Paper, *, is_weekly: bool) -> Letter | None:
    """The letter with a manager's news; None where there is nothing to say.

    What another model or an outage has moved is a line in it, for which alone nobody is written to but in the week's.
    """
    if not book.news and not (is_weekly and book.quiet):
        return None
    say = phrases(paper.language)
    of, since = paper.compared.of, paper.compared.since
    head = one_line(str(of.headline.get("company", "")))
    items = [_item(each, paper, say) for each in book.news]
    lines = [
        *filter(None, [say.unnamed(book.unnamed)]),
        *say.moved_otherwise(book.quiet, since.as_of, of.as_of, paper.compared.sources),
        *([say.rules] if by_rules(of.headline) else []),
    ]
    counts = {
        change: sum(each.change is change for each in book.news) + book.unnamed.get(change, 0) for change in Change
    }
    subject = say.subject(of.as_of, counts)
    content = {
        "lang": say.lang,
        "subject": subject,
        "day": say.day(of.as_of),
        "company": head,
        "opening": say.opening(size.listed, size.customers),
        "items": items,
        "lines": lines,
        "footer": say.footer,
    }
    return Letter(
        recipient=book.recipient,
        subject=subject,
        text=_text(content),
        chat=_text(_harmless(content)),
        html=_template().render(content, colours=_COLOURS),
        announced={account_id: each.change for each in book.news for account_id in each.accounts},
    )


def _item(news: News, paper: Paper, say: Phrases) -> Item:
    now, of = news.now, paper.compared.of
    is_alone = len(news.accounts) == 1
    title = (now.name if is_alone else now.entry_name) or now.account_id
    facts = [
        say.change(news.change, now.band, _former_band(news, paper), now.last_day, paper.compared.since.as_of, of.as_of)
    ]
    numbers = by_rules(of.headline) is None
    if now.risk is not None and numbers:
        facts.append(say.odds(now.risk, of.headline["horizon_days"]))
    if news.mrr is not None:
        at_stake = news.value_at_risk if numbers and news.change is not Change.RECOVERED else None
        facts.append(say.money(news.mrr, at_stake, str(of.headline["currency"]), of.headline.get("definition")))
    if not is_alone:
        facts.append(say.together(len(news.accounts), now.name or now.account_id))
    seen, reasons = _reasons(news, paper)
    return Item(
        mark=news.change if news.change is not Change.WORSE and news.change is not Change.NEW else now.band or "",
        title=one_line(title),
        account_id=one_line(now.account_id),
        url=paper.account_url.replace("{account_id}", quote(now.account_id, safe="")),
        change=say.titles[news.change],
        told=say.joined(one_line(fact) for fact in facts),
        reasons_of="" if seen == of.as_of or not reasons else say.seen(seen, of.as_of),
        reasons=tuple(one_line(reason) for reason in reasons),
    )


def _former_band(news: News, paper: Paper) -> str:
    """The band that was shown, or where none was, the one that its risk would have had."""
    if news.then.band is not None or news.then.risk is None:
        return news.then.band or ""
    bands, risk = paper.compared.bands, news.then.risk
    return "high" if risk >= bands["high"] else "medium" if risk >= bands["medium"] else "low"


def _reasons(news: News, paper: Paper) -> tuple[date, list[str]]:
    """At most two sentences, and the night that they are of. Who left has no reasons any more but those it had."""
    features, language = paper.words["features"], paper.language
    now, as_of = news.now, paper.compared.of.as_of
    if news.change is Change.NOTICE:
        then, was = news.then, paper.compared.since.as_of
        return was, [each.text for each in top_sentences(then.reasons, features, then.facts, was, language)]
    if news.change is Change.RECOVERED:
        said = all_sentences(now.reasons, features, now.facts, as_of, language)
        stays = [each for each in said if each.contribution < 0]
        moved = {family: value - news.then.families.get(family, 0.0) for family, value in now.families.items()}
        # First of what moved most; what they are has not moved.
        stays.sort(key=lambda each: (each.family == PROFILE, moved.get(each.family, 0.0)))
        return as_of, [each.text for each in stays[:_REASONS]]
    return as_of, [each.text for each in top_sentences(now.reasons, features, now.facts, as_of, language)]


def _text(content: Mapping[str, Any]) -> str:
    """The plain part: an entry's facts and reasons below its title, indented."""
    parts = [f"{content['day']} · {content['company']}\n{content['opening']}".replace(" · \n", "\n")]
    for number, item in enumerate(content["items"], 1):
        called = item.title if item.title == item.account_id else f"{item.title} ({item.account_id})"
        reasons = [f"- {reason}" for reason in item.reasons]
        if item.reasons_of:
            reasons = [item.reasons_of, *reasons]
        below = [f"{item.change}{item.told}", *reasons, *filter(None, [item.url])]
        parts.append("\n".join([f"{number}. {called}", *(f"   {line}" for line in below)]))
    parts += content["lines"]
    return "\n\n".join([*parts, f"-- \n{content['footer']}"]) + "\n"


_MARKUP: Final = {ord(mark): chr(ord(mark) + 0xFEE0) for mark in "<>@[]`*_~|#"}
"""Their full-width look-alikes: a customer called <!channel> must not wake a whole team."""


def _harmless(content: Mapping[str, Any]) -> dict[str, Any]:
    items = [
        Item(**{name: value if name == "url" else _plain(value) for name, value in vars(item).items()})
        for item in content["items"]
    ]
    return {**content, "items": items}


def _plain(value: str | Sequence[str]) -> Any:
    return value.translate(_MARKUP) if isinstance(value, str) else tuple(each.translate(_MARKUP) for each in value)


_COLOURS: Final = {"notice": "#6b7280", "high": "#c2410c", "medium": "#b7791f", "recovered": "#2f855a"}
"""Of the line beside an entry; each is seen on white and on black."""


@cache
def _template() -> Any:
    return templates_of("pipeline.digest").get_template("letter.html")
