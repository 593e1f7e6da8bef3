"""Pictures of results are drawn here: contact sheets, confusion matrices, learning curves, maps."""

from clr_search.pictures.confusion import confusion_matrix as confusion_matrix
from clr_search.pictures.curve import Line as Line
from clr_search.pictures.curve import learning_curve as learning_curve
from clr_search.pictures.sheet import SheetRow as SheetRow
from clr_search.pictures.sheet import Tile as Tile
from clr_search.pictures.sheet import contact_sheet as contact_sheet

__all__ = ["Line", "SheetRow", "Tile", "confusion_matrix", "contact_sheet", "learning_curve"]
