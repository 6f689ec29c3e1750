import type { Addr } from '../../ipaddr/addr.ts';
import { Batch, type Hook } from '../../netlink/nftables/batch.ts';
import { type NftablesConnection, tableList } from '../../netlink/nftables/connection.ts';
import {
  type Expression,
  loadPayload,
  loadTransportProtocol,
  lookup,
  PAYLOAD_NETWORK,
  PAYLOAD_TRANSPORT,
} from '../../netlink/nftables/expression.ts';
import {
  concat,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  IPV6_ADDR,
} from '../../netlink/nftables/types.ts';

/** The name of the table in each family. */
export const TABLE = 'podwire-dns';
const ASKED = 'asked';
const ANSWERING = 'answering';

/** Offsets of the address fields in the IP header (RFC 791 section 3.1, RFC 8200 section 3). */
const HEADER = {
  4: { source: 12, destination: 16, bytes: 4, type: IPV4_ADDR },
  6: { source: 8, destination: 24, bytes: 16, type: IPV6_ADDR },
} as const;
/** Of TCP and UDP alike. */
const SOURCE_PORT_OFFSET = 0;
const DESTINATION_PORT_OFFSET = 2;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** enum nf_inet_hooks, and NF_IP_PRI_RAW of linux/netfilter_ipv4.h: before connection tracking. */
const PRE_ROUTING = 0;
const LOCAL_OUT = 3;
const NF_IP_PRI_RAW = -300;

/** `notrack`: the packet is not tracked, and so never translated. */
const notrack: Expression = { name: 'notrack' };

/**
 * Keeps connection tracking off queries to `addresses` and off answers from them, in one transaction
 * that puts a table in the place of any that was there.
 */
export function keepUntracked(
  connection: NftablesConnection,
  addresses: readonly Addr[],
  port: number,
): void {
  const batch = new Batch(connection);
  for (const family of [4, 6] as const) {
    const own = addresses.filter((addr) => addr.family === family);
    // Added first so that it can be deleted: then none of an older one is left.
    batch.tableAdd(family, TABLE, 'DNS on the node itself, by podwire');
    batch.tableDel(family, TABLE);
    if (own.length > 0) addTable(batch, family, own, port);
  }
  batch.commit();
}

/** Lets queries go their way again; answers stay untracked. Without the table does nothing. */
export function releaseQueries(connection: NftablesConnection): void {
  const batch = new Batch(connection);
  for (const family of [4, 6] as const) {
    if (!tableList(connection, family).includes(TABLE)) continue;
    batch.chainFlush(family, TABLE, 'prerouting');
    batch.chainFlush(family, TABLE, 'output-queries');
  }
  batch.commit();
}

/** Removes the table. Gives the names of what was there. */
export function removeTables(connection: NftablesConnection): string[] {
  const batch = new Batch(connection);
  const removed: string[] = [];
  for (const family of [4, 6] as const) {
    if (!tableList(connection, family).includes(TABLE)) continue;
    batch.tableDel(family, TABLE);
    removed.push(`table ${family === 4 ? 'ip' : 'ip6'} ${TABLE}`);
  }
  batch.commit();
  return removed;
}

function addTable(batch: Batch, family: 4 | 6, addresses: readonly Addr[], port: number): void {
  const key = concat(HEADER[family].type, INET_PROTO, INET_SERVICE);
  batch.tableAdd(family, TABLE, 'DNS on the node itself, by podwire');
  const elements = addresses.flatMap((addr) =>
    [IPPROTO_TCP, IPPROTO_UDP].map((protocol) => ({
      key: elementKey(addr, protocol, port),
      data: undefined,
    })),
  );
  for (const [name, comment] of [
    [ASKED, 'where queries go'],
    [ANSWERING, 'the server itself'],
  ] as const) {
    batch.setAdd(family, TABLE, { name, comment, key, data: undefined });
    batch.elementsAdd(family, TABLE, name, elements);
  }
  const { source, destination } = HEADER[family];
  const queries = match(family, destination, DESTINATION_PORT_OFFSET, ASKED);
  const answers = match(family, source, SOURCE_PORT_OFFSET, ANSWERING);
  const hook = (number: number): Hook => ({ type: 'filter', number, priority: NF_IP_PRI_RAW });
  for (const [chain, comment, number, expressions] of [
    ['prerouting', 'queries of pods', PRE_ROUTING, queries],
    ['output-queries', 'queries of the node itself', LOCAL_OUT, queries],
    ['output-answers', 'answers', LOCAL_OUT, answers],
  ] as const) {
    batch.chainAdd(family, TABLE, chain, comment, hook(number));
    batch.ruleAdd(family, TABLE, chain, expressions, comment);
  }
}

/** Matches address . protocol . port in a set, and takes the packet off tracking. */
function match(family: 4 | 6, offset: number, portOffset: number, set: string): Expression[] {
  const { bytes } = HEADER[family];
  const words = bytes / 4;
  return [
    loadPayload(PAYLOAD_NETWORK, offset, bytes, 0),
    loadTransportProtocol(words),
    loadPayload(PAYLOAD_TRANSPORT, portOffset, 2, words + 1),
    lookup(set, 0),
    notrack,
  ];
}

function elementKey(addr: Addr, protocol: number, port: number): Uint8Array {
  const octets = addr.toBytes();
  const key = new Uint8Array(octets.length + 8);
  key.set(octets);
  key[octets.length] = protocol;
  key[octets.length + 4] = port >> 8;
  key[octets.length + 5] = port & 255;
  return key;
}
