"""The routes of the service, and the ASGI application that answers them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from clr_search.server import reference
from clr_search.server.counters import MEDIA_TYPE as METRICS_TYPE
from clr_search.server.counters import Counters
from clr_search.server.direct import Direct
from clr_search.server.engine import Engine
from clr_search.server.guard import DOCS, Guard
from clr_search.server.messages import openai, schemas
from clr_search.server.messages.bodies import BINARY, read_images, read_search
from clr_search.server.messages.refusals import told, unusable
from clr_search.server.openapi import (
    EMBEDDINGS_BODY,
    IMAGES_BODY,
    SEARCH_BODY,
    THUMBNAIL,
    VECTORS,
    described,
)
from clr_search.server.settings import CurrentKeys, Keys, Limits
from clr_search.version import __version__
from clr_search.web.hosts import Names, root_path
from clr_search.web.problems import Problem

if TYPE_CHECKING:
    from clr_search.index import Index
    from clr_search.serve.probe.model import Probe

Number = Annotated[int, Path(ge=0, lt=2**63, description="Id of an item.")]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that the application serves and is configured by.

    Attributes
    ----------
    index : Index
        The collection.
    probe : Probe or None
        A classifier, or None where the service does not classify.
    keys : Keys
        The accepted API keys; requests need none where it is empty.
    limits : Limits
        Bounds of a request, and of all requests together.
    host : str
        Host name that requests may be addressed to, besides IP addresses and localhost.
    more_hosts : tuple of str
        Further host names.
    origins : tuple of str
        Origins of pages that may use the service, such as ``https://shop.example``.
    root_path : str
        Path below which a proxy shows the service, such as ``/pictures``.
    """

    index: Index
    probe: Probe | None = None
    keys: Keys = field(default_factory=Keys)
    limits: Limits = field(default_factory=Limits)
    host: str = "127.0.0.1"
    more_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    root_path: str = ""


