import { netlinkErrno } from '../../../netlink/error.ts';
import type { RouteConnection } from '../../../netlink/route/connection.ts';
import {
  type Link,
  linkAdd,
  linkByName,
  linkDel,
  linkList,
  linkSet,
} from '../../../netlink/route/link.ts';
import { EEXIST } from '../../../sys/errno.ts';
import { writeSysctl } from '../../../sys/sysctl.ts';
import { OverlayError } from './error.ts';
import type { Device, DeviceOwner } from './plan.ts';

const KIND = 'vxlan';

/** In what a device is not as it should be. */
export interface DeviceFault {
  readonly text: string;
  /** The kernel can't change it, or only from the start: the device has to be made anew. */
  readonly rebuild: boolean;
}

/** The faults of a link of ours, those that need another device first. */
export function deviceFaults(device: Device, link: Link): DeviceFault[] {
  const { id, port, local, underlayIndex, mac, mtu, owner } = device;
  const { vxlan } = link;
  const settings = [
    [true, 'id', vxlan?.id, id],
    [true, 'port', vxlan?.port, port],
    [true, 'local address', vxlan?.local, local],
    [true, 'underlay link index', vxlan?.linkIndex, underlayIndex],
    [true, 'learning', vxlan?.learning ?? false, false],
    [true, 'default peer', vxlan?.group, undefined],
    [true, 'external control', vxlan?.collectMetadata ?? false, false],
    [false, 'MAC', link.mac, mac],
    [false, 'MTU', link.mtu, mtu],
    [false, 'alias', link.alias, owner.alias],
    [false, 'state', link.up ? 'up' : 'down', 'up'],
  ] as const;
  return settings
    .map(([rebuild, what, actual, expected]) => ({
      rebuild,
      what,
      actual: `${actual ?? 'none'}`,
      expected: `${expected ?? 'none'}`,
    }))
    .filter(({ actual, expected }) => actual !== expected)
    .map(({ rebuild, what, actual, expected }) => ({
      rebuild,
      text: `"${link.name}" has ${what} ${actual}, expected ${expected}`,
    }));
}

/** What must be so for packets to get from pods to the device and back. */
export function sysctlsOf({ name, families }: Device): readonly (readonly [string, string])[] {
  const v4 = [['net/ipv4/ip_forward', '1']] as const;
  const v6 = [
    ['net/ipv6/conf/all/forwarding', '1'],
    [`net/ipv6/conf/${name}/disable_ipv6`, '0'],
    // Addresses and routes that somebody advertises are none of its business.
    [`net/ipv6/conf/${name}/accept_ra`, '0'],
  ] as const;
  return [...(families.has(4) ? v4 : []), ...(families.has(6) ? v6 : [])];
}

/** The network's device, or undefined. Throws OverlayError when something else has its name. */
export function findDevice(connection: RouteConnection, device: Device): Link | undefined {
  const link = linkByName(connection, device.name);
  if (link === undefined || isOwn(link, device.owner)) return link;
  const whose = link.alias === undefined ? 'not ours' : `of "${link.alias}"`;
  const what = `a ${link.kind ?? 'link'} and ${whose}`;
  throw new OverlayError(`"${device.name}" already exists, and is ${what}`);
}

/**
 * The network's device as it should be, whatever was there: what can be changed is changed, and else
 * it is made anew, which takes its entries along. Throws OverlayError when somebody else has its
 * name or network.
 */
export function ensureDevice(connection: RouteConnection, device: Device): Link {
  const found = findDevice(connection, device);
  const isKept = found !== undefined && !deviceFaults(device, found).some(({ rebuild }) => rebuild);
  removeDevices(connection, device.owner, isKept ? found : undefined);
  const link = isKept ? found : create(connection, device);
  if (deviceFaults(device, link).length > 0) mend(connection, device, link);
  for (const [name, value] of sysctlsOf(device)) writeSysctl(name, value);
  return link;
}

function mend(connection: RouteConnection, { mac, mtu, owner }: Device, link: Link): void {
  // Setting a MAC address, even its own, makes the kernel forget all neighbours.
  const ownMac = link.mac?.equals(mac) === true ? {} : { mac };
  linkSet(connection, link.index, { ...ownMac, mtu, alias: owner.alias, up: true });
}

/**
 * Removes the network's devices, all but one: those it had under another id. Gives the names of those
 * that were there.
 */
export function removeDevices(
  connection: RouteConnection,
  owner: DeviceOwner,
  kept?: Link,
): string[] {
  const removed = linkList(connection, { kind: KIND }).filter(
    (link) => isOwn(link, owner) && link.index !== kept?.index,
  );
  for (const { index } of removed) linkDel(connection, index);
  return removed.map(({ name }) => name);
}

function create(connection: RouteConnection, device: Device): Link {
  const { name, id, port, local, underlayIndex: linkIndex, mac, mtu, owner } = device;
  // With a MAC address from the start nobody, such as systemd, takes it for theirs to choose.
  const vxlan = { id, port, local, linkIndex, learning: false };
  try {
    linkAdd(connection, { name, kind: KIND, mac, mtu, group: owner.group, vxlan });
  } catch (error) {
    if (netlinkErrno(error) !== EEXIST) throw error;
    const other = linkList(connection, { kind: KIND }).find(
      (link) => link.vxlan?.id === id && link.vxlan.port === port,
    );
    if (other === undefined) throw error;
    throw new OverlayError(`id ${id} on port ${port} is taken by "${other.name}"`);
  }
  const made = findDevice(connection, device);
  if (made === undefined) throw new OverlayError(`"${name}" vanished`);
  return made;
}

function isOwn({ kind, group, alias }: Link, owner: DeviceOwner): boolean {
  // Whoever made it was killed before it had its alias.
  return kind === KIND && group === owner.group && (alias ?? owner.alias) === owner.alias;
}
