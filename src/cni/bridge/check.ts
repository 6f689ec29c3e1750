import type { RouteConnection } from '../../netlink/route/connection.ts';
import { checkAddresses, checkInterface, checkMac } from '../pod-interface/check.ts';
import { mustFind } from '../pod-interface/describe.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result } from '../protocol/result.ts';
import { findBridge } from './bridge-link.ts';
import type { BridgeConfig } from './config.ts';

/**
 * Holds what is there against the result of ADD: the bridge, both ends of the veth, addresses and
 * routes. Throws CniError that names the first difference.
 */
export function checkAttachment(
  host: RouteConnection,
  pod: RouteConnection,
  config: BridgeConfig,
  environment: Environment,
  result: Result,
): void {
  const bridge = findBridge(host, config.bridge);
  if (bridge === undefined) throw failure(`bridge "${config.bridge}" not found`);
  const onHost = result.interfaces.filter((each) => each.sandbox === undefined);
  const described = onHost.find((each) => each.name === config.bridge);
  if (described !== undefined) checkMac(bridge, described);
  const vlanName = `${config.bridge}.${config.vlans.vlan}`;
  const veth = onHost.find((each) => each.name !== config.bridge && each.name !== vlanName);
  if (veth === undefined) throw failure('prevResult has no host interface');
  const hostEnd = mustFind(host, veth.name);
  checkMac(hostEnd, veth);
  if (hostEnd.master !== bridge.index) {
    throw failure(`interface "${veth.name}" is not a port of "${config.bridge}"`);
  }
  const podEnd = checkInterface(pod, environment, result);
  if (podEnd.kind !== 'veth') throw failure(`interface "${podEnd.name}" is not a veth`);
  if (hostEnd.linkIndex !== podEnd.index) {
    throw failure(`interface "${veth.name}" is not the other end of "${podEnd.name}"`);
  }
  checkAddresses(pod, podEnd, result);
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
