"""A client of the HTTP service, for Python programs in other processes or on other machines.

    from clr_search import Client

    with Client("http://127.0.0.1:8000") as client:
        for match in client.search("query.jpg", k=5):
            print(match.score, match.path)

It needs httpx, of the extra ``serve``.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union
from urllib.request import getproxies, proxy_bypass

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ClrSearchError, UsageError, require
from clr_search.files.stores.address import located
from clr_search.index.catalog.filters import Filter
from clr_search.index.search import query as index
from clr_search.index.search.matches import Match, Matches
from clr_search.index.search.query import Embedded, Query, SearchOptions
from clr_search.web.hosts import is_loopback

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image
    from typing_extensions import Unpack

Picture = Union[Path, str, bytes, "Image", NDArray[np.uint8]]
"""A picture: the path or the bytes of a file, a Pillow image, or RGB pixels, uint8 (H, W, 3)."""

# Seconds between two attempts while the service is busy; they double after each attempt.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0

_PART_BYTES = 256
"""Upper bound of the bytes that a form adds to each picture: headers take 140, a boundary 40."""


class ServiceError(ClrSearchError):
    """The service refused a request, or could not be reached.

    Attributes
    ----------
    status : int
        HTTP status of the answer; 0 where there was no answer.
    """

    def __init__(self, what: str, remedy: str = "", status: int = 0) -> None:
        super().__init__(what, remedy)
        self.status = status


class Client:
    """A connection to a service; it is a context manager, and safe to use from many threads.

    Parameters
    ----------
    url : str
        Address of the service, such as ``http://127.0.0.1:8000``.
    key : str, optional
        API key, where the service requires one.
    timeout : float
        Seconds to wait for one answer.
    patience : float
        Seconds for which a request is repeated while the service answers that it is busy.

    Raises
    ------
    UsageError
        If httpx is not installed.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8000", key="k" * 24, patience=60)
    >>> client.close()
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout: float = 30.0, patience: float = 30.0
    ) -> None:
        require("httpx", "serve")
        import httpx

        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        # A proxy cannot reach this machine by its loopback address; certificates of the environment
        # count all the same.
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            trust_env=not is_loopback(httpx.URL(url).host),
            verify=httpx.create_ssl_context(),
        )
        self._patience = patience
        self._limits: dict[str, float] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def embed(self, pictures: Picture | Iterable[Picture]) -> NDArray[np.float32]:
        """Return the unit vectors of one picture or many, float32 (N, D), in their order.

        Many pictures are sent in several requests, each as large as the service accepts.

        Raises
        ------
        ServiceError
            If the service refuses or cannot be reached.
        """
        rows = []
        for batch in self._batches(pictures):
            answer = self._send(
                "POST", "/v1/embed", files=batch, headers={"accept": "application/octet-stream"}
            )
            length = int(answer.headers["x-shape"].split(",")[1])
            rows.append(np.frombuffer(answer.content, dtype="<f4").reshape(-1, length))
        if not rows:
            return np.empty((0, int(self.model()["dimension"])), np.float32)
        return np.concatenate(rows).astype(np.float32)

    def search(
        self,
        picture: Query | Picture | int | None = None,
        *,
        vector: Sequence[float] | NDArray[np.floating] | None = None,
        ids: Sequence[int] = (),
        k: int = 10,
        **options: Unpack[SearchOptions],
    ) -> Matches:
        """Return the k pictures that are most similar to a picture, a vector, or some items.

        Parameters
        ----------
        picture, vector, ids
            The query: exactly one of the three, or a complete `Query` as `picture`. A vector has
            shape (D,). Several ids stand for the mean of their embeddings.
        k : int
            Number of results, at least 1.
        **options
            The options of `Index.search`. Pictures may also be the bytes of files.

        Returns
        -------
        Matches
            The neighbours, the most similar first.

        Raises
        ------
        UsageError
            If a value is out of its range, or a file cannot be read.
        ServiceError
            If the service refuses or cannot be reached.
        """
        vectors = None if vector is None else np.asarray(vector)
        query = (
            picture
            if isinstance(picture, Query)
            else Query(picture=picture, vectors=vectors, ids=ids, k=k)
        )
        answer = self._send("POST", "/v1/search", json=_json(query.refined(**options))).json()
        found = (result | {"path": located(result["path"])} for result in answer["results"])
        return Matches([Match(**result) for result in found])

    def classify(
        self, pictures: Picture | Iterable[Picture], k: int = 3
    ) -> list[list[tuple[str, float]]]:
        """Return the k most probable classes of each picture, with their probabilities.

        The probabilities are meaningful for pictures of any of the classes; `known` tells whether
        a picture is one.

        Raises
        ------
        ServiceError
            If the service has no classifier, refuses, or cannot be reached.
        """
        return [
            [(best["label"], best["probability"]) for best in result["predictions"]]
            for result in self._classified(pictures, k)
        ]

    def known(self, pictures: Picture | Iterable[Picture]) -> list[bool | None]:
        """Return for each picture whether it is of any of the classes.

        An element is None where the classifier cannot tell.

        Raises
        ------
        ServiceError
            If the service has no classifier, refuses, or cannot be reached.
        """
        return [result["known"] for result in self._classified(pictures, 1)]

    def _classified(self, pictures: Picture | Iterable[Picture], k: int) -> Iterator[Any]:
        """Yield the answer of the service for each picture."""
        for batch in self._batches(pictures):
            answer = self._send("POST", "/v1/classify", files=batch, params={"k": k})
            yield from answer.json()["results"]

    def item(self, number: int) -> dict[str, Any]:
        """Return what the collection holds of an item, by its id.

        The keys are id, path, label, width, height, size (in bytes), sha256, added_at and missing.

        Raises
        ------
        ServiceError
            If there is no such item (status 404), or the service cannot be reached.
        """
        return dict(self._send("GET", f"/v1/items/{number:d}").json())

    def thumbnail(self, number: int, side: int = 256) -> bytes:
        """Return a JPEG of an item, no side longer than `side` pixels, which is from 16 to 1024.

        Raises
        ------
        ServiceError
            If there is no such item (status 404), its file cannot be read, or the service cannot
            be reached.
        """
        return self._send("GET", f"/v1/items/{number:d}/thumbnail", params={"side": side}).content

    def model(self) -> dict[str, Any]:
        """Return the description of the encoder, the collection and the limits of the service."""
        return dict(self._send("GET", "/v1/model").json())

    def ready(self) -> bool:
        """Whether the service answers and can read its collection."""
        try:
            self._send("GET", "/readyz", patience=0)
        except ServiceError:
            return False
        return True

    def _batches(self, pictures: Picture | Iterable[Picture]) -> Iterable[list[Any]]:
        """Yield forms as large as the service accepts.

        A picture that is larger than a form may be is sent alone, for the service to refuse it.
        """
        if self._limits is None:
            self._limits = dict(self.model()["limits"])
        most_images, most_bytes = self._limits["images"], self._limits["body_bytes"]
        batch: list[Any] = []
        size = 0
        for picture in _many(pictures):
            data = _bytes(picture)
            if batch and (len(batch) == most_images or size + len(data) + _PART_BYTES > most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(("images", ("picture", data)))
            size += len(data) + _PART_BYTES
        if batch:
            yield batch

    def _send(
        self, method: str, path: str, *, patience: float | None = None, **request: Any
    ) -> httpx.Response:
        """Send a request, and again while the service is busy; return its successful answer."""
        import httpx

        deadline = time.monotonic() + (self._patience if patience is None else patience)
        wait = _FIRST_WAIT
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.HTTPError as error:
                raise ServiceError(
                    f"{self._http.base_url} cannot be reached: {error or type(error).__name__}.",
                    _unreached(self._http.base_url),
                ) from error
            if answer.is_success:
                return answer
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise _refusal(answer)
            retry_after = answer.headers.get("retry-after", "")
            pause = float(retry_after) if retry_after.isdigit() else wait
            if time.monotonic() + pause > deadline:
                raise _refusal(answer)
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


def _unreached(url: httpx.URL) -> str:
    """Return what to do where nothing answers at an address."""
    proxies = getproxies()
    on_the_way = url.scheme in proxies or "all" in proxies
    if on_the_way and not is_loopback(url.host) and not proxy_bypass(url.host):
        return (
            "The environment sends the request through a proxy; NO_PROXY="
            f"{url.host} lets it go past it. Is the service running?"
        )
    return "Is it running? clr-search serve COLLECTION"


def _refusal(answer: httpx.Response) -> ServiceError:
    """Return the error that describes an answer without success."""
    try:
        problem = dict(answer.json())
    except ValueError:  # The answer is not from the service, but from a proxy before it.
        problem = {}
    what = str(problem.get("detail") or f"The service answered {answer.status_code}.")
    return ServiceError(what, str(problem.get("remedy", "")), answer.status_code)


def _many(pictures: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """Return an iterable of pictures, also where there is only one."""
    from PIL.Image import Image

    if isinstance(pictures, (str, bytes, Path, Image)):
        return [pictures]
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        return [pictures]
    return pictures


def _bytes(picture: Picture) -> bytes:
    """Return the bytes of a file that holds the picture."""
    from PIL import Image

    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, (str, Path)):
        try:
            return Path(picture).read_bytes()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise UsageError(f"{picture} cannot be read: {reason}.") from error
    # Images become upright RGB first, since a PNG keeps neither EXIF nor every colour mode.
    pixels = picture if isinstance(picture, np.ndarray) else images.pixels_of(picture, "sent")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


_NAMES = {"picture": "image", "vectors": "vector", "diversity": "diverse"}
"""Fields of `Query` whose names differ in the JSON of the service."""


def _json(query: Query) -> dict[str, Any]:
    """Return the JSON of a query: the fields that differ from their defaults."""
    request: dict[str, Any] = {}
    for field in fields(Query):
        value = getattr(query, field.name)
        if value is field.default:
            continue
        if field.name == "picture":
            if isinstance(value, int | np.integer):  # the service has a list for items
                request["ids"] = [int(value)]
                continue
            value = _sent(value)
        elif field.name in {"like", "unlike"}:
            value = [_sent(picture) for picture in value]
        request[_NAMES.get(field.name, field.name)] = _plain(value)
    return request


def _sent(picture: index.Picture) -> int | str:
    """Return the id of an item, or the base64 of any other picture."""
    if isinstance(picture, int | np.integer):
        return int(picture)
    if isinstance(picture, Embedded):
        raise UsageError("A picture that is embedded already is sent as a vector.")
    return base64.b64encode(_bytes(picture)).decode("ascii")


def _plain(value: Any) -> Any:
    """Return a value of JSON: filters become objects, times text, and arrays lists."""
    if isinstance(value, Filter):
        return {name: _plain(bound) for name, bound in value.conditions().items()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    return value
