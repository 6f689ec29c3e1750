import type { SetSpec } from '../../netlink/nftables/set.ts';
import {
  CLASSID,
  concat,
  INET_PROTO,
  INET_SERVICE,
  MARK,
  VERDICT,
} from '../../netlink/nftables/types.ts';
import { HEADER, type IpFamily, SET } from './names.ts';
import { affinitySet } from './pick.ts';

/** More clients than this are not remembered at once; the others are sent anywhere. */
const REMEMBERED_CLIENTS_MAX = 1 << 18;

/** The sets and maps that are always there, without elements. */
export function setSpecs(family: IpFamily): SetSpec[] {
  const address = HEADER[family].type;
  const service = concat(address, INET_PROTO, INET_SERVICE);
  const port = concat(INET_PROTO, INET_SERVICE);
  // Numbers are of the type of the packet's priority, in which they travel; see target.ts.
  const leads = (name: string, key: SetSpec['key'], comment: string): SetSpec => ({
    name,
    comment,
    key,
    data: CLASSID,
  });
  return [
    leads(SET.clusterIPs, service, 'a cluster IP and port: the pool, and how to pick from it'),
    leads(SET.externalIPs, service, 'the same for external and load balancer addresses'),
    leads(SET.externalIPsLocal, service, 'with policy Local: from outside, to this node'),
    leads(SET.externalIPsShort, service, 'with policy Local: from pods and the node, to all'),
    leads(SET.nodePorts, port, 'the same for node ports'),
    leads(SET.nodePortsLocal, port, 'with policy Local: from outside, to this node'),
    leads(SET.nodePortsShort, port, 'with policy Local: from pods and the node, to all'),
    {
      name: SET.nodePortAddrs,
      comment: 'addresses of the node that node ports are served on',
      key: address,
    },
    { name: SET.refusedIPs, comment: 'addresses without any endpoint', key: service },
    { name: SET.refusedPorts, comment: 'node ports without any endpoint', key: port },
    { name: SET.droppedIPs, comment: 'with policy Local, without one here', key: service },
    { name: SET.droppedIPsOutside, comment: 'the same, from outside alone', key: service },
    { name: SET.droppedPortsOutside, comment: 'the same, from outside alone', key: port },
    {
      name: SET.guarded,
      comment: 'load balancer addresses that admit some sources only',
      key: service,
    },
    {
      name: SET.admitted,
      comment: 'and the sources they admit',
      key: concat(address, INET_PROTO, INET_SERVICE, address),
      flags: ['interval'],
    },
    { name: SET.clusterAddrs, comment: 'all cluster IPs', key: address },
    {
      name: SET.serviceRanges,
      comment: 'the ranges of cluster IPs',
      key: address,
      flags: ['interval'],
    },
    { name: SET.pods, comment: 'pods of this node', key: address, flags: ['interval'] },
    {
      name: SET.hairpin,
      comment: 'an endpoint that reached itself',
      key: concat(address, address),
    },
    {
      name: SET.pickChains,
      comment: 'a way of picking: its chain',
      key: CLASSID,
      data: VERDICT,
    },
    {
      name: SET.endpoints,
      comment: 'a pool and a slot: where to send',
      key: concat(CLASSID, MARK),
      data: concat(address, INET_SERVICE),
    },
    {
      name: SET.stickySlots,
      comment: 'a pool and a slot: the endpoint, for pools that remember clients',
      key: concat(CLASSID, MARK),
      data: CLASSID,
    },
    {
      name: SET.stickyEndpoints,
      comment: 'an endpoint: where to send',
      key: CLASSID,
      data: concat(address, INET_SERVICE),
    },
  ];
}

/** The map of clients that stay with an endpoint for so many seconds. Packets fill it. */
export function affinitySpec(family: IpFamily, seconds: number): SetSpec {
  return {
    name: affinitySet(seconds),
    comment: `a client and a pool: its endpoint, for ${seconds} s after its last connection`,
    key: concat(HEADER[family].type, CLASSID),
    data: CLASSID,
    flags: ['timeout', 'dynamic'],
    timeoutMs: seconds * 1000,
    size: REMEMBERED_CLIENTS_MAX,
  };
}
