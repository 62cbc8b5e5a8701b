/* A list to work in by keyboard, over any markup that carries these attributes.

   [data-register]                  the list; data-currency, data-exponent for the sum; data-total, data-total-sum describe all that match
   [data-totals]                    an element that says data-total and data-total-sum instead, when they come after the page
   tr[data-row][tabindex="-1"]      a row; data-minor="-1250" is summed for the bar (minor units), data-currency when it differs
   [data-select], [data-select-all] the checkboxes; Shift+click and Shift+Space take the range
   [data-action="edit"]             a link or button in the row, pressed by its key: edit, duplicate, cleared, open, cancel; "category"
                                    opens the editor at [name=category_id], "delete" selects the row and presses the bar's button.
                                    When rows are selected, the bar's button of that name is pressed instead.
   td[data-edit="payee"]            a click opens the row's editor at the control of that name
   tr[data-editing]                 a row being edited: Enter saves and goes on below, Shift+Enter above, Ctrl+Enter stays, Esc cancels
   [data-bulk-bar]                  form shown while rows are selected; [data-bulk-text], [data-bulk-clear],
                                    [data-select-matching] (all that match, over pages), [data-all-matching] (hidden field, "1" then)
   Keys come from keys.js as events "key:row.*"; arrows, Home, End and Space work besides. */

const rowsOf = (list) => [...list.querySelectorAll("tr[data-row]")].filter((row) => row.offsetParent);
const listOf = (node) => node?.closest?.("[data-register]") ?? document.querySelector("[data-register]");
const bar = () => document.querySelector("[data-bulk-bar]");
const boxes = (list) => [...list.querySelectorAll("[data-select]")];
let anchor = null;
let wanted = null;

function currentRow(list) {
  return document.activeElement?.closest("tr[data-row]") ?? list.querySelector("tr[data-row][data-current]");
}

function go(list, row) {
  if (!row) return;
  list.querySelectorAll("[data-current]").forEach((one) => { delete one.dataset.current; one.tabIndex = -1; });
  row.dataset.current = "";
  row.tabIndex = 0;
  row.focus();
}

function move(list, step) {
  const rows = rowsOf(list);
  const at = rows.indexOf(currentRow(list));
  go(list, rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]);
}

/* Sums stay whole numbers of minor units; the decimal point is placed in text. */
function amount(minor, currency, exponent) {
  const digits = String(minor < 0n ? -minor : minor).padStart(exponent + 1, "0");
  const text = (minor < 0n ? "-" : "") + (exponent ? `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}` : digits);
  const said = new Intl.NumberFormat(document.documentElement.lang, {
    style: "currency", currency, minimumFractionDigits: exponent, maximumFractionDigits: exponent,
  }).format(text);
  // As the server writes it: one left-to-right piece within right-to-left words.
  return document.documentElement.dir === "rtl" ? `\u2066${said.replace(/[\u200e\u200f\u061c]/g, "")}\u2069` : said;
}

function sumOf(list, rows) {
  const sums = new Map();
  for (const row of rows) {
    const currency = row.dataset.currency ?? list.dataset.currency;
    if (currency && row.dataset.minor) sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(row.dataset.minor));
  }
  return [...sums].map(([currency, minor]) => amount(minor, currency, Number(list.dataset.exponent))).join(" · ");
}

function refresh(list) {
  const chosen = boxes(list).filter((box) => box.checked);
  const all = list.querySelector("[data-select-all]");
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes(list).length;
    all.indeterminate = chosen.length > 0 && !all.checked;
  }
  const form = bar();
  if (!form) return;
  const everything = form.querySelector("[data-all-matching]");
  if (!all?.checked) everything.value = "";
  const whole = everything.value === "1";
  const { total, totalSum } = list.dataset.total ? list.dataset : document.querySelector("[data-totals]")?.dataset ?? {};
  const count = whole ? total : chosen.length;
  form.toggleAttribute("data-count", chosen.length > 0);
  const sum = whole ? totalSum : sumOf(list, chosen.map((box) => box.closest("tr")));
  const text = whole ? form.dataset.textAll : sum ? form.dataset.textSum : form.dataset.textCount;
  form.querySelector("[data-bulk-text]").textContent = text.replace("{count}", count).replace("{sum}", sum ?? "");
  const more = form.querySelector("[data-select-matching]");
  if (!more) return;
  more.hidden = whole || !all?.checked || !total || Number(total) <= chosen.length;
  if (total) more.textContent = form.dataset.textMatching.replace("{total}", total);
}

function select(list, box, range) {
  const all = boxes(list);
  if (range && anchor && all.includes(anchor)) {
    const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
    all.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
  }
  anchor = box;
  refresh(list);
}

function toggle(list, range) {
  const box = currentRow(list)?.querySelector("[data-select]");
  if (!box) return false;
  box.checked = range || !box.checked;
  select(list, box, range);
  return true;
}

/* A key waits until htmx has taken its link or form over: it would leave the page. */
function press(control) {
  const owner = (control.form ?? control).closest("[data-hx-get], [data-hx-post]");
  if (!owner || owner._htmx || !window.htmx) {
    control.click();
    if (control.parentElement?.open) control.parentElement.querySelector("select")?.focus();
  } else if (control.isConnected) setTimeout(() => press(control));
}

