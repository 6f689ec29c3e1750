import type { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkSet } from '../../netlink/route/link.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { mustFind } from '../pod-interface/describe.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { BridgeConfig } from './config.ts';
import { failure } from './failure.ts';
import { setPortVlans } from './vlan.ts';

/** As long as the reference waits, all its pauses together. */
const PORT_TIMEOUT_MS = 2550;
const PORT_POLL_MS = 10;

/** Enslaves the host's end to the bridge and brings it up. */
export function joinBridge(
  host: RouteConnection,
  veth: Link,
  bridge: Link,
  config: BridgeConfig,
): void {
  writeSysctl(`net/ipv6/conf/${veth.name}/accept_ra`, '0');
  try {
    linkSet(host, veth.index, { master: bridge.index });
  } catch (error) {
    throw failure(`connect "${veth.name}" to bridge "${bridge.name}"`, error);
  }
  const { hairpinMode: hairpin, portIsolation: isolated } = config;
  if (hairpin || isolated) linkSet(host, veth.index, { bridgePort: { hairpin, isolated } });
  setPortVlans(host, veth.index, config.vlans);
  linkSet(host, veth.index, { up: true });
}

/**
 * Waits until the port takes part in the bridge, which the kernel has it do some time after both ends
 * came up, and gives the link as it is then. Throws CniError when it does not.
 */
export function waitForPort(host: RouteConnection, { name }: Link): Link {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + PORT_TIMEOUT_MS;
  for (;;) {
    const port = mustFind(host, name);
    if (port.operstate === 'up') return port;
    if (performance.now() > deadline) {
      const details = `interface "${name}": expected it up within ${PORT_TIMEOUT_MS} ms`;
      const text = `bridge port in error state: ${port.operstate ?? 'unknown'}`;
      throw new CniError(CNI_CODE.internal, text, details);
    }
    Atomics.wait(sleeper, 0, 0, PORT_POLL_MS);
  }
}
