import { netlinkErrno } from '../../netlink/error.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkSet } from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import { mustFind } from '../pod-interface/describe.ts';
import { fnv1a } from '../pod-interface/hash.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';
import { joinBridge } from './pod-link.ts';

const NAME_BYTES_MAX = 15; // IFNAMSIZ - 1

/**
 * The link with the gateway of a VLAN, `<bridge>.<vlan>`: one end of a veth pair whose other end is a
 * port of the bridge in that VLAN. Made where it is missing; like the bridge, it stays.
 */
export function ensureVlanGateway(host: RouteConnection, bridge: Link, config: BridgeConfig): Link {
  const { vlans } = config;
  const name = `${bridge.name}.${vlans.vlan}`;
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    const details = `bridge: expected a name that leaves room for ".${vlans.vlan}", got "${bridge.name}"`;
    throw new CniError(CNI_CODE.invalidConfig, `interface name "${name}" is too long`, details);
  }
  const port = `veth${fnv1a(name).toString(16).padStart(8, '0')}`;
  if (linkByName(host, name) === undefined) {
    try {
      linkAdd(host, { name, kind: 'veth', mtu: bridge.mtu, peer: { name: port, mtu: bridge.mtu } });
    } catch (error) {
      // Another ADD was faster.
      if (netlinkErrno(error) !== EEXIST || linkByName(host, name) === undefined) throw error;
    }
  }
  const link = mustFind(host, name);
  // A crash may have come between its making and this; the reference gives it another name.
  const other = linkByName(host, port);
  if (other !== undefined && other.index === link.linkIndex && other.master !== bridge.index) {
    const plain = { ...config, hairpinMode: false, portIsolation: false };
    joinBridge(host, other, bridge, { ...plain, vlans: { ...vlans, trunk: undefined } });
  }
  if (!link.up) linkSet(host, link.index, { up: true });
  return link;
}
