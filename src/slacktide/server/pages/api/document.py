"""The OpenAPI document of all operations, made from what they declare, and the page that lists them.

Both tell nothing but what this version can do, so that they need no token and stay reachable in every downtime.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from slacktide.server.pages.api import downtimes, holding, operation, overview, settings, tasks
from slacktide.server.pages.api.caller import USER
from slacktide.server.pages.api.operation import OPERATIONS, Operation
from slacktide.server.pages.gate import exempt

GROUPS = {module.__name__: module for module in (overview, downtimes, settings, holding, tasks)}
_SCHEMA = "#/components/schemas/{name}"
_PROBLEM = "#/components/schemas/Problem"
_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "It is not understood.",
    HTTPStatus.UNAUTHORIZED: "No live token of scope `api`.",
    HTTPStatus.FORBIDDEN: "The caller may not do this.",
    HTTPStatus.NOT_FOUND: "Something that is named is not there, or not for this caller.",
    HTTPStatus.CONFLICT: "It cannot be done as things are; or the organization has moved.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A downtime is in effect; `Retry-After` says for how long.",
}


class Problem(msgspec.Struct, kw_only=True):
    """An RFC 9457 problem document; a refusal by the schedule has the fields of a decision beside."""

    type: str
    title: str
    status: int
    detail: str
    code: str | None


def addresses() -> list[URLPattern]:
    """Give the addresses of the API: the document, the page, all operations."""
    return [path("api/openapi.json", openapi), path("api/docs", docs), *operation.addresses()]


@exempt
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Give the OpenAPI document."""
    del request
    return HttpResponse(msgspec.json.encode(document()), content_type="application/json")


@exempt
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the operations, with what they take."""
    groups = [
        ((module.__doc__ or "").split("\n")[0], [_shown(one) for one in OPERATIONS if one.do.__module__ == name])
        for name, module in GROUPS.items()
    ]
    return render(request, "api.html", {"groups": groups})


@cache
def document() -> dict[str, Any]:
    """Make the OpenAPI document."""
    taken = [one.body for one in OPERATIONS if one.body is not None]
    _, schemas = msgspec.json.schema_components([*taken, Problem], ref_template=_SCHEMA)
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Slacktide", "version": version("slacktide")},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _described(one: Operation) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.do.__module__.rpartition(".")[2]],
        "summary": one.title,
        "description": f"Judged: {one.way.value}.",
        "parameters": [*_parameters(one)],
        "responses": {str(int(one.status)): _done(one)} | {str(int(each)): _refused(each) for each in _REFUSALS},
    }
    if "dry_run" in getattr(one.body, "__struct_fields__", ()):
        facts["responses"]["200"] = _done(one)
    if one.body is not None:
        schema = {"$ref": _SCHEMA.format(name=one.body.__name__)}
        needed = any(field.required for field in msgspec.structs.fields(one.body))
        facts["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return facts


def _parameters(one: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in one.arguments
    ]
    found += [{"name": field.name, "in": "query", "schema": _schema(field)} for field in _fields(one.query)]
    found.append({"name": USER, "in": "header", "schema": text, "description": "The user that the token acts for."})
    if one.session:
        said = "A session of that user."
        found.append({"name": tasks.SESSION, "in": "header", "required": True, "schema": text, "description": said})
    return found


def _fields(struct: type[msgspec.Struct] | None) -> tuple[Any, ...]:
    return () if struct is None else msgspec.structs.fields(struct)


def _schema(field: Any) -> dict[str, Any]:
    return msgspec.json.schema(field.type)


def _done(one: Operation) -> dict[str, Any]:
    if one.status is HTTPStatus.NO_CONTENT:
        return {"description": "It is done."}
    return {"description": one.title, "content": {"application/json": {"schema": {"type": ["object", "array"]}}}}


def _refused(status: HTTPStatus) -> dict[str, Any]:
    return {"description": _REFUSALS[status], "content": {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}}


def _shown(one: Operation) -> dict[str, Any]:
    """Give an operation as the page shows it."""
    takes = [(field.name, field.required) for field in (*_fields(one.query), *_fields(one.body))]
    return {"method": one.method, "path": one.path, "title": one.title, "way": one.way.value, "takes": takes}
