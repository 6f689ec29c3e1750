import type { Mac } from '../../ipaddr/mac.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import {
  type Link,
  linkAdd,
  linkByName,
  linkDel,
  linkDelStart,
  linkList,
  linkSet,
} from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { tryOpenPodNetns } from '../protocol/netns.ts';
import type { Attachment } from '../protocol/plugin.ts';
import { mustFind } from './describe.ts';
import { hostEndNames, isOwnedBy, linkGroup, type Owner, ownerAlias } from './owner.ts';

/** The kernel sides a veth pair is made between. */
export interface VethPlace {
  readonly host: RouteConnection;
  readonly hostNetns: Netns;
  readonly pod: RouteConnection;
}

/**
 * Makes the pod's interface and its other end on the host, which is given back. Made in the pod with
 * the peer put on the host at once, so that the pod's name never shows up there. Throws CniError
 * when the pod has an interface of the name.
 */
export function makeVeth(
  { host, hostNetns, pod }: VethPlace,
  owner: Owner,
  { mtu, mac }: { readonly mtu?: number | undefined; readonly mac?: Mac | undefined },
): Link {
  const { ifName } = owner;
  const group = linkGroup(owner.network);
  for (const name of hostEndNames(owner)) {
    try {
      const peer = { name, mtu, group, netnsFd: hostNetns.fd };
      linkAdd(pod, { name: ifName, kind: 'veth', mtu, mac, peer });
    } catch (error) {
      if (netlinkErrno(error) !== EEXIST) throw error;
      if (linkByName(pod, ifName) === undefined) continue;
      const text = `container veth name ("${ifName}") peer provided ("${name}") already exists`;
      throw new CniError(CNI_CODE.internal, text);
    }
    const made = mustFind(host, name);
    linkSet(host, made.index, { alias: ownerAlias(owner) });
    return made;
  }
  const taken = hostEndNames(owner).join(', ');
  throw new CniError(CNI_CODE.tryAgainLater, `all names for the host's end are taken: ${taken}`);
}

/**
 * Starts to remove both ends of the owner's veth pair, so that a caller can remove other things while the
 * kernel waits. What it gives is to be disposed of, which waits for the end. Nothing there is fine, and
 * so is a path `netns` that is empty, gone or a plain file: the namespace may live on without it, and
 * the host end is known by its owner.
 */
export function startVethRemoval(owner: Owner, netns: string): Disposable {
  using removal = new DisposableStack();
  removal.defer(() => removeHostEnd(owner));
  const podNetns = tryOpenPodNetns(netns);
  if (podNetns !== undefined) {
    removal.use(podNetns);
    const pod = removal.use(RouteConnection.open(podNetns));
    const link = linkByName(pod, owner.ifName);
    if (link !== undefined) removal.defer(linkDelStart(pod, link.index));
  }
  return removal.move();
}

function removeHostEnd(owner: Owner): void {
  using host = RouteConnection.open();
  for (const name of hostEndNames(owner)) {
    const link = linkByName(host, name);
    if (link !== undefined && isOwnedBy(link, owner)) linkDel(host, link.index);
  }
}

/** The names of the other interfaces that the owner's container has on the network. */
export function siblingsOf(host: RouteConnection, owner: Owner): string[] {
  const { network, containerId, ifName } = owner;
  const group = linkGroup(network);
  const start = `podwire:${network}:${containerId}:`;
  return linkList(host, { kind: 'veth' })
    .filter((link) => link.group === group && link.alias?.startsWith(start) === true)
    .map(({ alias = '' }) => alias.slice(start.length))
    .filter((name) => name !== ifName);
}

/** Removes the network's host ends whose owner is not among the valid attachments. */
export function removeStaleHostEnds(
  host: RouteConnection,
  network: string,
  valid: readonly Attachment[],
): void {
  const group = linkGroup(network);
  const owners = valid.map(({ containerId, ifName }) => ({ network, containerId, ifName }));
  for (const link of linkList(host)) {
    if (link.kind !== 'veth' || link.group !== group) continue;
    // Two networks may share a group number; the alias tells them apart.
    if (link.alias !== undefined && !link.alias.startsWith(`podwire:${network}:`)) continue;
    if (!owners.some((owner) => isOwnedBy(link, owner))) linkDel(host, link.index);
  }
}
