// A client of controlroom.v1.json, written from docs/stream.md: node client.mjs URL AT_MS < TOKEN
// Follows and comes back until the state's time is AT_MS, then prints what it has got.
import { readFileSync } from "node:fs";

const [url, until] = process.argv.slice(2), token = readFileSync(0, "utf8").trim();
const got = { epoch: 0, seq: 0, eseq: 0, state: null, events: [], lost: 0, resyncs: 0, connections: 0 };
let wait = 250;

function fold(old, changes) {
  const next = { ...old };
  for (const part of ["at_ms", "swarm", "slo", "drill", "incident", "notices"])
    if (part in changes) next[part] = changes[part];
  for (const part of ["services", "links", "agents", "deploys"]) {
    next[part] = { ...old[part], ...changes[part] };
    for (const key of changes[`gone_${part}`] ?? []) delete next[part][key];
  }
  for (const part of ["timeline", "ledger"]) {
    const { drop = 0, append = [] } = changes[part] ?? {};
    next[part] = [...old[part].slice(drop), ...append];
  }
  return next;
}

function connect() {
  const socket = new WebSocket(url, ["controlroom.v1.json", `bearer.${Buffer.from(token).toString("base64url")}`]);
  const say = (message) => socket.send(JSON.stringify(message));
  let acked = 0;
  const take = {
    hello({ epoch }) {
      const { seq, eseq } = got;
      say({ op: "start", hz: 20, lanes: ["timeline"], resume: { epoch: got.epoch, seq, eseq } });
      if (epoch !== got.epoch) Object.assign(got, { epoch, seq: 0, eseq: 0, state: null, events: [] });
      got.connections += 1;
    },
    snapshot({ seq, state }) { Object.assign(got, { seq, state }); },
    delta({ epoch, base, seq, changes }) {
      if (got.seq === 0) return;                       // A snapshot is on its way.
      if (epoch === got.epoch && base === got.seq) return Object.assign(got, { seq, state: fold(got.state, changes) });
      got.seq = 0;
      got.resyncs += 1;
      say({ op: "resync" });
    },
    events({ upto, events }) { got.eseq = upto; got.events.push(...events); },
    events_lost({ first, last }) { got.eseq = last; got.lost += last - first + 1; },
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data), now = Date.now();
    take[message.op]?.(message);                       // What it does not know it passes over.
    if (got.seq && got.state.at_ms == until) process.stdout.write(JSON.stringify(got), () => process.exit());
    if (!got.seq || now - acked < 1000) return;
    [acked, wait] = [now, 250];
    say({ op: "ack", seq: got.seq, eseq: got.eseq, lag_ms: Math.max(0, now - got.state.at_ms) });
  };
  socket.onclose = () => setTimeout(connect, wait * (0.5 + Math.random() / 2), wait = Math.min(8000, 2 * wait));
}
connect();
