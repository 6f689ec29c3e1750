import { networkInterfaces } from 'node:os';
import type { Addr } from '../ipaddr/addr.ts';
import { classify } from '../ipaddr/classify.ts';
import { parseAddr, tryParseAddr } from '../ipaddr/parse-addr.ts';

const WILDCARDS = ['::', '0.0.0.0'];

/**
 * The addresses a server that listens on `address` can be reached under by others: the address itself,
 * or for a wildcard all of the machine's but those of loopback and links alone.
 */
export function localAddresses(address: string): Addr[] {
  const all = WILDCARDS.includes(address)
    ? Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    : [{ address, internal: false, family: address.includes(':') ? 'IPv6' : 'IPv4' }];
  return all
    .filter(({ internal, family }) => !internal && (address !== '0.0.0.0' || family === 'IPv4'))
    .map(({ address: text }) => tryParseAddr(text) ?? parseAddr(address))
    .filter((addr) => addr.zone === '' && !isLinkLocal(addr));
}

function isLinkLocal(addr: Addr): boolean {
  return classify(addr).special.some(({ name }) => name.includes('link-local'));
}
