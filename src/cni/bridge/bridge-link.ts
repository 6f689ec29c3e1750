import type { Prefix } from '../../ipaddr/prefix.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { addrAdd, addrDel, addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkSet } from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';

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
  const { bridge: name, mtu, promiscMode, enabledad } = config;
  if (findBridge(host, name) === undefined) {
    try {
      linkAdd(host, { name, kind: 'bridge', mtu });
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

/** Gives the bridge a gateway's address. Throws CniError when another one is in its place. */
export function ensureGateway(
  host: RouteConnection,
  bridge: Link,
  gateway: Prefix,
  forceAddress: boolean,
): void {
  for (const { prefix, scope } of addrList(host, bridge.index)) {
    if (prefix.addr.family !== gateway.addr.family || prefix.equals(gateway)) continue;
    // A link has one IPv4 address here, but any number of IPv6 ones that don't overlap.
    const isLinkLocal = scope !== 0;
    if (gateway.addr.family === 6 && (isLinkLocal || !prefix.overlaps(gateway))) continue;
    if (!forceAddress) {
      const text = `"${bridge.name}" already has an IP address different from ${gateway}`;
      throw new CniError(CNI_CODE.internal, text);
    }
    addrDel(host, bridge.index, prefix);
  }
  addrAdd(host, bridge.index, gateway, { noDad: true });
}
