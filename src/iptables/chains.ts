/** The rules of chains as iptables-save(8) prints them, without `-A <chain>`; by table and chain. */
export type SavedChains = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** Reads the output of iptables-save(8) for any number of tables. A chain without rules has none. */
export function parseChains(text: string): SavedChains {
  const tables = new Map<string, Map<string, string[]>>();
  let chains = new Map<string, string[]>();
  let last = '';
  let rules: string[] = [];
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(at, end);
    at = end + 1;
    if (line.startsWith('*')) {
      chains = new Map();
      last = '';
      tables.set(line.slice(1), chains);
    } else if (line.startsWith(':')) {
      chains.set(line.slice(1, line.indexOf(' ')), []);
    } else if (line.startsWith('-A ')) {
      const space = line.indexOf(' ', 3);
      const chain = space === -1 ? line.slice(3) : line.slice(3, space);
      if (chain !== last) {
        last = chain;
        rules = chains.get(chain) ?? [];
        chains.set(chain, rules);
      }
      rules.push(space === -1 ? '' : line.slice(space + 1));
    }
  }
  return tables;
}
