/** A rule as iptables-save(8) prints it. */
export interface SavedRule {
  readonly chain: string;
  /** Everything behind `-A <chain>`, to be handed back to iptables-restore(8) as it is. */
  readonly text: string;
  /** The value of an option, such as `--dport`; negated ones are left out. */
  readonly options: ReadonlyMap<string, string>;
  /** The chain or target of `-j`. */
  readonly target: string;
}

/** The nat table of a family. */
export interface SavedTable {
  readonly chains: ReadonlySet<string>;
  readonly rules: readonly SavedRule[];
}

/** Reads the output of iptables-save(8) for one table. */
export function parseSaved(text: string): SavedTable {
  const chains = new Set<string>();
  const rules: SavedRule[] = [];
  for (const line of text.split('\n')) {
    const [, declared] = /^:(\S+) /.exec(line) ?? [];
    if (declared !== undefined) chains.add(declared);
    const [, chain, rest] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (chain === undefined || rest === undefined) continue;
    const options = optionsOf(rest);
    rules.push({ chain, text: rest, options, target: options.get('-j') ?? '' });
  }
  return { chains, rules };
}

function optionsOf(text: string): Map<string, string> {
  const words = wordsOf(text);
  const options = new Map<string, string>();
  for (const [index, word] of words.entries()) {
    if (!word.startsWith('-') || words[index - 1] === '!') continue;
    options.set(word, words[index + 1] ?? '');
  }
  return options;
}

/** Words as iptables-save(8) quotes them. */
function wordsOf(text: string): string[] {
  return Array.from(text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1'),
  );
}

/** A word for iptables-restore(8). */
export function quoted(word: string): string {
  return /^[!-~]+$/.test(word) && !/["'\\]/.test(word)
    ? word
    : `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}
