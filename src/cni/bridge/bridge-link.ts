import { Mac } from '../../ipaddr/mac.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkSet } from '../../netlink/route/link.ts';
import { EEXIST } from '../../sys/errno.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError, toCniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';
import { failure } from './failure.ts';
import { needsFiltering } from './vlan.ts';

/** The bridge with the name, or undefined. Throws CniError when another kind of link has it. */
export function findBridge(host: RouteConnection, name: string): Link | undefined {
  const link = linkByName(host, name);
  if (link !== undefined && link.kind !== 'bridge') {
    throw new CniError(CNI_CODE.internal, `"${name}" already exists but is not a bridge`);
  }
  return link;
}

/** Throws CniError of code 50 when the name is that of another kind of link. */
export function bridgeStatus(name: string): void {
  using host = RouteConnection.open();
  try {
    findBridge(host, name);
  } catch (error) {
    throw new CniError(CNI_CODE.notAvailable, toCniError(error).message);
  }
}

/**
 * Makes the bridge where it is missing, and brings it up. It stays when the last pod leaves. Throws
 * CniError.
 */
export function ensureBridge(host: RouteConnection, config: BridgeConfig): Link {
  try {
    return makeBridge(host, config);
  } catch (error) {
    throw failure(`create bridge "${config.bridge}"`, error);
  }
}

function makeBridge(host: RouteConnection, config: BridgeConfig): Link {
  const { bridge: name, mtu, promiscMode, enabledad, vlans } = config;
  if (findBridge(host, name) === undefined) {
    try {
      const bridge = needsFiltering(vlans) ? { vlanFiltering: true } : undefined;
      linkAdd(host, { name, kind: 'bridge', mtu, bridge });
    } catch (error) {
      // Another ADD was faster.
      if (netlinkErrno(error) !== EEXIST) throw error;
    }
  }
  const link = findBridge(host, name);
  if (link === undefined) throw new CniError(CNI_CODE.internal, `bridge "${name}" vanished`);
  writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
  // Until its link-local address is through duplicate address detection, a second or two, the bridge
  // asks for no neighbour, and IPv6 between pods and Services stalls. Whoever made it may not have
  // come to this.
  if (!enabledad && !link.up) writeSysctl(`net/ipv6/conf/${name}/accept_dad`, '0');
  linkSet(host, link.index, {
    up: true,
    // A bridge takes the lowest MAC of its ports unless it is told one, even its own.
    mac: hasMac(link) ? link.mac : randomMac(),
    ...(promiscMode ? { promiscuous: true } : {}),
  });
  return link;
}

/** A bridge that was told none has none when its last port has left. */
function hasMac({ mac }: Link): boolean {
  return mac !== undefined && mac.key !== 0;
}

/** A locally administered address, as the kernel gives a new bridge (eth_random_addr). */
function randomMac(): Mac {
  const { randomBytes } = process.getBuiltinModule('node:crypto');
  const [first = 0, ...rest] = randomBytes(6);
  return Mac.fromBytes(Uint8Array.of((first & 0xfe) | 0x02, ...rest));
}
