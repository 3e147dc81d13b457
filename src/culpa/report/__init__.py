"""A verdict for people and machines: terminal, Markdown, HTML, SARIF, JUnit, model card (JSON is its own `to_json`)."""

from typing import TYPE_CHECKING, Any

from culpa.audit import WRITERS, Verdict
from culpa.report.card import to_card
from culpa.report.ci import to_junit, to_sarif
from culpa.report.markdown import to_markdown
from culpa.report.notebook import to_notebook
from culpa.rollouts import Rollouts

if TYPE_CHECKING:
    from culpa.report.terminal import print_verdict, to_text

__all__ = ["print_verdict", "to_card", "to_html", "to_junit", "to_markdown", "to_notebook", "to_sarif", "to_text"]


def to_html(verdict: Verdict, rollouts: Rollouts | None = None) -> str:
    """One self-contained page; `rollouts`, what was audited, is only needed where the verdict has no forecast."""
    from culpa.report.page import page_of  # noqa: PLC0415 - the page loads when it is written

    return page_of(verdict, rollouts)


if not TYPE_CHECKING:  # a checker is to know these two names, and no others

    def __getattr__(name: str) -> Any:
        """What writes to a terminal, once it is asked for: it needs rich, which `import culpa` does without."""
        if name not in ("print_verdict", "to_text"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from culpa.report import terminal  # noqa: PLC0415

        return getattr(terminal, name)


WRITERS.update(html=to_html, markdown=to_markdown, notebook=to_notebook)
