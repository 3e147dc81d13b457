// One prompt, its outputs and a slider under each reward: every change runs the policy gradient again.
"use strict";
const culpaPlay = (() => {
  const { content, make, figure, table } = culpaPage;
  const at = (name) => document.getElementById(`pg-${name}`);
  if (!at("prompt")) return { open() {} };
  const ETA = 0.1;
  const SHOWN = 10;
  const NUMBERS = {
    grpo: ["Group size", 2, 256, 8, 1], best_of_n: ["n", 2, 256, 16, 1], tilt: ["beta", 0.01, 100, 0.5, "any"],
  };
  const state = { prompt: null, rewards: [], was: [], lines: [], result: null, before: {}, pending: 0 };

  const steps = () => Math.round(10 ** (1 + (3 * at("steps").value) / 100));
  const kl = () => (Number(at("kl").value) / 100) ** 2;

  function learner() {
    const kind = at("learner").value;
    const [, low, high, usual] = NUMBERS[kind] || ["", 0, 0, 0];
    const typed = Number(at("number").value);
    let number = typed >= low && typed <= high ? typed : usual;
    if (kind !== "tilt") number = Math.round(number);
    if (kind === "grpo") return { kind, group: number, kl: kl() };
    return kind === "reinforce" ? { kind, kl: kl() } : { kind, number };
  }

  // The scores of a proxy; outputs without a verdict take the mean of the others, as nothing pushes them.
  function scoresOf(prompt, proxy) {
    const scores = prompt.scores[proxy];
    const known = scores.map((value, i) => [value, prompt.mass[i]]).filter(([value]) => value !== null);
    const whole = known.reduce((total, [, mass]) => total + mass, 0);
    const mean = known.length ? known.reduce((total, [value, mass]) => total + value * (whole ? mass / whole : 1 / known.length), 0) : 0;
    return scores.map((value) => (value === null ? mean : value));
  }

  function ownOutputs(prompt) {
    const whole = prompt.mass.reduce((a, b) => a + b, 0);
    return prompt.mass.map((mass) => (whole > 0 ? mass / whole : 1 / prompt.mass.length));
  }

  function compute(reward) {
    const who = learner();
    return culpaWalk.run({ mass: state.mass, reward, learner: who, eta: ETA, at: culpaWalk.recorded(steps()) });
  }

  function trueReward(result) {
    const { truth } = state.prompt;
    return truth && truth.every((value) => value !== null) ? result.probs.map((prob) => culpaWalk.dot(prob, truth)) : null;
  }

  // Runs that do not hang on the sliders of rewards are kept until something else changes.
  function frame() {
    const { truth } = state.prompt;
    const known = truth && truth.every((value) => value !== null);
    state.before = { was: compute(state.was), ideal: known ? compute(truth) : null };
  }

  function update() {
    state.pending = 0;
    const result = compute(state.rewards);
    state.result = result;
    const last = result.probs.length - 1;
    state.lines.forEach((line, i) => line.show(result.probs[last][i], state.rewards[i]));
    say(result, last);
    draw(result);
    if (at("table").open) fillTable();
  }

  function say(result, last) {
    const truth = trueReward(result);
    const was = trueReward(state.before.was);
    const proxy = (t) => figure(culpaWalk.dot(result.probs[t], state.rewards));
    const changed = state.rewards.some((value, i) => value !== state.was[i]);
    const parts = truth ? [`True reward ${figure(truth[0])} → ${figure(truth[last])}`] : ["The truth of some outputs is not known"];
    if (truth && changed) parts.push(`(with the scores as they are: ${figure(was[was.length - 1])})`);
    parts.push(`· proxy reward ${proxy(0)} → ${proxy(last)} · KL ${figure(result.kl[last])}`);
    at("said").textContent = parts.join(" ");
  }

  function plot(name, lines, low, high, xs) {
    const svg = (tag, attributes, ...children) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      element.append(...children);
      return element;
    };
    const [width, height, left, right, top, bottom] = [Math.max(260, at(name).clientWidth), 220, 44, 10, 8, 34];
    const spare = (high - low) * 0.05 || 0.5;
    const most = xs[xs.length - 1] || 1;
    const x = (value) => left + (value / most) * (width - left - right);
    const y = (value) => top + ((high + spare - value) / (high - low + 2 * spare)) * (height - top - bottom);
    const drawing = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const value of [low, (low + high) / 2, high]) {
      drawing.append(
        svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(2)),
      );
    }
    for (const value of [0, Math.round(most / 2), most]) {
      drawing.append(svg("text", { x: x(value), y: height - 17, "text-anchor": value === most ? "end" : "middle" }, value.toLocaleString("en")));
    }
    drawing.append(svg("text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle" }, axisTitle()));
    for (const { values, at: places, attributes } of lines) {
      const path = values.map((value, i) => `${i ? "L" : "M"}${x(places[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      drawing.append(svg("path", { d: path, ...attributes }));
    }
    at(name).replaceChildren(drawing);
  }

  function axisTitle() {
    const kind = at("learner").value;
    if (kind === "best_of_n") return "outputs drawn beyond the first";
    return kind === "tilt" ? "parts of the way to 1 / beta" : `steps of size ${ETA}`;
  }

  function draw(result) {
    const { truth } = state.prompt;
    const runs = [[result, "now-line"], [state.before.was, "was-line"], [state.before.ideal, "ideal-line"]];
    const lines = runs.filter(([run]) => run && trueReward(run)).map(([run, name]) => (
      { values: trueReward(run), at: run.steps, attributes: { class: name } }));
    const reached = lines.flatMap(({ values }) => values);
    at("truth").parentElement.hidden = at("keys").hidden = !lines.length;
    if (lines.length) plot("truth", lines.reverse(), Math.min(...reached), Math.max(...reached), result.steps);
    const best = truth ? Math.max(...truth.map((value) => value ?? -Infinity)) : null;
    const probs = state.mass.map((_, i) => ({
      values: result.probs.map((prob) => prob[i]), at: result.steps,
      attributes: { style: `stroke:var(${truth && truth[i] === best ? "--help" : "--calm"});stroke-opacity:.85` },
    }));
    plot("probs", probs, 0, 1, result.steps);
  }

  function fillTable() {
    const { result } = state;
    const truth = trueReward(result);
    const every = Math.max(1, Math.floor(result.steps.length / 12));
    const chosen = result.steps.map((_, t) => t).filter((t) => t % every === 0 || t === result.steps.length - 1);
    const heads = ["step", "true reward", "KL", ...state.prompt.columns.map((column) => `p(${column})`)];
    const rows = chosen.map((t) => ({ cells: [
      result.steps[t].toLocaleString("en"), figure(truth && truth[t]), figure(result.kl[t]), ...result.probs[t].map((p) => figure(p)),
    ] }));
    at("table").lastElementChild.replaceWith(table(heads, rows, "Curves of the playground"));
  }

  const share = (prob) => (prob > 0 && prob < 0.001 ? "< 0.001" : prob.toFixed(3));

  // One output: its text, bars of its probability now and at the end, a slider under its reward.
  function line(prompt, i, range) {
    const [low, high] = range;
    const name = `output ${prompt.columns[i]}`;
    const bars = [make("i"), make("i")];
    bars[0].style.width = `${100 * state.mass[i]}%`;
    const [after, value] = [make("span"), make("output")];
    const slider = make("input", { type: "range", min: low, max: high, step: "any", value: state.rewards[i], "aria-label": `Reward of ${name}` });
    slider.addEventListener("input", () => { state.rewards[i] = Number(slider.value); later(); });
    const truth = prompt.truth ? figure(prompt.truth[i]) : "–";
    const missing = prompt.scores[Number(at("proxy").value)][i] === null ? " · no verdict: set to the mean" : "";
    const words = make("p", { class: "words", dir: "auto" }, prompt.texts[i] ?? name);
    const element = make("div", { class: "output" },
      make("div", {}, words, make("p", { class: "meta" }, `${prompt.texts[i] === null ? "" : `${name} · `}truth ${truth}${missing}`)),
      make("div", {}, make("div", { class: "bars" }, ...bars), make("div", { class: "numbers" }, `now ${share(state.mass[i])}`, after)),
      make("label", {}, make("span", {}, "reward "), value, slider));
    const show = (prob, reward) => {
      bars[1].style.width = `${100 * prob}%`;
      after.textContent = `after ${share(prob)}`;
      value.textContent = figure(reward);
      if (Number(slider.value) !== reward) slider.value = reward;
    };
    return { element, show };
  }

  function choose() {
    const prompt = content.prompts[Number(at("prompt").value)];
    const proxy = Number(at("proxy").value);
    Object.assign(state, { prompt, mass: ownOutputs(prompt), was: scoresOf(prompt, proxy) });
    state.rewards = state.was.slice();
    at("text").textContent = prompt.prompt ?? "";
    const right = prompt.right.filter(([k]) => k === proxy).map(([, , value]) => value);
    const ends = [Math.min(...state.was, ...right), Math.max(...state.was, ...right)];
    const spare = (ends[1] - ends[0]) * 0.25 || 1;
    state.lines = state.mass.map((_, i) => line(prompt, i, [ends[0] - spare, ends[1] + spare]));
    list();
    at("right").disabled = !right.length;
    frame();
    update();
  }

  function list() {
    const order = state.mass.map((_, i) => i).sort((a, b) => state.mass[b] - state.mass[a]);
    const elements = order.map((i) => state.lines[i].element);
    at("outputs").replaceChildren(...elements.slice(0, SHOWN));
    if (elements.length <= SHOWN) return;
    const rest = elements.slice(SHOWN);
    at("outputs").append(make("details", {}, make("summary", {}, `${rest.length} more outputs`), ...rest));
  }

  function later() {
    if (!state.pending) state.pending = requestAnimationFrame(update);
  }

  function settings() {
    const kind = at("learner").value;
    const walks = kind === "reinforce" || kind === "grpo";
    at("number-label").hidden = kind === "reinforce";
    at("number-label").style.display = kind === "reinforce" ? "none" : "";
    at("number-label").firstElementChild.textContent = (NUMBERS[kind] || [""])[0];
    for (const name of ["steps", "kl"]) {
      at(name).disabled = !walks;
      at(`${name}-said`).textContent = walks ? (name === "steps" ? steps().toLocaleString("en") : kl().toFixed(3)) : "none";
    }
    frame();
    later();
  }

  function pickLearner() {
    const kind = at("learner").value;
    if (NUMBERS[kind]) {
      const [, low, high, usual, step] = NUMBERS[kind];
      Object.assign(at("number"), { min: low, max: high, step, value: usual });
    }
    settings();
  }

  function put(values) {
    state.rewards = values;
    later();
  }

  function putRight() {
    const proxy = Number(at("proxy").value);
    const values = state.was.slice();
    for (const [k, i, value] of state.prompt.right) if (k === proxy && value !== null) values[i] = value;
    put(values);
  }

  function start() {
    const short = (text) => (text.length > 90 ? `${text.slice(0, 89)}…` : text).replace(/\s+/g, " ");
    at("prompt").append(...content.prompts.map((one, i) => make("option", { value: i }, short(one.prompt === null ? one.id : `${one.id}: ${one.prompt}`))));
    const ranked = content.ranking.filter((name) => content.proxies.includes(name));
    const names = [...ranked, ...content.proxies.filter((name) => !ranked.includes(name))];
    at("proxy").append(...names.map((name) => make("option", { value: content.proxies.indexOf(name) }, name)));
    const [, kind, number] = content.learner.match(/(grpo|best_of_n|tilt)(?::([\d.]+))?/) || [];
    if (kind) at("learner").value = kind;
    choose();
    pickLearner();
    if (kind && number) at("number").value = number;
    settings();
  }

  function open(error) {
    at("prompt").value = error.prompt;
    at("proxy").value = content.proxies.indexOf(error.proxy);
    choose();
    document.getElementById("playground").scrollIntoView();
    at("prompt").focus({ preventScroll: true });
  }

  for (const name of ["prompt", "proxy"]) at(name).addEventListener("change", choose);
  for (const name of ["number", "steps", "kl"]) at(name).addEventListener("input", settings);
  at("learner").addEventListener("change", pickLearner);
  at("reset").addEventListener("click", () => put(state.was.slice()));
  at("right").addEventListener("click", putRight);
  at("table").addEventListener("toggle", () => { if (at("table").open) fillTable(); });
  window.addEventListener("resize", () => { if (state.result) draw(state.result); });
  start();
  return { open, state, steps };
})();
