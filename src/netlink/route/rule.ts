import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { EEXIST, ENOENT } from '../../sys/errno.ts';
import { type AttributeTable, DecodeError } from '../attribute.ts';
import { addr, bool, prefixOf } from '../layout.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from '../message.ts';
import { happens } from '../outcome.ts';
import { struct } from '../struct.ts';
import type { Writer } from '../writer.ts';
import type { RouteConnection } from './connection.ts';
import { addressFamily, ipVersion } from './family.ts';

export const RTM_NEWRULE = 32; // linux/rtnetlink.h
export const RTM_DELRULE = 33;
const RTM_GETRULE = 34;
const RT_TABLE_UNSPEC = 0;
const FIB_RULE_INVERT = 0x2; // linux/fib_rules.h
const FIB_RULE_UNRESOLVED = 0x4;
const FIB_RULE_IIF_DETACHED = 0x8;
const FIB_RULE_OIF_DETACHED = 0x10;
/** What the kernel says of a suppressor that is not there, in place of leaving it out. */
const NO_SUPPRESSION = 0xffff_ffff;

/** FR_ACT_* (linux/fib_rules.h). */
const ACTIONS = {
  table: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;

/** FRA_*. */
const ruleAttributes = {
  dst: { id: 1, type: addr },
  src: { id: 2, type: addr },
  iif: { id: 3, type: 'string' },
  goto: { id: 4, type: 'u32' },
  priority: { id: 6, type: 'u32' },
  mark: { id: 10, type: 'u32' },
  tunnelId: { id: 12, type: 'be64' },
  suppressGroup: { id: 13, type: 'u32' },
  suppressPrefixLength: { id: 14, type: 'u32' },
  table: { id: 15, type: 'u32' },
  mask: { id: 16, type: 'u32' },
  oif: { id: 17, type: 'string' },
  l3mdev: { id: 19, type: bool },
  uidRange: {
    id: 20,
    type: { struct: struct('fib_rule_uid_range', { start: 'u32', end: 'u32' }) },
  },
  protocol: { id: 21, type: 'u8' },
  ipProto: { id: 22, type: 'u8' },
  sport: { id: 23, type: { struct: struct('fib_rule_port_range', { start: 'u16', end: 'u16' }) } },
  dport: { id: 24, type: { struct: struct('fib_rule_port_range', { start: 'u16', end: 'u16' }) } },
} as const satisfies AttributeTable;

const fibRuleHeader = struct('fib_rule_hdr', {
  family: 'u8',
  dstLength: 'u8',
  srcLength: 'u8',
  tos: 'u8',
  table: 'u8',
  reserved1: 'u8',
  reserved2: 'u8',
  action: 'u8',
  flags: 'u32',
});

const rulePayload = { header: fibRuleHeader, attributes: ruleAttributes } as const;

/** From the first to the last, both in it. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Which packets are routed by which table, or not at all. What is left out matches all. */
export interface Rule {
  readonly family: 4 | 6;
  /** Its place: lower ones come first. By default right before those that are there. */
  readonly priority?: number | undefined;
  readonly from?: Prefix | undefined;
  readonly to?: Prefix | undefined;
  readonly tos?: number | undefined;
  readonly mark?: number | undefined;
  /** The bits of the mark that count, by default all. */
  readonly mask?: number | undefined;
  /** Name of the link the packet came in by; `lo` for this node's own. */
  readonly iif?: string | undefined;
  /** Name of the link the socket is bound to. */
  readonly oif?: string | undefined;
  readonly uidRange?: Range | undefined;
  /** IPPROTO_*. */
  readonly ipProto?: number | undefined;
  readonly sport?: Range | undefined;
  readonly dport?: Range | undefined;
  readonly tunnelId?: bigint | undefined;
  /** Packets that do not match. */
  readonly not?: boolean | undefined;
  /** The table to look in; of the VRF the packet is in with `l3mdev`. */
  readonly table?: number | undefined;
  readonly l3mdev?: boolean | undefined;
  /** What happens in place of a look into a table; `goto` goes on at the rule of that priority. */
  readonly action?: Exclude<keyof typeof ACTIONS, 'table' | 'goto'> | undefined;
  readonly goto?: number | undefined;
  /** Routes of that prefix length or shorter do not count, or of links of that group. */
  readonly suppressPrefixLength?: number | undefined;
  readonly suppressGroup?: number | undefined;
  /** RTPROT_*: who made it; by default it does not say, as with ip-rule(8). */
  readonly protocol?: number | undefined;
}

/** A rule as the kernel has it. */
export interface KernelRule extends Rule {
  readonly priority: number;
  /** `goto` where no rule has that priority. */
  readonly unresolved: boolean;
  /** No link has the name of `iif`, or of `oif`, so nothing matches. */
  readonly iifDetached: boolean;
  readonly oifDetached: boolean;
}

/** Adds a rule. Gives false when there is one that is the same in all. */
export function ruleAdd(connection: RouteConnection, rule: Rule): boolean {
  return happens(EEXIST, () =>
    send(connection, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, 'add', rule),
  );
}

/** Removes the first rule that agrees in all that is given. Gives false when there is none. */
export function ruleDel(connection: RouteConnection, rule: Rule): boolean {
  return happens(ENOENT, () => send(connection, RTM_DELRULE, 0, 'delete', rule));
}

function send(
  connection: RouteConnection,
  type: number,
  flags: number,
  verb: string,
  rule: Rule,
): void {
  const { family, from, to, priority, mark, mask } = rule;
  const header = {
    family: addressFamily(family),
    dstLength: to?.bits ?? 0,
    srcLength: from?.bits ?? 0,
    tos: rule.tos ?? 0,
    table: RT_TABLE_UNSPEC,
    action: actionNumber(rule, type),
    flags: rule.not === true ? FIB_RULE_INVERT : 0,
  };
  const attributes = {
    dst: to?.masked().addr,
    src: from?.masked().addr,
    iif: rule.iif,
    oif: rule.oif,
    goto: rule.goto,
    priority,
    mark,
    mask,
    tunnelId: rule.tunnelId,
    suppressGroup: rule.suppressGroup,
    suppressPrefixLength: rule.suppressPrefixLength,
    table: rule.table,
    l3mdev: rule.l3mdev === true ? true : undefined,
    uidRange: rule.uidRange,
    protocol: rule.protocol,
    ipProto: rule.ipProto,
    sport: rule.sport,
    dport: rule.dport,
  };
  connection.netlink.execute({
    operation: `${verb} IPv${family} rule${priority === undefined ? '' : ` ${priority}`}`,
    type,
    flags,
    write: (writer) => encodePayload(writer, rulePayload, header, attributes),
  });
}

/** When deleting, 0 matches every action. */
function actionNumber({ action, goto, table, l3mdev }: Rule, type: number): number {
  if (action !== undefined) return ACTIONS[action];
  if (goto !== undefined) return ACTIONS.goto;
  const looks = table !== undefined || l3mdev === true;
  return type === RTM_DELRULE && !looks ? 0 : ACTIONS.table;
}

/** The rules of one family, in their order. */
export function ruleList(connection: RouteConnection, family: 4 | 6): KernelRule[] {
  const request = {
    operation: 'list rules',
    type: RTM_GETRULE,
    write: (writer: Writer) =>
      encodePayload(writer, rulePayload, { family: addressFamily(family) }, {}),
  };
  return connection.netlink.dump(request, decodeRule);
}

/** The rule of an RTM_NEWRULE or RTM_DELRULE. Throws DecodeError. */
export function decodeRule(message: Message): KernelRule {
  const { header, attributes } = decodePayload(rulePayload, message.payload);
  const family = ipVersion(header.family);
  if (family === undefined) throw new DecodeError('family', `${header.family}, expected 2 or 10`);
  const { action, flags } = header;
  const { dst, src, table = header.table, suppressPrefixLength, suppressGroup } = attributes;
  const actionName = (Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]).find(
    (name) => ACTIONS[name] === action,
  );
  return {
    family,
    priority: attributes.priority ?? 0,
    from: prefix(src, header.srcLength),
    to: prefix(dst, header.dstLength),
    tos: header.tos === 0 ? undefined : header.tos,
    mark: attributes.mark,
    mask: attributes.mask,
    iif: attributes.iif,
    oif: attributes.oif,
    uidRange: range(attributes.uidRange),
    ipProto: attributes.ipProto,
    sport: range(attributes.sport),
    dport: range(attributes.dport),
    tunnelId: attributes.tunnelId,
    not: (flags & FIB_RULE_INVERT) !== 0,
    table: table === RT_TABLE_UNSPEC ? undefined : table,
    l3mdev: attributes.l3mdev ?? false,
    action: actionName === 'table' || actionName === 'goto' ? undefined : actionName,
    goto: attributes.goto,
    suppressPrefixLength:
      suppressPrefixLength === NO_SUPPRESSION ? undefined : suppressPrefixLength,
    suppressGroup: suppressGroup === NO_SUPPRESSION ? undefined : suppressGroup,
    protocol: attributes.protocol,
    unresolved: (flags & FIB_RULE_UNRESOLVED) !== 0,
    iifDetached: (flags & FIB_RULE_IIF_DETACHED) !== 0,
    oifDetached: (flags & FIB_RULE_OIF_DETACHED) !== 0,
  };
}

function prefix(address: Addr | undefined, bits: number): Prefix | undefined {
  return address === undefined ? undefined : prefixOf(address, bits);
}

function range(of: { readonly start?: number; readonly end?: number } | undefined) {
  return of === undefined ? undefined : { start: of.start ?? 0, end: of.end ?? 0 };
}
