import type { Addr } from '../../../ipaddr/addr.ts';
import { Prefix } from '../../../ipaddr/prefix.ts';
import type { Token } from '../../corefile/lexer.ts';
import { fail, numberBetween, oneOf } from '../../corefile/values.ts';
import type { EdnsOption } from '../../message/message.ts';
import { EDNS_OPTION, typeName } from '../../message/numbers.ts';
import type { Query } from '../plugin.ts';
import type { RuleBody } from './rule.ts';

const ACTIONS = ['set', 'append', 'replace', 'unset'] as const;
const SIZE_BYTES = 1232;
const CODE_MAX = 65_535;
const VARIABLES: Readonly<Record<string, (query: Query) => string>> = {
  '{qname}': ({ name }) => name,
  '{qtype}': ({ request }) => typeName(request.question.type),
  '{client_ip}': ({ context }) => context.client.toString(),
  '{client_port}': ({ context }) => String(context.clientPort),
  '{protocol}': ({ context }) => context.transport,
  '{server_ip}': ({ context }) => context.local.toString(),
};

/** `edns0 local|nsid|subnet set|append|replace|unset ...` */
export function parseEdnsRule(field: Token, words: readonly Token[]): RuleBody {
  const [kindToken, actionToken, ...rest] = words;
  if (kindToken === undefined || actionToken === undefined) {
    fail(field, 'rewrite edns0: expected an option and set, append, replace or unset');
  }
  const kind = oneOf(kindToken, ['local', 'nsid', 'subnet']);
  const action = oneOf(actionToken, ACTIONS);
  const { code, data } = parseOption(kind, rest, actionToken, action === 'unset');
  return {
    says: `${action}s the EDNS option ${kind}`,
    apply(query) {
      const { request } = query;
      const old = request.edns?.options ?? [];
      const isThere = old.some((option) => option.code === code);
      if (isThere ? action === 'append' : action === 'replace' || action === 'unset')
        return undefined;
      const others = old.filter((option) => option.code !== code);
      const added: EdnsOption[] = action === 'unset' ? [] : [{ code, data: data(query) }];
      const edns = {
        sizeBytes: request.edns?.sizeBytes ?? SIZE_BYTES,
        version: 0,
        dnssecOk: request.edns?.dnssecOk ?? false,
        options: [...others, ...added],
      };
      return { query: { ...query, request: { ...request, edns } } };
    },
  };
}

function parseOption(
  kind: 'local' | 'nsid' | 'subnet',
  words: readonly Token[],
  at: Token,
  isUnset: boolean,
): { readonly code: number; readonly data: (query: Query) => Uint8Array } {
  if (kind === 'nsid') return { code: EDNS_OPTION.NSID, data: () => new Uint8Array() };
  const [first, second] = words;
  if (kind === 'local') {
    if (first === undefined) fail(at, 'rewrite edns0 local: expected a code');
    const code = Number(first.text);
    if (!Number.isInteger(code) || code < 0 || code > CODE_MAX) {
      fail(first, `rewrite edns0 local: expected a code such as 0xffee, got "${first.text}"`);
    }
    if (second === undefined && !isUnset) fail(first, 'rewrite edns0 local: expected data');
    return { code, data: localData(second) };
  }
  if (isUnset) return { code: EDNS_OPTION.CLIENT_SUBNET, data: () => new Uint8Array() };
  if (first === undefined || second === undefined) {
    fail(at, 'rewrite edns0 subnet: expected the bits of IPv4 and of IPv6');
  }
  const bits = { 4: numberBetween(first, 0, 32), 6: numberBetween(second, 0, 128) };
  return { code: EDNS_OPTION.CLIENT_SUBNET, data: ({ context }) => subnet(context.client, bits) };
}

function localData(token: Token | undefined): (query: Query) => Uint8Array {
  const text = token?.text ?? '';
  const variable = VARIABLES[text];
  if (variable !== undefined) return (query) => new TextEncoder().encode(variable(query));
  if (token !== undefined && /^\{.*\}$/.test(text)) {
    fail(token, `rewrite edns0: expected ${Object.keys(VARIABLES).join(' ')}, got "${text}"`);
  }
  const isHex = /^0x([0-9a-fA-F]{2})*$/.test(text);
  const bytes = isHex ? Buffer.from(text.slice(2), 'hex') : new TextEncoder().encode(text);
  return () => bytes;
}

/** RFC 7871 section 6: family, bits, 0, then the octets the bits are in. */
function subnet(client: Addr, bits: { readonly 4: number; readonly 6: number }): Uint8Array {
  const addr = client.unmap();
  const own = bits[addr.family];
  const bytes = Prefix.of(addr, own)
    .first()
    .toBytes()
    .subarray(0, Math.ceil(own / 8));
  return Uint8Array.of(0, addr.family === 4 ? 1 : 2, own, 0, ...bytes);
}
