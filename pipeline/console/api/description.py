"""The description of the API in OpenAPI, from which clients are made and its documentation page is written."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from pipeline.console.api.problems import BASE, MEDIA_TYPE, Problem, Where

__all__ = ["describe"]

_ABOUT: Final = (
    "The facts of the console as JSON, for other programs. Each has a token, `churn token add NAME --as EMAIL`, and "
    "sees what that user sees. Times are in UTC, money is in the company's currency a month."
)


def describe(api: FastAPI) -> dict[str, Any]:
    """Its description, made once."""
    if api.openapi_schema is None:
        told = get_openapi(
            title="Churn API",
            version="1",
            description=_ABOUT,
            routes=api.routes,
            servers=[{"url": BASE}],
        )
        schemas = told["components"]["schemas"]
        for each in (Where, Problem):
            schemas[each.__name__] = each.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas[each.__name__].pop("$defs", None)
        for operations in told["paths"].values():
            for operation in operations.values():
                _with_plain_problems(operation)
        api.openapi_schema = dict(sorted(told.items()))
    return api.openapi_schema


def _with_plain_problems(operation: dict[str, Any]) -> None:
    """FastAPI adds the media type of the answer to those of the problems."""
    for answer in operation["responses"].values():
        if MEDIA_TYPE in answer.get("content", {}):
            answer["content"] = {MEDIA_TYPE: answer["content"][MEDIA_TYPE]}
