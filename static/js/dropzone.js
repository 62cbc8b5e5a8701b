/* Files dropped or pasted where a file field waits for them.

   [data-dropzone]                  label around <input type="file">
   [data-dropzone-anywhere]         takes files dropped anywhere on the page, and pasted ones
   [data-dropzone-submit]           the form is sent as soon as the files are there
   Without scripts the file field does all of it. */

const over = document.documentElement.classList;
let depth = 0;

function zoneFor(event) {
  return event.target.closest?.("[data-dropzone]") ?? document.querySelector("[data-dropzone-anywhere]");
}

function take(zone, files) {
  const field = zone.querySelector("input[type=file]");
  if (!files?.length) return false;
  const kept = new DataTransfer();
  for (const file of field.multiple ? files : [files[0]]) kept.items.add(file);
  field.files = kept.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && zoneFor(event);

document.addEventListener("dragenter", (event) => { if (carriesFiles(event)) { depth += 1; over.add("is-dragging"); } });
document.addEventListener("dragleave", () => { depth = Math.max(depth - 1, 0); if (!depth) over.remove("is-dragging"); });
document.addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  depth = 0;
  over.remove("is-dragging");
  const zone = carriesFiles(event);
  if (zone) { event.preventDefault(); take(zone, event.dataTransfer.files); }
});
document.addEventListener("paste", (event) => {
  const zone = document.querySelector("[data-dropzone-anywhere]");
  if (zone && !event.target.closest("input:not([type=file]), textarea") && take(zone, event.clipboardData?.files)) event.preventDefault();
});
document.addEventListener("change", ({ target }) => {
  const zone = target.matches("input[type=file]") && target.closest("[data-dropzone]");
  if (zone && target.files.length && zone.hasAttribute("data-dropzone-submit")) target.form?.requestSubmit();
});
