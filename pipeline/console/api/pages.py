"""The API's description, and the page that is written from it, for who makes a program that uses it.

Both hold no facts of the company, and whoever reaches the console may read them: the machine of a program has no
browser that is signed in. The page needs no script, and nothing from elsewhere.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from pipeline.console.api.problems import BASE, KINDS
from pipeline.console.rendering import page
from pipeline.console.site import site_of
from pipeline.console.visitors import ANYBODY, Allowed, Visitor

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

Anybody = Annotated[Visitor, Depends(Allowed(*ANYBODY))]


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of what is sent or answered."""

    name: str
    kind: str
    is_needed: bool
    about: str
    example: str


@dataclass(frozen=True)
class Route:
    """One thing that can be asked or written."""

    method: str
    path: str
    title: str
    about: str
    parameters: tuple[Field, ...]
    bodies: tuple[str, ...]
    answer: str
    statuses: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Shape:
    """An object that is sent or answered."""

    name: str
    about: str
    fields: tuple[Field, ...]


@router.get("/openapi.json")
def openapi(request: Request, _: Anybody) -> Response:
    """The description."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
def docs(request: Request, visitor: Anybody) -> Response:
    """The page."""
    told = request.app.openapi()
    return page(
        request,
        visitor,
        "api.html",
        about=told["info"]["description"],
        base=BASE,
        routes=list(_routes(told)),
        shapes=list(_shapes(told)),
        kinds=KINDS,
        address=site_of(request).address,
    )


def _routes(told: dict[str, Any]) -> Iterator[Route]:
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            done = next(status for status in operation["responses"] if status.startswith("2"))
            answer = operation["responses"][done]["content"]["application/json"]["schema"]
            yield Route(
                method.upper(),
                path,
                operation["summary"],
                operation["description"],
                tuple(
                    Field(
                        each["name"],
                        _kind(each["schema"]),
                        each.get("required", False),
                        _about(each),
                        _example(each["schema"]),
                    )
                    for each in operation.get("parameters", ())
                ),
                tuple(_name(each) for each in body.get("oneOf", [body])) if body else (),
                _name(answer),
                tuple((status, each["description"]) for status, each in operation["responses"].items()),
            )


def _shapes(told: dict[str, Any]) -> Iterator[Shape]:
    for name, schema in told["components"]["schemas"].items():
        needed = schema.get("required", ())
        fields = (
            Field(each, _kind(of), each in needed, _about(of), _example(of))
            for each, of in schema.get("properties", {}).items()
        )
        yield Shape(name, schema.get("description", ""), tuple(fields))


def _about(schema: dict[str, Any]) -> str:
    inner: dict[str, Any] = schema.get("schema", {})
    return str(schema.get("description") or inner.get("description") or "")


def _example(schema: dict[str, Any]) -> str:
    return json.dumps(schema["examples"][0], ensure_ascii=False) if "examples" in schema else ""


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _kind(schema: dict[str, Any]) -> str:
    """What a value can be, in few words."""
    match schema:
        case {"$ref": _}:
            told = _name(schema)
        case {"anyOf": kinds}:
            told = " or ".join(map(_kind, kinds))
        case {"enum": values}:
            told = " | ".join(map(str, values))
        case {"const": value}:
            told = str(value)
        case {"type": "array", "items": each}:
            told = f"list of {_kind(each)}"
        case {"type": "object"}:
            told = f"object of {_kind(schema.get('additionalProperties', {}))}"
        case _:
            told = str(schema.get("format") or schema.get("type") or "anything")
    return told
