"""Chromium through Playwright. Where either is missing these tests skip, and fail where a browser is required."""

import os
import shutil
from pathlib import Path

import pytest

SCREENS = Path(__file__).parents[2] / "out" / "screens"


def missing(what):
    """A skip, or a failure where CULPA_BROWSER=required says that there must be a browser."""
    said = f"{what} is not installed: run `make browser`"
    if os.environ.get("CULPA_BROWSER") == "required":
        pytest.fail(said)
    pytest.skip(said)


def until(page, expression, arg=None):
    """Wait until an expression holds. Playwright's own waiting compiles code in the page, which it forbids."""
    for _ in range(500):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came true: {expression}")


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe():
    try:
        import axe_playwright_python
    except ImportError:
        missing("axe-playwright-python")
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page's text as a file; what it complains of or asks the network for fails the test at its end."""
    wrong, contexts = [], []

    def opened(text, *, width=1280, height=900, **how):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda one: wrong.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: wrong.append(str(one)))
        page.on("dialog", lambda one: (wrong.append(f"a dialog: {one.message}"), one.dismiss()))
        page.on("request", lambda one: None if one.url in (path.as_uri(), "data:,") else wrong.append(one.url))
        page.goto(path.as_uri())
        page.evaluate("culpaPage.ready")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
