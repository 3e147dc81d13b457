"""The page as a file: whole, closed to the network, and safe whatever the data says."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from tests.report import case
from tests.report.page import worlds

from culpa.errors import InputError
from culpa.report.page import page_of, write_page

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'`\u2028\u202e{{7*7}}${7*7}&amp;"""


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self._open = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "script":
            self._open = [dict(attrs).get("type"), ""]

    def handle_data(self, data):
        if self._open is not None:
            self._open[1] += data

    def handle_endtag(self, tag):
        if tag == "script":
            self.scripts.append(tuple(self._open))
            self._open = None


@pytest.fixture(scope="module")
def plain():
    return page_of(worlds.verdict(worlds.record(), relabel=case.labels("honest")))


@pytest.fixture(scope="module")
def hostile():
    names = (HOSTILE[:60], "noisy")
    return page_of(
        worlds.verdict(worlds.record(names=names, text=HOSTILE), relabel=case.labels(HOSTILE), notes=(HOSTILE,))
    )


def content(page):
    return json.loads(next(text for kind, text in Elements(page).scripts if kind == "application/json"))


def test_the_page_has_its_parts_in_order(plain):
    places = [plain.index(f'<section id="{name}"') for name in
              ("ranking", "forecast", "errors", "relabel", "learners", "playground", "unknown")]  # fmt: skip
    assert places == sorted(places)
    assert plain.index("<h1") < places[0]


def test_the_page_asks_for_nothing(plain):
    found = Elements(plain)
    assert not {"iframe", "object", "embed", "base", "form"} & set(found.tags)
    links = [value for _, name, value in found.attributes if name in ("src", "href", "srcset", "action")]
    assert links == ["data:,"]
    assert "@import" not in plain
    assert "url(" not in re.search("<style>(.*?)</style>", plain, re.DOTALL)[1]


def test_only_its_own_scripts_may_run(plain, hostile):
    for page in (plain, hostile):
        found = Elements(page)
        policy = next(value for tag, name, value in found.attributes if tag == "meta" and name == "content")
        own = [text for kind, text in found.scripts if kind is None]
        hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own}
        assert len(own) == 4
        assert set(re.findall("'sha256-(.*?)'", policy)) == hashes
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert not re.search("script-src[^;]*unsafe", policy)


def test_hostile_text_adds_no_element_and_no_attribute(plain, hostile):
    kinds = {(tag, name) for tag, name, _ in Elements(hostile).attributes}
    assert kinds == {(tag, name) for tag, name, _ in Elements(plain).attributes}
    assert set(Elements(hostile).tags) == set(Elements(plain).tags)
    assert Elements(hostile).tags.count("script") == Elements(plain).tags.count("script")
    assert "<img src=x" not in hostile


def test_hostile_text_arrives_whole(hostile):
    held = content(hostile)
    assert held["prompts"][0]["prompt"].startswith(HOSTILE)
    assert held["proxies"][0] == HOSTILE[:60]


def test_an_error_leads_to_its_prompt_and_its_output(plain):
    held = content(plain)
    for error in held["errors"]:
        prompt = held["prompts"][error["prompt"]]
        assert prompt["id"] == error["prompt_id"]
        place = prompt["columns"].index(error["output"])
        assert prompt["scores"][held["proxies"].index(error["proxy"])][place] == pytest.approx(error["score"])
        assert prompt["truth"][place] == pytest.approx(error["truth"])


def test_every_figure_is_drawn_and_has_its_table(plain):
    figures = set(re.findall('id="chart-(.*?)"', plain))
    assert figures == set(content(plain)["specs"]) == {"outcomes", "cosines", "curves", "errors", "learners"}
    for name in figures:
        assert "<table>" in plain.split(f'id="chart-{name}"')[1].split("</details>")[0]


def test_what_the_page_shows_in_its_own_way_is_not_said_twice(plain):
    titles = re.findall("<h3>(.*?)</h3>", plain)
    assert "Ranking" in titles
    assert not {"Label first", "Errors", "Errors that hurt most", "Under other algorithms"} & set(titles)


def test_effects_say_whose_truth_they_change(plain):
    assert content(plain)["whose"] == "all prompts together"
    assert "uses features that prompts share" in plain
    alone = page_of(worlds.verdict(worlds.enumerated()))
    assert content(alone)["whose"] == "its prompt"
    assert "is a mean over prompts" in alone


def test_the_same_verdict_gives_the_same_bytes():
    made = worlds.verdict(worlds.record(3))
    assert page_of(made) == page_of(made)


def test_an_audit_without_a_truth_shows_what_it_can():
    sample = worlds.record().with_truth(None)
    page = page_of(worlds.verdict(sample), sample)
    assert '<section id="playground"' in page
    assert '<section id="relabel"' in page
    assert '<section id="forecast"' not in page
    assert content(page)["prompts"][0]["truth"] is None


def test_a_verdict_alone_has_no_playground():
    page = page_of(case.three())
    assert '<section id="playground"' not in page
    assert content(page)["prompts"] == []
    assert "Nothing was left out" not in page


def test_numbers_that_are_none_become_null():
    made = worlds.verdict(worlds.record())
    nothing = {name: pl.lit(float("nan")) for name in ("outcome", "low", "cosine")}
    outlook = replace(made.outlook, prediction=made.outlook.prediction.with_columns(**nothing))
    outlook = replace(outlook, errors=outlook.errors.with_columns(effect=pl.lit(float("inf"))))
    assert "NaN" not in json.dumps(content(page_of(replace(made, outlook=outlook))))


def test_a_large_record_makes_no_large_page():
    rng = np.random.default_rng(0)
    sample = worlds.record(400, 16, tuple("abcdefghij"))
    texts = pl.DataFrame({"prompt": "why? " * 600, "response": ["<é word> " * 500] * sample.size})
    sample = replace(sample, table=texts, weight=rng.dirichlet(np.ones(16), 400))
    made = worlds.verdict(worlds.enumerated(names=tuple("abcdefghij")))
    errors = made.outlook.errors.sample(6000, with_replacement=True, seed=0)
    errors = errors.with_columns(prompt_id=pl.Series([f"q{i % 400}" for i in range(6000)]))
    outlook = replace(made.outlook, sample=sample, errors=errors)
    page = page_of(replace(made, outlook=outlook))
    assert len(page.encode()) < 4_000_000
    assert "The page holds the outputs and texts of" in page
    assert len(content(page)["errors"]) == 800


def test_the_file_is_written_whole_or_not_at_all(tmp_path):
    made = worlds.verdict(worlds.record(2))
    assert write_page(made, tmp_path / "a.html").read_text(encoding="utf-8") == page_of(made)
    with pytest.raises(InputError, match="folder does not exist"):
        write_page(made, tmp_path / "none" / "a.html")


def test_the_charts_are_loaded_when_a_page_is_made():
    code = "import sys, culpa.report.page; assert not {'altair', 'vl_convert', 'jinja2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
