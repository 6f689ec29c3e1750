import { expect } from 'vitest';
import { type Mac, tryParseMac } from '../../../src/ipaddr/mac.ts';
import type { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type BridgePort,
  type Link,
  type LinkSpec,
  linkAdd,
  linkByName,
  linkList,
} from '../../../src/netlink/route/link.ts';
import { type Comparison, type Printed, present, type WitnessCase, without } from './witness.ts';

/** A case about the link `link`. */
export interface LinkCase extends WitnessCase {
  readonly link: string;
}

export const MAC = '02:00:00:00:00:10';
export const mac = (text: string): Mac => tryParseMac(text) ?? expect.fail(`not a MAC: ${text}`);

/** A link that one call makes and one command line too. */
export function made(
  title: string,
  spec: LinkSpec,
  theirs: string,
  given: string[] = [],
  { hasMac = true } = {},
): LinkCase {
  const address = hasMac ? `address ${MAC} ` : '';
  return {
    title,
    given,
    link: spec.name,
    ours: (connection) => linkAdd(connection, hasMac ? { ...spec, mac: mac(MAC) } : spec),
    theirs: [`ip link add name ${spec.name} ${address}${theirs}`],
    shown: `ip -j -d link show dev ${spec.name}`,
  };
}

/* What most cases need: a veth, a bridge, and one end of the veth in it. */
export const VETH =
  'ip link add name v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02';
export const BRIDGE = 'ip link add name br0 address 02:00:00:00:00:03 type bridge';
export const PORT = 'ip link set v0 master br0';

/** Links, compared with `ip -j -d link show`. */
export const linkComparison: Comparison<LinkCase> = {
  seen: (connection, { link: name }) => {
    const links = linkList(connection);
    const names = new Map(links.map((each) => [each.index, each.name]));
    const one = linkByName(connection, name);
    const listed = links.find((each) => each.index === one?.index);
    if (one === undefined || listed === undefined) throw new Error(`no link ${name}`);
    // One that was asked for and one from a list are the same but for the counters.
    const asJson = linkJson(one, names);
    if (JSON.stringify(linkJson(listed, names)) !== JSON.stringify(asJson)) {
      throw new Error(`link ${name} differs from itself in the list`);
    }
    return [asJson];
  },
  printed: ({ flags, linkinfo, ...object }) => ({
    ...(linkinfo === undefined ? {} : { linkinfo: withoutTimer(linkinfo as Printed) }),
    ...without(object, 'linkmode', 'link_type', 'parentbus', 'parentdev'),
    // These two are not the kernel's: ip(8) works them out.
    flags: (flags as string[]).filter((flag) => flag !== 'NO-CARRIER' && flag !== 'M-DOWN'),
  }),
};

/** The garbage collection's timer runs while we look. */
function withoutTimer(info: Printed): Printed {
  const data = info.info_data as Printed | undefined;
  return data === undefined ? info : { ...info, info_data: without(data, 'gc_timer') };
}

export function linkJson(link: Link, names: ReadonlyMap<number, string>): Printed {
  const lower = link.linkIndex;
  const isHere = link.linkNetnsid === undefined;
  return present({
    ifindex: link.index,
    link: isHere && lower !== undefined ? (names.get(lower) ?? null) : undefined,
    link_index: isHere ? undefined : lower,
    link_netnsid: link.linkNetnsid,
    ifname: link.name,
    flags: flagNames(link),
    mtu: link.mtu,
    qdisc: link.qdisc,
    master: link.master === undefined ? undefined : names.get(link.master),
    operstate: String(link.operstate).toUpperCase(),
    group: link.group === 0 ? 'default' : `${link.group}`,
    txqlen: link.txqlen === 0 ? undefined : link.txqlen,
    address: text(link.mac),
    broadcast: text(link.broadcast),
    promiscuity: link.promiscuity,
    allmulti: link.allmulti,
    min_mtu: link.minMtu,
    max_mtu: link.maxMtu,
    linkinfo: linkInfo(link, names),
    inet6_addr_gen_mode: link.addrGenMode,
    num_tx_queues: link.numTxQueues,
    num_rx_queues: link.numRxQueues,
    gso_max_size: link.gsoMaxSize,
    gso_max_segs: link.gsoMaxSegs,
    gro_max_size: link.groMaxSize,
    tso_max_size: link.tsoMaxSize,
    tso_max_segs: link.tsoMaxSegs,
    ifalias: link.alias,
    altnames: link.altNames.length === 0 ? undefined : link.altNames,
  });
}

function flagNames(link: Link): string[] {
  const flags: [string, boolean][] = [
    ['LOOPBACK', link.loopback],
    ['BROADCAST', link.broadcasts],
    ['POINTOPOINT', link.pointToPoint],
    ['MULTICAST', link.multicast],
    ['NOARP', !link.arp],
    ['ALLMULTI', link.allMulticast],
    ['PROMISC', link.promiscuous],
    // Of bonds as well, which this knows nothing of.
    ['MASTER', link.kind === 'vrf'],
    ['UP', link.up],
    ['LOWER_UP', link.lowerUp],
  ];
  return flags.filter(([, on]) => on).map(([name]) => name);
}

