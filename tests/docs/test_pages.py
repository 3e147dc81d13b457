"""What the pages point at is there: files, headings, verbs, flags; without building the site."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from culpa.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
VERBS = get_command(app).commands


def words(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")))


def anchors(path):
    """What links may call the headings of a page: their words in small letters, joined by dashes."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)", words(page)):
        way = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert way.exists(), f"{page} points at {target}"
        if anchor and way.suffix == ".md":
            assert anchor in anchors(way), f"{page} points at {target}#{anchor}"


def commands(page):
    """Lines of code that call culpa, without comments; a backslash ends a line that goes on."""
    for _, block in FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?culpa ([a-z]+(?: .*)?)$", line)
            if found:
                yield re.sub(r"\s#.*", "", found[1])


@pytest.mark.parametrize("page", NAMES)
def test_commands_name_verbs_and_flags_that_there_are(page):
    for line in commands(page):
        verb, *rest = line.split()
        assert verb in VERBS, f"{page}: culpa {line}"
        command = VERBS[verb]
        inner = getattr(command, "commands", {})
        command = inner.get(rest[0], command) if rest else command
        known = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
        for flag in re.findall(r"(?<=\s)(--[a-z][a-z-]*)", line):
            assert flag in known, f"{page}: culpa {line}"


def test_commands_are_found():
    assert len(list(commands("README.md"))) > 10
    assert len(list(commands("docs/faq.md"))) > 10
    assert "two-of-three-checks-pass-partial-credit-or-none" in anchors(DOCS / "faq.md")
    assert "how-long-a-plateau-lasts" in anchors(DOCS / "mathematics.md")


def test_the_site_asks_nothing_of_the_network():
    """No font, no script and no picture from elsewhere, and pages that open from the disk."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    assert settings["theme"]["font"] is False
    assert settings["use_directory_urls"] is False
    assert "http" not in text
    assert "url(" not in (DOCS / "assets" / "site.css").read_text(encoding="utf-8")
    for page in PAGES:
        assert not re.search(r"!\[[^\]]*\]\(http|<img[^>]*http|<script", words(page.relative_to(ROOT))), page


def test_the_first_page_says_what_the_readme_quotes():
    """And the README is held against the demo itself."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+)% \| ([\d.]+) \|$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == 2
    for name, right, after in rows:
        cells = re.search(rf"^{name} .*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)[0].split()
        head = len(cells) - 14  # the letters of its set, where it has any
        assert cells[head] == after
        assert f"{float(cells[head + 5]):.0%}" == f"{right}%"
