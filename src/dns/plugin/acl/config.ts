import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix, tryParsePrefix } from '../../../ipaddr/prefix.ts';
import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import { fail, oneOf, zonesOf } from '../../corefile/values.ts';
import { typeNumber } from '../../message/numbers.ts';
import type { DirectiveContext } from '../plugin.ts';

const ACTIONS = ['allow', 'block', 'filter', 'drop'] as const;
const RULES_MAX = 10_000;

export type AclAction = (typeof ACTIONS)[number];

/** What happens to queries of these types from these prefixes; empty is all. */
export interface AclRule {
  readonly action: AclAction;
  readonly types: readonly number[];
  readonly prefixes: readonly Prefix[];
}

/** The rules of one `acl`; the first that fits decides, and without one the query goes on. */
export interface AclList {
  readonly zones: readonly string[];
  readonly rules: readonly AclRule[];
}

/** `acl [ZONES...] { ACTION [type QTYPE...] [net SOURCE...] ... }` */
export interface AclConfig {
  readonly lists: readonly AclList[];
}

export function parseAcl(directives: readonly Directive[], context: DirectiveContext): AclConfig {
  const lists = directives.map((directive) => {
    const rules = (directive.body ?? []).map(parseRule);
    if (rules.length === 0) fail(directive.name, 'acl: expected rules in a block');
    if (rules.length > RULES_MAX) fail(directive.name, `acl: expected at most ${RULES_MAX} rules`);
    return { zones: zonesOf(directive.args, context.zones), rules };
  });
  return { lists };
}

function parseRule({ name, args }: Directive): AclRule {
  const action = oneOf(name, ACTIONS);
  const types: number[] = [];
  const prefixes: Prefix[] = [];
  let section: 'type' | 'net' | undefined;
  let isAnyType = false;
  let isAnyNet = false;
  for (const token of args) {
    if (token.text === 'type' || token.text === 'net') {
      section = token.text;
    } else if (section === 'type') {
      if (token.text === '*') isAnyType = true;
      else
        types.push(typeNumber(token.text) ?? fail(token, `expected a type, got "${token.text}"`));
    } else if (section === 'net') {
      if (token.text === '*') isAnyNet = true;
      else prefixes.push(parseSource(token));
    } else {
      fail(token, `acl: expected type or net, got "${token.text}"`);
    }
  }
  return { action, types: isAnyType ? [] : types, prefixes: isAnyNet ? [] : prefixes };
}

function parseSource(token: Token): Prefix {
  const prefix = tryParsePrefix(token.text);
  if (prefix !== undefined) return prefix;
  try {
    const addr = parseAddr(token.text);
    return Prefix.of(addr, addr.bits);
  } catch (error) {
    return fail(token, `acl: ${(error as Error).message}`);
  }
}
