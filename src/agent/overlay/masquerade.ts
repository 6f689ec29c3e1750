import { isDeepStrictEqual } from 'node:util';
import { MULTICAST } from '../../ipaddr/multicast.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { type ChainSpec, PRIORITY } from '../../netlink/nftables/chain.ts';
import type { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { masquerade } from '../../netlink/nftables/expression/nat.ts';
import { matchNfproto, matchPrefix } from '../../netlink/nftables/expression/network.ts';
import { ruleList, tableFind } from '../../netlink/nftables/list.ts';
import type { TableSpec } from '../../netlink/nftables/table.ts';
import { transaction } from '../../netlink/nftables/transaction.ts';

const TABLE: TableSpec = {
  family: 'inet',
  name: 'podwire-overlay',
  comment: 'pods reach the world under the address of their node, by podwire',
};
const CHAIN: ChainSpec = {
  name: 'postrouting',
  hook: { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
};

/**
 * Has packets of the node's own pods leave under the node's address where they leave the cluster's
 * network, and only there: pods see one another's addresses. Does nothing when it is so already.
 */
export function ensureMasquerade(
  connection: NftablesConnection,
  subnets: readonly Prefix[],
  network: readonly Prefix[],
): void {
  const wanted = subnets.flatMap((subnet) => {
    const around = network.find((each) => each.covers(subnet));
    return around === undefined ? [] : [ruleOf(subnet, around)];
  });
  transaction(connection, (batch) => {
    const isThere = tableFind(connection, TABLE) !== undefined;
    const present = isThere
      ? ruleList(connection, TABLE).map(({ expressions }) => expressions)
      : [];
    if (isThere && isDeepStrictEqual(present, wanted)) return;
    batch.tableAdd(TABLE);
    batch.chainAdd(TABLE, CHAIN);
    batch.chainFlush(TABLE, CHAIN.name);
    for (const expressions of wanted) batch.ruleAdd(TABLE, CHAIN.name, { expressions });
  });
}

/** Removes it. Gives whether it was there. */
export function removeMasquerade(connection: NftablesConnection): boolean {
  return transaction(connection, (batch) => {
    const isThere = tableFind(connection, TABLE) !== undefined;
    if (isThere) batch.tableDel(TABLE);
    return isThere;
  });
}

function ruleOf(subnet: Prefix, network: Prefix): Expression[] {
  const { family } = subnet.addr;
  return [
    ...matchNfproto(family, 0),
    ...matchPrefix('source', '==', subnet, 0),
    ...matchPrefix('destination', '!=', network, 0),
    ...matchPrefix('destination', '!=', MULTICAST[family], 0),
    masquerade({ flags: ['fully-random'] }),
  ];
}
