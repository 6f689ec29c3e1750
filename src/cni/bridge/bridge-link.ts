import type { Prefix } from '../../ipaddr/prefix.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { addrAdd, addrDel, addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkSet } from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';
import { needsFiltering } from './vlan.ts';

/** The bridge with the name, or undefined. Throws CniError when another kind of link has it. */
export function findBridge(host: RouteConnection, name: string): Link | undefined {
  const link = linkByName(host, name);
  if (link !== undefined && link.kind !== 'bridge') {
    throw new CniError(CNI_CODE.internal, `"${name}" already exists but is not a bridge`);
  }
  return link;
}

/** Makes the bridge where it is missing, and brings it up. It stays when the last pod leaves. */
export function ensureBridge(host: RouteConnection, config: BridgeConfig): Link {
  const { bridge: name, mtu, promiscMode, enabledad, vlans } = config;
  if (findBridge(host, name) === undefined) {
    try {
      const bridge = needsFiltering(vlans) ? { vlanFiltering: true } : undefined;
      linkAdd(host, { name, kind: 'bridge', mtu, bridge });
      // Until its link-local address is through duplicate address detection, a second or two, the
      // bridge asks for no neighbour, and IPv6 between pods and Services stalls.
      if (!enabledad) writeSysctl(`net/ipv6/conf/${name}/accept_dad`, '0');
    } catch (error) {
      // Another ADD was faster.
      if (netlinkErrno(error) !== EEXIST) throw error;
    }
  }
  const link = findBridge(host, name);
  if (link === undefined) throw new CniError(CNI_CODE.internal, `bridge "${name}" vanished`);
  writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
  linkSet(host, link.index, {
    up: true,
    // A bridge takes the lowest MAC of its ports unless it is told one, even its own.
    ...(link.mac === undefined ? {} : { mac: link.mac }),
    ...(promiscMode ? { promiscuous: true } : {}),
  });
  return link;
}

/**
 * Gives the bridge the gateways' addresses. Throws CniError when another one is in the place of one
 * of them, before anything is changed; with `force` the other one goes.
 */
export function ensureGateways(
  host: RouteConnection,
  bridge: Link,
  gateways: readonly Prefix[],
  force: boolean,
): void {
  const present = addrList(host, bridge.index)
    // A link-local IPv6 address is in nobody's way.
    .filter(({ prefix, scope }) => prefix.addr.family === 4 || scope === 0)
    .map(({ prefix }) => prefix);
  const inTheWay = (gateway: Prefix, index: number): Prefix[] =>
    [...present, ...gateways.slice(0, index)].filter((other) => excludes(other, gateway));
  const refused = force ? undefined : gateways.find((each, index) => inTheWay(each, index)[0]);
  if (refused !== undefined) {
    const text = `"${bridge.name}" already has an IP address different from ${refused}`;
    throw new CniError(CNI_CODE.internal, `failed to set bridge addr: ${text}`);
  }
  gateways.forEach((gateway, index) => {
    for (const other of inTheWay(gateway, index)) addrDel(host, bridge.index, other);
    addrAdd(host, bridge.index, gateway, { noDad: true });
  });
}

/** Whether a bridge has only one of the two: it has one IPv4 address, and IPv6 ones that don't overlap. */
function excludes(other: Prefix, gateway: Prefix): boolean {
  if (other.addr.family !== gateway.addr.family || other.equals(gateway)) return false;
  return gateway.addr.family === 4 || other.overlaps(gateway);
}
