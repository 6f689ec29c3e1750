import { addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { routeList } from '../../netlink/route/route.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result, ResultInterface } from '../protocol/result.ts';
import { findBridge } from './bridge-link.ts';
import type { BridgeConfig } from './config.ts';
import { mustFind } from './pod-link.ts';

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
  const { ifName, netns } = environment;
  const wanted = result.interfaces.find((each) => each.name === ifName && each.sandbox === netns);
  if (wanted === undefined) throw failure(`prevResult has no interface ${ifName} in ${netns}`);
  const bridge = findBridge(host, config.bridge);
  if (bridge === undefined) throw failure(`bridge "${config.bridge}" not found`);
  const onHost = result.interfaces.filter((each) => each.sandbox === undefined);
  checkMac(
    bridge,
    onHost.find((each) => each.name === config.bridge),
  );
  const veth = onHost.find((each) => each.name !== config.bridge);
  if (veth === undefined) throw failure('prevResult has no host interface');
  const hostEnd = mustFind(host, veth.name);
  checkMac(hostEnd, veth);
  if (hostEnd.master !== bridge.index) {
    throw failure(`interface "${veth.name}" is not a port of "${config.bridge}"`);
  }
  const podEnd = mustFind(pod, ifName);
  if (podEnd.kind !== 'veth') throw failure(`interface "${ifName}" is not a veth`);
  if (hostEnd.linkIndex !== podEnd.index) {
    throw failure(`interface "${veth.name}" is not the other end of "${ifName}"`);
  }
  checkMac(podEnd, wanted);
  checkAddresses(pod, podEnd, result);
}

function checkAddresses(pod: RouteConnection, link: Link, result: Result): void {
  const addrs = addrList(pod, link.index);
  for (const { address } of result.ips) {
    if (!addrs.some(({ prefix }) => prefix.equals(address))) {
      throw failure(`expected address ${address} on "${link.name}"`);
    }
  }
  for (const { dst, gw } of result.routes) {
    const found = routeList(pod, dst.addr.family).some(
      (route) =>
        route.dst.equals(dst.masked()) &&
        (gw === undefined || route.gateway === undefined || route.gateway.equals(gw)),
    );
    if (!found) throw failure(`expected route ${dst}${gw === undefined ? '' : ` via ${gw}`}`);
  }
}

function checkMac(link: Link, wanted: ResultInterface | undefined): void {
  if (wanted === undefined || wanted.mac === '' || wanted.mac === `${link.mac ?? ''}`) return;
  throw failure(`interface "${link.name}" has MAC ${link.mac ?? 'none'}, expected ${wanted.mac}`);
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
