import { netlinkErrno } from '../../netlink/error.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByIndex, linkByName, linkSet } from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import { mustFind } from '../pod-interface/describe.ts';
import { fnv1a } from '../pod-interface/hash.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';
import { joinBridge } from './pod-link.ts';
import { vlanGatewayName } from './vlan.ts';

/**
 * The link with the gateway of a VLAN, `<bridge>.<vlan>`: one end of a veth pair whose other end is a
 * port of the bridge in that VLAN. Made where it is missing; like the bridge, it stays.
 */
export function ensureVlanGateway(host: RouteConnection, bridge: Link, config: BridgeConfig): Link {
  const { vlans } = config;
  const name = vlanGatewayName(bridge.name, vlans);
  if (linkByName(host, name) === undefined) {
    const port = `veth${fnv1a(name).toString(16).padStart(8, '0')}`;
    try {
      linkAdd(host, { name, kind: 'veth', mtu: bridge.mtu, peer: { name: port, mtu: bridge.mtu } });
    } catch (error) {
      // Another ADD was faster.
      if (netlinkErrno(error) !== EEXIST || linkByName(host, name) === undefined) throw error;
    }
  }
  const link = mustFind(host, name);
  const port = findGatewayPort(host, link);
  if (port === undefined) {
    const text = `"${name}" already exists but is not the gateway of VLAN ${vlans.vlan}`;
    throw new CniError(CNI_CODE.internal, text);
  }
  // A crash may have come between its making and this.
  if (port.master !== bridge.index || !port.up) {
    const plain = { ...config, hairpinMode: false, portIsolation: false };
    joinBridge(host, port, bridge, { ...plain, vlans: { ...vlans, trunk: undefined } });
  }
  if (!link.up) linkSet(host, link.index, { up: true });
  return link;
}

/** The other end of the link with a VLAN's gateway, whichever plugin made it; undefined without one. */
export function findGatewayPort(host: RouteConnection, link: Link): Link | undefined {
  if (link.kind !== 'veth' || link.linkIndex === undefined) return undefined;
  // Where the other end is in another namespace, its index says nothing here.
  return link.linkNetnsid === undefined ? linkByIndex(host, link.linkIndex) : undefined;
}
