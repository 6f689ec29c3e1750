import type { Token } from '../../corefile/lexer.ts';
import { parseRegex } from '../../corefile/regex.ts';
import { canonicalName } from '../../message/name.ts';

export const MATCH_KINDS = ['exact', 'prefix', 'suffix', 'substring', 'regex'] as const;
export type MatchKind = (typeof MATCH_KINDS)[number];

/** The text and groups of a name that matched. */
export type NameMatch = readonly (string | undefined)[];

/** Tests names; a match gives the whole text and the groups of a regular expression. */
export interface NamePattern {
  match(name: string): NameMatch | undefined;
}

/** A pattern of the kind, from a word of the Corefile. */
export function parsePattern(kind: MatchKind, token: Token): NamePattern {
  if (kind === 'regex') {
    const regex = parseRegex(token);
    return {
      // CoreDNS' examples are written for names with and without the final dot.
      match: (name) => regex.exec(name) ?? regex.exec(name.slice(0, -1)) ?? undefined,
    };
  }
  const from = kind === 'exact' ? canonicalName(token.text) : token.text.toLowerCase();
  const withDot = kind === 'suffix' ? canonicalName(from) : from;
  const test: Readonly<Record<Exclude<MatchKind, 'regex'>, (name: string) => boolean>> = {
    exact: (name) => name === from,
    prefix: (name) => name.startsWith(from),
    suffix: (name) => name.endsWith(withDot),
    substring: (name) => name.includes(from),
  };
  return { match: (name) => (test[kind](name) ? [name] : undefined) };
}

/** The name with what the pattern found put in other words: `{1}` stands for the first group. */
export function replaceName(
  kind: MatchKind,
  from: string,
  to: string,
  name: string,
  match: NameMatch,
): string {
  switch (kind) {
    case 'exact':
      return canonicalName(to);
    case 'prefix':
      return canonicalName(to + name.slice(from.length));
    case 'suffix':
      return canonicalName(name.slice(0, -canonicalName(from).length) + canonicalName(to));
    case 'substring':
      return canonicalName(name.replace(from, () => to));
    case 'regex':
      return canonicalName(fillGroups(to, match));
    default:
      return kind satisfies never;
  }
}

/** `{1}` and its like replaced by what the groups matched. */
export function fillGroups(text: string, match: NameMatch): string {
  return text.replace(/\{([0-9]+)\}/g, (_, group: string) => match[Number(group)] ?? '');
}
