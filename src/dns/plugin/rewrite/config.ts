import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import { fail } from '../../corefile/values.ts';
import { parseEdnsRule } from './edns-rule.ts';
import {
  parseClassRule,
  parseCnameRule,
  parseRcodeRule,
  parseTtlRule,
  parseTypeRule,
} from './field-rules.ts';
import { parseNameRule } from './name-rule.ts';
import type { RewriteRule, RuleBody } from './rule.ts';

const FIELDS: Readonly<Record<string, (field: Token, words: readonly Token[]) => RuleBody>> = {
  name: parseNameRule,
  type: parseTypeRule,
  class: parseClassRule,
  ttl: parseTtlRule,
  rcode: parseRcodeRule,
  cname: parseCnameRule,
  edns0: parseEdnsRule,
};

/** `rewrite [continue|stop] FIELD ...`, or the rest in a block. */
export interface RewriteConfig {
  readonly rules: readonly RewriteRule[];
}

export function parseRewrite(directives: readonly Directive[]): RewriteConfig {
  return { rules: directives.map(parseRule) };
}

function parseRule({ name, args, body = [] }: Directive): RewriteRule {
  const words = [...args, ...body.flatMap((line) => [line.name, ...line.args])];
  const mode = words[0]?.text;
  if (mode === 'continue' || mode === 'stop') words.shift();
  const [field, ...rest] = words;
  if (field === undefined) fail(name, `rewrite: expected one of ${Object.keys(FIELDS).join(', ')}`);
  const parse = Object.hasOwn(FIELDS, field.text) ? FIELDS[field.text] : undefined;
  if (parse === undefined) {
    fail(field, `rewrite: expected one of ${Object.keys(FIELDS).join(', ')}, got "${field.text}"`);
  }
  return { ...parse(field, rest), continues: mode === 'continue' };
}
