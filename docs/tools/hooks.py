"""What mkdocs asks for while it builds: pages made from the code, links that lead out of docs/, formulas as MathML.

Formulas become MathML when the site is built, which browsers show by themselves: no script, nothing from the network.
"""

import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # however mkdocs is called

from docs.tools.reference import api_pages  # noqa: E402

HOUSE = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
ELSEWHERE = {**HOUSE, "README.md": "index.md", "examples": "examples.md"}
REST = "Evidence"  # where a page goes that no part of the navigation names
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_config(config: Any) -> Any:
    """The navigation: verbs and storeys filled in, pages that are not there left out, pages that it forgot put in."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {*HOUSE.values(), "examples.md", *api_pages()}
    index = (ROOT / "docs" / "verbs" / "index.md").read_text(encoding="utf-8")
    verbs = [f"verbs/{name}" for name in re.findall(r"\]\(([a-z]+\.md)\)", index)]
    for section in config.nav:
        (title, inside), *_ = section.items()
        inside += verbs if title == "Verbs" else []
        inside += [page for page in api_pages() if page != "api/culpa.md"] if title == "Python" else []
        section[title] = [entry for entry in inside if _file(entry) in there | made]
    named = {_file(entry) for section in config.nav for inside in section.values() for entry in inside}
    for section in config.nav:
        if REST in section:
            section[REST] += sorted(there - named)
    return config


def on_files(files: Any, config: Any) -> Any:
    """The pages that are made: the house's own from the root, the examples, the reference."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - all else is tested without it

    pages = {target: (ROOT / name).read_text(encoding="utf-8") for name, target in HOUSE.items()}
    for name, text in {**pages, "examples.md": examples(), **api_pages()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files of the repository outside of docs/ lead to the pages made of them."""
    here = HOUSE_AT.get(page.file.src_uri, Path("docs") / page.file.src_uri)
    site = Path(page.file.src_uri).parent

    def turned(found: re.Match[str]) -> str:
        target = _elsewhere(here.parent, found[2])
        if target is None:
            return found[0]
        way = "../" * len(site.parts) + target
        return f"{found[1]}{way}{found[3] or ''}{found[4]}"

    return _LINK.sub(turned, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Every formula as MathML."""
    if "arithmatex" not in html:
        return html
    from latex2mathml.converter import convert  # noqa: PLC0415 - as above

    def shown(found: re.Match[str]) -> str:
        return str(convert(unescape(found[3]), display="inline" if found[2] == "(" else "block"))

    return _FORMULA.sub(shown, html)


def examples() -> str:
    """A page of the scripts in examples/: each with the question that it answers."""
    parts = ["# Examples", "", "Scripts of a few lines, in `examples/` of the repository."]
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text(encoding="utf-8").rstrip()
        parts += ["", f"## {path.stem.replace('_', ' ')} {{#{path.name}}}", "", f"`python examples/{path.name}`", ""]
        parts += ["```python", text, "```"]
    return "\n".join([*parts, ""])


def _elsewhere(folder: Path, target: str) -> str | None:
    """The page of the site that stands for a file outside of docs/, if there is one.

    >>> _elsewhere(Path("docs"), "../examples/tiny.py"), _elsewhere(Path("docs"), "json.md")
    ('examples.md#tiny.py', None)
    """
    if "://" in target:
        return None
    way = (ROOT / folder / target).resolve()
    if not way.is_relative_to(ROOT):
        return None
    parts = way.relative_to(ROOT).parts
    if parts[:1] == ("docs",):
        return "/".join(parts[1:]) if folder.parts[:1] != ("docs",) else None
    page = ELSEWHERE.get(parts[0]) if parts else None
    return f"{page}#{parts[1]}" if page and len(parts) > 1 else page


def _file(entry: Any) -> str:
    return next(iter(entry.values())) if isinstance(entry, dict) else entry


HOUSE_AT = {target: Path(name) for name, target in HOUSE.items()}
