"""Export of a collection as a search page that runs in the browser, on any server of files."""

from clr_search.site.export import Options as Options
from clr_search.site.export import Written as Written
from clr_search.site.export import export_site as export_site

__all__ = ["Options", "Written", "export_site"]
