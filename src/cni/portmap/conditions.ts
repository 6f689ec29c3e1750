import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import {
  compare,
  compareRange,
  maskXor,
  matchTransportProtocol,
} from '../../netlink/nftables/expression/match.ts';
import {
  hostU32,
  interfaceName,
  interfacePrefix,
  networkU16,
} from '../../netlink/nftables/value.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { PROTOCOL } from './forward.ts';

/*
 * `conditionsV4` and `conditionsV6` in nft(8)'s words. There is no nft here to read them, so it is what
 * makes sense for a host port; anything else is refused, for a rule that says less than its owner
 * meant opens a port to others.
 */

/** Where the addresses are in a packet's header. */
export const ADDRESS_OFFSET = {
  4: { saddr: 12, daddr: 16 },
  6: { saddr: 8, daddr: 24 },
} as const;
/** Where the ports are in the header of all protocols that have any. */
const PORT_OFFSET = { sport: 0, dport: 2 } as const;
const PORT_MAX = 65_535;

/** A set of values is a rule for each of them. */
const ALTERNATIVES_MAX = 64;

/** What conditions can be, as the error says it. */
const EXPECTED = [
  '"ip|ip6 saddr|daddr <address>"',
  '"tcp|udp|sctp|th sport|dport <port>"',
  '"ip protocol|ip6 nexthdr|meta l4proto <protocol>"',
  '"iifname|oifname <name>"',
  '"meta mark [and <mask>] <number>", each with == or != before its value, which may be a prefix,' +
    ' a range or a set "{ a, b }"',
].join(', ');

/** What a value of a condition is compared with; `from` alone is one value. */
interface Wanted {
  readonly from: Uint8Array;
  readonly to?: Uint8Array;
  readonly mask?: Uint8Array;
}

/** What a condition is about. */
interface Subject {
  readonly load: readonly Expression[];
  /** Undefined for a value that can't be one of it. */
  readonly parse: (text: string) => Wanted | undefined;
}

/**
 * Compiles the conditions: a packet has to match all expressions of one of the lists. Throws
 * CniError.
 */
export function compileConditions(family: 4 | 6, conditions: readonly string[]): Expression[][] {
  const text = conditions.join(' ');
  const refuse = (): CniError => {
    const got = JSON.stringify(text);
    return new CniError(
      CNI_CODE.invalidConfig,
      `conditionsV${family}: expected ${EXPECTED}, got ${got}`,
    );
  };
  const words = text.match(/"[^"]*"|[{},&]|[!=]=|[^\s{},&"!=]+|\S/g) ?? [];
  let lists: Expression[][] = [[]];
  while (words.length > 0) {
    const subject = takeSubject(family, words);
    const sign = words[0] === '!=' ? '!=' : '==';
    if (words[0] === '!=' || words[0] === '==') words.shift();
    const values = takeValues(words).map((value) => subject?.parse(value));
    if (subject === undefined || values.length === 0) throw refuse();
    const matches = values.map((wanted) => {
      if (wanted === undefined) throw refuse();
      return [...subject.load, ...compareWith(sign, wanted)];
    });
    // Not any of them is not this one and not that one.
    lists =
      sign === '!='
        ? lists.map((list) => [...list, ...matches.flat()])
        : lists.flatMap((list) => matches.map((match) => [...list, ...match]));
    if (lists.length > ALTERNATIVES_MAX) {
      const got = `${lists.length} of them`;
      const expected = `sets that make at most ${ALTERNATIVES_MAX} rules for a port`;
      throw new CniError(
        CNI_CODE.invalidConfig,
        `conditionsV${family}: expected ${expected}, got ${got}`,
      );
    }
  }
  return lists;
}

/** Takes the words that say what a condition is about; undefined when they say nothing known. */
function takeSubject(family: 4 | 6, words: string[]): Subject | undefined {
  const first = words.shift() ?? '';
  const isMeta = ['iifname', 'oifname', 'mark'].includes(first);
  const subject = isMeta ? `meta ${first}` : `${first} ${words.shift() ?? ''}`;
  const header = family === 4 ? 'ip' : 'ip6';
  switch (subject) {
    case `${header} saddr`:
    case `${header} daddr`:
      return address(family, subject.endsWith('saddr') ? 'saddr' : 'daddr');
    case 'tcp sport':
    case 'tcp dport':
    case 'udp sport':
    case 'udp dport':
    case 'sctp sport':
    case 'sctp dport':
    case 'th sport':
    case 'th dport':
      return port(first, subject.endsWith('sport') ? 'sport' : 'dport');
    case family === 4 ? 'ip protocol' : 'ip6 nexthdr':
    case 'meta l4proto':
      return { load: [loadMeta('l4proto', 0)], parse: parseProtocol };
    case 'meta iifname':
      return { load: [loadMeta('iifname', 0)], parse: parseInterface };
    case 'meta oifname':
      return { load: [loadMeta('oifname', 0)], parse: parseInterface };
    case 'meta mark':
      return mark(words);
    default:
      return undefined;
  }
}

