"""``python -m clr_search`` is ``clr-search``."""

from clr_search.cli.main import main

if __name__ == "__main__":
    main()
