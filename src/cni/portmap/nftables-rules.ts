import { isDeepStrictEqual } from 'node:util';
import { Addr } from '../../ipaddr/addr.ts';
import type { ChainSpec } from '../../netlink/nftables/chain.ts';
import { PRIORITY } from '../../netlink/nftables/chain.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import {
  loadImmediate,
  loadPayload,
  META_KEY,
  PAYLOAD_BASE,
} from '../../netlink/nftables/expression/load.ts';
import {
  compare,
  matchCtStatus,
  matchLocalDestination,
  matchTransportProtocol,
} from '../../netlink/nftables/expression/match.ts';
import { destinationNat, masquerade } from '../../netlink/nftables/expression/nat.ts';
import { jumpTo, verdict } from '../../netlink/nftables/expression/verdict.ts';
import type { TableSpec } from '../../netlink/nftables/table.ts';
import { networkU16 } from '../../netlink/nftables/value.ts';
import { ADDRESS_OFFSET } from './conditions.ts';
import { type Forward, PROTOCOL, type Protocol } from './forward.ts';

/*
 * The tables of the reference plugin, so that either plugin finds what the other left:
 *
 *   prerouting, output: fib daddr type local jump hostports_all
 *   hostports_all:      jump hostip_hostports, jump hostports
 *   hostports:          tcp dport 8080 dnat to 10.1.2.3:80
 *   masquerading:       ip saddr 10.1.2.3 ip daddr 10.1.2.3 masquerade
 */

const FAMILY = { 4: 'ip', 6: 'ip6' } as const;
/** Word of the register that nft(8) puts a translation's port into. */
const PORT_WORD = 4;

export const HOSTPORTS = 'hostports';
/** An older version of the reference plugin had rules with an address of the host here. */
const HOSTIP_HOSTPORTS = 'hostip_hostports';
export const MASQUERADING = 'masquerading';

/** The chains that rules of pods are in. */
export const POD_CHAINS: readonly string[] = [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING];

/** The table of a family. */
export function tableOf(family: 4 | 6): TableSpec {
  return { family: FAMILY[family], name: 'cni_hostport', comment: 'CNI portmap plugin' };
}

const nat = (hook: 'prerouting' | 'output' | 'postrouting', priority: number) =>
  ({ type: 'nat', hook, priority }) as const;
const localTo = (chain: string): Expression[] => [
  ...matchLocalDestination(0),
  verdict(jumpTo(chain)),
];
const ALL = 'hostports_all';

/** The chains, and the rules of those that belong to no pod. */
export const CHAINS: readonly (ChainSpec & { readonly rules?: readonly Expression[][] })[] = [
  { name: HOSTPORTS },
  { name: HOSTIP_HOSTPORTS },
  { name: ALL, rules: [[verdict(jumpTo(HOSTIP_HOSTPORTS))], [verdict(jumpTo(HOSTPORTS))]] },
  { name: 'prerouting', hook: nat('prerouting', PRIORITY.dstnat), rules: [localTo(ALL)] },
  { name: 'output', hook: nat('output', PRIORITY.dstnat), rules: [localTo(ALL)] },
  { name: MASQUERADING, hook: nat('postrouting', PRIORITY.srcnat) },
];

/** Whether two rules do the same. */
export function sameExpressions(a: readonly Expression[], b: readonly Expression[]): boolean {
  return isDeepStrictEqual(a, b);
}

/** The rule of a forward: `[ip daddr <host>] tcp dport <port> dnat to <pod>:<port>`. */
export function forwardRule(forward: Forward, conditions: readonly Expression[]): Expression[] {
  const { protocol, hostIp, hostPort, pod, podPort } = forward;
  return [
    ...conditions,
    ...(hostIp === undefined ? [] : matchAddress('daddr', hostIp)),
    ...matchTransportProtocol(PROTOCOL[protocol], 0),
    loadPayload('transport', 2, 2, 0),
    compare('==', networkU16(hostPort), 0),
    loadImmediate(pod.toBytes(), 0),
    loadImmediate(networkU16(podPort), PORT_WORD),
    destinationNat({ family: FAMILY[pod.family], addressWord: 0, portWord: PORT_WORD }),
  ];
}