function act(list, name) {
  const row = currentRow(list);
  const edit = row?.querySelector("[data-action=edit]");
  if (name === "category" && edit && !list.querySelector("[data-select]:checked")) { wanted = "category_id"; press(edit); return true; }
  const box = row?.querySelector("[data-select]");
  if (name === "delete" && box && !list.querySelector("[data-select]:checked")) { box.checked = true; select(list, box, false); }
  const chosen = list.querySelector("[data-select]:checked");
  const target = (chosen && bar()?.querySelector(`[data-action="${name}"]`)) || row?.querySelector(`[data-action="${name}"]`);
  if (target) press(target);
  return Boolean(target);
}

function only(list) {
  const active = list.toggleAttribute("data-only");
  for (const row of list.querySelectorAll("tr[data-row]")) row.hidden = active && !row.querySelector("[data-select]:checked");
  return true;
}

const deeds = {
  next: (list) => { move(list, 1); return true; },
  previous: (list) => { move(list, -1); return true; },
  select: (list, event) => toggle(list, event.shiftKey),
  only,
  open: (list) => act(list, "open") || act(list, "edit"),
};
for (const name of ["next", "previous", "select", "only", "open", "edit", "category", "cleared", "duplicate", "delete"]) {
  document.addEventListener(`key:row.${name}`, (event) => {
    const list = listOf(event.target);
    if (list && (deeds[name] ? deeds[name](list, event.detail.event) : act(list, name))) event.preventDefault();
  });
}

document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.("tr[data-row]");
  const list = row && listOf(row);
  if (!list) return;
  if (row.hasAttribute("data-editing")) {
    const save = event.key === "Enter" && event.target.matches("input, select");
    if (save) {
      event.preventDefault();
      const rows = rowsOf(list);
      const next = rows[rows.indexOf(row) + (event.shiftKey ? -1 : 1)];
      onward = event.ctrlKey || event.metaKey || !next ? null : { from: row.id, to: next.id, field: event.target.name };
      (event.target.form ?? row.querySelector("form"))?.requestSubmit();
    }
    if (event.key === "Escape") { event.preventDefault(); row.querySelector("[data-action=cancel]")?.click(); }
    return;
  }
  if (event.target !== row && !event.target.matches("[data-select]")) return;
  const deed = {
    ArrowDown: () => move(list, 1), ArrowUp: () => move(list, -1),
    Home: () => go(list, rowsOf(list)[0]), End: () => go(list, rowsOf(list).at(-1)),
    " ": () => toggle(list, event.shiftKey),
  }[event.key];
  if (deed) { event.preventDefault(); deed(); }
});

document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.matches?.("[data-select]")) select(listOf(target), target, event.shiftKey);
  if (target.matches?.("[data-select-all]")) {
    const list = listOf(target);
    boxes(list).forEach((box) => { box.checked = target.checked; });
    refresh(list);
  }
  if (target.closest?.("[data-select-matching]")) { bar().querySelector("[data-all-matching]").value = "1"; refresh(listOf()); }
  const cell = target.closest?.("td[data-edit]");
  const edit = cell?.parentElement.querySelector("[data-action=edit]");
  if (edit && !target.closest("a, button, input, label")) { wanted = cell.dataset.edit; press(edit); }
});

document.addEventListener("reset", ({ target }) => {
  if (!target.matches("[data-bulk-bar]")) return;
  const list = listOf();
  setTimeout(() => { boxes(list).forEach((box) => { box.checked = false; }); refresh(list); });
});

/* After a swap the focus stays where the work is: in the editor that opened, on the row that was saved, or in the next
   row's editor when Enter was pressed. A chunk that is drawn again leaves a row that is being edited alone. Answers that
   come together are swapped in turns, so each remembers the row that it was asked from. */
const left = new WeakMap();
let onward = null;
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const target = ctx.target;
  left.set(ctx, (target?.closest?.("tr[data-row]") ?? (target?.matches?.("tbody") && target.querySelector("tr[data-row]:focus-within, tr[data-row]:focus")) ?? null)?.id);
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const id = left.get(ctx);
  const row = id && document.getElementById(id);
  const list = row && listOf(row);
  if (!list) { if (document.querySelector("[data-register]")) refresh(listOf()); return; }
  if (row.hasAttribute("data-editing")) {
    const invalid = row.querySelector("[aria-invalid=true]");
    const form = row.querySelector("form");
    (invalid ?? form?.elements[wanted] ?? row.querySelector("input:not([type=hidden], [data-select]), select"))?.focus();
  } else if (onward?.from === row.id) {
    const next = document.getElementById(onward.to);
    wanted = onward.field;
    onward = null;
    go(list, next);
    next?.querySelector("[data-action=edit]")?.click();
    refresh(list);
    return;
  } else if (document.activeElement === document.body || row.contains(document.activeElement)) {
    go(list, row);
  }
  wanted = null;
  refresh(list);
});

document.querySelectorAll("[data-register]").forEach((list) => {
  const first = list.querySelector("tr[data-row]");
  if (first) first.tabIndex = 0;
  refresh(list);
});
