"""A collection as a folder of files that search it in a browser: no server but for files."""

from clr_search.site.export import Options as Options
from clr_search.site.export import Written as Written
from clr_search.site.export import export_site as export_site

__all__ = ["Options", "Written", "export_site"]
