import { Prefix } from '../../ipaddr/prefix.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { addrAdd, addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkAdd, linkByName, linkSet } from '../../netlink/route/link.ts';
import { routeAppend } from '../../netlink/route/route.ts';
import { EEXIST } from '../../sys/errno.ts';
import type { Netns } from '../../sys/netns.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result } from '../protocol/result.ts';
import type { BridgeConfig } from './config.ts';

const NAME_ATTEMPTS_MAX = 10;
const DAD_TIMEOUT_MS = 5000;
const DAD_POLL_MS = 50;

/**
 * Makes the pod's interface and its other end on the host. Made in the pod with the peer put on the
 * host at once, so that the pod's name never shows up there.
 */
export function makeVeth(
  host: RouteConnection,
  pod: RouteConnection,
  hostNetns: Netns,
  ifName: string,
  config: BridgeConfig,
): Link {
  if (linkByName(pod, ifName) !== undefined) {
    throw new CniError(
      CNI_CODE.internal,
      `container veth name provided (${ifName}) already exists`,
    );
  }
  const { mtu, mac } = config;
  for (let attempt = 1; ; attempt += 1) {
    const name = `veth${randomHex8()}`;
    try {
      const peer = { name, mtu, netnsFd: hostNetns.fd };
      linkAdd(pod, { name: ifName, kind: 'veth', mtu, mac, peer });
    } catch (error) {
      if (netlinkErrno(error) === EEXIST && attempt < NAME_ATTEMPTS_MAX) continue;
      throw error;
    }
    return mustFind(host, name);
  }
}

/** Enslaves the host's end to the bridge and brings it up. */
export function joinBridge(
  host: RouteConnection,
  veth: Link,
  bridge: Link,
  config: BridgeConfig,
): void {
  writeSysctl(`net/ipv6/conf/${veth.name}/accept_ra`, '0');
  linkSet(host, veth.index, { master: bridge.index });
  const { hairpinMode: hairpin, portIsolation: isolated } = config;
  if (hairpin || isolated) linkSet(host, veth.index, { bridgePort: { hairpin, isolated } });
  linkSet(host, veth.index, { up: true });
}

/** Gives the pod's interface its addresses and routes, and brings it up. */
export function configurePod(
  pod: RouteConnection,
  netns: Netns,
  ifName: string,
  result: Pick<Result, 'ips' | 'routes'>,
  enabledad: boolean,
): void {
  const link = mustFind(pod, ifName);
  const hasV6 = result.ips.some((ip) => ip.address.addr.family === 6);
  // An interface without addresses is left to whoever gives it some.
  if (result.ips.length === 0) {
    linkSet(pod, link.index, { up: true });
    return;
  }
  netns.run(() => {
    // The kernel then tells the neighbours when the interface comes up.
    writeSysctl(`net/ipv4/conf/${ifName}/arp_notify`, '1');
    writeSysctl(`net/ipv6/conf/${ifName}/accept_dad`, enabledad ? '1' : '0');
    if (enabledad) writeSysctl(`net/ipv6/conf/${ifName}/enhanced_dad`, '1');
    if (hasV6) {
      writeSysctl('net/ipv6/conf/lo/disable_ipv6', '0');
      writeSysctl(`net/ipv6/conf/${ifName}/disable_ipv6`, '0');
      writeSysctl(`net/ipv6/conf/${ifName}/keep_addr_on_down`, '1');
    }
  });
  for (const { address } of result.ips) {
    addrAdd(pod, link.index, address, { noDad: !enabledad });
  }
  linkSet(pod, link.index, { up: true });
  if (hasV6 && enabledad) waitForDad(pod, link);
  for (const route of result.routes) {
    const { family } = route.dst.addr;
    const first = result.ips.find((ip) => ip.address.addr.family === family)?.gateway;
    routeAppend(pod, {
      dst: route.dst,
      gateway: route.gw ?? first,
      linkIndex: link.index,
      mtu: route.mtu,
      advmss: route.advmss,
      priority: route.priority,
      table: route.table,
      scope: route.scope,
    });
  }
}

/** Waits until no address is tentative. Throws CniError when another host has one. */
function waitForDad(pod: RouteConnection, link: Link): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + DAD_TIMEOUT_MS;
  for (;;) {
    const addrs = addrList(pod, link.index);
    const taken = addrs.find((addr) => addr.dadFailed);
    if (taken !== undefined) {
      throw new CniError(CNI_CODE.internal, `${taken.prefix.addr} is taken by another host`);
    }
    if (!addrs.some((addr) => addr.tentative)) return;
    if (performance.now() > deadline) {
      throw new CniError(CNI_CODE.internal, `addresses still tentative after ${DAD_TIMEOUT_MS} ms`);
    }
    Atomics.wait(sleeper, 0, 0, DAD_POLL_MS);
  }
}

/** The default route of a family, for isDefaultGateway. */
export function defaultPrefix(address: Prefix): Prefix {
  return Prefix.of(address.addr, 0).masked();
}

/** The link with the name. Throws CniError when there is none. */
export function mustFind(connection: RouteConnection, name: string): Link {
  const link = linkByName(connection, name);
  if (link === undefined) throw new CniError(CNI_CODE.internal, `interface "${name}" not found`);
  return link;
}

/** Names need not be secret, only free; node:crypto would cost start-up time. */
function randomHex8(): string {
  return Math.floor(Math.random() * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
}
