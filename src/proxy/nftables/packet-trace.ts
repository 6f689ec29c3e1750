import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Addr } from '../../ipaddr/addr.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import { PRIORITY } from '../../netlink/nftables/chain.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadImmediate, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { compare, matchTransportProtocol } from '../../netlink/nftables/expression/match.ts';
import { storeMeta } from '../../netlink/nftables/expression/store.ts';
import { ruleList } from '../../netlink/nftables/list.ts';
import { decodeTrace, NFNLGRP_NFTRACE, type TraceEvent } from '../../netlink/nftables/trace.ts';
import { networkU16 } from '../../netlink/nftables/value.ts';
import { Subscription } from '../../netlink/subscription.ts';
import type { Packet } from '../model/trace.ts';
import { PROTOCOL_NUMBER } from './element.ts';
import { HEADER, TABLE } from './names.ts';

/** A table of our own beside the rules; it belongs to this process, and goes with it. */
const TRACE_TABLE = 'podwire-trace';
const NETLINK_NETFILTER = 12; // linux/netlink.h
/** What is neither answered nor refused in this time was dropped. */
const PROBE_TIMEOUT_MS = 500;
const EVENTS_MAX = 1000;

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
 * Sends one probe from this node and tells which rules it met. It opens a TCP connection and closes it
 * at once without a byte, or sends one empty UDP datagram; only packets of that probe are traced, by a
 * table that the kernel takes away when this process ends. Undefined for SCTP, which is not sent.
 * Throws NetlinkError or the error of bind(2).
 */
export async function tracePacket(packet: Packet): Promise<PacketTrace | undefined> {
  const { protocol } = packet;
  if (protocol === 'SCTP') return undefined;
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
  using _table = traceTable(connection, packet);
  const send = protocol === 'TCP' ? probeTcp : probeUdp;
  const outcome = await send(packet.source, packet.destination, packet.port);
  // What the kernel told of the probe waits in the socket already; the loop's next turn reads it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const [first] = events;
  const own = events.filter(({ id, table }) => id === first?.id && table !== TRACE_TABLE);
  return { outcome, steps: stepsOf(connection, own) };
}

/** Marks packets of the probe to be traced, before all other rules. */
function traceTable(
  connection: NftablesConnection,
  { source, destination, protocol, port }: Packet,
): Disposable {
  const { family } = destination;
  const header = HEADER[family];
  const table = { family: TABLE[family].family, name: TRACE_TABLE };
  const matches: Expression[] = [
    loadPayload('network', header.source, header.bytes, 0),
    compare('==', source.toBytes(), 0),
    loadPayload('network', header.destination, header.bytes, 0),
    compare('==', destination.toBytes(), 0),
    ...matchTransportProtocol(PROTOCOL_NUMBER[protocol], 0),
    loadPayload('transport', 2, 2, 0),
    compare('==', networkU16(port), 0),
  ];
  const batch = new Batch(connection);
  batch.tableAdd({ ...table, flags: ['owner'] });
  const hook = { type: 'filter', hook: 'output', priority: PRIORITY.raw } as const;
  batch.chainAdd(table, { name: 'output', hook });
  batch.ruleAdd(table, 'output', {
    comment: 'the probe',
    expressions: [...matches, loadImmediate(Uint8Array.of(1), 0), storeMeta('nftrace', 0)],
  });
  batch.commit();
  return {
    [Symbol.dispose]: () => {
      const removal = new Batch(connection);
      removal.tableDel(table);
      removal.commit();
    },
  };
}

function probeTcp(source: Addr, destination: Addr, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: `${destination}`, port, localAddress: `${source}` });
  const timer = setTimeout(() => end(`no answer in ${PROBE_TIMEOUT_MS} ms`), PROBE_TIMEOUT_MS);
  const end = (outcome: string): void => {
    clearTimeout(timer);
    // A reset of one that is still connecting would wait for it.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
    resolve(outcome);
  };
  socket.once('connect', () => end('connected'));
  socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  return promise;
}

function probeUdp(source: Addr, destination: Addr, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = createSocket(destination.family === 6 ? 'udp6' : 'udp4');
  const end = (outcome: string): void => {
    socket.close();
    resolve(outcome);
  };
  socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.bind({ address: `${source}` }, () => {
    socket.send(Buffer.alloc(0), port, `${destination}`, (error) => {
      if (error === null) end('sent');
      else end((error as NodeJS.ErrnoException).code ?? error.message);
    });
  });
  return promise;
}

function stepsOf(connection: NftablesConnection, events: readonly TraceEvent[]): TracedStep[] {
  const comments = new Map<string, Map<bigint, string>>();
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
      rule: type === 'rule' ? (rules.get(ruleHandle ?? 0n) ?? `rule ${ruleHandle}`) : type,
      verdict: type === 'policy' ? (policy === 0 ? 'drop' : 'accept') : verdictText(verdict, type),
    };
  });
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
