import type { Token } from '../../corefile/lexer.ts';
import { fail } from '../../corefile/values.ts';

/** What a template is filled with. */
export interface TemplateData {
  readonly zone: string;
  readonly name: string;
  readonly class: string;
  readonly type: string;
  readonly remote: string;
  readonly match: readonly string[];
  readonly group: Readonly<Record<string, string | undefined>>;
}

/** Gives the text, or throws when a group that is used matched nothing. */
export type Template = (data: TemplateData) => string;

type Part = (data: TemplateData) => string;

/**
 * Compiles the part of Go's templates that Corefiles use: `{{ .Name }}`, .Zone, .Class, .Type, .Remote,
 * `.Group.name`, `index .Match 1`, and `parseInt .Group.name base bits`. Refuses the rest by name.
 */
export function compileTemplate(token: Token): Template {
  const parts: Part[] = [];
  let at = 0;
  for (const match of token.text.matchAll(/\{\{-?\s*([^{}]*?)\s*-?\}\}/g)) {
    const before = token.text.slice(at, match.index);
    parts.push(() => before);
    parts.push(compileAction(token, match[1] ?? ''));
    at = match.index + match[0].length;
  }
  const rest = token.text.slice(at);
  parts.push(() => rest);
  return (data) => parts.map((part) => part(data)).join('');
}

function compileAction(token: Token, action: string): Part {
  const words = action.split(/\s+/);
  const [head = '', first = '', base = '', bits = ''] = words;
  if (words.length === 1) {
    const value = compileValue(head);
    if (value !== undefined) return value;
  }
  const index = Number(base);
  if (head === 'index' && first === '.Match' && words.length === 3 && Number.isInteger(index)) {
    return (data) => defined(data.match[index], action);
  }
  const inner = compileValue(first);
  if (head === 'parseInt' && inner !== undefined && words.length === 4) {
    return (data) => parseUint(inner(data), Number(base), Number(bits));
  }
  return fail(
    token,
    `template: "{{ ${action} }}" is not supported; .Name .Zone .Class .Type .Remote .Group.NAME, index .Match N and parseInt are`,
  );
}

function compileValue(text: string): Part | undefined {
  const group = /^\.Group\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (group !== undefined) return (data) => defined(data.group[group], text);
  switch (text) {
    case '.Name':
      return (data) => data.name;
    case '.Zone':
      return (data) => data.zone;
    case '.Class':
      return (data) => data.class;
    case '.Type':
      return (data) => data.type;
    case '.Remote':
      return (data) => data.remote;
    default:
      return undefined;
  }
}

function defined(value: string | undefined, what: string): string {
  if (value === undefined) throw new RangeError(`${what} matched nothing`);
  return value;
}

/** As Go's strconv.ParseUint, with the base and size of a template. */
function parseUint(text: string, base: number, bits: number): string {
  const value = Number.parseInt(text, base);
  const isWhole = value.toString(base) === text.toLowerCase().replace(/^0+(?=.)/, '');
  if (!isWhole || !(value < 2 ** (bits === 0 ? 53 : Math.min(bits, 53)))) {
    throw new RangeError(`"${text}" is no number of base ${base} in ${bits} bits`);
  }
  return String(value);
}
