import type { Directive } from '../../corefile/parse.ts';
import { parseRegex } from '../../corefile/regex.ts';
import { expectArgs, fail, oneOf, parseDurationMs } from '../../corefile/values.ts';

const LEVELS = ['warning', 'error', 'info', 'debug'] as const;

/** Messages that are counted for some time instead of written one by one. */
export interface Consolidation {
  readonly everyMs: number;
  readonly pattern: RegExp;
  readonly level: (typeof LEVELS)[number];
  readonly showsFirst: boolean;
}

/** `errors [{ consolidate DURATION REGEX [LEVEL] [show_first] ... }]` */
export interface ErrorsConfig {
  readonly consolidations: readonly Consolidation[];
}

export function parseErrors(directives: readonly Directive[]): ErrorsConfig {
  const consolidations: Consolidation[] = [];
  for (const directive of directives) {
    expectArgs(directive, 0, 1);
    for (const line of directive.body ?? []) {
      // Our errors always come with their cause; there is no stack trace to ask for.
      if (line.name.text === 'stacktrace') continue;
      if (line.name.text !== 'consolidate') {
        fail(line.name, `errors: expected consolidate, got "${line.name.text}"`);
      }
      const [duration, pattern, ...rest] = expectArgs(line, 2, 4);
      if (duration === undefined || pattern === undefined) continue;
      const [level] = rest.filter(({ text }) => text !== 'show_first');
      consolidations.push({
        everyMs: parseDurationMs(duration),
        pattern: parseRegex(pattern),
        level: level === undefined ? 'error' : oneOf(level, LEVELS),
        showsFirst: rest.some(({ text }) => text === 'show_first'),
      });
    }
  }
  return { consolidations };
}