/** Who needs another source to get an answer from the pod. */
export interface Masquerade {
  /** By default everybody who comes through a host port. */
  readonly source: Addr | undefined;
  readonly pod: Addr;
}

const LOCALHOST = Addr.v4(0x7f000001);

/** What is masqueraded for a pod: itself and, in IPv4 alone, 127.0.0.1; or everybody. */
export function masqueradesOf(pod: Addr, all: boolean): Masquerade[] {
  if (all) return [{ source: undefined, pod }];
  const sources = pod.family === 4 ? [pod, LOCALHOST] : [pod];
  return sources.map((source) => ({ source, pod }));
}

/** The rule of it: `ip saddr <source> ip daddr <pod> masquerade`. */
export function masqueradeRule({ source, pod }: Masquerade): Expression[] {
  return [
    // Who talks to the pod directly gets its answers anyway.
    ...(source === undefined ? matchCtStatus('dnat', 0) : matchAddress('saddr', source)),
    ...matchAddress('daddr', pod),
    masquerade(),
  ];
}

function matchAddress(field: 'saddr' | 'daddr', addr: Addr): Expression[] {
  const bytes = addr.toBytes();
  const offset = ADDRESS_OFFSET[addr.family][field];
  return [loadPayload('network', offset, bytes.length, 0), compare('==', bytes, 0)];
}

/** The forward a rule of ours or of the reference plugin does; undefined for any other rule. */
export function readForward(
  family: 4 | 6,
  expressions: readonly Expression[],
): Forward | undefined {
  const { fields, immediates, target } = read(expressions);
  if (target === undefined) return undefined;
  const [protocol] = fields.get(L4PROTO) ?? [];
  const name = (Object.keys(PROTOCOL) as Protocol[]).find((each) => PROTOCOL[each] === protocol);
  const hostPort = u16(fields.get(DPORT));
  const podPort = u16(immediates.get(target.portRegister ?? 0));
  const pod = immediates.get(target.addressRegister ?? 0);
  if (name === undefined || hostPort === undefined || podPort === undefined || pod === undefined) {
    return undefined;
  }
  const { daddr } = addressFields(family);
  const hostIp = fields.get(daddr);
  return {
    protocol: name,
    hostPort,
    hostIp: hostIp === undefined ? undefined : Addr.fromBytes(hostIp),
    pod: Addr.fromBytes(pod),
    podPort,
  };
}

/** A field of the packet by where it is. */
const fieldAt = (
  base: number | undefined,
  offset: number | undefined,
  length: number | undefined,
) => `${base} ${offset} ${length}`;
const L4PROTO = `meta ${META_KEY.l4proto}`;
const DPORT = fieldAt(PAYLOAD_BASE.transport, 2, 2);
const addressFields = (family: 4 | 6) => ({
  daddr: fieldAt(PAYLOAD_BASE.network, ADDRESS_OFFSET[family].daddr, family === 4 ? 4 : 16),
});

/** What a rule says a packet's fields have to be, and where it is sent. */
function read(expressions: readonly Expression[]) {
  const fields = new Map<string, Uint8Array>();
  const immediates = new Map<number, Uint8Array>();
  let loaded: string | undefined;
  let target: NonNullable<Expression['data']>['nat'];
  for (const { data = {} } of expressions) {
    const { payload, meta, cmp, immediate, nat: translation } = data;
    if (payload !== undefined) loaded = fieldAt(payload.base, payload.offset, payload.length);
    else if (meta !== undefined) loaded = `meta ${meta.key}`;
    else if (cmp?.operator === 0 && cmp.data?.value !== undefined && loaded !== undefined) {
      fields.set(loaded, cmp.data.value);
    } else if (immediate?.data?.value !== undefined) {
      immediates.set(immediate.register ?? 0, immediate.data.value);
    } else if (translation !== undefined) target = translation;
    // A masked field is not the field.
    if (data.bitwise !== undefined) loaded = undefined;
  }
  return { fields, immediates, target };
}

function u16(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 2 ? ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0) : undefined;
}
