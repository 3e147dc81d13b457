// Draws the figures, opens errors in the dialog. All that came from the data is set as text, never as markup.
"use strict";
const culpaPage = (() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const dialog = document.getElementById("opened");
  const views = {};

  // An element with attributes and children; strings become text.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function figure(value, sign = false) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    const text = size >= 1000 || (size > 0 && size < 1e-3) ? value.toPrecision(3) : value.toFixed(3);
    return sign && value > 0 ? `+${text}` : text;
  }

  function table(headers, rows, label) {
    const head = make("tr", {}, ...headers.map((text) => make("th", { scope: "col" }, text)));
    const body = rows.map(({ cells, wrong }) =>
      make("tr", wrong ? { class: "wrong" } : {}, ...cells.map((one) => make("td", { dir: "auto" }, one))));
    const whole = make("table", {}, make("caption", {}, label), make("thead", {}, head), make("tbody", {}, ...body));
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, whole);
  }

  function words(text, label) {
    return make("p", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": label }, text);
  }

  const tip = make("div", { class: "tip", hidden: "" });
  document.body.append(tip);

  function showTip(handler, event, item, value) {
    tip.hidden = value === null || value === undefined;
    if (tip.hidden) return;
    const lines = Object.entries(value).map(([name, one]) => make("div", {}, make("b", {}, `${name} `), String(one)));
    tip.replaceChildren(...lines);
    tip.style.left = `${Math.max(0, Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(0, Math.min(event.clientY + 12, window.innerHeight - tip.offsetHeight - 8))}px`;
  }

  async function draw(name, spec) {
    const container = document.getElementById(`chart-${name}`);
    if (!container) return;
    // `ast`: expressions are interpreted, so the page needs no right to compile code.
    const options = { mode: "vega", renderer: "svg", actions: false, ast: true, hover: true, tooltip: showTip };
    views[name] = (await vegaEmbed(container, spec, options)).view;
  }

  function facts(error) {
    const how = error.method === "adjoint" ? "estimated to first order" : "with the error, less without it";
    const turned = error.crossing ? `, of the other sign before step ${error.crossing}` : "";
    return [
      `${error.proxy} gives ${figure(error.score)} where ${figure(error.right)} is right (truth ${figure(error.truth)}). `,
      `It is ${error.kind}: ${error.reason || "its runs were not simulated, so there is no reason"}. `,
      `Effect on the truth of ${content.whose} ${figure(error.effect, true)} (${how}) after ${error.horizon ?? "–"} steps of ${error.learner}${turned}.`,
    ].join("");
  }

  function openError(number) {
    const error = content.errors[number];
    const prompt = error.prompt === null ? null : content.prompts[error.prompt];
    const close = make("button", { type: "button", onclick: () => dialog.close() }, "Close");
    const parts = [
      make("h2", { id: "opened-title", dir: "auto" }, `Prompt ${error.prompt_id}`),
      make("p", { dir: "auto" }, facts(error)),
      ...(prompt ? told(prompt, error) : [make("p", {}, "The page does not hold the outputs of this prompt.")]),
    ];
    const play = make("button", { type: "button", onclick: () => { dialog.close(); culpaPlay.open(error); } }, "Try it in the playground");
    dialog.firstElementChild.replaceChildren(...parts, make("p", { class: "buttons" }, prompt ? play : null, close));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function told(prompt, error) {
    const scores = prompt.scores[content.proxies.indexOf(error.proxy)];
    const rows = prompt.mass.map((mass, i) => {
      const wrong = prompt.columns[i] === error.output;
      const text = prompt.texts[i];
      const cells = [
        wrong ? "this one" : String(prompt.columns[i]), figure(mass), figure(scores[i]), figure(prompt.truth ? prompt.truth[i] : null),
        text === null ? `output ${prompt.columns[i]}` : words(text, `Text of output ${prompt.columns[i]}`),
      ];
      return { wrong, mass, cells };
    });
    rows.sort((a, b) => b.wrong - a.wrong || b.mass - a.mass);
    const shown = table(["which", "mass", "score", "truth", "output"], rows, "Outputs of the prompt");
    return [prompt.prompt === null ? null : words(prompt.prompt, "Text of the prompt"), shown].filter((one) => one !== null);
  }

  function listen() {
    for (const button of document.querySelectorAll("[data-error]")) {
      button.addEventListener("click", () => openError(Number(button.dataset.error)));
    }
    const picker = document.getElementById("map-proxy");
    if (!picker || !views.errors) return;
    const names = new Set(content.errors.map((error) => error.proxy));
    picker.append(...[...names].map((name) => make("option", { value: name }, name)));
    picker.addEventListener("change", () => views.errors.signal("picked", picker.value).run());
    views.errors.addEventListener("click", (event, item) => {
      if (item && item.datum && item.datum.id !== undefined) openError(item.datum.id);
    });
  }

  // What is folded away on the screen is printed all the same.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(#pg-table)")];
    folded.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const ready = Promise.all(Object.entries(content.specs).map(([name, spec]) => draw(name, spec))).then(listen);
  return { content, make, figure, table, ready, views, openError };
})();
