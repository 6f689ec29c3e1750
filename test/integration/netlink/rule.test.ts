import { describe, expect, it } from 'vitest';
import type { Prefix } from '../../../src/ipaddr/prefix.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type KernelRule,
  type Rule,
  ruleAdd,
  ruleDel,
  ruleList,
} from '../../../src/netlink/route/rule.ts';
import { useNetns } from '../netns-fixture.ts';
import { type Printed, present, run, type WitnessCase, witness } from './witness.ts';

const TABLES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };
const PROTOCOLS: Readonly<Record<number, string>> = { 0: 'unspec', 2: 'kernel' };

function ruleJson(rule: KernelRule): Printed {
  const hex = (value: number | undefined): string | undefined =>
    value ? `0x${value.toString(16)}` : undefined;
  const side = (name: string, prefix: Prefix | undefined): Printed =>
    prefix === undefined
      ? {}
      : present({
          [name]: `${prefix.addr}`,
          [`${name}len`]: prefix.bits === prefix.addr.bits ? undefined : prefix.bits,
        });
  const ports = (name: string, range: Rule['sport']): Printed => {
    if (range === undefined) return {};
    if (range.start === range.end) return { [name]: range.start };
    return { [`${name}_start`]: range.start, [`${name}_end`]: range.end };
  };
  return present({
    priority: rule.priority,
    not: rule.not === true ? null : undefined,
    ...(rule.from === undefined ? { src: 'all' } : side('src', rule.from)),
    ...side('dst', rule.to),
    tos: hex(rule.tos),
    fwmark: hex(rule.mark),
    fwmask: rule.mask === 0xffff_ffff ? undefined : hex(rule.mask),
    iif: rule.iif,
    iif_detached: rule.iifDetached ? null : undefined,
    oif: rule.oif,
    oif_detached: rule.oifDetached ? null : undefined,
    uid_start: rule.uidRange?.start,
    uid_end: rule.uidRange?.end,
    ipproto: rule.ipProto === 6 ? 'tcp' : rule.ipProto === 17 ? 'udp' : undefined,
    ...ports('sport', rule.sport),
    ...ports('dport', rule.dport),
    tun_id: rule.tunnelId === undefined ? undefined : Number(rule.tunnelId),
    table: rule.table === undefined ? undefined : (TABLES[rule.table] ?? `${rule.table}`),
    l3mdev: rule.l3mdev === true ? null : undefined,
    suppress_prefixlen: rule.suppressPrefixLength,
    suppress_ifgroup: rule.suppressGroup === undefined ? undefined : `${rule.suppressGroup}`,
    goto: rule.goto,
    unresolved: rule.unresolved ? null : undefined,
    nop: rule.action === 'nop' ? null : undefined,
    action: rule.action === 'nop' ? undefined : rule.action,
    protocol: PROTOCOLS[rule.protocol ?? 0] ?? `${rule.protocol}`,
  });
}

interface RuleCase extends WitnessCase {
  readonly family: 4 | 6;
}

function made(
  title: string,
  rule: Omit<Rule, 'family'> & { family?: 4 | 6 },
  theirs: string,
): RuleCase {
  const family = rule.family ?? 4;
  return {
    title,
    family,
    ours: (connection) => {
      expect(ruleAdd(connection, { ...rule, family })).toBe(true);
    },
    theirs: [`ip -${family} rule add ${theirs}`],
    shown: `ip -${family} -j -d rule show`,
  };
}

