import type { Addr } from '../../../ipaddr/addr.ts';
import type { Mac } from '../../../ipaddr/mac.ts';
import { Prefix } from '../../../ipaddr/prefix.ts';
import { vtepMac } from './mac.ts';
import type { Peer } from './peer.ts';

/** What the peers of a node must agree with. */
export interface ConflictScope {
  readonly id: number;
  readonly local: Addr;
  /** This node's own subnets. */
  readonly subnets: readonly Prefix[];
}

/** An address range and whose it is. */
interface Claim {
  readonly prefix: Prefix;
  readonly text: string;
}

/**
 * The first thing in which the peers can't all be right, in words, or undefined: an endpoint of the
 * other family, two endpoints with one MAC address or two of one endpoint, or subnets that overlap
 * one another, this node's own, or the address of a node, which would lead the tunnel into itself.
 */
export function findConflict(scope: ConflictScope, peers: readonly Peer[]): string | undefined {
  return foreignFamily(scope, peers) ?? macConflict(scope, peers) ?? overlap(claims(scope, peers));
}

function foreignFamily({ local }: ConflictScope, peers: readonly Peer[]): string | undefined {
  const wrong = peers.find(({ endpoint }) => endpoint.family !== local.family);
  if (wrong === undefined) return undefined;
  return `endpoint ${wrong.endpoint} is of another family than the local address ${local}`;
}

function macConflict({ id }: ConflictScope, peers: readonly Peer[]): string | undefined {
  const endpoints = new Map<number, Addr>();
  const macs = new Map<string | number, Mac>();
  for (const { endpoint, mac = vtepMac(id, endpoint) } of peers) {
    const other = endpoints.get(mac.key) ?? endpoint;
    if (!other.equals(endpoint)) {
      return `peers ${other} and ${endpoint} have one MAC address ${mac}`;
    }
    const known = macs.get(endpoint.key) ?? mac;
    if (!known.equals(mac)) {
      return `peer ${endpoint} has two MAC addresses, ${known} and ${mac}`;
    }
    endpoints.set(mac.key, endpoint);
    macs.set(endpoint.key, mac);
  }
  return undefined;
}

function claims({ local, subnets }: ConflictScope, peers: readonly Peer[]): Claim[] {
  const nodes = new Map(peers.map(({ endpoint }) => [endpoint.key, endpoint]));
  return [
    ...subnets.map((prefix) => ({ prefix, text: `subnet ${prefix} of this node` })),
    ...peers.map(({ subnet, endpoint }) => ({
      prefix: subnet,
      text: `subnet ${subnet} of peer ${endpoint}`,
    })),
    ...[local, ...nodes.values()].map((addr) => ({
      prefix: Prefix.of(addr, addr.bits),
      text: `the address ${addr} of a node`,
    })),
  ];
}

/** Two prefixes overlap when one is in the other, and in order that one comes right behind it. */
function overlap(all: readonly Claim[]): string | undefined {
  const sorted = all.toSorted((a, b) => a.prefix.compare(b.prefix));
  for (const [index, claim] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next?.prefix.overlaps(claim.prefix)) return `${claim.text} overlaps ${next.text}`;
  }
  return undefined;
}
