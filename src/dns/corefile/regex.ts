import { setFlagsFromString } from 'node:v8';
import type { Token } from './lexer.ts';
import { CorefileError } from './position.ts';

const REGEX_LENGTH_MAX = 10_000;
const BACKTRACKS_MAX = 10_000;

/*
 * Names come from strangers, and an expression that backtracks can take forever over one. V8 goes over
 * to an engine that takes linear time, as Go's does, once it has gone back too often.
 */
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
setFlagsFromString(`--regexp-backtracks-before-fallback=${BACKTRACKS_MAX}`);

/**
 * A regular expression as Go writes it: `(?P<name>...)` for a named group, `(?i)` in front for any
 * case. What Go has not is refused, for no engine does it in linear time: references to groups and
 * looking around. Throws CorefileError.
 */
export function parseRegex(token: Token): RegExp {
  const fail = (problem: string): never => {
    throw new CorefileError(token, `expected a regular expression: ${problem}`);
  };
  let source = token.text;
  if (source.length > REGEX_LENGTH_MAX) fail(`longer than ${REGEX_LENGTH_MAX} characters`);
  let flags = '';
  const leading = /^\(\?([is]+)\)/.exec(source);
  if (leading !== null) {
    flags = leading[1] ?? '';
    source = source.slice(leading[0].length);
  }
  source = source.replaceAll('(?P<', '(?<').replaceAll('\\z', '$').replaceAll('\\A', '^');
  if (/\(\?(?:[=!]|<[=!])/.test(source)) fail('looking ahead or behind is not supported');
  if (/\\[1-9]|\\k</.test(source)) fail('references to groups are not supported');
  try {
    return new RegExp(source, flags);
  } catch (error) {
    return fail((error as Error).message);
  }
}
