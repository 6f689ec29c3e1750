import type { RouteConnection } from '../../netlink/route/connection.ts';
import { checkAddresses, checkMac, checkVeth } from '../pod-interface/check.ts';
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
  const described = result.interfaces.find(
    ({ name, sandbox }) => sandbox === undefined && name === config.bridge,
  );
  if (described !== undefined) checkMac(bridge, described);
  const { hostEnd, podEnd } = checkVeth(host, pod, environment, result);
  if (hostEnd.master !== bridge.index) {
    throw failure(`interface "${hostEnd.name}" is not a port of "${config.bridge}"`);
  }
  checkAddresses(pod, podEnd, result);
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