function linkInfo(link: Link, names: ReadonlyMap<number, string>): Printed | undefined {
  if (link.kind === undefined && link.bridgePort === undefined) return undefined;
  const port = link.bridgePort && bridgePortJson(link.bridgePort);
  const vrf = link.vrfPort && { table: link.vrfPort.table };
  const slaveKind = port === undefined ? vrf && 'vrf' : 'bridge';
  return present({
    info_kind: link.kind,
    info_data: infoData(link, names),
    info_slave_kind: slaveKind,
    info_slave_data: port ?? vrf,
  });
}

function infoData(link: Link, names: ReadonlyMap<number, string>): Printed | undefined {
  const { bridge, ipvlan, macvlan, tun, vlan, vrf, vxlan } = link;
  if (bridge !== undefined) return bridgeJson(bridge);
  if (vxlan !== undefined) return vxlanJson(vxlan, names);
  if (macvlan !== undefined) {
    return present({
      mode: macvlan.mode,
      nopromisc: macvlan.flags?.includes('nopromisc') === true ? true : undefined,
      macaddr_count: macvlan.mode === 'source' ? macvlan.macaddrCount : undefined,
      bcqueuelen: macvlan.bcQueueLength,
      usedbcqueuelen: macvlan.bcQueueLengthUsed,
    });
  }
  if (ipvlan !== undefined) return { mode: ipvlan.mode, [ipvlan.flags?.[0] ?? 'bridge']: true };
  if (vlan !== undefined) {
    return present({
      protocol: vlan.protocol?.replace('q', 'Q'),
      id: vlan.id,
      flags: Object.entries(vlan.flags ?? {})
        .filter(([, on]) => on)
        .map(([name]) => name.replace(/[A-Z]/, '_$&').toUpperCase()),
      ingress_qos: vlan.ingressQos?.mapping,
      egress_qos: vlan.egressQos?.mapping,
    });
  }
  if (vrf !== undefined) return { table: vrf.table };
  if (tun !== undefined) return tunJson(tun);
  return undefined;
}

function bridgeJson(bridge: NonNullable<Link['bridge']>): Printed {
  return present({
    forward_delay: bridge.forwardDelayCs,
    hello_time: bridge.helloTimeCs,
    max_age: bridge.maxAgeCs,
    ageing_time: bridge.ageingTimeCs,
    stp_state: bridge.stpState,
    priority: bridge.priority,
    vlan_filtering: bit(bridge.vlanFiltering),
    vlan_protocol: bridge.vlanProtocol?.replace('q', 'Q'),
    vlan_default_pvid: bridge.vlanDefaultPvid,
    vlan_stats_enabled: bit(bridge.vlanStatsEnabled),
    vlan_stats_per_port: bit(bridge.vlanStatsPerPort),
    bridge_id: bridgeId(bridge.bridgeId),
    root_id: bridgeId(bridge.rootId),
    root_port: bridge.rootPort,
    root_path_cost: bridge.rootPathCost,
    topology_change: bit(bridge.topologyChange),
    topology_change_detected: bit(bridge.topologyChangeDetected),
    hello_timer: seconds(bridge.helloTimerCs),
    tcn_timer: seconds(bridge.tcnTimerCs),
    topology_change_timer: seconds(bridge.topologyChangeTimerCs),
    group_fwd_mask: hex(bridge.groupFwdMask),
    group_addr: text(bridge.groupAddr),
    mcast_snooping: bit(bridge.mcastSnooping),
    no_linklocal_learn: bit(bridge.options?.noLinkLocalLearn),
    mcast_vlan_snooping: bit(bridge.options?.mcastVlanSnooping),
    mcast_router: bridge.mcastRouter,
    mcast_query_use_ifaddr: bit(bridge.mcastQueryUseIfaddr),
    mcast_querier: bit(bridge.mcastQuerier),
    mcast_hash_elasticity: bridge.mcastHashElasticity,
    mcast_hash_max: bridge.mcastHashMax,
    mcast_last_member_cnt: bridge.mcastLastMemberCount,
    mcast_startup_query_cnt: bridge.mcastStartupQueryCount,
    mcast_last_member_intvl: bridge.mcastLastMemberIntervalCs,
    mcast_membership_intvl: bridge.mcastMembershipIntervalCs,
    mcast_querier_intvl: bridge.mcastQuerierIntervalCs,
    mcast_query_intvl: bridge.mcastQueryIntervalCs,
    mcast_query_response_intvl: bridge.mcastQueryResponseIntervalCs,
    mcast_startup_query_intvl: bridge.mcastStartupQueryIntervalCs,
    mcast_stats_enabled: bit(bridge.mcastStatsEnabled),
    mcast_igmp_version: bridge.mcastIgmpVersion,
    mcast_mld_version: bridge.mcastMldVersion,
    nf_call_iptables: bit(bridge.nfCallIptables),
    nf_call_ip6tables: bit(bridge.nfCallIp6tables),
    nf_call_arptables: bit(bridge.nfCallArptables),
  });
}

