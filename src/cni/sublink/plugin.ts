import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkDel } from '../../netlink/route/link.ts';
import { checkAddresses, checkInterface } from '../pod-interface/check.ts';
import { configureInterface } from '../pod-interface/configure.ts';
import { requirePrevResult } from '../protocol/config.ts';
import { hasIpam, ipamAdd, ipamCheck, ipamDel, ipamGc, ipamStatus } from '../protocol/delegate.ts';
import { CNI_CODE, CniError, toCniError } from '../protocol/error.ts';
import { openPodNetns, tryOpenPodNetns } from '../protocol/netns.ts';
import type { Call, Plugin } from '../protocol/plugin.ts';
import type { Result } from '../protocol/result.ts';
import { parseSublinkConfig, type Sublink, type SublinkConfig } from './config.ts';
import { deleteSublink, makeSublink } from './make.ts';
import { findMaster } from './master.ts';

/** The plugin of a kind of link: `parse` reads what that kind has, and throws CniError. */
export function sublinkPlugin(type: string, about: string, parse: (call: Call) => Sublink): Plugin {
  const parseAll = (call: Call): SublinkConfig => parseSublinkConfig(call, parse(call));
  return {
    type,
    about,
    add: (call) => add(call, parseAll(call)),
    del,
    check: (call) => check(call, parseAll(call)),
    gc(call, valid) {
      // The interface goes with its pod's namespace, so addresses are all that can be left.
      if (hasIpam(call)) ipamGc(call, valid);
    },
    status: (call) => status(call, parseAll(call)),
  };
}

function add(call: Call, config: SublinkConfig): Result {
  const { netns: path } = call.environment;
  using podNetns = openPodNetns(path);
  using host = RouteConnection.open();
  using pod = RouteConnection.open(podNetns);
  // Unless everything below succeeds, what was made is taken away again, last first.
  using undo = new DisposableStack();
  const below = config.linkInContainer ? pod : host;
  const master = findMaster(below, config.namedMaster ?? config.master);
  const link = makeSublink(below, pod, podNetns, master, call.environment, config);
  undo.defer(() => linkDel(pod, link.index));
  let given: Pick<Result, 'ips' | 'routes' | 'dns'> = { ips: [], routes: [], dns: {} };
  if (config.hasIpam) {
    given = ipamAdd(call);
    undo.defer(() => ipamDel(call));
    if (given.ips.length === 0) {
      throw new CniError(CNI_CODE.internal, 'IPAM plugin returned missing IP config');
    }
  } else if (config.chained !== undefined) {
    given = config.chained;
  }
  const ips = given.ips.map((ip) => ({ ...ip, interface: 0 }));
  configureInterface(pod, podNetns, link, { ips, routes: given.routes }, config.enabledad);
  undo.move();
  return {
    interfaces: [{ name: link.name, mac: `${link.mac ?? ''}`, sandbox: path }],
    ips,
    routes: given.routes,
    dns: config.dns ?? given.dns,
  };
}

/** Needs nothing of the configuration but IPAM: the master may be long gone. */
function del(call: Call): void {
  using podNetns = tryOpenPodNetns(call.environment.netns);
  if (podNetns !== undefined) {
    using pod = RouteConnection.open(podNetns);
    deleteSublink(pod, call.environment);
  }
  if (hasIpam(call)) ipamDel(call);
}

function check(call: Call, config: SublinkConfig): void {
  const prevResult = requirePrevResult(call.config);
  using podNetns = openPodNetns(call.environment.netns);
  using host = RouteConnection.open();
  using pod = RouteConnection.open(podNetns);
  const link = checkInterface(pod, call.environment, prevResult);
  const { kind } = config.settings;
  if (link.kind !== kind) {
    const text = `container interface ${link.name} not of type ${kind}`;
    throw new CniError(CNI_CODE.internal, text);
  }
  checkAddresses(pod, link, prevResult);
  config.check(link);
  if (config.namedMaster !== undefined) {
    const master = findMaster(config.linkInContainer ? pod : host, config.namedMaster);
    if (link.linkIndex !== master.index) {
      const text = `interface "${link.name}" is not on "${master.name}"`;
      throw new CniError(CNI_CODE.internal, text);
    }
  }
  if (config.hasIpam) ipamCheck(call);
}

function status(call: Call, config: SublinkConfig): void {
  if (config.namedMaster !== undefined && !config.linkInContainer) {
    using host = RouteConnection.open();
    try {
      findMaster(host, config.namedMaster);
    } catch (error) {
      throw new CniError(CNI_CODE.notAvailable, toCniError(error).message);
    }
  }
  if (config.hasIpam) ipamStatus(call);
}
