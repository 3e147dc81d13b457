"""What builds the site, as far as it runs without what builds it; the build itself where that is installed."""

import ast
import doctest
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from docs.tools import docstrings, hooks, reference, verbs

import culpa

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", [docstrings, hooks, reference, verbs], ids=lambda module: module.__name__)
def test_examples_of_the_tools(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_every_package_has_its_page_and_every_public_name_is_on_one():
    pages = reference.api_pages()
    packages = {path.parent.relative_to(reference.PACKAGE) for path in reference.PACKAGE.rglob("__init__.py")}
    names = {".".join(path.parts) or "culpa" for path in packages if path.parts[:1] != ("cli",)}
    assert {name.removeprefix("api/").removesuffix(".md") for name in pages} == names
    for name in set(culpa.__all__) - {"__version__"}:
        assert re.search(rf"^::: culpa\..*\.{name}$", pages["api/culpa.md"], re.MULTILINE), name
    assert "::: culpa.lm.sample\n" in pages["api/lm.md"]


@pytest.mark.parametrize("package", ["culpa", *(f"culpa.{name}" for name in reference.storeys())])
def test_a_name_is_defined_where_its_page_says(package):
    for name in reference.names(package):
        module, _, inner = reference.home(package, name).rpartition(".")
        assert getattr(import_module(module), inner) is getattr(import_module(package), name)


def test_an_example_has_its_own_block_and_a_formula_keeps_its_lines():
    text = "Mean of r_i * 2.\n\nm = sum r\n    / n\n\nSee `a_b`.\n\n>>> 1\n1\n\n>>> 2\n2\n"
    assert docstrings.markdown(text) == (
        "Mean of r\\_i \\* 2.\n\n```text\nm = sum r\n    / n\n```\n\nSee `a_b`.\n\n```pycon\n>>> 1\n1\n\n>>> 2\n2\n```"
    )


def test_no_docstring_loses_a_sign():
    """Of every docstring of the library: all that is added are backslashes and the fences of blocks, which all end."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    files = sorted(reference.PACKAGE.rglob("*.py"))
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)]
    texts = [text for node in nodes if (text := ast.get_docstring(node))]
    assert len(texts) > 1000
    for text in texts:
        shown = docstrings.markdown(text)
        fences = re.findall(r"^```\w*$", shown, re.MULTILINE)
        assert [fence == "```" for fence in fences] == [False, True] * (len(fences) // 2)
        bare = re.sub(r"^```\w*$", "", shown, flags=re.MULTILINE)
        assert re.sub(r"[\\\s]", "", bare) == re.sub(r"[\\\s]", "", text)


@pytest.mark.parametrize(
    ("part", "formula"),
    [
        ("A = r - mean        (p, s) to the like", True),
        ("plain:       sum_i w_i\nharm-aware:  sum_i w_i", True),
        ("    d pi = x", True),
        ("The gain is a = b, and no more.", False),
        ("1. one  two\n2. three", False),
        ("NaN stays NaN and does not count.", False),
    ],
)
def test_what_is_taken_for_a_formula(part, formula):
    assert docstrings.is_formula(part) is formula


def test_a_formula_becomes_mathml():
    pytest.importorskip("latex2mathml")
    inline = hooks.on_page_content('<p><span class="arithmatex">\\(a &lt; b_i\\)</span></p>')
    assert inline.startswith('<p><math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert "arithmatex" not in inline
    assert 'display="block"' in hooks.on_page_content('<div class="arithmatex">\\[\na\n\\]</div>')
    assert hooks.on_page_content("<p>$5</p>") == "<p>$5</p>"


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    """Strictly: a link or an anchor that leads nowhere, or a page that no navigation names, is an error."""
    for needed in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(needed)
    told = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    ran = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    pages = {
        path.relative_to(tmp_path / "site"): path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html")
    }
    assert len(pages) > 40
    for path, text in pages.items():
        assert '<script src="http' not in text, path
        assert "fonts.googleapis" not in text, path
        assert "arithmatex" not in text, path
        assert not re.search(r"<m[a-z]+[^>]*>\\", text), f"{path} shows the name of a sign"
    assert pages[Path("mathematics.html")].count('display="block"') > 15
    assert "gradient_cosine" in pages[Path("api/predictors.html")]
