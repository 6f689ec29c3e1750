import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { compare, maskXor } from '../../netlink/nftables/expression/match.ts';
import { hostU32, interfaceName, interfacePrefix } from '../../netlink/nftables/value.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

/** Where the addresses are in a packet's header. */
export const ADDRESS_OFFSET = {
  4: { saddr: 12, daddr: 16 },
  6: { saddr: 8, daddr: 24 },
} as const;

/** What conditions can be, as the error says it. */
const EXPECTED =
  '"ip|ip6 saddr|daddr [!=] <address or prefix>", "iifname [!=] <name>" or "meta mark [!=] <number>"';

/**
 * The conditions of `conditionsV4` or `conditionsV6` in nft(8)'s words, as expressions. There is no
 * nft here to read them, so it is the few that make sense for a host port. Throws CniError.
 */
export function compileConditions(family: 4 | 6, conditions: readonly string[]): Expression[] {
  const words = conditions.flatMap((each) => each.split(' ')).filter((word) => word !== '');
  const expressions: Expression[] = [];
  for (let at = 0; at < words.length; ) {
    const subject = words[at] === 'iifname' ? 'iifname' : `${words[at]} ${words[at + 1]}`;
    at += subject === 'iifname' ? 1 : 2;
    const sign = words[at] === '!=' ? '!=' : '==';
    if (words[at] === '!=' || words[at] === '==') at += 1;
    const value = words[at] ?? '';
    at += 1;
    const condition = compile(family, subject, sign, value);
    if (condition === undefined) {
      const got = JSON.stringify(words.join(' '));
      throw new CniError(
        CNI_CODE.invalidConfig,
        `conditionsV${family}: expected ${EXPECTED}, got ${got}`,
      );
    }
    expressions.push(...condition);
  }
  return expressions;
}

function compile(
  family: 4 | 6,
  subject: string,
  sign: '==' | '!=',
  value: string,
): Expression[] | undefined {
  const header = family === 4 ? 'ip' : 'ip6';
  switch (subject) {
    case `${header} saddr`:
      return matchPrefix(family, 'saddr', sign, value);
    case `${header} daddr`:
      return matchPrefix(family, 'daddr', sign, value);
    case 'iifname':
    case 'meta iifname':
      return matchInterface(sign, value);
    case 'mark':
    case 'meta mark':
      return /^(0x[0-9a-f]{1,8}|[0-9]{1,9})$/i.test(value)
        ? [loadMeta('mark', 0), compare(sign, hostU32(Number(value)), 0)]
        : undefined;
    default:
      return undefined;
  }
}

function matchPrefix(
  family: 4 | 6,
  field: 'saddr' | 'daddr',
  sign: '==' | '!=',
  value: string,
): Expression[] | undefined {
  const addr = tryParseAddr(value);
  const prefix = addr === undefined ? tryParsePrefix(value) : Prefix.of(addr, addr.bits);
  if (prefix === undefined || prefix.addr.family !== family) return undefined;
  const { addr: network, bits } = prefix.masked();
  const bytes = network.toBytes();
  const load = loadPayload('network', ADDRESS_OFFSET[family][field], bytes.length, 0);
  if (bits === network.bits) return [load, compare(sign, bytes, 0)];
  const mask = Prefix.of(network, bits).last().toBytes();
  // The bits that vary below the prefix are those in which its first and last address differ.
  for (const [index, octet] of bytes.entries()) mask[index] = ~((mask[index] ?? 0) ^ octet) & 255;
  return [load, maskXor(mask, new Uint8Array(bytes.length), 0), compare(sign, bytes, 0)];
}

function matchInterface(sign: '==' | '!=', text: string): Expression[] | undefined {
  const name = text.replace(/^"(.*)"$/, '$1');
  if (!/^[^\s/:"]{1,15}$/.test(name)) return undefined;
  const value = name.endsWith('*') ? interfacePrefix(name.slice(0, -1)) : interfaceName(name);
  return value.length === 0 ? undefined : [loadMeta('iifname', 0), compare(sign, value, 0)];
}
