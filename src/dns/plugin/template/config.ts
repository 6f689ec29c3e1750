import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import { parseRegex } from '../../corefile/regex.ts';
import { expectArgs, fail, numberBetween, oneArg, zonesOf } from '../../corefile/values.ts';
import { classNumber, rcodeNumber, typeNumber } from '../../message/numbers.ts';
import { RCODE } from '../../wire/constants.ts';
import type { DirectiveContext } from '../plugin.ts';
import { compileTemplate, type Template } from './compile.ts';

const ANY = 255;
const EXTENDED_ERROR_MAX = 65_535;

/** A record's template and where its text stands. */
export interface RecordTemplate {
  readonly text: string;
  readonly fill: Template;
}

/** `template CLASS TYPE [ZONE...] { match; answer; additional; authority; rcode; ederror; fallthrough }` */
export interface TemplateRule {
  /** 255 is any. */
  readonly class: number;
  readonly type: number;
  readonly zones: readonly string[];
  readonly matches: readonly RegExp[];
  readonly answer: readonly RecordTemplate[];
  readonly additional: readonly RecordTemplate[];
  readonly authority: readonly RecordTemplate[];
  readonly rcode: number;
  readonly extendedError: { readonly code: number; readonly text: string } | undefined;
  /** Where names no expression matches go on; undefined is nowhere. */
  readonly fallthrough: readonly string[] | undefined;
}

export interface TemplateConfig {
  readonly rules: readonly TemplateRule[];
}

export function parseTemplates(
  directives: readonly Directive[],
  context: DirectiveContext,
): TemplateConfig {
  return { rules: directives.map((directive) => parseRule(directive, context)) };
}

function parseRule(directive: Directive, context: DirectiveContext): TemplateRule {
  const [classToken, typeToken, ...zoneTokens] = expectArgs(directive, 2, 100);
  const zones = zonesOf(zoneTokens, context.zones);
  const matches: RegExp[] = [];
  const sections: Record<'answer' | 'additional' | 'authority', RecordTemplate[]> = {
    answer: [],
    additional: [],
    authority: [],
  };
  let rcode: number = RCODE.NOERROR;
  let extendedError: TemplateRule['extendedError'];
  let fallthrough: readonly string[] | undefined;
  for (const line of directive.body ?? []) {
    const { name, args } = line;
    switch (name.text) {
      case 'match':
        matches.push(...expectArgs(line, 1, 100).map(parseRegex));
        break;
      case 'answer':
      case 'additional':
      case 'authority':
        for (const token of expectArgs(line, 1, 100)) {
          sections[name.text].push({ text: token.text, fill: compileTemplate(token) });
        }
        break;
      case 'rcode': {
        const token = oneArg(line);
        rcode =
          rcodeNumber(token.text) ?? fail(token, `expected a response code, got "${token.text}"`);
        break;
      }
      case 'ederror': {
        const [code, text] = expectArgs(line, 1, 2);
        if (code === undefined) break;
        const number = numberBetween(code, 0, EXTENDED_ERROR_MAX);
        extendedError = { code: number, text: text?.text ?? '' };
        break;
      }
      case 'fallthrough':
        fallthrough = zonesOf(args, zones);
        break;
      case 'var':
      case 'expr':
        return fail(
          name,
          `template: ${name.text} is not supported, for it needs the language expr; a named group of match may do`,
        );
      default:
        fail(name, `template: unexpected "${name.text}"`);
    }
  }
  return {
    class: numberOf(classToken ?? directive.name, classNumber, 'a class'),
    type: numberOf(typeToken ?? directive.name, typeNumber, 'a type'),
    zones,
    matches: matches.length === 0 ? [/^/] : matches,
    ...sections,
    rcode,
    extendedError,
    fallthrough,
  };
}

function numberOf(token: Token, read: (text: string) => number | undefined, what: string): number {
  return read(token.text) ?? fail(token, `template: expected ${what} or ANY, got "${token.text}"`);
}

/** Whether the rule is for this class or type. */
export function fits(rule: number, value: number): boolean {
  return rule === ANY || rule === value;
}
