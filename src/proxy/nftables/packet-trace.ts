import { randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Addr } from '../../ipaddr/addr.ts';
import { NETLINK_NETFILTER } from '../../netlink/netfilter.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import { type HookName, PRIORITY } from '../../netlink/nftables/chain.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadCt, loadImmediate, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { compare, matchTransportProtocol } from '../../netlink/nftables/expression/match.ts';
import { storeMeta } from '../../netlink/nftables/expression/store.ts';
import { DROP, verdict } from '../../netlink/nftables/expression/verdict.ts';
import { ruleList } from '../../netlink/nftables/list.ts';
import { decodeTrace, NFNLGRP_NFTRACE, type TraceEvent } from '../../netlink/nftables/trace.ts';
import { networkU16 } from '../../netlink/nftables/value.ts';
import { Subscription } from '../../netlink/subscription.ts';
import type { LocalDetector } from '../model/settings.ts';
import type { Packet } from '../model/trace.ts';
import { PROTOCOL_NUMBER } from './element.ts';
import { HEADER, TABLE } from './names.ts';
import type { Probe } from './probe-frame.ts';
import { injectProbe } from './probe-inject.ts';
import { sendProbe } from './probe-socket.ts';

/** A table of our own beside the rules; it belongs to this process, and goes with it. */
const TRACE_TABLE = 'podwire-trace';
/** What the kernel told of the probe waits in the socket already; the loop reads it meanwhile. */
const EVENTS_MS = 20;
const EVENTS_MAX = 1000;
/** Ports nobody is given by the kernel unless they are asked for (net.ipv4.ip_local_port_range). */
const PROBE_PORTS = [61_000, 65_535] as const;
/** Before all others of a hook that know of connections, and after them but before these are confirmed. */
const FIRST_PRIORITY = -0x7fff_ffff;
const LAST_PRIORITY = 0x7fff_fffe;
/** Where an injected probe comes to once it may have been translated. */
const AFTER = ['input', 'forward', 'postrouting'] as const;
/** Where it ends. */
const ENDS = ['input', 'postrouting'] as const;

/** One step of a packet's way through the chains of all tables. */
export interface TracedStep {
  readonly table: string;
  readonly chain: string;
  /** The comment of the rule that matched, or what the chain ended with. */
  readonly rule: string;
  /** `goto pick`, `accept`, `drop`; empty where the packet went on. */
  readonly verdict: string;
}

/** What became of a probe, and the way it took. */
export interface PacketTrace {
  readonly outcome: string;
  readonly steps: readonly TracedStep[];
}

/**
 * Has the first packet of a connection go through the kernel's rules and tells which it met; only
 * packets of that probe are traced, by a table that the kernel takes away when this process ends.
 *
 * As the node itself it opens a TCP connection and closes it at once without a byte, or sends one empty
 * UDP datagram; undefined for SCTP, which is not sent. As a pod or somebody outside the packet is put in
 * as if it had come from there, and taken out before it leaves the node or reaches a process: nobody
 * gets it, and no connection comes of it, but a client that sticks to an endpoint is remembered.
 *
 * Throws NetlinkError, InjectError or the error of bind(2).
 */
export async function tracePacket(
  packet: Packet,
  detector: LocalDetector,
): Promise<PacketTrace | undefined> {
  const { protocol, origin } = packet;
  if (origin === 'host' && protocol === 'SCTP') return undefined;
  using connection = NftablesConnection.open();
  const events: TraceEvent[] = [];
  using _subscription = Subscription.open({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTRACE],
    onMessage: (message) => {
      const event = decodeTrace(message);
      if (event !== undefined && events.length < EVENTS_MAX) events.push(event);
    },
    onLost: () => {},
  });
  if (origin === 'host') {
    using _table = traceTable(connection, packet);
    const outcome = await sendProbe(packet);
    await setTimeout(EVENTS_MS);
    return { outcome, steps: stepsOf(connection, eventsOfOne(events)) };
  }
  const probe: Probe = { ...packet, sourcePort: randomInt(...PROBE_PORTS) };
  using _table = traceTable(connection, packet, probe.sourcePort);
  await injectProbe(probe, origin === 'pod', detector);
  await setTimeout(EVENTS_MS);
  const own = eventsOfProbe(events);
  return { outcome: outcomeOf(own, probe), steps: stepsOf(connection, own) };
}

/** Those of the first packet there was, for others may be of replies. */
function eventsOfOne(events: readonly TraceEvent[]): TraceEvent[] {
  const [first] = events;
  return events.filter(({ id }) => id === first?.id);
}

/** Those of a probe that is injected: the kernel's number for it changes on the way, and our rules know it. */
function eventsOfProbe(events: readonly TraceEvent[]): TraceEvent[] {
  const known = events.filter(({ table, type }) => table === TRACE_TABLE && type === 'rule');
  const ids = new Set(known.map(({ id }) => id));
  return events.filter(({ id }) => ids.has(id));
}

/**
 * Marks packets of the probe to be traced, before all other rules. With a source port it is one that is
 * injected, and drops it after all others.
 */
