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

/** Something in which peers can't all be right. */
export interface Conflict {
  readonly text: string;
  /** Those it is about; where it is with this node itself, the other alone. */
  readonly peers: readonly Peer[];
}

/** An address range and whose it is. */
interface Claim {
  readonly prefix: Prefix;
  readonly text: string;
  /** The peer whose pods have it. */
  readonly peer?: Peer;
}

/** The first of `findConflicts` in words, or undefined. */
export function findConflict(scope: ConflictScope, peers: readonly Peer[]): string | undefined {
  return findConflicts(scope, peers)[0]?.text;
}

/**
 * Everything in which the peers can't all be right: an endpoint of the other family, two endpoints with
 * one MAC address or two of one endpoint, and subnets that overlap one another, this node's own, or
 * the address of a node, which would lead the tunnel into itself.
 */
export function findConflicts(scope: ConflictScope, peers: readonly Peer[]): Conflict[] {
  return [
    ...foreignFamilies(scope, peers),
    ...macConflicts(scope, peers),
    ...overlaps(claims(scope, peers)),
  ];
}

function foreignFamilies({ local }: ConflictScope, peers: readonly Peer[]): Conflict[] {
  return peers
    .filter(({ endpoint }) => endpoint.family !== local.family)
    .map((peer) => ({
      text: `endpoint ${peer.endpoint} is of another family than the local address ${local}`,
      peers: [peer],
    }));
}

function macConflicts({ id }: ConflictScope, peers: readonly Peer[]): Conflict[] {
  const byMac = new Map<number, Peer>();
  const byEndpoint = new Map<string | number, readonly [Peer, Mac]>();
  const conflicts: Conflict[] = [];
  for (const peer of peers) {
    const { endpoint, mac = vtepMac(id, endpoint) } = peer;
    const other = byMac.get(mac.key);
    if (other !== undefined && !other.endpoint.equals(endpoint)) {
      const text = `peers ${other.endpoint} and ${endpoint} have one MAC address ${mac}`;
      conflicts.push({ text, peers: [other, peer] });
    }
    const [earlier, known] = byEndpoint.get(endpoint.key) ?? [peer, mac];
    if (!known.equals(mac)) {
      const text = `peer ${endpoint} has two MAC addresses, ${known} and ${mac}`;
      conflicts.push({ text, peers: [earlier, peer] });
    }
    if (other === undefined) byMac.set(mac.key, peer);
    byEndpoint.set(endpoint.key, [earlier, known]);
  }
  return conflicts;
}

function claims({ local, subnets }: ConflictScope, peers: readonly Peer[]): Claim[] {
  const nodes = new Map(peers.map(({ endpoint }) => [endpoint.key, endpoint]));
  return [
    ...subnets.map((prefix) => ({ prefix, text: `subnet ${prefix} of this node` })),
    ...peers.map((peer) => ({
      prefix: peer.subnet,
      text: `subnet ${peer.subnet} of peer ${peer.endpoint}`,
      peer,
    })),
    ...[local, ...nodes.values()].map((addr) => ({
      prefix: Prefix.of(addr, addr.bits),
      text: `the address ${addr} of a node`,
    })),
  ];
}

/**
 * Two prefixes overlap when one is in the other, and in order those that one is in come before it.
 * Each is held against the closest of them, so that none that overlaps is missed, and not all pairs.
 */
function overlaps(all: readonly Claim[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const around: Claim[] = [];
  for (const claim of all.toSorted((a, b) => a.prefix.compare(b.prefix))) {
    while (around.at(-1)?.prefix.overlaps(claim.prefix) === false) around.pop();
    const closest = around.at(-1);
    if (closest !== undefined) {
      const peers = [closest.peer, claim.peer].filter((peer) => peer !== undefined);
      conflicts.push({ text: `${closest.text} overlaps ${claim.text}`, peers });
    }
    around.push(claim);
  }
  return conflicts;
}
