/* What every page does, besides links and forms that work without it.

   body[data-csrf]                  token sent as X-CSRF-Token with every htmx request
   [data-opens="id"]                button: opens <dialog id="id"> as a modal; focus comes back when it closes
   dialog[data-open]                opens by itself (a form that came back with errors)
   [data-menu]                      <details> that closes on Esc and on a click elsewhere
   [data-autosubmit]                control: a change submits its form (data-autosubmit="400" waits that many ms after typing)
   [data-copy="text"]               button: copies the text, then announces data-copied; data-copy="#id" copies that element's text or value
   [data-toast], [data-dismiss]     toast and its button; success and info leave after eight seconds, unless in use or with an Undo
   [data-live="text"]               in an answer of the server: the text is announced in the live region
   [data-focus]                     in an answer of the server: takes the focus after the swap
   [data-confirm="question"]        form or button: asks before it submits
   Events on document: "announce" {detail: text}; "toast" {detail: {message, kind}} (also as an HX-Trigger header). */

const live = document.querySelector("#live");
const toasts = document.querySelector("#toasts");

function announce(text) {
  if (!text) return;
  live.textContent = "";
  setTimeout(() => { live.textContent = text; }, 60);
}

function settle(toast) {
  if (toast.dataset.timed || !/success|info/.test(toast.dataset.toast) || toast.querySelector("form, a")) return;
  toast.dataset.timed = "1";
  const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : toast.remove());
  setTimeout(leave, 8000);
}

function show({ message, kind = "info" }) {
  const toast = document.querySelector("#toast-template").content.firstElementChild.cloneNode(true);
  toast.className = `toast toast--${kind}`;
  toast.dataset.toast = kind;
  const mark = toast.querySelector("use");
  const name = { success: "circle-check", danger: "circle-alert", warning: "triangle-alert" }[kind] || "info";
  mark.setAttribute("href", mark.getAttribute("href").replace(/#.*/, `#${name}`));
  toast.querySelector(".toast__text").textContent = message;
  toasts.append(toast);
}

new MutationObserver(() => toasts.querySelectorAll("[data-toast]").forEach(settle)).observe(toasts, { childList: true });
toasts.querySelectorAll("[data-toast]").forEach(settle);
document.addEventListener("announce", (event) => announce(event.detail));
document.addEventListener("toast", (event) => show({ message: event.detail.message ?? event.detail.value, kind: event.detail.kind }));

function copy(button) {
  const source = button.dataset.copy.startsWith("#") ? document.querySelector(button.dataset.copy) : null;
  navigator.clipboard?.writeText(source ? source.value ?? source.textContent.trim() : button.dataset.copy)
    .then(() => show({ message: button.dataset.copied, kind: "success" }));
}

function closeMenus(except) {
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => { if (!menu.contains(except)) menu.open = false; });
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  closeMenus(event.target);
  if (hit("[data-menu] [data-opens], [data-menu] [data-copy]")) hit("[data-menu]").open = false;
  if (hit("[data-dismiss]")) hit("[data-toast]")?.remove();
  if (hit("[data-copy]")) copy(hit("[data-copy]"));
  const opener = hit("[data-opens]");
  const dialog = opener && document.getElementById(opener.dataset.opens);
  if (dialog?.showModal) { event.preventDefault(); dialog.showModal(); }
  if (event.target.matches?.("dialog")) {
    const box = event.target.getBoundingClientRect();
    if (event.clientY < box.top || event.clientY > box.bottom || event.clientX < box.left || event.clientX > box.right) event.target.close();
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details[data-menu][open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); event.stopPropagation(); }
  const form = event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest("#entry-form");
  if (form) { event.preventDefault(); form.requestSubmit(); }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) { event.preventDefault(); event.stopImmediatePropagation(); }
}, true);

let waiting;
for (const kind of ["change", "input"]) {
  document.addEventListener(kind, ({ target }) => {
    const delay = target.dataset?.autosubmit;
    if (delay === undefined || (kind === "input") !== (delay !== "")) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => target.form.requestSubmit(), Number(delay) || 0);
  });
}

/* htmx 4: everything but the noSwap list is swapped, so a refusal outside it is told in a toast. */
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  if (ctx.request.method !== "GET") ctx.request.headers["X-CSRF-Token"] = document.body.dataset.csrf;
});
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if ([409, 422].includes(ctx.response.status)) return;
  const page = new DOMParser().parseFromString(ctx.text || "", "text/html");
  show({ message: page.querySelector("[data-trouble]")?.textContent.trim() || document.body.dataset.textFailed, kind: "danger" });
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.error instanceof TypeError || detail.ctx?.status?.includes?.("timeout")) show({ message: document.body.dataset.textOffline, kind: "danger" });
});
document.addEventListener("htmx:after:settle", ({ target, detail }) => {
  for (const part of [...(detail.newContent ?? []), target]) {
    if (!part.querySelectorAll || !part.isConnected) continue;
    const find = (selector) => (part.matches(selector) ? part : part.querySelector(selector));
    const told = find("[data-live]:not(#live)");
    if (told) { announce(told.dataset.live || told.textContent); told.removeAttribute("data-live"); }
    const focus = find("[data-focus]");
    if (focus) { focus.removeAttribute("data-focus"); focus.focus(); }
  }
});

document.querySelectorAll("dialog[data-open]").forEach((dialog) => dialog.showModal());
document.querySelector("[data-focus]")?.focus();
