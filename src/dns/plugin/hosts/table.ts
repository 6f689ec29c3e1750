import type { Addr } from '../../../ipaddr/addr.ts';
import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import { reverseName } from '../../../ipaddr/reverse.ts';
import { canonicalName } from '../../message/name.ts';

const LINES_MAX = 1_000_000;

/** What a hosts file says, by canonical name. */
export interface HostsTable {
  readonly addresses: ReadonlyMap<string, readonly Addr[]>;
  /** By reverse name, the names of an address in their order. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly lines: number;
}

/** Reads a hosts(5) file; as everywhere, a line that is wrong is passed over. */
export function parseHosts(text: string): HostsTable {
  const addresses = new Map<string, Addr[]>();
  const names = new Map<string, string[]>();
  let lines = 0;
  for (const line of text.split('\n')) {
    const [address = '', ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/);
    const addr = tryParseAddr(address.replace(/%.*/, ''));
    if (addr === undefined || hosts.length === 0) continue;
    lines += 1;
    if (lines > LINES_MAX) break;
    for (const host of hosts) {
      const name = canonicalName(host);
      append(addresses, name, addr, (a, b) => a.equals(b));
      // A wildcard stands for names nobody knows, so no address leads back to it.
      if (!name.startsWith('*.')) append(names, reverseName(addr), name, Object.is);
    }
  }
  return { addresses, names, lines };
}

function append<Value>(
  map: Map<string, Value[]>,
  key: string,
  value: Value,
  isSame: (a: Value, b: Value) => boolean,
): void {
  const list = map.get(key) ?? [];
  if (!list.some((each) => isSame(each, value))) list.push(value);
  map.set(key, list);
}

/** The addresses of a canonical name: its own, else those of the wildcard one label up. */
export function lookUpHost(table: HostsTable, name: string): readonly Addr[] | undefined {
  const own = table.addresses.get(name);
  if (own !== undefined) return own;
  const dot = name.indexOf('.');
  return table.addresses.get(`*${name.slice(dot)}`);
}
