import type { Node } from '../../cluster/objects.ts';
import { type Conflict, findConflicts } from '../../cni/vxlan/overlay/conflict.ts';
import { vtepMac } from '../../cni/vxlan/overlay/mac.ts';
import type { Peer } from '../../cni/vxlan/overlay/peer.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { type Member, memberOf, ownMemberOf, type Problem } from './member.ts';
import type { OverlaySettings } from './settings.ts';

const FAMILIES = [4, 6] as const;

/** What leads to other nodes over one family of the underlay. */
export interface Tunnel {
  /** The underlay's. */
  readonly family: 4 | 6;
  /** This node's address there. */
  readonly local: Addr;
  /** This node's subnets whose packets go this way. */
  readonly subnets: readonly Prefix[];
  /** The other nodes, and this one where it says what its MAC address is. */
  readonly peers: readonly Peer[];
}

/** What the nodes of a cluster come to for one of them. */
export interface OverlayPlan {
  /** This node's pods' subnets; empty while it has none. */
  readonly subnets: readonly Prefix[];
  readonly tunnels: readonly Tunnel[];
  /** What is left out, and why. */
  readonly problems: readonly Problem[];
}

/**
 * The overlay of the node called `nodeName`, or undefined while nothing is known of it. IPv4 pods are
 * reached over IPv4 and IPv6 pods over IPv6, as flannel has it, and where this node has an address of
 * one family only, both go over that. Nodes that contradict one another are left out and named.
 * Pure.
 */
export function planNodes(
  nodes: Iterable<Node>,
  nodeName: string,
  settings: OverlaySettings,
): OverlayPlan | undefined {
  const problems: Problem[] = [];
  const members: Member[] = [];
  let self: Member | undefined;
  for (const node of nodes) {
    const report = (problem: Problem): unknown => problems.push(problem);
    if (node.metadata.name === nodeName) self = ownMemberOf(node, settings.id, report);
    else members.push(memberOf(node, settings.id, report));
  }
  if (self === undefined) return undefined;
  const own = within(self, settings, problems);
  const others = members.map((member) => within(member, settings, problems));
  const tunnels = FAMILIES.flatMap((family) => {
    const tunnel = planTunnel(family, own, others, settings.id, problems);
    return tunnel === undefined ? [] : [tunnel];
  });
  if (own.subnets.length > 0 && tunnels.length === 0) {
    problems.push({ node: own.name, text: 'it has no address on the underlay' });
  }
  return { subnets: own.subnets, tunnels, problems };
}

/** The member with those subnets only that are in the cluster's network. */
function within(member: Member, { network }: OverlaySettings, problems: Problem[]): Member {
  const subnets = member.subnets.filter((subnet) => {
    const ofFamily = network.filter(({ addr }) => addr.family === subnet.addr.family);
    const isInside = network.length === 0 || ofFamily.some((each) => each.covers(subnet));
    if (!isInside) {
      const text = `podCIDR ${subnet} is not in the network ${network.join(', ')}`;
      problems.push({ node: member.name, text });
    }
    return isInside;
  });
  return { ...member, subnets };
}

/** The underlay's family by which pods of a family are reached from this node. */
function underlayOf(pods: 4 | 6, { endpoints }: Member): 4 | 6 {
  const other = pods === 4 ? 6 : 4;
  return endpoints[pods] === undefined && endpoints[other] !== undefined ? other : pods;
}

function planTunnel(
  family: 4 | 6,
  own: Member,
  others: readonly Member[],
  id: number,
  problems: Problem[],
): Tunnel | undefined {
  const local = own.endpoints[family];
  const isOver = ({ addr }: Prefix): boolean => underlayOf(addr.family, own) === family;
  const subnets = own.subnets.filter(isOver);
  if (local === undefined || subnets.length === 0) return undefined;
  const names = new Map<Peer, string>();
  for (const member of others.filter(({ refused }) => !refused.has(family))) {
    const endpoint = member.endpoints[family];
    const reached = member.subnets.filter(isOver);
    if (endpoint === undefined && reached.length > 0) {
      problems.push({ node: member.name, text: `it has no IPv${family} address on the underlay` });
    }
    if (endpoint === undefined) continue;
    const mac = member.macs[family] ?? vtepMac(id, endpoint);
    for (const subnet of reached) names.set({ subnet, endpoint, mac }, member.name);
  }
  const all = [...names.keys()];
  const conflicts = findConflicts({ id, local, subnets }, all);
  for (const conflict of conflicts) problems.push(...problemsOf(conflict, names));
  const wrong = new Set(conflicts.flatMap(({ peers }) => peers));
  const self = subnets.slice(0, 1).map((subnet) => ({
    subnet,
    endpoint: local,
    mac: own.macs[family],
  }));
  const peers = [...self, ...all.filter((peer) => !wrong.has(peer))];
  return { family, local, subnets, peers };
}

function problemsOf({ text, peers }: Conflict, names: ReadonlyMap<Peer, string>): Problem[] {
  const nodes = new Set(peers.map((peer) => names.get(peer) ?? `${peer.endpoint}`));
  return [...nodes].map((node) => ({ node, text }));
}
