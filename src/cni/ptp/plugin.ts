import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkDel } from '../../netlink/route/link.ts';
import { Netns } from '../../sys/netns.ts';
import {
  masqueradeAdd,
  masqueradeCheck,
  masqueradeDel,
  masqueradeGc,
  masqueradeUndo,
} from '../masquerade/masquerade.ts';
import { checkAddresses, checkVeth } from '../pod-interface/check.ts';
import { describeLink, mustFind } from '../pod-interface/describe.ts';
import { checkForwarding, enableForwarding } from '../pod-interface/forwarding.ts';
import { ownerOf } from '../pod-interface/owner.ts';
import { makeVeth, removeStaleHostEnds, startVethRemoval } from '../pod-interface/veth.ts';
import { requirePrevResult } from '../protocol/config.ts';
import { hasIpam, ipamAdd, ipamCheck, ipamDel, ipamGc, ipamStatus } from '../protocol/delegate.ts';
import { openPodNetns } from '../protocol/netns.ts';
import type { Plugin } from '../protocol/plugin.ts';
import { ipsOf } from '../protocol/result.ts';
import { parsePtpConfig } from './config.ts';
import { checkHostEnd, configureHostEnd, openHostEnd } from './host-end.ts';
import { configurePodEnd } from './pod-end.ts';
import { pointsOf } from './point.ts';

/** Wires a pod to the node itself by a veth pair, with the node as its only neighbour. */
export const ptp: Plugin = {
  type: 'ptp',
  about: 'ptp (podwire): wires a pod to the node by a pair of interfaces and routes',

  add(call) {
    const config = parsePtpConfig(call);
    const { netns: path, ifName } = call.environment;
    using podNetns = openPodNetns(path);
    using hostNetns = Netns.current();
    using host = RouteConnection.open();
    using pod = RouteConnection.open(podNetns);
    // Unless everything below succeeds, what was made is taken away again, last first.
    using undo = new DisposableStack();
    const owner = ownerOf(call);
    const veth = makeVeth({ host, hostNetns, pod }, owner, config);
    undo.defer(() => linkDel(host, veth.index));
    openHostEnd(host, veth, config.enabledad);
    const { ips: given, routes, dns } = ipamAdd(call);
    undo.defer(() => ipamDel(call));
    const points = pointsOf(given);
    const POD_INTERFACE = 1; // after the host's end
    const ips = given.map((ip) => ({ ...ip, interface: POD_INTERFACE }));
    enableForwarding(points.map(({ gateway }) => gateway));
    const podEnd = mustFind(pod, ifName);
    configurePodEnd(pod, podNetns, podEnd, points, { ips, routes }, config.enabledad);
    configureHostEnd(host, veth, points);
    if (config.masquerade !== undefined) {
      const addresses = ips.map(({ address }) => address);
      masqueradeAdd(config.masquerade, addresses, owner);
      undo.defer(() => masqueradeUndo(addresses, owner));
    }
    const result = {
      interfaces: [describeLink(veth), describeLink(podEnd, path)],
      ips,
      routes,
      dns: config.dns ?? dns,
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
    // Without IPAM ADD refused, so that there is nothing to take back.
    rest.defer(() => hasIpam(call) && ipamDel(call));
    // It takes the kernel as long as all of the above takes us.
    veth = startVethRemoval(owner, call.environment.netns);
  },

  check(call) {
    const config = parsePtpConfig(call);
    const prevResult = requirePrevResult(call.config, 'ptp: ');
    using podNetns = openPodNetns(call.environment.netns);
    using host = RouteConnection.open();
    using pod = RouteConnection.open(podNetns);
    const { hostEnd, podEnd } = checkVeth(host, pod, call.environment, prevResult);
    checkAddresses(pod, podEnd, prevResult);
    const ips = ipsOf(prevResult, call.environment.ifName);
    checkHostEnd(host, hostEnd, pointsOf(ips));
    checkForwarding(ips.map(({ address }) => address.addr));
    if (config.masquerade !== undefined) {
      const addresses = ips.map(({ address }) => address);
      masqueradeCheck(config.masquerade, addresses, ownerOf(call));
    }
    ipamCheck(call);
  },

  gc(call, valid) {
    using rest = new DisposableStack();
    const { name } = call.config;
    rest.defer(() => hasIpam(call) && ipamGc(call, valid));
    rest.defer(() => masqueradeGc(name, valid));
    using host = RouteConnection.open();
    removeStaleHostEnds(host, name, valid);
  },

  status(call) {
    const config = parsePtpConfig(call);
    config.masquerade?.status();
    ipamStatus(call);
  },
};
