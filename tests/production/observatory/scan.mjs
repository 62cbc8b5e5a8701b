// Mozilla's scanner for one page of a stack that listens on ports of its own. It asks the ports 80 and 443 of a name
// alone, so both are led on from an address of this machine, and the name leads there.
//   node scan.mjs '{"name", "address", "ports": {"80": 1, "443": 2}, "path", "cookie"}'
import axios from "axios";
import dns from "node:dns";
import net from "node:net";
import { scan } from "@mdn/mdn-http-observatory/src/scanner/index.js";

const asked = JSON.parse(process.argv[2]);

const doors = Object.entries(asked.ports).map(
  ([port, behind]) =>
    new Promise((ready, failed) => {
      const door = net.createServer((near) => {
        const far = net.connect(behind, "127.0.0.1");
        for (const [one, other] of [[near, far], [far, near]]) one.pipe(other).on("error", () => one.destroy());
      });
      door.once("error", failed).listen(Number(port), asked.address, () => ready(door));
    }),
);
await Promise.all(doors);

dns.lookup = (name, options, done) => {
  const answer = typeof options === "function" ? options : done;
  if (![asked.name, "127.0.0.1"].includes(name)) return answer(new Error(`${name} is none of ours`));
  const address = name === asked.name ? asked.address : name;
  if (options?.all) answer(null, [{ address, family: 4 }]);
  else answer(null, address, 4);
};

let page = null;
const create = axios.create.bind(axios);
axios.create = (settings) => {
  const made = create(settings);
  made.interceptors.request.use((request) => {
    const { protocol, pathname } = new URL(request.url);
    // The product answers to the address that it was given, which has the port.
    if (protocol === "https:") request.headers.set("Host", `${asked.name}:${asked.ports[443]}`);
    if (asked.cookie && pathname === asked.path) request.headers.set("Cookie", asked.cookie);
    return request;
  });
  made.interceptors.response.use((answer) => {
    if (answer.config.method === "get" && new URL(answer.config.url).pathname === asked.path) page = answer.status;
    // It gives up on a page that is not there; what such a page sends along counts as much as another's.
    if (answer.status === 404) answer.status = 403;
    return answer;
  });
  return made;
};

const found = await scan(`${asked.name}${asked.path}`);
const failed = Object.entries(found.tests).filter(([, test]) => !test.pass).map(([name, test]) => [name, test.result]);
const { score, grade, testsFailed, testsQuantity } = found.scan;
console.log(JSON.stringify({ page, score, grade, testsFailed, testsQuantity, failed: Object.fromEntries(failed) }));
process.exit(0);
