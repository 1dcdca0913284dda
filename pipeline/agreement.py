"""Whether tables and settings still fit the champion: what a night refuses on, and what a check foretells of it."""

from features.build import DEFINITIONS, Recipe, catalogue
from features.contract import RECORDED_AT, Severity
from features.versions import History
from models.churn_model import ChurnModel
from models.errors import ModelRefusal, NoChampion, TrackingFailed
from models.registry import load_champion
from pipeline.errors import RefusedError
from pipeline.judgements import Progress
from pipeline.learned_tone import use_tone
from pipeline.settings import Settings
from pipeline.sources import Opened, history
from pipeline.ticket_words import add_sentiment
from pipeline.violation import Violation

__all__ = ["foretold", "refuse_other_question", "refuse_other_scorer", "see"]


def see(
    opened: Opened, settings: Settings, model: ChurnModel, progress: Progress | None = None
) -> tuple[History, Recipe]:
    """The tables, seen as the model's training saw them; `progress` is told how many new texts were judged.

    Raises
    ------
    RefusedError
        When the settings ask another question than the model answers, or its tables, columns or ticket scorer are gone.
    """
    remembered = model.about
    refuse_other_question(settings, model)
    refuse_other_scorer(add_sentiment(opened, settings, progress), model)
    if model.tone is not None:
        use_tone(opened, settings, model.tone, progress)
    for name in remembered["versioned"]:
        if name in opened.tables and RECORDED_AT not in opened.tables[name].columns:
            raise RefusedError(
                f"The champion learned from versions of {name}, but tonight the table has no {RECORDED_AT}. Bring the "
                "column back, or train without it: churn train."
            )
    past = history(opened, settings, remembered["versioned"])
    groups = {group: tuple(patterns) for group, patterns in remembered["page_groups"].items()}
    further, kinds = remembered["categories"], tuple(remembered["events"])
    possible = {feature.name for feature in catalogue(past, groups, categories=further, kinds=kinds)}
    gone = [feature for feature in model.catalogue if feature.name not in possible]
    if gone:
        needs = sorted({column for feature in gone for column in feature.needs if not past.may_teach(column)})
        raise RefusedError(
            f"The champion needs {', '.join(needs)}, which the tables of tonight do not have ({len(gone)} of "
            f"{len(model.catalogue)} features). Bring the columns back, or train without them: churn train."
        )
    return past, Recipe(model.catalogue, groups, kinds)


def refuse_other_question(settings: Settings, model: ChurnModel) -> None:
    """Raise `RefusedError` when the settings ask another question than the model answers, or of other features."""
    remembered = model.about
    if remembered.get("definitions") != DEFINITIONS:
        raise RefusedError(
            f"The model learned from features as they were defined before ({remembered.get('definitions', 'unnamed')}, "
            f"now {DEFINITIONS}); the same names mean something else now. Train again: churn train."
        )
    for name, value in settings.question().items():
        trained = remembered["question"].get(name)
        if trained != value:
            section, _, key = name.partition(".")
            raise RefusedError(
                f"[{section}] {key} = {value!r}, but the model was trained for {trained!r}: its risks would "
                "answer another question. Train again (churn train), or put the setting back."
            )


def refuse_other_scorer(scorer: str | None, model: ChurnModel) -> None:
    """Raise `RefusedError` when texts of tickets are judged otherwise than those that the model learned from.

    `scorer` is what `ticket_words.add_sentiment` gave.
    """
    trained = model.about["scorer"]
    if scorer != trained:
        raise RefusedError(
            f"The words of tickets are judged by {_told(scorer)}, but the model learned from words judged by "
            f"{_told(trained)}: the same words would sound otherwise to it. Bring tables and [sentiment] as they were, "
            "or train again: churn train."
        )


def _told(scorer: str | None) -> str:
    if scorer is None:
        return "nobody, for there are none"
    version, _, tables = scorer.partition(" of ")
    who = "our word lists"
    if version.startswith("own scores"):
        who = "yourselves, as tickets.sentiment says"
    elif version.startswith("onnx-"):
        who = "the model that [sentiment] model names"
    return f"{who} ({version}), in {tables}"


def foretold(settings: Settings, scorer: str | None) -> list[Violation]:
    """A warning when the next night would refuse the champion. None is no fault, nor one that cannot be asked for."""
    try:
        model, _ = load_champion(**settings.registry())
        refuse_other_question(settings, model)
        refuse_other_scorer(scorer, model)
    except (NoChampion, TrackingFailed):
        return []
    except (ModelRefusal, RefusedError) as error:
        rule = "will be refused by the next night"
        return [Violation("champion", None, rule, None, None, (), str(error), Severity.WARN)]
    return []
