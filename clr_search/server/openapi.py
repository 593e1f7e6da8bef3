"""The parts of the OpenAPI document that FastAPI cannot infer: bodies, refusals and keys.

The endpoints parse their bodies themselves, because each accepts several content types.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from clr_search.server.guard import OPEN
from clr_search.server.messages.openai import EmbeddingsIn
from clr_search.server.messages.schemas import ImagesIn, ProblemOut, SearchIn
from clr_search.web.problems import MEDIA_TYPE

_REF = "#/components/schemas/{model}"
_FILE = {"type": "string", "format": "binary"}


def _reference(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


IMAGES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _reference("ImagesIn")},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {"images": {"type": "array", "items": _FILE, "minItems": 1}},
                }
            },
            "image/*": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
        },
    }
}

EMBEDDINGS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _reference("EmbeddingsIn")}},
    }
}

SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _reference("SearchIn")},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": _FILE,
                        "ids": {"type": "string", "description": "A JSON list of ids."},
                        "vector": {"type": "string", "description": "A JSON list of numbers."},
                        "like": {"type": "array", "items": _FILE},
                        "unlike": {"type": "array", "items": _FILE},
                        "filter": {"type": "string", "description": "As in SearchIn, as JSON."},
                        "crop": {"type": "string", "description": "A JSON list of four."},
                        "k": {"type": "integer", "minimum": 1},
                        "diverse": {"type": "number", "minimum": 0, "maximum": 1},
                        "include_self": {"type": "boolean"},
                        "min_score": {"type": "number", "minimum": -1, "maximum": 1},
                        "min_percentile": {"type": "number", "minimum": 0, "maximum": 100},
                        "columns": {"type": "string", "description": "A JSON list of names."},
                    },
                }
            },
        },
    }
}

VECTORS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": _FILE}},
        "headers": {
            "x-shape": {"description": "N,D of raw vectors", "schema": {"type": "string"}},
            "x-model": {"description": "SHA-256 of the encoder", "schema": {"type": "string"}},
        },
    }
}

THUMBNAIL: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": _FILE}}, "description": "A JPEG"}
}

_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_REFUSALS = {
    401: "No key, or a wrong one",
    403: "From a page of another origin",
    404: "Not there",
    408: "The request took too long",
    413: "Too large, or too many pictures",
    415: "A content type that is not read",
    421: "Addressed to an unknown name",
    422: "Malformed, or no usable picture",
    500: "A failure of the service",
    503: "Not now; see Retry-After",
}


def described(app: FastAPI, *, keys: bool, below: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of the service, which is made at the first call.

    Parameters
    ----------
    app : FastAPI
        The application; the document is kept in it.
    keys : bool
        Whether requests need an API key.
    below : str
        Path below which a proxy shows the service.
    """
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    if below:
        document["servers"] = [{"url": below}]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (ImagesIn, EmbeddingsIn, SearchIn, ProblemOut):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    refusal = {MEDIA_TYPE: {"schema": _reference("ProblemOut")}}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, text in _REFUSALS.items():
                operation["responses"][str(status)] = {"description": text, "content": refusal}
    if keys:
        _ask_for_keys(document)
    app.openapi_schema = document
    return document


def _ask_for_keys(document: dict[str, Any]) -> None:
    """Add to a document that requests need a key, save those of open paths."""
    document["components"]["securitySchemes"] = _KEYS
    document["security"] = [{name: []} for name in _KEYS]  # Either of the two is enough.
    for path in OPEN & document["paths"].keys():
        for operation in document["paths"][path].values():
            operation["security"] = []
