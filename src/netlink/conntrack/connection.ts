import { EEXIST, ENOENT } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Attributes, AttributeTable } from '../attribute.ts';
import { Connection, type Request } from '../connection.ts';
import { decodePayload, encodePayload, NLM_F_CREATE, NLM_F_EXCL } from '../message.ts';
import { NETLINK_NETFILTER, NFPROTO_IP, nfgenmsg } from '../netfilter.ts';
import { happens } from '../outcome.ts';
import {
  cpuStatisticsAttributes,
  flowAttributes,
  globalStatisticsAttributes,
} from './attributes.ts';
import { encodeFilter, type FlowFilter, familyOfFilter, flowMatches } from './filter.ts';
import {
  decodeFlow,
  encodeChange,
  encodeFlow,
  type Flow,
  type FlowChange,
  type FlowSpec,
} from './flow.ts';
import { type MessageName, messageType } from './message-type.ts';
import { encodeTuple, type Tuple } from './tuple.ts';

/** A conversation with connection tracking in one network namespace. */
export class ConntrackConnection implements Disposable {
  readonly netlink: Connection;

  private constructor(netlink: Connection) {
    this.netlink = netlink;
  }

  /** Opens it in `netns`, or in the namespace the thread is in. It stays in that namespace. */
  static open(netns?: Netns): ConntrackConnection {
    return new ConntrackConnection(Connection.open(NETLINK_NETFILTER, netns));
  }

