import { Prefix } from '../../ipaddr/prefix.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkDel } from '../../netlink/route/link.ts';
import { Netns } from '../../sys/netns.ts';
import {
  masqueradeAdd,
  masqueradeCheck,
  masqueradeDel,
  masqueradeGc,
  masqueradeUndo,
} from '../masquerade/masquerade.ts';
import { nftables } from '../masquerade/nftables.ts';
import { configureInterface } from '../pod-interface/configure.ts';
import { describeLink, mustFind } from '../pod-interface/describe.ts';
import { ownerOf } from '../pod-interface/owner.ts';
import { makeVeth, removeStaleHostEnds, startVethRemoval } from '../pod-interface/veth.ts';
import { requirePrevResult } from '../protocol/config.ts';
import { hasIpam, ipamAdd, ipamCheck, ipamDel, ipamGc, ipamStatus } from '../protocol/delegate.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { openPodNetns } from '../protocol/netns.ts';
import type { Plugin } from '../protocol/plugin.ts';
import { ipsOf, type Result } from '../protocol/result.ts';
import { bridgeStatus, ensureBridge } from './bridge-link.ts';
import { checkAttachment } from './check.ts';
import { type BridgeConfig, parseBridgeConfig } from './config.ts';
import { openGateway } from './gateway.ts';
import { joinBridge, waitForPort } from './pod-link.ts';
import { spoofCheckAdd, spoofCheckCheck, spoofCheckDel, spoofCheckGc } from './spoof-check.ts';
import { ensureVlanGateway } from './vlan-gateway.ts';

/** Wires a pod to a bridge on the node by a veth pair. */
export const bridge: Plugin = {
  type: 'bridge',
  about: 'bridge (podwire): wires a pod to a bridge on the node',

  add(call) {
    const config = parseBridgeConfig(call);
    const { netns: path, ifName } = call.environment;
    using podNetns = openPodNetns(path);
    using hostNetns = Netns.current();
    using host = RouteConnection.open();
    using pod = RouteConnection.open(podNetns);
    // Unless everything below succeeds, what was made is taken away again, last first.
    using undo = new DisposableStack();
    const bridgeLink = ensureBridge(host, config);
    const owner = ownerOf(call);
    const veth = makeVeth({ host, hostNetns, pod }, owner, config);
    undo.defer(() => linkDel(host, veth.index));
    joinBridge(host, veth, bridgeLink, config);
    const { mac } = mustFind(pod, ifName);
    if (config.macspoofchk && mac !== undefined) {
      undo.defer(() => spoofCheckDel(owner));
      spoofCheckAdd(veth.name, mac, owner);
    }
    let wanted: Pick<Result, 'ips' | 'routes' | 'dns'> = { ips: [], routes: [], dns: {} };
    if (config.hasIpam) {
      const given = ipamAdd(call);
      undo.defer(() => ipamDel(call));
      wanted = planAddresses(config, given);
    }
    if (!config.disableContainerInterface) {
      configureInterface(pod, podNetns, mustFind(pod, ifName), wanted, config.enabledad);
    }
    let gateway: Link | undefined;
    if (config.isGateway && config.hasIpam) {
      const isVlan = config.vlans.vlan !== 0;
      if (isVlan) gateway = ensureVlanGateway(host, bridgeLink, config);
      openGateway(host, gateway ?? bridgeLink, wanted.ips, config.forceAddress);
    }
    if (config.masquerade !== undefined) {
      const addresses = wanted.ips.map(({ address }) => address);
      masqueradeAdd(config.masquerade, addresses, owner);
      undo.defer(() => masqueradeUndo(addresses, owner));
    }
    // With the pod's end down there is nothing to wait for.
    const port = config.disableContainerInterface
      ? mustFind(host, veth.name)
      : waitForPort(host, veth);
    const result = {
      interfaces: [
        describeLink(mustFind(host, config.bridge)),
        describeLink(port),
        describeLink(mustFind(pod, ifName), path),
        ...(gateway === undefined ? [] : [describeLink(gateway)]),
      ],
      ips: wanted.ips,
      routes: wanted.routes,
      dns: config.dns ?? wanted.dns,
    };
    undo.move();
    return result;
  },

  del(call) {
    const owner = ownerOf(call);
    // Whatever fails, the rest is removed all the same: what stands last here comes first.
    using rest = new DisposableStack();
    let veth: Disposable | undefined;
    rest.defer(() => veth?.[Symbol.dispose]());
    rest.defer(() => masqueradeDel(owner, call.environment.netns));
    rest.defer(() => hasIpam(call) && ipamDel(call));
    rest.defer(() => spoofCheckDel(owner));
    // It takes the kernel as long as all of the above takes us.
    veth = startVethRemoval(owner, call.environment.netns);
  },

  check(call) {
    const config = parseBridgeConfig(call);
    const prevResult = requirePrevResult(call.config);
    using podNetns = openPodNetns(call.environment.netns);
    using host = RouteConnection.open();
    using pod = RouteConnection.open(podNetns);
    const { port, podEnd } = checkAttachment(host, pod, config, call.environment, prevResult);
    if (config.masquerade !== undefined) {
      const addresses = ipsOf(prevResult, call.environment.ifName).map(({ address }) => address);
      masqueradeCheck(config.masquerade, addresses, ownerOf(call));
    }
    if (config.macspoofchk && podEnd.mac !== undefined) {
      spoofCheckCheck(port.name, podEnd.mac, ownerOf(call));
    }
    if (config.hasIpam) ipamCheck(call);
  },

  gc(call, valid) {
    using rest = new DisposableStack();
    const { name } = call.config;
    rest.defer(() => hasIpam(call) && ipamGc(call, valid));
    rest.defer(() => masqueradeGc(name, valid));
    rest.defer(() => spoofCheckGc(name, valid));
    using host = RouteConnection.open();
    removeStaleHostEnds(host, name, valid);
  },

  status(call) {
    const config = parseBridgeConfig(call);
    bridgeStatus(config.bridge);
    config.masquerade?.status();
    if (config.macspoofchk) nftables.status();
    if (config.hasIpam) ipamStatus(call);
  },
};

/** Fills in gateways and the default route, and puts every address on the pod's interface. */
function planAddresses(config: BridgeConfig, given: Result): Omit<Result, 'interfaces'> {
  if (given.ips.length === 0) {
    throw new CniError(CNI_CODE.internal, 'IPAM plugin returned missing IP config');
  }
  const POD_INTERFACE = 2; // after the bridge and the host's end
  const ips = given.ips.map(({ address, gateway }) => ({
    address,
    gateway: gateway ?? (config.isGateway ? address.first().next() : undefined),
    interface: POD_INTERFACE,
  }));
  const routes = [...given.routes];
  if (config.isDefaultGateway) {
    for (const { address, gateway } of ips) {
      const dst = Prefix.of(address.addr, 0).masked();
      if (!routes.some((route) => route.dst.equals(dst))) routes.push({ dst, gw: gateway });
    }
  }
  return { ips, routes, dns: given.dns };
}
