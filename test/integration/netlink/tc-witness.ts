import type { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkList } from '../../../src/netlink/route/link.ts';
import type { Action } from '../../../src/netlink/tc/action.ts';
import { type Filter, filterList } from '../../../src/netlink/tc/filter.ts';
import {
  TC_CLSACT_EGRESS,
  TC_CLSACT_INGRESS,
  TC_H_INGRESS,
  TC_H_ROOT,
} from '../../../src/netlink/tc/handle.ts';
import { ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 } from '../../../src/netlink/tc/protocol.ts';
import { type Qdisc, qdiscList } from '../../../src/netlink/tc/qdisc.ts';
import { VETH } from './link-witness.ts';
import { type Comparison, type Printed, present, type WitnessCase, without } from './witness.ts';

/** v1 (2), v0 (3), and i0 (4), to which packets are sent. */
export const GIVEN = [VETH, 'ip link add i0 type ifb'];
export const V0 = 3;
export const I0 = 4;

/** A handle as tc(8) writes it. */
export function handleText(handle: number): string {
  const minor = handle & 0xffff;
  return `${(handle >>> 16).toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}

/** Qdiscs, compared with `tc -j qdisc show dev v0`. */
export const qdiscComparison: Comparison<WitnessCase> = {
  seen: (connection) => qdiscList(connection, V0).map(qdiscJson),
  // How often it is referred to is the kernel's own affair.
  printed: (qdisc) => without(qdisc, 'refcnt'),
};

function qdiscJson(qdisc: Qdisc): Printed {
  const isRoot = qdisc.parent === TC_H_ROOT;
  return present({
    kind: qdisc.kind,
    handle: handleText(qdisc.handle),
    root: isRoot ? true : undefined,
    parent: isRoot
      ? undefined
      : qdisc.parent === TC_H_INGRESS
        ? 'ffff:fff1'
        : handleText(qdisc.parent),
    options: optionsJson(qdisc),
  });
}

function optionsJson({ tbf, htb, fq_codel: codel }: Qdisc): Printed {
  if (tbf !== undefined) {
    const { bytesPerSecond: rate, burstBytes, limitBytes, peakBytesPerSecond: peak } = tbf;
    return present({
      rate,
      burst: wholeMicroseconds(burstBytes, rate),
      peakrate: undefined,
      minburst: tbf.peakBurstBytes,
      // tc(8) says how long the last packet waits; with a peak rate that is when it is slower.
      lat: Math.max(
        wait(limitBytes, burstBytes, rate),
        peak === undefined ? 0 : wait(limitBytes, tbf.peakBurstBytes ?? 0, peak),
      ),
    });
  }
  if (htb !== undefined) {
    return {
      r2q: htb.rateToQuantum,
      default: htb.defaultClass ? `0x${htb.defaultClass.toString(16)}` : '0',
      direct_packets_stat: htb.directPackets,
      direct_qlen: htb.directQlen,
    };
  }
  if (codel !== undefined) {
    return present({
      limit: codel.limit,
      flows: codel.flows,
      quantum: codel.quantumBytes,
      target: codel.targetUs,
      interval: codel.intervalUs,
      ce_threshold: codel.ceThresholdUs,
      memory_limit: codel.memoryLimitBytes,
      ecn: codel.ecn === 1 ? true : undefined,
      drop_batch: codel.dropBatch,
    });
  }
  return {};
}

/** What tc(8) makes of a burst: it counts its time in whole microseconds. */
export function wholeMicroseconds(bytes: number, rate: number): number {
  return Math.floor((Math.floor((bytes / rate) * 1e6) * rate) / 1e6);
}

/** In whole microseconds. */
function wait(limit: number, burst: number, rate: number): number {
  return Math.floor((limit / rate) * 1e6 - Math.floor((burst / rate) * 1e6));
}

/** A case about the filters of a qdisc or class of v0. */
export interface FilterCase extends WitnessCase {
  readonly parent: number;
}

const PARENTS: Readonly<Record<string, number>> = {
  ingress: TC_CLSACT_INGRESS,
  egress: TC_CLSACT_EGRESS,
  'parent ffff:': 0xffff_0000,
  'parent 1:': 0x1_0000,
};

/** A filter of v0 that one call makes and one command line too. */
export function filterCase(
  title: string,
  where: string,
  ours: (connection: RouteConnection, place: { linkIndex: number; parent: number }) => void,
  theirs: string,
  given: readonly string[],
): FilterCase {
  const parent = PARENTS[where] ?? 0;
  return {
    title,
    parent,
    given: [...GIVEN, ...given],
    ours: (connection) => ours(connection, { linkIndex: V0, parent }),
    theirs: [`tc filter add dev v0 ${where} ${theirs}`],
    shown: `tc -j filter show dev v0 ${where}`,
  };
}

/** Filters, compared with `tc -j filter show`. */
export const filterComparison: Comparison<FilterCase> = {
  seen: (connection, { parent }) => {
    const names = new Map(linkList(connection).map((link) => [link.index, link.name]));
    return filterList(connection, { linkIndex: V0, parent }).map((filter) =>
      filterJson(filter, names),
    );
  },
  printed: ({ options, ...filter }) => {
    if (options === undefined) return filter;
    const { actions, ...rest } = options as Printed;
    return {
      ...filter,
      options: {
        // Nothing of this is for hardware.
        ...without(rest, 'not_in_hw', 'in_hw_count', 'prog', 'bpf_name'),
        ...(actions === undefined
          ? {}
          : {
              actions: (actions as Printed[]).map((each) =>
                without(each, 'index', 'ref', 'bind', 'prob', 'not_in_hw', 'used_hw_stats'),
              ),
            }),
      },
    };
  },
  // tc(8) gives several members of an object the same name, of which JSON.parse keeps the last.
  parse: (text) => {
    let count = 0;
    const numbered = text.replaceAll('"match":', () => {
      count += 1;
      return `"match ${count}":`;
    });
    return JSON.parse(numbered) as Printed[];
  },
};

function filterJson(filter: Filter, names: ReadonlyMap<number, string>): Printed {
  const protocols: Readonly<Record<number, string>> = {
    [ETH_P_ALL]: 'all',
    [ETH_P_IP]: 'ip',
    [ETH_P_IPV6]: 'ipv6',
  };
  const actions = filter.actions.map((action, index) => actionJson(action, index, names));
  const options =
    filter.handle === 0
      ? undefined
      : present({
          ...ownOptions(filter),
          actions: actions.length === 0 ? undefined : actions,
        });
  return present({
    protocol: protocols[filter.protocol],
    pref: filter.priority,
    kind: filter.kind,
    chain: filter.chain,
    options,
  });
}

function ownOptions(filter: Filter): Printed {
  const { handle, u32, flower, classId } = filter;
  const flowid = classId === undefined ? undefined : handleText(classId);
  if (u32?.divisor !== undefined) {
    return { fh: `${(handle >>> 20).toString(16)}:`, ht_divisor: u32.divisor };
  }
  if (u32 !== undefined) {
    const keys = u32.keys.map(({ value, mask, offsetBytes }) => ({
      value: value.toString(16),
      mask: mask.toString(16),
      offmask: '',
      off: offsetBytes,
    }));
    const table = (handle >>> 20).toString(16);
    return present({
      fh: `${table}::${(handle & 0xfff).toString(16)}`,
      order: handle & 0xfff,
      key_ht: table,
      bkt: '0',
      flowid,
      ...Object.fromEntries(keys.map((key, index) => [`match ${matchCount(index)}`, key])),
    });
  }
  if (flower !== undefined) {
    const { src, dst } = flower;
    const keys = present({
      eth_type:
        filter.protocol === ETH_P_IP ? 'ipv4' : filter.protocol === ETH_P_IPV6 ? 'ipv6' : undefined,
      ip_proto: flower.ipProto === 6 ? 'tcp' : flower.ipProto === 17 ? 'udp' : undefined,
      dst_mac: flower.ethDst === undefined ? undefined : `${flower.ethDst}`,
      src_mac: flower.ethSrc === undefined ? undefined : `${flower.ethSrc}`,
      dst_ip: dst === undefined ? undefined : dst.bits === dst.addr.bits ? `${dst.addr}` : `${dst}`,
      src_ip: src === undefined ? undefined : src.bits === src.addr.bits ? `${src.addr}` : `${src}`,
      dst_port: flower.dport,
      src_port: flower.sport,
    });
    return present({ handle, classid: flowid, keys });
  }
  return present({ handle, flowid });
}

/** Matches are numbered over all filters that are printed; the cases have one with matches. */
function matchCount(index: number): number {
  return index + 1;
}

function actionJson(action: Action, index: number, names: ReadonlyMap<number, string>): Printed {
  if (action.kind === 'mirred') {
    const { mode, direction, linkIndex, control } = action.mirred;
    return {
      order: index + 1,
      kind: 'mirred',
      mirred_action: mode,
      direction,
      to_dev: names.get(linkIndex),
      control_action: { type: control },
    };
  }
  if (action.kind === 'gact') {
    const type = action.control === 'ok' ? 'pass' : action.control;
    return { order: index + 1, kind: 'gact', control_action: { type } };
  }
  return { order: index + 1, kind: action.name };
}