function traceTable(
  connection: NftablesConnection,
  packet: Packet,
  sourcePort?: number,
): Disposable {
  const { family } = packet.destination;
  const table = { family: TABLE[family].family, name: TRACE_TABLE };
  const batch = new Batch(connection);
  batch.tableAdd({ ...table, flags: ['owner'] });
  const first = sourcePort === undefined ? 'output' : 'prerouting';
  const chain = (name: string, hook: HookName, priority: number, rule: Expression[]): void => {
    batch.chainAdd(table, { name, hook: { type: 'filter', hook, priority } });
    batch.ruleAdd(table, name, { comment: 'the probe', expressions: rule });
  };
  const trace = [loadImmediate(Uint8Array.of(1), 0), storeMeta('nftrace', 0)];
  chain(first, first, PRIORITY.raw, [...matchPacket(packet, sourcePort), ...trace]);
  if (sourcePort !== undefined) {
    const original = matchOriginal(packet, sourcePort);
    for (const hook of AFTER) chain(`seen-${hook}`, hook, FIRST_PRIORITY, [...original, ...trace]);
    for (const hook of ENDS) chain(hook, hook, LAST_PRIORITY, [...original, verdict(DROP)]);
  }
  batch.commit();
  return {
    [Symbol.dispose]: () => {
      const removal = new Batch(connection);
      removal.tableDel(table);
      removal.commit();
    },
  };
}

/** The packet as it is sent. */
function matchPacket(
  { source, destination, protocol, port }: Packet,
  sourcePort: number | undefined,
): Expression[] {
  const header = HEADER[destination.family];
  return [
    loadPayload('network', header.source, header.bytes, 0),
    compare('==', source.toBytes(), 0),
    loadPayload('network', header.destination, header.bytes, 0),
    compare('==', destination.toBytes(), 0),
    ...matchTransportProtocol(PROTOCOL_NUMBER[protocol], 0),
    ...(sourcePort === undefined
      ? []
      : [loadPayload('transport', 0, 2, 0), compare('==', networkU16(sourcePort), 0)]),
    loadPayload('transport', 2, 2, 0),
    compare('==', networkU16(port), 0),
  ];
}

/** The same packet, whatever was translated since. */
function matchOriginal(
  { source, destination, protocol, port }: Packet,
  sourcePort: number,
): Expression[] {
  return [
    ...matchTransportProtocol(PROTOCOL_NUMBER[protocol], 0),
    loadCt('src', 0, 'original'),
    compare('==', source.toBytes(), 0),
    loadCt('dst', 0, 'original'),
    compare('==', destination.toBytes(), 0),
    loadCt('protoSrc', 0, 'original'),
    compare('==', networkU16(sourcePort), 0),
    loadCt('protoDst', 0, 'original'),
    compare('==', networkU16(port), 0),
  ];
}

/** What became of a probe that was injected. */
function outcomeOf(events: readonly TraceEvent[], probe: Probe): string {
  const last = events.at(-1);
  if (last === undefined) return 'it did not come as far as the rules';
  if (last.verdict?.code !== 0) {
    return "gone after these: the kernel has no way for it, or does not believe its source's way (rp_filter)";
  }
  if (last.table !== TRACE_TABLE) return 'dropped';
  const ends = endsOf(events, probe);
  return last.chain === 'input'
    ? `would come to a process of this node${ends}; taken out here`
    : `would leave${ends}; taken out here`;
}

/** Where it goes and whom it seems to come from, by the headers told of last. */
function endsOf(events: readonly TraceEvent[], { destination, protocol }: Probe): string {
  const told = events.findLast(({ chain, networkHeader }) => {
    return networkHeader !== undefined && (ENDS as readonly string[]).includes(chain);
  });
  const header = HEADER[destination.family];
  const { networkHeader, transportHeader } = told ?? {};
  if (networkHeader === undefined || networkHeader.length < header.destination + header.bytes) {
    return '';
  }
  const addressAt = (at: number): Addr =>
    Addr.fromBytes(networkHeader.subarray(at, at + header.bytes));
  const portAt = (at: number): number =>
    ((transportHeader?.[at] ?? 0) << 8) | (transportHeader?.[at + 1] ?? 0);
  const end = (addr: Addr, port: number): string =>
    addr.family === 6 ? `[${addr}]:${port}` : `${addr}:${port}`;
  const to = end(addressAt(header.destination), portAt(2));
  return ` as ${end(addressAt(header.source), portAt(0))} to ${to}/${protocol}`;
}

function stepsOf(connection: NftablesConnection, all: readonly TraceEvent[]): TracedStep[] {
  const comments = new Map<string, Map<bigint, string>>();
  const events = all.filter(({ table }) => table !== TRACE_TABLE);
  return events.map(({ family, table, chain, type, ruleHandle, verdict, policy }) => {
    const name = `${family} ${table}`;
    let rules = comments.get(name);
    if (rules === undefined) {
      const listed = ruleList(connection, { family, name: table });
      rules = new Map(listed.map(({ handle, comment }) => [handle, comment ?? `rule ${handle}`]));
      comments.set(name, rules);
    }
    return {
      table: name,
      chain,
      rule: type === 'rule' ? ruleText(rules, ruleHandle) : type,
      verdict: type === 'policy' ? (policy === 0 ? 'drop' : 'accept') : verdictText(verdict, type),
    };
  });
}

/** A chain that comes to its end is told of as a rule without a number. */
function ruleText(rules: ReadonlyMap<bigint, string>, handle: bigint | undefined): string {
  return handle === undefined ? 'end of the chain' : (rules.get(handle) ?? `rule ${handle}`);
}

/** NF_* and NFT_* (linux/netfilter.h, linux/netfilter/nf_tables.h). */
const VERDICT_NAME: ReadonlyMap<number, string> = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [2, 'stolen'],
  [3, 'queue'],
  [-1, 'continue'],
  [-2, 'break'],
  [-3, 'jump'],
  [-4, 'goto'],
  [-5, 'return'],
]);

function verdictText(verdict: TraceEvent['verdict'], type: TraceEvent['type']): string {
  if (verdict === undefined || type === 'return') return '';
  const code = verdict.code | 0; // the kernel's are signed
  const name = VERDICT_NAME.get(code) ?? `${code}`;
  return verdict.chain === undefined ? name : `${name} ${verdict.chain}`;
}
