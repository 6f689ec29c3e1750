import type { Addr } from '../../ipaddr/addr.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import { PRIORITY } from '../../netlink/nftables/chain.ts';
import type { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { lookup } from '../../netlink/nftables/expression/match.ts';
import { notrack } from '../../netlink/nftables/expression/store.ts';
import { tableFind } from '../../netlink/nftables/list.ts';
import {
  concat,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  IPV6_ADDR,
} from '../../netlink/nftables/types.ts';
import { concatValues, networkU16 } from '../../netlink/nftables/value.ts';

/** The table of each family. */
const TABLE = {
  4: { family: 'ip', name: 'podwire-dns' },
  6: { family: 'ip6', name: 'podwire-dns' },
} as const;
const COMMENT = 'DNS on the node itself, by podwire';
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
    batch.tableAdd({ ...TABLE[family], comment: COMMENT });
    batch.tableDel(TABLE[family]);
    if (own.length > 0) addTable(batch, family, own, port);
  }
  batch.commit();
}

/** Lets queries go their way again; answers stay untracked. Without the table does nothing. */
export function releaseQueries(connection: NftablesConnection): void {
  const batch = new Batch(connection);
  for (const family of [4, 6] as const) {
    if (tableFind(connection, TABLE[family]) === undefined) continue;
    batch.chainFlush(TABLE[family], 'prerouting');
    batch.chainFlush(TABLE[family], 'output-queries');
  }
  batch.commit();
}

/** Removes the table. Gives the names of what was there. */
export function removeTables(connection: NftablesConnection): string[] {
  const batch = new Batch(connection);
  const removed: string[] = [];
  for (const family of [4, 6] as const) {
    if (tableFind(connection, TABLE[family]) === undefined) continue;
    batch.tableDel(TABLE[family]);
    removed.push(`table ${TABLE[family].family} ${TABLE[family].name}`);
  }
  batch.commit();
  return removed;
}

function addTable(batch: Batch, family: 4 | 6, addresses: readonly Addr[], port: number): void {
  const table = TABLE[family];
  const key = concat(HEADER[family].type, INET_PROTO, INET_SERVICE);
  batch.tableAdd({ ...table, comment: COMMENT });
  const elements = addresses.flatMap((addr) =>
    [IPPROTO_TCP, IPPROTO_UDP].map((protocol) => ({
      key: concatValues(addr.toBytes(), Uint8Array.of(protocol), networkU16(port)),
    })),
  );
  for (const [name, comment] of [
    [ASKED, 'where queries go'],
    [ANSWERING, 'the server itself'],
  ] as const) {
    const set = { name, comment, key };
    batch.setAdd(table, set);
    batch.elementsAdd(table, set, elements);
  }
  const { source, destination } = HEADER[family];
  const queries = match(family, destination, DESTINATION_PORT_OFFSET, ASKED);
  const answers = match(family, source, SOURCE_PORT_OFFSET, ANSWERING);
  for (const [name, comment, hook, expressions] of [
    ['prerouting', 'queries of pods', 'prerouting', queries],
    ['output-queries', 'queries of the node itself', 'output', queries],
    ['output-answers', 'answers', 'output', answers],
  ] as const) {
    // Raw: before connection tracking.
    const base = { type: 'filter', hook, priority: PRIORITY.raw } as const;
    batch.chainAdd(table, { name, comment, hook: base });
    batch.ruleAdd(table, name, { expressions, comment });
  }
}

/** Matches address . protocol . port in a set, and takes the packet off tracking. */
function match(family: 4 | 6, offset: number, portOffset: number, set: string): Expression[] {
  const { bytes } = HEADER[family];
  const words = bytes / 4;
  return [
    loadPayload('network', offset, bytes, 0),
    loadMeta('l4proto', words),
    loadPayload('transport', portOffset, 2, words + 1),
    lookup(set, 0),
    notrack(),
  ];
}
