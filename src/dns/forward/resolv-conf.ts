import { readFileSync } from 'node:fs';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';

const FILE_LENGTH_MAX = 1 << 20;
/** Where systemd-resolved writes the upstreams it forwards to itself. */
const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';
/** systemd-resolved's own address on a node: to forward there is to forward in a circle. */
const SYSTEMD_STUBS: ReadonlySet<string> = new Set(['127.0.0.53', '127.0.0.54']);

/** What a resolv.conf(5) says, and of which file that is. */
export interface ResolvConf {
  readonly path: string;
  readonly nameservers: readonly Addr[];
  readonly search: readonly string[];
}

/** Parses a resolv.conf(5); lines it does not know are not errors there. */
export function parseResolvConf(path: string, text: string): ResolvConf {
  const nameservers: Addr[] = [];
  let search: readonly string[] = [];
  for (const line of text.slice(0, FILE_LENGTH_MAX).split('\n')) {
    const [keyword = '', ...words] = line.trim().split(/\s+/);
    const addr = keyword === 'nameserver' ? tryParseAddr(words[0] ?? '') : undefined;
    if (addr !== undefined) nameservers.push(addr);
    // The last of these counts.
    if (keyword === 'search' || keyword === 'domain') search = words;
  }
  return { path, nameservers, search };
}

/**
 * Reads a resolv.conf(5). Where it names nobody but systemd-resolved's stub on this machine, what
 * systemd-resolved itself asks is read instead. Throws when the file can't be read.
 */
export function readResolvConf(path: string): ResolvConf {
  const conf = parseResolvConf(path, readFileSync(path, 'utf8'));
  const { nameservers } = conf;
  if (!nameservers.some((addr) => SYSTEMD_STUBS.has(addr.toString()))) return conf;
  try {
    const real = parseResolvConf(SYSTEMD_RESOLV_CONF, readFileSync(SYSTEMD_RESOLV_CONF, 'utf8'));
    if (real.nameservers.length > 0) return { ...real, search: conf.search };
  } catch {
    // Not there: the stub is what there is, and the loop plugin tells when it leads back to us.
  }
  return conf;
}
