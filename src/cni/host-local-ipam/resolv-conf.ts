import { readFileSync } from 'node:fs';
import type { Dns } from '../protocol/result.ts';

/** Reads the name servers, domain, search list and options of a resolv.conf(5). */
export function readResolvConf(path: string): Dns {
  const nameservers: string[] = [];
  const search: string[] = [];
  const options: string[] = [];
  let domain: string | undefined;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
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