  close(): void {
    this.netlink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Which flow: the tuple of its first packet, and the zone and id where they matter. */
export interface FlowKey {
  readonly original: Tuple;
  readonly zone?: number | undefined;
  /** Without it a later flow with the same tuple is meant too. */
  readonly id?: number | undefined;
}

/** The flows that are tracked, or those of them that the filter says. */
export function flowList(connection: ConntrackConnection, filter: FlowFilter = {}): Flow[] {
  // What the kernel could not filter is filtered while the messages come in, not after.
  return connection.netlink
    .dump(listRequest(filter), ({ payload }) => {
      const flow = flowOf(payload);
      return flowMatches(filter, flow) ? [flow] : [];
    })
    .flat();
}

/** The request for a listing, as much filtered as the kernel can. */
export function listRequest(filter: FlowFilter): Request {
  const family = familyOfFilter(filter);
  return requestOf('list flows', 'GET', family, flowAttributes, encodeFilter(filter));
}

/** One flow; undefined when it is not tracked. */
export function flowGet(connection: ConntrackConnection, key: FlowKey): Flow | undefined {
  let flow: Flow | undefined;
  const request = requestOf(
    `get flow ${tupleName(key.original)}`,
    'GET',
    key.original.source.family,
    flowAttributes,
    keyOf(key),
  );
  const found = happens(ENOENT, () =>
    connection.netlink.execute(request, ({ payload }) => {
      flow = flowOf(payload);
    }),
  );
  // The kernel finds by the tuple alone.
  return found && (key.id === undefined || key.id === flow?.id) ? flow : undefined;
}

/** Makes a flow; false when there is one with the same tuple. */
export function flowAdd(connection: ConntrackConnection, flow: FlowSpec): boolean {
  const { family } = flow.original.source;
  const operation = `add flow ${tupleName(flow.original)}`;
  const request = requestOf(operation, 'NEW', family, flowAttributes, encodeFlow(flow));
  return happens(EEXIST, () =>
    connection.netlink.execute({ ...request, flags: NLM_F_CREATE | NLM_F_EXCL }),
  );
}

/** Changes a flow; false when it is not tracked. */
export function flowUpdate(
  connection: ConntrackConnection,
  key: FlowKey,
  change: FlowChange,
): boolean {
  const { family } = key.original.source;
  const operation = `change flow ${tupleName(key.original)}`;
  const values = { ...keyOf(key), ...encodeChange(change) };
  const request = requestOf(operation, 'NEW', family, flowAttributes, values);
  return happens(ENOENT, () => connection.netlink.execute(request));
}

/** Forgets a flow; false when it is not tracked (any more). */
export function flowDelete(connection: ConntrackConnection, key: FlowKey): boolean {
  const { family } = key.original.source;
  const operation = `delete flow ${tupleName(key.original)}`;
  const request = requestOf(operation, 'DELETE', family, flowAttributes, keyOf(key));
  return happens(ENOENT, () => connection.netlink.execute(request));
}

/**
 * Forgets all flows the filter says and gives how many those were. They are listed and deleted one
 * by one, by tuple and id: a kernel that does not know one of the filter's fields passes it over, and
 * told to flush it would forget too much.
 */
export function flowDeleteMatching(connection: ConntrackConnection, filter: FlowFilter): number {
  return flowList(connection, filter).filter((flow) => flowDelete(connection, flow)).length;
}

/**
 * Forgets all flows of the namespace, or those with this mark, in one request. Every kernel filters
 * a flush by the mark; for anything else there is flowDeleteMatching.
 */
export function flowFlush(
  connection: ConntrackConnection,
  filter: Pick<FlowFilter, 'mark'> = {},
): void {
  const values = encodeFilter({ mark: filter.mark });
  const request = requestOf('flush flows', 'DELETE', undefined, flowAttributes, values);
  connection.netlink.execute(request);
}

/** How many flows are tracked, and how many there may be before new ones are dropped. */
export interface FlowCount {
  readonly entries: number;
  readonly entriesMax: number | undefined;
}

/** The number of flows of the namespace. */
export function flowCount(connection: ConntrackConnection): FlowCount {
  const attributes = globalStatisticsAttributes;
  const request = requestOf('count flows', 'GET_STATS', undefined, attributes, {});
  let count: FlowCount = { entries: 0, entriesMax: undefined };
  connection.netlink.execute(request, ({ payload }) => {
    const { entries = 0, entriesMax } = decode(attributes, payload).attributes;
    count = { entries, entriesMax };
  });
  return count;
}

/** What one processor did with packets of the namespace since it was made. */
export type CpuStatistics = { readonly cpu: number } & {
  readonly [K in keyof typeof cpuStatisticsAttributes]: number;
};

/** The statistics of each processor; what an older kernel does not count is 0. */
export function cpuStatistics(connection: ConntrackConnection): CpuStatistics[] {
  const attributes = cpuStatisticsAttributes;
  const request = requestOf('list statistics', 'GET_STATS_CPU', undefined, attributes, {});
  return connection.netlink.dump(request, ({ payload }) => {
    const { header, attributes: counts } = decode(attributes, payload);
    return {
      cpu: header.resourceId,
      found: counts.found ?? 0,
      invalid: counts.invalid ?? 0,
      insert: counts.insert ?? 0,
      insertFailed: counts.insertFailed ?? 0,
      drop: counts.drop ?? 0,
      earlyDrop: counts.earlyDrop ?? 0,
      error: counts.error ?? 0,
      searchRestart: counts.searchRestart ?? 0,
      clashResolve: counts.clashResolve ?? 0,
      chainTooLong: counts.chainTooLong ?? 0,
    };
  });
}

function requestOf<T extends AttributeTable>(
  operation: string,
  type: MessageName,
  family: 4 | 6 | undefined,
  attributes: T,
  values: Attributes<T>,
): Request {
  const header = { family: family === undefined ? 0 : NFPROTO_IP[family] };
  return {
    operation,
    type: messageType(type),
    write: (writer) => encodePayload(writer, { header: nfgenmsg, attributes }, header, values),
  };
}

function decode<T extends AttributeTable>(attributes: T, payload: Uint8Array) {
  return decodePayload({ header: nfgenmsg, attributes }, payload);
}

/** The flow of a message of a listing. Throws DecodeError. */
export function flowOf(payload: Uint8Array): Flow {
  return decodeFlow(decode(flowAttributes, payload).attributes);
}

function keyOf(key: FlowKey): Attributes<typeof flowAttributes> {
  const { original, zone, id } = key;
  return { original: encodeTuple(original), zone: zone === 0 ? undefined : zone, id };
}

/** A flow as error messages name it. */
function tupleName(tuple: Tuple): string {
  const { source, destination, protocol, sourcePort, destinationPort } = tuple;
  const ports = sourcePort === undefined ? '' : ` ports ${sourcePort} to ${destinationPort}`;
  return `${source} to ${destination} protocol ${protocol}${ports}`;
}
