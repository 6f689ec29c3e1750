import { Prefix } from '../../ipaddr/prefix.ts';
import { addrAdd, addrDel, addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { enableForwarding } from '../pod-interface/forwarding.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { ResultIp } from '../protocol/result.ts';

/**
 * Gives the link, a bridge or the gateway of a VLAN, the gateways' addresses and lets the node
 * forward. Throws CniError when another address is in the place of one of them, before anything is
 * changed; with `force` the other one goes.
 */
export function openGateway(
  host: RouteConnection,
  link: Link,
  ips: readonly ResultIp[],
  force: boolean,
): void {
  const gateways = gatewaysOf(ips);
  ensureAddresses(host, link, gateways, force);
  enableForwarding(gateways.map(({ addr }) => addr));
}

/** The gateways' addresses, with the prefix lengths of the pod's. */
export function gatewaysOf(ips: readonly ResultIp[]): Prefix[] {
  return ips.flatMap(({ address, gateway }) =>
    gateway === undefined ? [] : [Prefix.of(gateway, address.bits)],
  );
}

function ensureAddresses(
  host: RouteConnection,
  link: Link,
  gateways: readonly Prefix[],
  force: boolean,
): void {
  const present = addrList(host, link.index)
    // A link-local IPv6 address is in nobody's way.
    .filter(({ prefix, scope }) => prefix.addr.family === 4 || scope === 0)
    .map(({ prefix }) => prefix);
  // Where the gateway is there already, others beside it are somebody's choice.
  const missing = gateways.filter((each) => !present.some((other) => other.equals(each)));
  const inTheWay = (gateway: Prefix, index: number): Prefix[] =>
    [...present, ...missing.slice(0, index)].filter((other) => excludes(other, gateway));
  const refused = force ? undefined : missing.find((each, index) => inTheWay(each, index)[0]);
  if (refused !== undefined) {
    const what = link.kind === 'bridge' ? 'bridge' : 'vlan interface for bridge with';
    const text = `"${link.name}" already has an IP address different from ${refused}`;
    throw new CniError(CNI_CODE.internal, `failed to set ${what} addr: ${text}`);
  }
  missing.forEach((gateway, index) => {
    for (const other of inTheWay(gateway, index)) addrDel(host, link.index, other);
    addrAdd(host, link.index, gateway, { noDad: true });
  });
}

/** Whether a bridge has only one of the two: it has one IPv4 address, and IPv6 ones that don't overlap. */
function excludes(other: Prefix, gateway: Prefix): boolean {
  if (other.addr.family !== gateway.addr.family || other.equals(gateway)) return false;
  return gateway.addr.family === 4 || other.overlaps(gateway);
}