describe('a rule as of ip rule', () => {
  witness<RuleCase>(
    'rule',
    [
      made('that looks into a table', { table: 7 }, 'lookup 7'),
      made('of IPv6', { family: 6, table: 1000, priority: 9 }, 'priority 9 lookup 1000'),
      made(
        'from and to',
        { from: parsePrefix('10.0.0.0/8'), to: parsePrefix('192.0.2.1/32'), table: 7 },
        'from 10.0.0.0/8 to 192.0.2.1 lookup 7',
      ),
      made(
        'from and to, IPv6',
        { family: 6, from: parsePrefix('fd00::/8'), to: parsePrefix('fd00::1/128'), table: 7 },
        'from fd00::/8 to fd00::1 lookup 7',
      ),
      made('for a mark', { mark: 0x4000, table: 7 }, 'fwmark 0x4000 lookup 7'),
      made('for bits of a mark', { mark: 1, mask: 3, table: 7 }, 'fwmark 1/3 lookup 7'),
      made('for all but', { not: true, mark: 5, table: 7 }, 'not fwmark 5 lookup 7'),
      made('for links', { iif: 'lo', oif: 'none', table: 7 }, 'iif lo oif none lookup 7'),
      made(
        'for users',
        { uidRange: { start: 0, end: 1000 }, table: 7 },
        'uidrange 0-1000 lookup 7',
      ),
      made(
        'for a protocol and ports',
        { ipProto: 6, sport: { start: 1000, end: 2000 }, dport: { start: 80, end: 80 }, table: 7 },
        'ipproto tcp sport 1000-2000 dport 80 lookup 7',
      ),
      made(
        'for a tunnel and a TOS',
        { tunnelId: 77n, tos: 0x10, table: 7 },
        'tun_id 77 tos 0x10 lookup 7',
      ),
      made(
        'that passes over short prefixes',
        { table: 254, suppressPrefixLength: 0 },
        'lookup main suppress_prefixlength 0',
      ),
      made(
        'that passes over a group',
        { table: 254, suppressGroup: 3 },
        'lookup main suppress_ifgroup 3',
      ),
      made('that goes on elsewhere', { goto: 32_766 }, 'goto 32766'),
      made('that goes on nowhere yet', { priority: 5, goto: 1234 }, 'priority 5 goto 1234'),
      ...(['nop', 'blackhole', 'unreachable', 'prohibit'] as const).map((action) =>
        made(
          `that is ${action}`,
          { action, from: parsePrefix('192.0.2.0/24') },
          `from 192.0.2.0/24 ${action}`,
        ),
      ),
      made('of somebody', { table: 7, protocol: 199 }, 'lookup 7 protocol 199'),
    ],
    { seen: (connection, { family }) => ruleList(connection, family).map(ruleJson) },
  );
});

describe('rules', () => {
  const fixture = useNetns('rule');

  it('are there or gone, and adding and deleting say whether they were', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const family of [4, 6] as const) {
      const rule = { family, mark: 9, table: 7, priority: 100, protocol: 199 };
      expect(ruleAdd(connection, rule)).toBe(true);
      expect(ruleAdd(connection, rule)).toBe(false);
      expect(ruleDel(connection, { ...rule, table: 8 })).toBe(false);
      expect(ruleDel(connection, { family, protocol: 199 })).toBe(true);
      expect(ruleDel(connection, rule)).toBe(false);
    }
  });

  it('are gone when they are deleted as they were listed', () => {
    using connection = RouteConnection.open(fixture.netns);
    run(fixture, 'ip rule add not from 10.0.0.0/8 fwmark 1/3 iif lo ipproto tcp dport 80 lookup 7');
    run(fixture, 'ip rule add lookup main suppress_prefixlength 0');
    run(fixture, 'ip rule add blackhole from 192.0.2.0/24');
    run(fixture, 'ip rule add goto 32766 priority 4');
    for (const rule of ruleList(connection, 4)) expect(ruleDel(connection, rule)).toBe(true);
    expect(ruleList(connection, 4)).toEqual([]);
  });

  it('are refused with the field that is wrong', () => {
    using connection = RouteConnection.open(fixture.netns);
    expect(() => ruleAdd(connection, { family: 4, priority: 9, goto: 9 })).toThrow(
      /^add IPv4 rule 9: EINVAL: /,
    );
  });
});
