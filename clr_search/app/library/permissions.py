"""What visitors of the page may see and do, which whoever starts it decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from clr_search.errors import ClrSearchError

_DENIED = {
    "large": ("Only thumbnails are shown here.", "Start the app without --thumbnails-only."),
    "originals": ("Files of the collection are not handed out.", "Start the app with --originals."),
    "reveal": ("Only on the machine of the collection can its files be shown.", ""),
    "write": (
        "Nothing is remembered from here, as everybody in the network could say it.",
        "Start the app with --auth FILE.",
    ),
}


@dataclass(frozen=True, slots=True)
class Permissions:
    """What visitors may see and do.

    Attributes
    ----------
    large : bool
        Whether pictures are shown as large as a screen; else there are thumbnails only.
    originals : bool
        Whether files of the collection can be downloaded as they are.
    reveal : bool
        Whether a click shows a file in the file manager of the machine that runs the app.
    write : bool
        Whether what they say of copies and labels is kept in the collection.
    """

    large: bool = True
    originals: bool = False
    reveal: bool = False
    write: bool = True

    def as_json(self) -> dict[str, bool]:
        """Return the permissions by name, for the page to hide what is not allowed."""
        return asdict(self)

    def require(self, name: str) -> None:
        """Refuse what is not allowed.

        Raises
        ------
        ClrSearchError
            If the permission with this name is not given.
        """
        if not getattr(self, name):
            raise ClrSearchError(*_DENIED[name])
