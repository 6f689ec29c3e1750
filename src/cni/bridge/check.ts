import { addrList } from '../../netlink/route/addr.ts';
import type { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { checkAddresses, checkMac, checkVeth } from '../pod-interface/check.ts';
import { mustFind } from '../pod-interface/describe.ts';
import { checkForwarding } from '../pod-interface/forwarding.ts';
import type { Environment } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Result } from '../protocol/result.ts';
import { findBridge } from './bridge-link.ts';
import type { BridgeConfig } from './config.ts';
import { gatewaysOf } from './gateway.ts';
import { checkPortVlans, needsFiltering, vlanGatewayName } from './vlan.ts';
import { findGatewayPort } from './vlan-gateway.ts';

/** Both ends of a pod's veth. */
export interface Attached {
  readonly port: Link;
  readonly podEnd: Link;
}

/**
 * Holds what is there against the result of ADD and the configuration: the bridge, its port, the
 * pod's interface with addresses and routes, and the gateway. Gives the links. Throws CniError that
 * names the first difference.
 */
export function checkAttachment(
  host: RouteConnection,
  pod: RouteConnection,
  config: BridgeConfig,
  environment: Environment,
  result: Result,
): Attached {
  const bridge = checkBridge(host, config, result);
  const { hostEnd: port, podEnd } = checkVeth(host, pod, environment, result);
  checkPort(host, bridge, port, config);
  if (!config.disableContainerInterface) checkUp(podEnd);
  checkAddresses(pod, podEnd, result);
  if (config.isGateway && config.hasIpam) checkGateway(host, bridge, config, result);
  return { port, podEnd };
}

function checkBridge(
  host: RouteConnection,
  { bridge: name, promiscMode, vlans }: BridgeConfig,
  { interfaces }: Result,
): Link {
  const bridge = findBridge(host, name);
  if (bridge === undefined) throw failure(`bridge "${name}" not found`);
  const described = interfaces.find((each) => each.sandbox === undefined && each.name === name);
  if (described !== undefined) checkMac(bridge, described);
  checkUp(bridge);
  // The reference takes a bridge for broken that somebody captures from.
  if (promiscMode && bridge.promiscuity === 0) {
    throw failure(`bridge "${name}" is not in promiscuous mode`);
  }
  if (needsFiltering(vlans) && bridge.bridge?.vlanFiltering !== true) {
    throw failure(`bridge "${name}" does not tell VLANs apart: expected vlan_filtering 1, got 0`);
  }
  return bridge;
}

function checkPort(host: RouteConnection, bridge: Link, port: Link, config: BridgeConfig): void {
  checkMaster(port, bridge);
  checkUp(port);
  const { hairpin, isolated } = port.bridgePort ?? {};
  checkSwitch(port, 'hairpin', hairpin, config.hairpinMode);
  checkSwitch(port, 'isolated', isolated, config.portIsolation);
  checkPortVlans(host, port, config.vlans);
}

function checkGateway(
  host: RouteConnection,
  bridge: Link,
  config: BridgeConfig,
  result: Result,
): void {
  const link = config.vlans.vlan === 0 ? bridge : checkVlanGateway(host, bridge, config, result);
  const present = addrList(host, link.index);
  const gateways = gatewaysOf(result.ips);
  for (const gateway of gateways) {
    if (!present.some(({ prefix }) => prefix.equals(gateway))) {
      throw failure(`expected gateway address ${gateway} on "${link.name}"`);
    }
  }
  checkForwarding(gateways.map(({ addr }) => addr));
}

function checkVlanGateway(
  host: RouteConnection,
  bridge: Link,
  config: BridgeConfig,
  { interfaces }: Result,
): Link {
  const link = mustFind(host, vlanGatewayName(bridge.name, config.vlans));
  const described = interfaces.find((each) => each.name === link.name);
  if (described !== undefined) checkMac(link, described);
  checkUp(link);
  const port = findGatewayPort(host, link);
  if (port === undefined) throw failure(`interface "${link.name}" has no other end`);
  checkMaster(port, bridge);
  checkUp(port);
  checkPortVlans(host, port, { ...config.vlans, trunk: undefined });
  return link;
}

function checkMaster({ name, master }: Link, bridge: Link): void {
  if (master === bridge.index) return;
  throw failure(`interface "${name}" is not a port of "${bridge.name}"`);
}

function checkUp({ name, up }: Link): void {
  if (!up) throw failure(`interface "${name}" is down`);
}

function checkSwitch({ name }: Link, what: string, actual = false, wanted: boolean): void {
  if (actual === wanted) return;
  const [is, not] = wanted ? [' not', ''] : ['', ' not'];
  throw failure(`interface "${name}" is${is} ${what}, expected it${not} to be`);
}

function failure(message: string): CniError {
  return new CniError(CNI_CODE.internal, message);
}
