import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, fail, oneOf, zonesOf } from '../../corefile/values.ts';
import type { DirectiveContext } from '../plugin.ts';

const COMMON =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}';
const COMBINED = `${COMMON} {>opcode}`;
const CLASSES = ['success', 'denial', 'error', 'all'] as const;

/** One rule: what is written of which queries. */
export interface LogRule {
  readonly zones: readonly string[];
  readonly format: string;
  readonly classes: ReadonlySet<(typeof CLASSES)[number]>;
}

/** `log [NAMES...] [FORMAT] [{ class CLASSES... }]` */
export interface LogConfig {
  readonly rules: readonly LogRule[];
}

export function parseLog(directives: readonly Directive[], context: DirectiveContext): LogConfig {
  return { rules: directives.map((directive) => parseRule(directive, context)) };
}

function parseRule(directive: Directive, { zones }: DirectiveContext): LogRule {
  const args = [...directive.args];
  const last = args.at(-1)?.text ?? '';
  const hasFormat = last.includes('{');
  if (hasFormat) args.pop();
  const classes = new Set<(typeof CLASSES)[number]>();
  for (const line of directive.body ?? []) {
    if (line.name.text !== 'class') fail(line.name, `log: expected class, got "${line.name.text}"`);
    for (const word of expectArgs(line, 1, CLASSES.length)) classes.add(oneOf(word, CLASSES));
  }
  if (classes.size === 0) classes.add('all');
  const format = (hasFormat ? last : COMMON)
    .replaceAll('{common}', COMMON)
    .replaceAll('{combined}', COMBINED);
  return { zones: zonesOf(args, args.length === 0 ? zones : ['.']), format, classes };
}
