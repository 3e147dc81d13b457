"""A verdict as one self-contained HTML page."""

from culpa.report.page.write import page_of, write_page

__all__ = ["page_of", "write_page"]
