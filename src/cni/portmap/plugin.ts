import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkByIndex } from '../../netlink/route/link.ts';
import { routeGet } from '../../netlink/route/route.ts';
import { type FileLock, LockTimeoutError, lockFile } from '../../sys/flock.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import { requirePrevResult } from '../protocol/config.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call, Plugin } from '../protocol/plugin.ts';
import type { PortmapBackend } from './backend.ts';
import { type Backend, type PodForwards, parsePortmapConfig } from './config.ts';
import { iptables } from './iptables.ts';
import { nftables } from './nftables.ts';
import type { Owner } from './owner.ts';
import { forgetFlowsElsewhere, forgetFlowsThere } from './stale-flows.ts';

/** Held from looking whether a port is free to taking it. */
const LOCK_PATH = '/run/podwire/portmap.lock';
const LOCK_TIMEOUT_MS = 60_000;

const BACKENDS: Readonly<Record<Backend, PortmapBackend>> = { nftables, iptables };

/** Leads ports of the host to a pod. */
export const portmap: Plugin = {
  type: 'portmap',
  about: 'portmap (podwire): leads ports of the host to a pod',

  add(call) {
    const config = parsePortmapConfig(call);
    const { prevResult } = call.config;
    if (prevResult === undefined) {
      throw new CniError(CNI_CODE.invalidConfig, 'must be called as chained plugin');
    }
    if (config.pods.length === 0) return prevResult;
    const owner = ownerOf(call);
    using undo = new DisposableStack();
    const backend = BACKENDS[config.backend];
    // Before it is done, for there are two families and the second one may fail.
    undo.defer(() => backend.del(owner));
    {
      using _lock = lock();
      for (const other of Object.values(BACKENDS)) {
        if (other !== backend) other.refuseTaken(config.pods, owner);
      }
      backend.add(config, owner);
    }
    forgetFlowsElsewhere(config.pods.flatMap(({ forwards }) => forwards));
    if (config.snat) openLocalhost(config.pods);
    undo.move();
    return prevResult;
  },

  del(call) {
    const owner = ownerOf(call);
    // The configuration may have been another one at ADD, or the plugin the reference.
    const deleted = Object.values(BACKENDS).flatMap((backend) => backend.del(owner));
    forgetFlowsThere(deleted);
  },

  check(call) {
    const config = parsePortmapConfig(call);
    requirePrevResult(call.config);
    BACKENDS[config.backend].check(config, ownerOf(call));
  },

  gc(call, valid) {
    const network = call.config.name;
    const owners = valid.map((each) => ({ network, ...each }));
    const deleted = Object.values(BACKENDS).flatMap((backend) => backend.gc(network, owners));
    forgetFlowsThere(deleted);
  },

  status(call) {
    BACKENDS[parsePortmapConfig(call).backend].status();
  },
};

function ownerOf({ config, environment }: Call): Owner {
  const { containerId, ifName } = environment;
  return { network: config.name, containerId, ifName };
}

/** Lets packets from 127.0.0.1 out by the link that leads to the pod; IPv6 has no such thing. */
function openLocalhost(pods: readonly PodForwards[]): void {
  const pod = pods.find(({ address }) => address.addr.family === 4);
  if (pod === undefined) return;
  using connection = RouteConnection.open();
  const { linkIndex } = routeGet(connection, { dst: pod.address.addr }) ?? {};
  const link = linkIndex === undefined ? undefined : linkByIndex(connection, linkIndex);
  if (link !== undefined) writeSysctl(`net/ipv4/conf/${link.name}/route_localnet`, '1');
}

function lock(): FileLock {
  mkdirSync(dirname(LOCK_PATH), { recursive: true, mode: 0o755 });
  try {
    return lockFile(LOCK_PATH, { timeoutMs: LOCK_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
    throw new CniError(CNI_CODE.tryAgainLater, error.message);
  }
}