def create_app(service: Service, keys: CurrentKeys | None = None) -> FastAPI:
    """Return the ASGI application; its threads start and end with the server that runs it.

    Parameters
    ----------
    service : Service
        What is served.
    keys : CurrentKeys, optional
        The accepted keys, which may change; by default those of the service.

    Raises
    ------
    UsageError
        If a host name, an origin or the root path of the service is none.
    """
    keys = keys or CurrentKeys(service.keys)
    names = Names.of(service.host, service.more_hosts, service.origins)
    below = root_path(service.root_path)
    counters = Counters()
    engine = Engine(service.index, service.probe, service.limits, counters)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        try:
            yield
        finally:
            await engine.stop()

    app = FastAPI(
        title="clr-search",
        version=__version__,
        description="Embedding, search and classification of pictures.",
        openapi_url=None,  # `openapi` keeps its bytes, which took 10 ms for each request
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.engine, app.state.docs, app.state.openapi = engine, None, None
    app.include_router(router)
    direct = (embed, embeddings, search, readyz)
    plain = [r for r in router.routes if isinstance(r, APIRoute) and r.endpoint in direct]
    build = app.build_middleware_stack

    def guarded() -> Guard:
        # The guard stands around FastAPI's own layers, because it answers every failure itself.
        behind = Direct(build(), routes=plain, owner=app)
        return Guard(behind, keys, service.limits, counters, names, below)

    app.build_middleware_stack = guarded  # type: ignore[method-assign]
    _explain_failures(app)
    app.openapi = lambda: described(  # type: ignore[method-assign]
        app, keys=bool(service.keys), below=below
    )
    return app


router = APIRouter()


def _json(content: object) -> Response:
    """Return JSON as the command line writes it: names that are not valid text stay escaped."""
    return Response(json.dumps(content), media_type="application/json")


def _engine(request: Request) -> Engine:
    """Return the engine of the application that a request is for."""
    engine: Engine = request.app.state.engine
    return engine


@router.post(
    "/v1/embed", openapi_extra=IMAGES_BODY, response_model=schemas.EmbedOut, responses=VECTORS
)
async def embed(request: Request) -> Response:
    """Embed pictures to unit vectors.

    The answer is JSON, or raw float32 with `Accept: application/octet-stream`. Raw vectors are
    little-endian, row after row; the header `x-shape` holds their number and length.
    """
    engine = _engine(request)
    vectors, encoder = await engine.embed(await read_images(request, engine.limits, engine.parse))
    if BINARY in request.headers.get("accept", ""):
        headers = {"x-shape": ",".join(map(str, vectors.shape)), "x-model": encoder.sha256}
        return Response(vectors.astype("<f4").tobytes(), media_type=BINARY, headers=headers)
    answer = schemas.EmbedOut(
        embeddings=vectors.tolist(), dimension=vectors.shape[1], model=encoder.sha256
    )
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post(openai.PATH, openapi_extra=EMBEDDINGS_BODY, response_model=openai.EmbeddingsOut)
async def embeddings(request: Request) -> Response:
    """Embed pictures for clients of OpenAI's API.

    An input is a data URL, or an object with one as `image` or `image_url`; no URL is ever fetched.
    The name of the model is repeated, whatever it is.
    """
    engine = _engine(request)
    message, files = await openai.read_embeddings(request, engine.limits, engine.parse)
    dimension = (await engine.encoder()).dimension
    if message.dimensions not in (None, dimension):
        raise unusable(
            f"dimensions is {message.dimensions}; the vectors of this encoder have {dimension}.",
            "Leave dimensions out.",
        )
    vectors, _ = await engine.embed(files)
    return _json(openai.answered(message, vectors))


@router.post("/v1/search", openapi_extra=SEARCH_BODY, response_model=schemas.SearchOut)
async def search(request: Request) -> Response:
    """Find the pictures of the collection most similar to a picture, a vector, or some items."""
    engine = _engine(request)
    matches = await engine.search(*await read_search(request, engine.limits, engine.parse))
    return _json({"results": [match.summary() for match in matches]})


@router.post("/v1/classify", openapi_extra=IMAGES_BODY)
async def classify(
    request: Request,
    k: Annotated[int, Query(ge=1, le=1000, description="Classes a picture.")] = 3,
) -> schemas.ClassifyOut:
    """Classify pictures, and tell whether each is of any of the classes."""
    engine = _engine(request)
    verdicts = await engine.classify(await read_images(request, engine.limits, engine.parse))
    card = engine.probe.card if engine.probe else None
    return schemas.ClassifyOut(
        results=[schemas.PredictionsOut.of(one, k) for one in verdicts],
        refused=card.novelty_refused if card else None,
        caught=card.novelty_caught if card else None,
    )


@router.get("/v1/items/{number}", response_model=schemas.ItemOut)
async def item(request: Request, number: Number) -> Response:
    """Describe an item of the collection."""
    engine = _engine(request)
    record = await engine.item(number)
    names = ("id", "label", "width", "height", "size", "sha256", "added_at")
    values = {name: getattr(record, name) for name in names}
    missing = await engine.presence.is_missing(record)
    return _json(values | {"path": str(record.path), "missing": missing})


@router.get("/v1/items/{number}/thumbnail", response_class=Response, responses=THUMBNAIL)
async def thumbnail(
    request: Request,
    number: Number,
    side: Annotated[int, Query(ge=16, le=1024, description="Longer side in pixels.")] = 256,
) -> Response:
    """Draw an item of the collection as a small JPEG, upright and without metadata."""
    data = await _engine(request).thumbnail(number, side)
    headers = {"cache-control": "private, max-age=300"}
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/v1/model")
async def model(request: Request) -> schemas.ModelOut:
    """Describe the encoder, the collection, and the limits of a request."""
    engine = _engine(request)
    encoder = await engine.encoder()
    limits = engine.limits
    return schemas.ModelOut(
        sha256=encoder.sha256,
        dimension=encoder.dimension,
        image_size=encoder.image_size,
        card=encoder.card.summary(),
        items=await engine.look_up(len),
        classes=list(engine.probe.classes) if engine.probe else [],
        limits={
            "body_bytes": limits.body_bytes,
            "pixels": limits.pixels,
            "images": limits.images,
            "neighbours": limits.neighbours,
            "seconds": limits.seconds,
        },
    )


@router.get("/healthz")
async def healthz() -> schemas.Health:
    """Tell that the process answers."""
    return schemas.Health(status="alive")


@router.get("/readyz", response_model=schemas.Health)
async def readyz(request: Request) -> Response:
    """Tell whether the collection was in its place and could be read, a second ago at most."""
    if not await _engine(request).readiness.ready():
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The collection cannot be read now.")
    answer = schemas.Health(status="ready")
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Return the metrics in the format of Prometheus."""
    engine = _engine(request)
    engine.counters.items.set(await engine.look_up(len))
    return Response(engine.counters.text(), headers={"content-type": METRICS_TYPE})


@router.get("/openapi.json", include_in_schema=False, response_class=Response)
async def openapi(request: Request) -> Response:
    """Describe the service for programs."""
    document = request.app.state.openapi
    if document is None:
        text = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":"))
        document = request.app.state.openapi = text.encode()
    return Response(document, media_type="application/json")


@router.get(DOCS, include_in_schema=False, response_class=Response)
async def docs(request: Request) -> Response:
    """Describe the service for people, as a page that loads nothing."""
    page = request.app.state.docs
    if page is None:
        page = request.app.state.docs = reference.page(request.app.openapi())
    headers = {"content-security-policy": reference.POLICY}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


def _explain_failures(app: FastAPI) -> None:
    """Answer every refusal, also those of FastAPI itself, as a problem (RFC 9457)."""

    @app.exception_handler(Problem)
    async def known(request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return unusable(told(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = f"{status.phrase}: {request.method} {request.url.path}."
        headers = dict(error.headers or {})
        if "GET" in headers.get("Allow", ""):
            headers["Allow"] += ", HEAD"
        return Problem(status, detail, f"The routes are listed at {DOCS}.", headers).response()
