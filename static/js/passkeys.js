/* Passkeys, only where the browser has them; everything else on the page works without.

   button[data-passkey="get|create"]   hidden until this runs; asks the address in data-passkey-options what to do,
                                       writes the answer into the form's input named data-passkey-answer, and sends it
   [data-passkey-autofill]             the same button: passkeys are also offered in the field for the address
   [data-passkey-failed]               said when the person gave up or the device has no passkey for this site
   [data-passkey-unable]               said when the address can have none: a number instead of a name, or no TLS */

const able = window.PublicKeyCredential !== undefined && window.isSecureContext && !/^[\d.]+$|:/.test(location.hostname);
let offered = null;

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const say = (message) => document.dispatchEvent(new CustomEvent("toast", { detail: { message, kind: "warning" } }));

async function asked(button) {
  const answer = await fetch(button.dataset.passkeyOptions, {
    method: "POST",
    headers: { "X-CSRF-Token": document.body.dataset.csrf, "HX-Request": "true" },
  });
  if (answer.headers.has("HX-Redirect")) { location.assign(answer.headers.get("HX-Redirect")); return null; }
  if (!answer.ok) throw new Error(answer.status);
  const options = await answer.json();
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const one of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) one.id = bytes(one.id);
  return options;
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: {},
    response,
  });
}

function send(button, credential) {
  button.form.elements[button.dataset.passkeyAnswer].value = written(credential);
  button.form.submit();
}

async function use(button) {
  offered?.abort();
  button.disabled = true;
  try {
    const publicKey = await asked(button);
    if (!publicKey) return;
    const credential = await navigator.credentials[button.dataset.passkey]({ publicKey });
    if (credential) send(button, credential);
  } catch (error) {
    say(error.name === "SecurityError" ? button.dataset.passkeyUnable : button.dataset.passkeyFailed);
  } finally {
    button.disabled = false;
  }
}

async function offer(button) {
  if (!await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
  offered = new AbortController();
  try {
    const publicKey = await asked(button);
    const credential = publicKey && await navigator.credentials.get({ publicKey, mediation: "conditional", signal: offered.signal });
    if (credential) send(button, credential);
  } catch { /* nobody asked for it yet: the page stays as it is */ }
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.hidden = false;
  button.addEventListener("click", () => (able ? use(button) : say(button.dataset.passkeyUnable)));
  if (able && button.hasAttribute("data-passkey-autofill")) offer(button);
}
