"use strict";
// The samples of the page: unpack them, filter them, show one with the completions of one or two models.
// What a model said is only ever set as text. Nothing is fetched: the data stand in the page.

const PAGE_SIZE = 20;
const byId = (id) => document.getElementById(id);

function element(tag, text, ...classes) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (classes.length) made.className = classes.join(" ");
  return made;
}

async function unpack(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// ---- one example and its answers -------------------------------------------------------------------------------

const [ID, CATEGORY, LANG, WANTS_CALL, QUERY, TOOLS, WANTED] = [0, 1, 2, 3, 4, 5, 6];
const [RIGHT, TOKENS, TEXT, CUT, REASON, FAULTS] = [0, 1, 2, 3, 4, 5];

function faultWords(data, answer) {
  return answer[FAULTS].map(([place, where]) => {
    const name = data.faults[place][0].replaceAll("_", " ");
    return where ? `${name}: ${where}` : name;
  });
}

function badge(answer) {
  if (answer[RIGHT] === null) return element("span", "not judged", "badge");
  return element("span", answer[RIGHT] ? "right" : "wrong", "badge", answer[RIGHT] ? "right" : "wrong");
}

function answerBox(data, model, answer, lang) {
  const box = element("div", undefined, "answer");
  const head = element("h4", `${data.models[model]} `);
  box.append(head);
  if (!answer) {
    box.append(element("p", "This model has no completion here: its prompt was too long, or the evaluation is unfinished.", "faint"));
    return box;
  }
  head.append(badge(answer));
  const faults = element("div", undefined, "badges");
  for (const words of faultWords(data, answer)) faults.append(element("span", words, "badge"));
  if (faults.childNodes.length) box.append(faults);
  const pre = element("pre", answer[TEXT] || "(nothing)");
  pre.dir = "auto";
  if (lang) pre.lang = lang;
  const cut = answer[CUT] ? `, ${answer[CUT]} characters not shown` : "";
  box.append(pre, element("p", `${answer[TOKENS]} tokens${cut} · ${answer[REASON]}`, "faint"));
  return box;
}

function fact(list, name, value, tag) {
  const place = element("dd");
  place.append(tag ? element(tag, value) : value);
  list.append(element("dt", name), place);
}

// ---- the list --------------------------------------------------------------------------------------------------

class Samples {
  constructor(data) {
    this.data = data;
    this.form = byId("samples-form");
    this.found = [];
    this.page = 0;
    this.at = -1;
    const last = data.models.length - 1;
    this.defaults = { model: data.models[last], beside: last > 0 ? data.models[last - 1] : "", verdict: "", category: "",
                      lang: "", fault: "", wants: "", text: "" };
    this.fill();
    this.form.addEventListener("input", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", () => setTimeout(() => { this.write({}); this.changed(); }));
    byId("samples-list").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.step(Number(button.dataset.place), true);
    });
    byId("samples-list").addEventListener("keydown", (event) => this.key(event));
    byId("samples-before").addEventListener("click", () => this.turn(-1));
    byId("samples-after").addEventListener("click", () => this.turn(1));
    window.addEventListener("hashchange", () => this.fromAddress(true));
    this.fromAddress(false);
  }

  fill() {
    const values = (place) => [...new Set(this.data.examples.map((e) => e[place]))].filter(Boolean).sort();
    const named = this.data.faults.filter((_, i) => this.data.answers.some((column) => column.some((a) => a && a[FAULTS].some((f) => f[0] === i))));
    this.options("model", this.data.models.map((m) => [m, m]));
    this.options("beside", [["", "no other model"], ...this.data.models.map((m) => [m, m])]);
    this.options("category", [["", "all"], ...values(CATEGORY).map((c) => [c, c.replaceAll("_", " ")])]);
    this.options("lang", [["", "all"], ...values(LANG).map((l) => [l, l])]);
    this.options("fault", [["", "any or none"], ...named.map(([name]) => [name, name.replaceAll("_", " ")])]);
  }

  options(name, pairs) {
    this.form.elements[name].replaceChildren(...pairs.map(([value, text]) => {
      const option = element("option", text);
      option.value = value;
      return option;
    }));
  }

  /** Set the form to these values, and to the defaults where there is none. */
  write(values) {
    for (const [name, value] of Object.entries({ ...this.defaults, ...values })) {
      const field = this.form.elements[name];
      field.value = value;
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = this.defaults[name];
    }
  }

  read() {
    return Object.fromEntries(Object.keys(this.defaults).map((name) => [name, this.form.elements[name].value]));
  }

  fromAddress(scroll) {
    const [place, query] = location.hash.slice(1).split("?");
    if (place !== "samples" && scroll) return;
    const given = place === "samples" ? Object.fromEntries(new URLSearchParams(query || "")) : {};
    this.write(Object.fromEntries(Object.entries(given).filter(([name]) => name in this.defaults)));
    this.filter();
    const at = this.found.findIndex((i) => this.data.examples[i][ID] === given.id);
    this.show(Math.max(at, 0), false);
    if (query !== undefined) byId("samples").scrollIntoView();
    if (query !== undefined && scroll) byId("samples-title").focus({ preventScroll: true });
  }

  changed() {
    this.filter();
    this.show(0, false);
    this.address();
  }

  /** The filters stand in the address, so that a link to what one sees can be passed on. */
  address() {
    const values = this.read();
    const told = Object.entries(values).filter(([name, value]) => value !== this.defaults[name]);
    const shown = this.found[this.at];
    if (shown !== undefined && this.at > 0) told.push(["id", this.data.examples[shown][ID]]);
    history.replaceState(null, "", told.length ? `#samples?${new URLSearchParams(told)}` : "#samples");
  }

  filter() {
    const want = this.read();
    const { examples, models, faults } = this.data;
    this.one = models.indexOf(want.model);
    this.two = want.beside === want.model ? -1 : models.indexOf(want.beside);
    const mine = this.data.answers[this.one];
    const other = this.two < 0 ? null : this.data.answers[this.two];
    const fault = faults.findIndex(([name]) => name === want.fault);
    const text = want.text.trim().toLowerCase();
    const verdicts = {
      right: (a) => a[RIGHT] === 1, wrong: (a) => a[RIGHT] === 0,
      won: (a, b) => b && a[RIGHT] === 1 && b[RIGHT] === 0, lost: (a, b) => b && a[RIGHT] === 0 && b[RIGHT] === 1,
      differs: (a, b) => b && a[TEXT] !== b[TEXT],
    };
    this.found = [];
    examples.forEach((example, i) => {
      const answer = mine[i];
      if (!answer) return;
      if (want.category && example[CATEGORY] !== want.category) return;
      if (want.lang && example[LANG] !== want.lang) return;
      if (want.wants && Boolean(example[WANTS_CALL]) !== (want.wants === "call")) return;
      if (want.verdict && !verdicts[want.verdict](answer, other && other[i])) return;
      if (fault >= 0 && !answer[FAULTS].some(([place]) => place === fault)) return;
      if (text && ![example[ID], example[QUERY], example[WANTED], answer[TEXT]].some((s) => s.toLowerCase().includes(text))) return;
      this.found.push(i);
    });
    const seen = mine.filter(Boolean).length;
    byId("samples-status").textContent = `${this.found.length} of ${seen} examples`;
  }

  draw() {
    const list = byId("samples-list");
    const pages = Math.max(1, Math.ceil(this.found.length / PAGE_SIZE));
    this.page = Math.min(Math.max(0, Math.floor(this.at / PAGE_SIZE)), pages - 1);
    const start = this.page * PAGE_SIZE;
    list.start = start + 1;
    list.replaceChildren(...this.found.slice(start, start + PAGE_SIZE).map((i, offset) => this.row(i, start + offset)));
    byId("samples-before").disabled = this.page === 0;
    byId("samples-after").disabled = this.page >= pages - 1;
    byId("samples-page").textContent = `page ${this.page + 1} of ${pages}`;
  }

  /** Bring the chosen row into the list's own view, without moving the page. */
  reveal() {
    const list = byId("samples-list");
    const row = list.querySelector("[aria-current]")?.parentElement;
    if (!row) return;
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    const below = row.offsetTop + row.offsetHeight - list.clientHeight;
    if (below > list.scrollTop) list.scrollTop = below;
  }

  row(i, place) {
    const example = this.data.examples[i];
    const answer = this.data.answers[this.one][i];
    const button = element("button");
    button.type = "button";
    button.dataset.place = place;
    if (place === this.at) button.setAttribute("aria-current", "true");
    const query = element("span", example[QUERY].slice(0, 160) || example[ID], "line");
    if (example[LANG]) query.lang = example[LANG];
    const words = [example[CATEGORY].replaceAll("_", " "), example[LANG], ...faultWords(this.data, answer).slice(0, 1)];
    const under = element("span", undefined, "under");
    under.append(badge(answer), ` ${words.filter(Boolean).join(" · ")}`);
    button.append(query, under);
    const item = element("li");
    item.append(button);
    return item;
  }

  /** Show the sample at a place of what was found; with `focus` its row takes the keyboard. */
  show(place, focus) {
    this.at = this.found.length ? Math.min(Math.max(0, place), this.found.length - 1) : -1;
    const scrolled = byId("samples-list").scrollTop;
    this.draw();
    byId("samples-list").scrollTop = scrolled;
    this.reveal();
    const detail = byId("samples-detail");
    detail.replaceChildren();
    if (this.at < 0) {
      detail.append(element("p", "No example fits these filters.", "faint"));
      return;
    }
    const i = this.found[this.at];
    const example = this.data.examples[i];
    const badges = element("div", undefined, "badges");
    for (const words of [example[CATEGORY].replaceAll("_", " "), example[LANG], example[ID]]) if (words) badges.append(element("span", words, "badge"));
    const query = element("p", example[QUERY], "query");
    query.dir = "auto";
    if (example[LANG]) query.lang = example[LANG];
    const wanted = element("dl", undefined, "facts");
    fact(wanted, "wanted", example[WANTED] || "not known", "code");
    const tools = element("dl", undefined, "facts");
    fact(tools, "tools on offer", this.data.tools[example[TOOLS]] || "not known");
    const boxes = element("div", undefined, "answers");
    for (const model of this.two < 0 ? [this.one] : [this.two, this.one]) boxes.append(answerBox(this.data, model, this.data.answers[model][i], example[LANG]));
    detail.append(badges, query, wanted, boxes, tools);
    if (focus) byId("samples-list").querySelector("[aria-current]").focus({ preventScroll: true });
  }

  step(place, focus) {
    this.show(place, focus);
    this.address();
  }

  turn(by) {
    this.step((this.page + by) * PAGE_SIZE, false);
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_SIZE, PageUp: -PAGE_SIZE, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(this.at + steps[event.key], true);
  }
}

// ---- the page --------------------------------------------------------------------------------------------------

/** What scrolls sideways can be reached by the keyboard; what does not is no stop on the way. */
function markScrollers() {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

async function begin() {
  markScrollers();
  window.addEventListener("resize", markScrollers);
  const packed = byId("samples-data");
  if (!packed) return;
  const status = byId("samples-status");
  try {
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack them");
    const data = await unpack(packed.textContent.trim());
    new Samples(data);
    byId("samples-body").hidden = false;
    performance.mark("samples-shown");
    document.documentElement.dataset.samples = "shown";
  } catch (error) {
    status.textContent = `The samples cannot be shown: ${error.message}. They stand in records.jsonl.`;
  }
}

begin();
