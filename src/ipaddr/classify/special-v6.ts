import { type AddressBlock, specialBlock as row } from './block.ts';

/**
 * The IANA IPv6 Special-Purpose Address Registry, all rows, in its order.
 * Source: https://www.iana.org/assignments/iana-ipv6-special-registry, as of 2026-07.
 */
export const SPECIAL_V6: readonly AddressBlock[] = [
  row('::1/128', 'Loopback Address', 'RFC 4291', '2006-02', 'FFFFT', 'loopback'),
  row('::/128', 'Unspecified Address', 'RFC 4291', '2006-02', 'TFFFT', 'unspecified'),
  row('::ffff:0:0/96', 'IPv4-mapped Address', 'RFC 4291', '2006-02', 'FFFFT', 'translation'),
  row('64:ff9b::/96', 'IPv4-IPv6 Translat.', 'RFC 6052', '2010-10', 'TTTTF', 'translation'),
  row('64:ff9b:1::/48', 'IPv4-IPv6 Translat.', 'RFC 8215', '2017-06', 'TTTFF', 'translation'),
  row('100::/64', 'Discard-Only Address Block', 'RFC 6666', '2012-06', 'TTTFF', 'discard'),
  row('100:0:0:1::/64', 'Dummy IPv6 Prefix', 'RFC 9780', '2025-04', 'TFFFF', 'protocol'),
  // An assignment from this block may be any of these where its own row says so.
  row('2001::/23', 'IETF Protocol Assignments', 'RFC 2928', '2000-09', 'FFFFF', 'protocol'),
  // Reachable as far as the IPv4 address inside is, which the registry does not decide.
  row('2001::/32', 'TEREDO', 'RFC 4380, RFC 8190', '2006-01', 'TTT-F', 'tunnel'),
  row('2001:1::1/128', 'Port Control Protocol Anycast', 'RFC 7723', '2015-10', 'TTTTF', 'anycast'),
  row(
    '2001:1::2/128',
    'Traversal Using Relays around NAT Anycast',
    'RFC 8155',
    '2017-02',
    'TTTTF',
    'anycast',
  ),
  row(
    '2001:1::3/128',
    'DNS-SD Service Registration Protocol Anycast',
    'RFC 9665',
    '2024-04',
    'TTTTF',
    'anycast',
  ),
  row(
    '2001:2::/48',
    'Benchmarking',
    'RFC 5180, RFC Errata 1752',
    '2008-04',
    'TTTFF',
    'benchmarking',
  ),
  row('2001:3::/32', 'AMT', 'RFC 7450', '2014-12', 'TTTTF', 'anycast'),
  row('2001:4:112::/48', 'AS112-v6', 'RFC 7535', '2014-12', 'TTTTF', 'anycast'),
  row(
    '2001:10::/28',
    'Deprecated (previously ORCHID)',
    'RFC 4843',
    '2007-03/2014-03',
    '-----',
    'identifier',
  ),
  row('2001:20::/28', 'ORCHIDv2', 'RFC 7343', '2014-07', 'TTTTF', 'identifier'),
  row(
    '2001:30::/28',
    'Drone Remote ID Protocol Entity Tags (DETs) Prefix',
    'RFC 9374',
    '2022-12',
    'TTTTF',
    'identifier',
  ),
  row('2001:db8::/32', 'Documentation', 'RFC 3849', '2004-07', 'FFFFF', 'documentation'),
  // As with Teredo, the IPv4 address inside decides.
  row('2002::/16', '6to4', 'RFC 3056', '2001-02', 'TTT-F', 'tunnel'),
  row(
    '2620:4f:8000::/48',
    'Direct Delegation AS112 Service',
    'RFC 7534',
    '2011-05',
    'TTTTF',
    'anycast',
  ),
  row('3fff::/20', 'Documentation', 'RFC 9637', '2024-07', 'FFFFF', 'documentation'),
  row('5f00::/16', 'Segment Routing (SRv6) SIDs', 'RFC 9602', '2024-04', 'TTTFF', 'identifier'),
  row('fc00::/7', 'Unique-Local', 'RFC 4193, RFC 8190', '2005-10', 'TTTFF', 'unique-local'),
  row('fe80::/10', 'Link-Local Unicast', 'RFC 4291', '2006-02', 'TTFFT', 'link-local'),
];
