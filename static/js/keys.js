/* Shortcuts, from one registry: the list in <dialog id="keys"> (templates/components/keys.html).

   [data-key-id][data-key]          an entry; its key may be changed and all single keys switched off (WCAG 2.1.4)
   [data-key-href="/…"]             an entry "g d" that goes somewhere
   [data-key-change], [data-keys-enabled], [data-keys-reset]   controls of the list
   [data-focus-key="/"]             field that the search key focuses
   [data-key-new]                   link or button that the "new" key activates
   Every entry is announced as an event "key:<id>" on the element that has the focus; row.* is heard by register.js.
   Only the preference is kept in localStorage ("comptoir.keys": {off, keys}), never anything of a workspace. */

const STORE = "comptoir.keys";
const list = document.querySelector("[data-keys]") ?? document.querySelector("[data-key-id]")?.closest("main");
const entries = () => [...document.querySelectorAll("[data-key-id]")];
let chord = "";
let changing = null;

function read() {
  try { return JSON.parse(localStorage.getItem(STORE)) ?? {}; } catch { return {}; }
}

function write(change) {
  try { localStorage.setItem(STORE, JSON.stringify({ ...read(), ...change })); } catch { /* private browsing: the usual keys stay */ }
  draw();
}

function draw() {
  const { off, keys = {} } = read();
  for (const entry of entries()) entry.querySelector("kbd").textContent = keys[entry.dataset.keyId] ?? entry.dataset.key;
  document.querySelectorAll("[data-keys-enabled]").forEach((box) => { box.checked = !off; });
}

const keyOf = (entry, keys) => keys[entry.dataset.keyId] ?? entry.dataset.key;

function run(entry, event) {
  const id = entry.dataset.keyId;
  if (entry.dataset.keyHref) { location.assign(entry.dataset.keyHref); return true; }
  if (id === "help") { list?.showModal?.(); return true; }
  if (id === "search" || id === "new") {
    const target = document.querySelector(id === "search" ? "[data-focus-key]" : "[data-key-new]");
    if (id === "search") target?.focus(); else target?.click();
    return Boolean(target);
  }
  if (id === "privacy") { document.documentElement.dataset.privacy = document.documentElement.dataset.privacy === "on" ? "off" : "on"; return true; }
  return !event.target.dispatchEvent(new CustomEvent(`key:${id}`, { bubbles: true, cancelable: true, detail: { event } }));
}

document.addEventListener("keydown", (event) => {
  const { off, keys = {} } = read();
  if (changing) {
    event.preventDefault();
    if (event.key.length === 1 && event.key !== " ") write({ keys: { ...keys, [changing.dataset.keyId]: event.key } });
    changing = null;
    draw();
    return;
  }
  if (off || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog")) return;
  const pressed = chord + event.key;
  const all = entries();
  const entry = all.find((one) => keyOf(one, keys) === pressed);
  chord = "";
  if (entry && (event.key !== "Enter" || !event.target.closest("a, button, summary, input"))) {
    if (run(entry, event)) event.preventDefault();
  } else if (all.some((one) => keyOf(one, keys).startsWith(`${pressed} `))) {
    chord = `${pressed} `;
    setTimeout(() => { chord = ""; }, 1200);
  }
});

document.addEventListener("click", (event) => {
  const change = event.target.closest("[data-key-change]");
  if (change) { changing = change.closest("[data-key-id]"); change.querySelector("kbd").textContent = "…"; }
  if (event.target.closest("[data-keys-reset]")) write({ keys: {}, off: false });
});
document.addEventListener("change", ({ target }) => { if (target.matches("[data-keys-enabled]")) write({ off: !target.checked }); });
draw();
