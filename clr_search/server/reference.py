"""The page that describes the service for people, made from its OpenAPI document.

It is plain HTML: nothing is loaded from anywhere, no script runs, and its one style sheet is named
by its hash, so that the policy of the page can forbid all else. Every text is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em }
pre { background: #8882; padding: 0.75rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% } td { border-top: 1px solid #8884; padding: 0.3rem }
td { vertical-align: top } :root { color-scheme: light dark }
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page."""

_EXAMPLES = {
    "/v1/search": "curl -F image=@query.jpg -F k=5 {url}",
    "/v1/embed": "curl -H 'content-type: image/jpeg' --data-binary @query.jpg {url}",
    "/v1/embeddings": (
        "curl -H 'content-type: application/json' {url} -d "
        '\'{{"model": "any", "input": "data:image/jpeg;base64,…"}}\''
    ),
    "/v1/classify": "curl -F images=@a.jpg -F images=@b.jpg {url}",
}


def page(document: Mapping[str, Any]) -> str:
    """Return the page, as HTML, of an OpenAPI document.

    Parameters
    ----------
    document : mapping
        The document, with the schemas that it refers to.
    """
    server = "".join(one["url"] for one in document.get("servers", []))
    schemas = document["components"]["schemas"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>clr-search: the service</title><style>{_STYLE}</style>",
        "<h1>The routes of this service</h1><p>For programs the same is in ",
        "<a href=openapi.json>openapi.json</a>. Every GET can be asked as HEAD. Bodies may be "
        "packed by gzip (<code>content-encoding: gzip</code>). A refusal is JSON (RFC 9457): "
        "<code>detail</code> says what is wrong, <code>remedy</code> what to do.</p>",
    ]
    if "securitySchemes" in document["components"]:
        parts.append(
            "<p>Requests need a key, as <code>Authorization: Bearer KEY</code> or "
            "<code>X-API-Key: KEY</code>.</p>"
        )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _route(method.upper(), path, operation, f"http://127.0.0.1:8000{server}")
    for name in ("SearchIn", "FilterIn", "ImagesIn"):
        parts += _fields(name, schemas[name])
    return "".join(parts)


def _route(method: str, path: str, operation: Mapping[str, Any], url: str) -> Iterator[str]:
    """Yield the parts of the page on a route."""
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{_code(paragraph)}</p>"
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        told = parameter.get("description", schema.get("description", ""))
        yield f"<p><code>{escape(parameter['name'])}</code>: {escape(_kind(schema))}. "
        yield f"{escape(told)}</p>"
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        yield f"<p>The body is {escape(', '.join(content))}.</p>"
    if path in _EXAMPLES:
        example = _EXAMPLES[path].format(url=url + path)
    else:
        example = f"curl {url}{path}".replace("{number}", "17")
    yield f"<pre>{escape(example)}</pre>"


def _fields(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of the fields of an object."""
    yield f"<h2 id={escape(name)}><code>{escape(name)}</code></h2>"
    yield f"<p>{escape(schema.get('description', ''))}</p><table>"
    required = schema.get("required", ())
    for field, inner in schema["properties"].items():
        default = inner.get("default")
        more = [inner.get("description", "")]
        more += ["Required."] if field in required else []
        more += [f"Without it: {default}."] if default not in (None, [], "") else []
        yield f"<tr><td><code>{escape(field)}</code><td>{escape(_kind(inner))}"
        yield f"<td>{escape(' '.join(filter(None, more)))}"
    yield "</table>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema accepts."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if schema.get("type") == "array":
        inner = schema.get("items")
        return f"list of {_kind(inner)}" if isinstance(inner, Mapping) else "list"
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
        )
        if name in schema
    ]
    return " ".join([str(schema.get("format", schema.get("type", "anything"))), *bounds])


def _code(text: str) -> str:
    """Return a paragraph of a docstring as HTML; what stands in backticks is code."""
    pieces = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{p}</code>" if at % 2 else p for at, p in enumerate(pieces))