function bridgePortJson(port: BridgePort): Printed {
  return present({
    state: port.state,
    priority: port.priority,
    cost: port.cost,
    hairpin: port.hairpin,
    guard: port.guard,
    root_block: port.rootBlock,
    fastleave: port.fastLeave,
    learning: port.learning,
    flood: port.flood,
    id: `0x${port.id?.toString(16)}`,
    no: `0x${port.no?.toString(16)}`,
    designated_port: port.designatedPort,
    designated_cost: port.designatedCost,
    bridge_id: bridgeId(port.bridgeId),
    root_id: bridgeId(port.rootId),
    hold_timer: seconds(port.holdTimerCs),
    message_age_timer: seconds(port.messageAgeTimerCs),
    forward_delay_timer: seconds(port.forwardDelayTimerCs),
    topology_change_ack: bit(port.topologyChangeAck),
    config_pending: bit(port.configPending),
    proxy_arp: port.proxyArp,
    proxy_arp_wifi: port.proxyArpWifi,
    multicast_router: port.mcastRouter,
    mcast_flood: port.mcastFlood,
    bcast_flood: port.bcastFlood,
    mcast_to_unicast: port.mcastToUnicast,
    neigh_suppress: port.neighSuppress,
    group_fwd_mask: hex(port.groupFwdMask),
    group_fwd_mask_str: `0x${port.groupFwdMask?.toString(16)}`,
    vlan_tunnel: port.vlanTunnel,
    isolated: port.isolated,
    locked: port.locked,
  });
}

function vxlanJson(vxlan: NonNullable<Link['vxlan']>, names: ReadonlyMap<number, string>): Printed {
  const suffix = (field: string, of: typeof vxlan.local): Printed =>
    of === undefined ? {} : { [of.family === 4 ? field : `${field}6`]: `${of}` };
  const isMulticast =
    vxlan.group !== undefined && (vxlan.group.w0 >>> 24 === 0xff || vxlan.group.w3 >>> 28 === 0xe);
  return present({
    id: vxlan.id,
    ...suffix(isMulticast ? 'group' : 'remote', vxlan.group),
    ...suffix('local', vxlan.local),
    link: vxlan.linkIndex ? names.get(vxlan.linkIndex) : undefined,
    port_range: vxlan.portRange,
    port: vxlan.port,
    learning: vxlan.learning,
    proxy: vxlan.proxy === true ? true : undefined,
    rsc: vxlan.rsc === true ? true : undefined,
    l2miss: vxlan.l2miss === true ? true : undefined,
    l3miss: vxlan.l3miss === true ? true : undefined,
    external: vxlan.collectMetadata === true ? true : undefined,
    tos: vxlan.tos === 0 ? undefined : `0x${vxlan.tos?.toString(16)}`,
    ttl: vxlan.ttlInherit === true ? undefined : vxlan.ttl,
    df: vxlan.df,
    label: vxlan.label === 0 ? undefined : `0x${vxlan.label?.toString(16)}`,
    ageing: vxlan.ageingSeconds === 0 ? undefined : vxlan.ageingSeconds,
    limit: vxlan.limit === 0 ? undefined : vxlan.limit,
    udp_csum: vxlan.udpCsum,
    udp_zero_csum6_tx: vxlan.udpZeroCsum6Tx,
    udp_zero_csum6_rx: vxlan.udpZeroCsum6Rx,
    gbp: vxlan.gbp,
    gpe: vxlan.gpe,
  });
}

function tunJson(tun: NonNullable<Link['tun']>): Printed {
  return present({
    type: tun.type,
    pi: tun.pi,
    vnet_hdr: tun.vnetHdr,
    multi_queue: tun.multiQueue,
    numqueues: tun.multiQueue === true ? tun.numQueues : undefined,
    numdisabled: tun.multiQueue === true ? tun.numDisabledQueues : undefined,
    persist: tun.persist,
    user: tun.owner === undefined ? undefined : tun.owner === 0 ? 'root' : tun.owner,
    group: tun.group === undefined ? undefined : tun.group === 0 ? 'root' : tun.group,
  });
}

function bridgeId(id: NonNullable<Link['bridge']>['bridgeId']): string | undefined {
  if (id === undefined) return undefined;
  const octets = Array.from(id.mac.toBytes(), (octet) => octet.toString(16));
  return `${id.priority.toString(16).padStart(4, '0')}.${octets.join(':')}`;
}

const hex = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${value === 0 ? '' : '0x'}${value.toString(16)}`;

const bit = (value: boolean | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

const seconds = (cs: number | undefined): number | undefined =>
  cs === undefined ? undefined : cs / 100;

const text = (value: Mac | undefined): string | undefined =>
  value === undefined ? undefined : `${value}`;

/** The index of a link that is there. */
export function indexOf(connection: RouteConnection, name: string): number {
  const link = linkByName(connection, name);
  if (link === undefined) throw new Error(`no link ${name}`);
  return link.index;
}
