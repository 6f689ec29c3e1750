import type { Element } from '../../src/netlink/nftables/element.ts';
import { concat, INET_SERVICE, IPV4_ADDR } from '../../src/netlink/nftables/types.ts';

/* The map that `make bench-netlink` fills: a Service's address and port to an endpoint's. */

export type { Element };

export const ELEMENT_COUNT = 100_000;
export const TABLE = { family: 'ip', name: 'bench' } as const;
export const MAP = {
  name: 'endpoints',
  key: concat(IPV4_ADDR, INET_SERVICE),
  data: concat(IPV4_ADDR, INET_SERVICE),
};

/** Element number `index`. */
export function elementAt(index: number): Element {
  const [high, middle, low] = [(index >> 16) & 255, (index >> 8) & 255, index & 255];
  return {
    key: Uint8Array.of(10, high, middle, low, 0, 80, 0, 0),
    data: { value: Uint8Array.of(172, 16 + high, middle, low, 0x1f, 0x90, 0, 0) },
  };
}

/** The same as nft(8) reads it. */
export function elementText(index: number): string {
  const [high, middle, low] = [(index >> 16) & 255, (index >> 8) & 255, index & 255];
  return `10.${high}.${middle}.${low} . 80 : 172.${16 + high}.${middle}.${low} . 8080`;
}
