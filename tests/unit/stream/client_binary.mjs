// The state alone in the binary form, from docs/stream.md: node client_binary.mjs URL AT_MS < TOKEN
// Follows until the state's time is AT_MS, then prints the state as JSON.
import { readFileSync } from "node:fs";
const [url, until] = process.argv.slice(2), token = readFileSync(0, "utf8").trim();
const names = ["at_ms", "swarm", "slo", "drill", "incident", "services", "links", "agents", "timeline", "ledger", "notices", "deploys"];
const LONG = { slo: ["history"], incident: ["hypotheses", "blast_radius"], deploys: ["hazards", "stacks", "checks", "history"] };
let columns, epoch, seq = -1, state = null, acked = 0;

function unpack(view) {                       // MessagePack: the kinds that the protocol uses
  let at = 0;
  const text = new TextDecoder();
  const take = (n) => { at += n; return at - n; };
  const bytes = (n) => { const o = take(n); return new Uint8Array(view.buffer, view.byteOffset + o, n); };
  const list = (n) => Array.from({ length: n }, value);
  const map = (n) => { const m = {}; while (n--) { const k = value(); m[k] = value(); } return m; };
  function value() {
    const b = view.getUint8(take(1));
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 15);
    if (b < 0xa0) return list(b & 15);
    if (b < 0xc0) return text.decode(bytes(b & 31));
    if (b >= 0xe0) return b - 256;
    switch (b) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xcb: return view.getFloat64(take(8));
      case 0xcc: return view.getUint8(take(1));
      case 0xcd: return view.getUint16(take(2));
      case 0xce: return view.getUint32(take(4));
      case 0xcf: return Number(view.getBigUint64(take(8)));
      case 0xd0: return view.getInt8(take(1));
      case 0xd1: return view.getInt16(take(2));
      case 0xd2: return view.getInt32(take(4));
      case 0xd3: return Number(view.getBigInt64(take(8)));
      case 0xd9: return text.decode(bytes(view.getUint8(take(1))));
      case 0xda: return text.decode(bytes(view.getUint16(take(2))));
      case 0xdc: return list(view.getUint16(take(2)));
      case 0xdd: return list(view.getUint32(take(4)));
      case 0xde: return map(view.getUint16(take(2)));
      default: throw new Error(`MessagePack ${b.toString(16)}`);
    }
  }
  return value();
}

const row = (section, values) => Object.fromEntries(columns[section].map((name, i) => [name, values[i]]));
function patch(section, before, [mask, ...values]) {
  const after = { ...before };
  columns[section].forEach((name, i) => {
    if (!((mask >> i) & 1)) return;
    const value = values.shift();
    after[name] = LONG[section]?.includes(name) ? [...(before?.[name] ?? []).slice(value[0]), ...value[1]] : value;
  });
  return after;
}
function fold(old, body) {
  const next = { ...old };
  for (const [number, change] of Object.entries(body)) {
    const section = names[number];
    if (["at_ms", "notices"].includes(section)) next[section] = change;
    else if (["swarm", "slo", "drill", "incident"].includes(section)) next[section] = change && patch(section, old[section], change);
    else if (["timeline", "ledger"].includes(section)) next[section] = [...old[section].slice(change[0]), ...change[1].map((r) => row(section, r))];
    else if (section) {
      const keys = Object.keys(old[section]).sort(), table = { ...old[section] };
      for (const [place, ...p] of change[1]) table[keys[place]] = patch(section, table[keys[place]], p);
      for (const place of change[0]) delete table[keys[place]];
      for (const [key, ...values] of change[2]) table[key] = row(section, values);
      next[section] = table;
    }
  }
  return next;
}

const EMPTY = { at_ms: 0, swarm: null, slo: null, drill: null, incident: null, services: {}, links: {}, agents: {}, timeline: [], ledger: [], notices: [], deploys: {} };
const bearer = "bearer." + Buffer.from(token).toString("base64url");
const socket = new WebSocket(url, ["controlroom.v1.bin", bearer]);
socket.binaryType = "arraybuffer";
const say = (message) => socket.send(JSON.stringify(message));
socket.onclose = (event) => { if (state === null || state.at_ms != until) { console.error(event.code, event.reason); process.exit(1); } };
socket.onmessage = ({ data }) => {
  if (typeof data === "string") {
    const hello = JSON.parse(data);
    if (hello.op === "hello") { ({ columns, epoch } = hello); say({ op: "start", hz: 20 }); }
    return;
  }
  const view = new DataView(data), kind = view.getUint8(0), base = view.getUint32(12, true);
  if (kind > 2 || view.getUint32(4, true) !== epoch) return;
  if (kind === 2 && base !== seq) { if (seq >= 0) say({ op: "resync" }); seq = -1; return; }
  state = fold(kind === 1 ? EMPTY : state, unpack(new DataView(data, 24)));
  seq = view.getUint32(8, true);
  if (Date.now() - acked > 1000) { acked = Date.now(); say({ op: "ack", seq, eseq: 0 }); }
  if (state.at_ms == until) { console.log(JSON.stringify(state)); socket.close(); }
};
