import { type AddressBlock, plainBlock } from './block.ts';

const reserved = (prefix: string, source = 'RFC 4291'): AddressBlock =>
  plainBlock(prefix, 'Reserved by IETF', source, 'reserved');

/**
 * The Internet Protocol Version 6 Address Space: what IPv6 is divided into first. Its rows for
 * multicast, unique-local and link-local addresses stand in the tables of those.
 * Source: https://www.iana.org/assignments/ipv6-address-space, as of 2026-07.
 */
export const ADDRESS_SPACE_V6: readonly AddressBlock[] = [
  reserved('::/8'),
  reserved('100::/8'),
  reserved('200::/7', 'RFC 4048'),
  reserved('400::/6'),
  reserved('800::/5'),
  reserved('1000::/4'),
  plainBlock('2000::/3', 'Global Unicast', 'RFC 4291', 'global'),
  reserved('4000::/3'),
  reserved('6000::/3'),
  reserved('8000::/3'),
  reserved('a000::/3'),
  reserved('c000::/3'),
  reserved('e000::/4'),
  reserved('f000::/5'),
  reserved('f800::/6'),
  reserved('fe00::/9'),
  plainBlock('fec0::/10', 'Deprecated (previously Site-Local)', 'RFC 3879', 'site-local'),
];
