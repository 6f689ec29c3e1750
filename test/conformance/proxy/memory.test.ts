import { describe, it } from 'vitest';
import type { Protocol } from '../../../src/cluster/objects.ts';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import type { Desired } from '../../../src/proxy/backend.ts';
import { Frontends } from '../../../src/proxy/conntrack/frontends.ts';
import { MemoryBackend } from '../../../src/proxy/memory/backend.ts';
import type { Origin } from '../../../src/proxy/model/route.ts';
import { nodePortAddrsOf } from '../../../src/proxy/node.ts';
import type { Probe } from './case.ts';
import { CASES } from './cases.ts';
import { type Network, play, type Reply } from './network.ts';
import { ADDR, type Client, FAMILIES, type Family, PODS } from './world.ts';

/* The suite against the backend without a kernel, in a network that is made of a few maps. */

const localAddrs = () =>
  FAMILIES.flatMap((family) =>
    [ADDR.N1, ADDR.other, ADDR.loopback].map((each) => parseAddr(each[family])),
  );

/** What the kernel would track of a client's flow over UDP. */
interface Flow {
  readonly destination: string;
  readonly destinationPort: number;
  readonly replySource: string;
  readonly replySourcePort: number;
  readonly reply: Reply;
}

class MemoryNetwork implements Network {
  #ms = 0;
  readonly #backend = new MemoryBackend(localAddrs, () => this.#ms);
  readonly #frontends = new Frontends('UDP');
  readonly #flows = new Map<string, Flow>();

  sync(desired: Desired): Promise<void> {
    this.#backend.sync(desired);
    this.#frontends.update(desired.changes);
    const addrs = nodePortAddrsOf(desired.node, localAddrs);
    for (const [key, flow] of this.#flows) {
      const ends = {
        ...flow,
        destination: parseAddr(flow.destination),
        replySource: parseAddr(flow.replySource),
      };
      const isNodePortAddr = (addr: { toString(): string }) =>
        addrs.map(String).includes(`${addr}`);
      if (this.#frontends.isStale(ends, isNodePortAddr)) this.#flows.delete(key);
    }
    this.#frontends.forget(this.#frontends.gone());
    return Promise.resolve();
  }

  connect(probe: Probe, family: Family): Promise<Reply> {
    const { from, to, port, protocol = 'TCP', fromPort } = probe;
    const source = ADDR[from === 'H' ? 'N1' : from][family];
    const destination = ADDR[to][family];
    const key = `${source} ${fromPort} ${destination} ${port}`;
    const known = protocol === 'UDP' && fromPort !== undefined ? this.#flows.get(key) : undefined;
    if (known !== undefined) return Promise.resolve(known.reply);
    const { reply, by } = this.#first(from, source, destination, protocol, port);
    if (protocol === 'UDP' && by !== undefined) {
      const [replySource, replySourcePort] = by;
      const flow = { destination, destinationPort: port, replySource, replySourcePort, reply };
      this.#flows.set(key, flow);
    }
    return Promise.resolve(reply);
  }

  idle(ms: number): Promise<void> {
    this.#ms += ms;
    return Promise.resolve();
  }

  #first(
    from: Client,
    source: string,
    destination: string,
    protocol: Protocol,
    port: number,
  ): { readonly reply: Reply; readonly by?: readonly [string, number] } {
    const { verdict, endpoint, masqueraded } = this.#backend.deliver({
      source: parseAddr(source),
      destination: parseAddr(destination),
      protocol,
      port,
      origin: originOf(from),
    });
    if (verdict === 'reject') return { reply: { error: 'ECONNREFUSED' } };
    if (verdict === 'drop') return { reply: { error: 'timeout' } };
    if (endpoint === undefined) {
      return { reply: { name: 'world', seen: source }, by: [destination, port] };
    }
    const { family } = endpoint.addr;
    const name = PODS.find((pod) => ADDR[pod][family] === `${endpoint.addr}`) ?? 'nobody';
    const seen = masqueraded ? ADDR.N1[family] : source;
    return { reply: { name, seen }, by: [`${endpoint.addr}`, endpoint.port] };
  }
}

function originOf(from: Client): Origin {
  if (from === 'H') return 'host';
  return from === 'a' || from === 'b' ? 'pod' : 'outside';
}

for (const [part, cases] of Object.entries(CASES)) {
  describe(`memory, ${part}`, () => {
    it.each(cases.map((each) => [each.name, each] as const))('%s', async (_, { steps }) => {
      await play(steps, new MemoryNetwork());
    });
  });
}
