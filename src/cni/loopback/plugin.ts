import { addrList } from '../../netlink/route/addr.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { type Link, linkByName, linkSet } from '../../netlink/route/link.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { openPodNetns, tryOpenPodNetns } from '../protocol/netns.ts';
import type { Plugin } from '../protocol/plugin.ts';

const RT_SCOPE_HOST = 254;

/** Brings up the loopback interface of a pod. */
export const loopback: Plugin = {
  type: 'loopback',
  about: 'loopback (podwire): brings up the loopback interface of a pod',

  add({ environment, config }) {
    using netns = openPodNetns(environment.netns);
    using connection = RouteConnection.open(netns);
    const lo = loOf(connection);
    linkSet(connection, lo.index, { up: true });
    // In a chain the result of the plugin before goes on unchanged.
    if (config.prevResult !== undefined) return config.prevResult;
    return {
      interfaces: [{ name: lo.name, mac: '00:00:00:00:00:00', sandbox: environment.netns }],
      ips: addrList(connection, lo.index)
        .filter(({ scope }) => scope === RT_SCOPE_HOST)
        .map(({ prefix }) => ({ address: prefix, interface: 0 })),
      routes: [],
      dns: {},
    };
  },

  del({ environment }) {
    using netns = tryOpenPodNetns(environment.netns);
    if (netns === undefined) return;
    using connection = RouteConnection.open(netns);
    linkSet(connection, loOf(connection).index, { up: false });
  },

  check({ environment }) {
    using netns = openPodNetns(environment.netns);
    using connection = RouteConnection.open(netns);
    if (loOf(connection).up) return;
    throw new CniError(CNI_CODE.internal, 'loopback interface is down');
  },
};

function loOf(connection: RouteConnection): Link {
  const lo = linkByName(connection, 'lo');
  if (lo === undefined) throw new CniError(CNI_CODE.internal, 'no interface lo');
  return lo;
}
