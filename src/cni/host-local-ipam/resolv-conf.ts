import { readFileSync, statSync } from 'node:fs';
import type { Fields } from '../protocol/fields.ts';
import type { Dns } from '../protocol/result.ts';

/** Libraries read a few hundred bytes of theirs. */
const FILE_BYTES_MAX = 64 << 10;

/**
 * Reads the name servers, domain, search list and options of the resolv.conf(5) that `resolvConf` of
 * `ipam` names; without one there are none. Throws CniError.
 */
export function readResolvConf(ipam: Fields): Dns {
  const path = ipam.string('resolvConf') ?? '';
  return path === '' ? {} : parseResolvConf(readText(ipam, path));
}

function readText(ipam: Fields, path: string): string {
  let why = `a file of at most ${FILE_BYTES_MAX} bytes`;
  try {
    const stat = statSync(path);
    if (stat.isFile() && stat.size <= FILE_BYTES_MAX) return readFileSync(path, 'utf8');
  } catch (error) {
    why = `a file that can be read (${error instanceof Error ? error.message : String(error)})`;
  }
  throw ipam.wrong('resolvConf', why, path);
}

function parseResolvConf(text: string): Dns {
  const nameservers: string[] = [];
  const search: string[] = [];
  const options: string[] = [];
  let domain: string | undefined;
  for (const line of text.split('\n')) {
    if (/^\s*[#;]/.test(line)) continue;
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [value] = values;
    if (value === undefined) continue;
    if (keyword === 'nameserver') nameservers.push(value);
    else if (keyword === 'domain') domain = value;
    else if (keyword === 'search') search.push(...values);
    else if (keyword === 'options') options.push(...values);
  }
  return {
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(domain === undefined ? {} : { domain }),
    ...(search.length === 0 ? {} : { search }),
    ...(options.length === 0 ? {} : { options }),
  };
}
