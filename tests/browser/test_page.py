"""The page in a real browser: it draws, opens, plays, and leaves nobody out."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.browser.conftest import SCREENS, until
from tests.report import case
from tests.report.page import worlds

from culpa.dynamics import grpo, reinforce
from culpa.dynamics.walk import Columns, walk
from culpa.report.page import page_of

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'` \u05e9\u05dc\u05d5\u05dd \u202e {{7*7}} &amp; "
)
MODES = ("light", "dark")


@pytest.fixture(scope="module")
def sample():
    return worlds.record(12, 6)


@pytest.fixture(scope="module")
def text(sample):
    return page_of(
        worlds.verdict(sample, relabel=case.labels("honest", "noisy"), notes=("The file had no group ids.",))
    )


@pytest.fixture(scope="module")
def hostile():
    names = (HOSTILE[:60], "noisy")
    sample = worlds.record(4, 4, names, text=HOSTILE)
    return page_of(worlds.verdict(sample, relabel=case.labels(HOSTILE), notes=(HOSTILE,)))


def test_every_figure_is_drawn(visit, text):
    page = visit(text)
    for name in ("outcomes", "cosines", "curves", "errors", "learners"):
        box = page.locator(f"#chart-{name} svg").bounding_box()
        assert box["width"] > 600, name
        assert box["height"] > 80, name
        assert page.locator(f"#chart-{name} svg path").count() > 5, name


def test_a_mark_on_the_map_opens_its_error(visit, text):
    page = visit(text)
    page.locator("#chart-errors .role-mark.mark-symbol path").last.click(force=True)
    opened = page.locator("#opened")
    assert opened.is_visible()
    assert "gives" in opened.inner_text()
    assert opened.locator("tr.wrong").count() == 1
    assert opened.locator("tbody tr").count() == 6
    page.keyboard.press("Escape")
    assert not opened.is_visible()


def test_an_error_opens_and_plays_by_keyboard_alone(visit, text):
    page = visit(text)
    page.locator("[data-error]").first.focus()
    page.keyboard.press("Enter")
    opened = page.locator("#opened")
    row = page.locator("table:has([data-error]) tbody tr").first.locator("td").all_inner_texts()
    told = opened.locator("tr.wrong td").all_inner_texts()
    assert (told[2], told[3]) == (row[7], row[9])  # score and truth
    named = opened.locator("h2").inner_text().removeprefix("Prompt ")
    opened.get_by_role("button", name="Try it in the playground").focus()
    page.keyboard.press("Enter")
    assert not opened.is_visible()
    assert page.locator("#pg-prompt option:checked").inner_text().startswith(f"{named}:")
    assert page.evaluate("document.activeElement.id") == "pg-prompt"


def test_the_map_can_be_cut_to_one_proxy(visit, text):
    page = visit(text)
    marks = page.locator("#chart-errors .mark-symbol path")
    before = marks.count()
    page.select_option("#map-proxy", "hacked")
    until(page, "count => document.querySelectorAll('#chart-errors .mark-symbol path').length < count", before)
    assert marks.count() > 0


def final(page):
    until(page, "!culpaPlay.state.pending")
    return np.array(page.evaluate("culpaPlay.state.result.probs.at(-1)"))


def exact(page, sample, path, reward):
    row = list(sample.prompt_id).index(page.evaluate("culpaPlay.state.prompt.id"))
    start = np.log(sample.weight[row])[:, None]
    return np.exp(
        walk(Columns(start, start, reward[:, None]), path, steps=page.evaluate("culpaPlay.steps()"), eta=0.1)
    )[:, 0]


def test_the_playground_runs_what_the_simulator_runs(visit, text, sample):
    page = visit(text)
    page.select_option("#pg-proxy", label="noisy")
    row = list(sample.prompt_id).index(page.evaluate("culpaPlay.state.prompt.id"))
    reward = sample.proxies["noisy"][row].copy()
    np.testing.assert_allclose(final(page), exact(page, sample, reinforce(), reward), atol=1e-6, rtol=0)
    page.select_option("#pg-learner", "grpo")
    page.fill("#pg-number", "4")
    np.testing.assert_allclose(final(page), exact(page, sample, grpo(4), reward), atol=1e-6, rtol=0)


def test_a_dragged_reward_moves_the_numbers(visit, text, sample):
    page = visit(text)
    slider = page.locator("#pg-outputs input[type=range]").nth(2)
    said, before = page.locator("#pg-said").inner_text(), final(page)
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    after = final(page)
    until(page, "said => document.getElementById('pg-said').textContent !== said", said)
    reward = np.array(page.evaluate("culpaPlay.state.rewards"))
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, exact(page, sample, reinforce(), reward), atol=1e-6, rtol=0)
    assert "with the scores as they are" in page.locator("#pg-said").inner_text()
    page.get_by_role("button", name="Scores as they are").click()
    until(page, "said => document.getElementById('pg-said').textContent === said", said)


def test_errors_are_put_right_at_once(visit, text):
    page = visit(text)
    page.locator("#pg-right").click()
    final(page)
    wrong = page.evaluate("""() => {
      const { prompt, rewards } = culpaPlay.state, proxy = Number(document.getElementById("pg-proxy").value);
      return prompt.right.filter(([k]) => k === proxy).map(([, i, value]) => Math.abs(rewards[i] - value));
    }""")
    assert wrong
    assert max(wrong) == 0
    kept = page.evaluate("""() => {
      const { prompt, rewards, was } = culpaPlay.state, proxy = Number(document.getElementById("pg-proxy").value);
      const those = prompt.right.filter(([k]) => k === proxy).map(([, i]) => i);
      return was.map((value, i) => those.includes(i) || value === rewards[i]);
    }""")
    assert all(kept)


@pytest.mark.parametrize("learner", ["reinforce", "grpo", "best_of_n", "tilt"])
def test_every_algorithm_draws_its_curves(visit, text, learner):
    page = visit(text)
    page.select_option("#pg-learner", learner)
    final(page)
    page.locator("#pg-table summary").click()
    page.wait_for_selector("#pg-table tbody tr")
    assert page.locator("#pg-truth path").count() == 3
    assert page.locator("#pg-probs path").count() == 6
    assert "NaN" not in page.locator("#playground").inner_html()


def test_the_kl_weight_holds_the_policy_back(visit, text):
    page = visit(text)
    free = final(page)
    page.locator("#pg-kl").focus()
    page.keyboard.press("End")
    held = final(page)
    start = np.full(6, 1 / 6)
    assert np.abs(held - start).sum() < np.abs(free - start).sum()


def test_an_audit_without_a_truth_still_plays(visit):
    sample = worlds.record(3).with_truth(None)
    page = visit(page_of(worlds.verdict(sample), sample))
    assert "The truth of some outputs is not known" in page.locator("#pg-said").inner_text()
    assert page.locator("#pg-probs path").count() == 5
    assert not page.locator("#pg-truth").is_visible()


def test_a_missing_verdict_takes_the_mean(visit):
    sample = worlds.record(2)
    scores = np.array(sample.proxies["noisy"])
    scores[0, 1] = np.nan
    sample = replace(sample, proxies={"noisy": scores}).with_truth(None)
    page = visit(page_of(worlds.verdict(sample), sample))
    assert page.evaluate("culpaPlay.state.rewards[1]") == pytest.approx(np.nanmean(scores[0]))
    assert "no verdict: set to the mean" in page.locator("#pg-outputs").inner_text()


def test_many_outputs_are_folded(visit):
    page = visit(page_of(worlds.verdict(worlds.record(2, 30))))
    assert page.locator("#pg-outputs > .output").count() == 10
    assert page.locator("#pg-outputs details .output").count() == 20


def test_hostile_text_stays_text(visit, hostile):
    page = visit(hostile)
    assert HOSTILE.strip()[:40] in page.locator("#pg-text").inner_text()
    page.locator("[data-error]").first.click()
    assert page.locator("#opened img, #opened script").count() == 0
    assert "<img src=x onerror=alert(2)>" in page.locator("#opened").inner_text()
    assert page.locator("body img").count() == 0


def test_texts_of_100_kilobytes_are_cut_and_do_no_harm(visit):
    sample = worlds.record(4, 4)
    sample = replace(sample, table=pl.DataFrame({"response": [f"{i} {HOSTILE * 1000}" for i in range(16)]}))
    page = visit(page_of(worlds.verdict(sample)))
    page.locator("[data-error]").first.click()
    assert max(map(len, page.locator("#opened td .text").all_inner_texts())) <= 2000
    assert "Texts are cut at" in page.locator("#unknown").inner_text()
    assert overflow(page) == 0


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_runs_over_the_edge(visit, text, width, mode):
    page = visit(text, width=width, color_scheme=mode)
    page.wait_for_timeout(50)
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"page-{width}-{mode}.png", full_page=True)
    assert overflow(page) <= 0
    over = page.evaluate("""() => [...document.querySelectorAll("main :is(svg, figure, select, .controls, .chart), h1")]
      .filter((one) => { const box = one.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1; })
      .map((one) => one.outerHTML.slice(0, 80))""")
    assert over == []
    page.locator("[data-error]").first.click()
    page.screenshot(path=SCREENS / f"error-{width}-{mode}.png")
    box = page.locator("#opened").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("mode", MODES)
def test_everybody_can_read_and_reach_it(visit, text, axe, mode):
    page = visit(text, color_scheme=mode)
    page.evaluate(axe)
    for opened in (False, True):
        if opened:
            page.locator("[data-error]").first.click()
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"]) for one in found] == []


def test_the_keyboard_reaches_every_control(visit, text):
    page = visit(text)
    controls = "[...document.querySelectorAll('button, select, input, summary')]"
    asked = f"{controls}.filter((e) => e.checkVisibility() && !e.disabled)"
    wanted = page.evaluate(f"{asked}.length")
    page.evaluate(f"window.reached = new Set(); window.wanted = new Set({asked})")
    for _ in range(wanted * 2 + 40):
        page.keyboard.press("Tab")
        page.evaluate("wanted.has(document.activeElement) && reached.add(document.activeElement)")
    assert page.evaluate("[...wanted].filter((e) => !reached.has(e)).map((e) => e.outerHTML.slice(0, 80))") == []


def test_what_is_folded_is_printed(visit, text):
    page = visit(text)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    folded = page.locator("details:not([open]):not(#pg-table)")
    assert folded.count() == 0
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert folded.count() > 0