/** One value, or those of a set in braces; none when the braces don't fit. */
function takeValues(words: string[]): string[] {
  const first = words.shift() ?? '';
  if (first !== '{') return [first];
  const values: string[] = [];
  for (;;) {
    values.push(words.shift() ?? '');
    const separator = words.shift();
    if (separator === '}') return values;
    if (separator !== ',') return [];
  }
}

function compareWith(sign: '==' | '!=', { from, to, mask }: Wanted): Expression[] {
  if (to !== undefined) return [compareRange(sign, from, to, 0)];
  const masked = mask === undefined ? [] : [maskXor(mask, new Uint8Array(mask.length), 0)];
  return [...masked, compare(sign, from, 0)];
}

function address(family: 4 | 6, field: 'saddr' | 'daddr'): Subject {
  const length = family === 4 ? 4 : 16;
  const one = (text: string) => {
    const addr = tryParseAddr(text);
    return addr?.family === family ? addr : undefined;
  };
  return {
    load: [loadPayload('network', ADDRESS_OFFSET[family][field], length, 0)],
    parse(text) {
      const [first = '', last] = text.split('-');
      if (last !== undefined) {
        const [from, to] = [one(first), one(last)];
        if (from === undefined || to === undefined || from.compare(to) > 0) return undefined;
        return { from: from.toBytes(), to: to.toBytes() };
      }
      const addr = one(text);
      const prefix = addr === undefined ? tryParsePrefix(text) : Prefix.of(addr, addr.bits);
      if (prefix?.addr.family !== family) return undefined;
      const { addr: network, bits } = prefix.masked();
      const from = network.toBytes();
      if (bits === network.bits) return { from };
      // The bits that vary below the prefix are those in which its first and last address differ.
      const end = Prefix.of(network, bits).last().toBytes();
      return { from, mask: end.map((octet, index) => ~(octet ^ (from[index] ?? 0))) };
    },
  };
}

/** Of `th`, for any protocol that a rule is about anyway, or of one protocol. */
function port(protocol: string, field: 'sport' | 'dport'): Subject {
  const number = new Map(Object.entries(PROTOCOL)).get(protocol);
  const one = (text: string): number | undefined => {
    const value = /^\d{1,5}$/.test(text) ? Number(text) : PORT_MAX + 1;
    return value <= PORT_MAX ? value : undefined;
  };
  return {
    load: [
      ...(number === undefined ? [] : matchTransportProtocol(number, 0)),
      loadPayload('transport', PORT_OFFSET[field], 2, 0),
    ],
    parse(text) {
      const [first = '', last = first] = text.split('-');
      const [from, to] = [one(first), one(last)];
      if (from === undefined || to === undefined || from > to) return undefined;
      return from === to
        ? { from: networkU16(from) }
        : { from: networkU16(from), to: networkU16(to) };
    },
  };
}

function parseProtocol(text: string): Wanted | undefined {
  const number = new Map<string, number>(Object.entries(PROTOCOL)).get(text) ?? Number(text);
  const isByte = /^[a-z\d]+$/.test(text) && number >= 0 && number <= 255;
  return isByte ? { from: Uint8Array.of(number) } : undefined;
}

function parseInterface(text: string): Wanted | undefined {
  const name = text.replace(/^"(.*)"$/, '$1');
  if (!/^[^\s/:"]{1,15}$/.test(name)) return undefined;
  const from = name.endsWith('*') ? interfacePrefix(name.slice(0, -1)) : interfaceName(name);
  return from.length === 0 ? undefined : { from };
}

/** `meta mark [and <mask>]`; the mask is of the words still to come. */
function mark(words: string[]): Subject | undefined {
  const load = [loadMeta('mark', 0)];
  if (words[0] === 'and' || words[0] === '&') {
    words.shift();
    const mask = parseNumber(words.shift() ?? '');
    if (mask === undefined) return undefined;
    load.push(maskXor(mask, hostU32(0), 0));
  }
  return {
    load,
    parse(text) {
      const from = parseNumber(text);
      return from === undefined ? undefined : { from };
    },
  };
}

function parseNumber(text: string): Uint8Array | undefined {
  return /^(0x[0-9a-f]{1,8}|[0-9]{1,9})$/i.test(text) ? hostU32(Number(text)) : undefined;
}
