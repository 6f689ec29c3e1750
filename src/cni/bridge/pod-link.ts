import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkSet } from '../../netlink/route/link.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import type { BridgeConfig } from './config.ts';
import { setPortVlans } from './vlan.ts';

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
  setPortVlans(host, veth.index, config.vlans);
  linkSet(host, veth.index, { up: true });
}
