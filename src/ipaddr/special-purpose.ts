/*
 * Address blocks with a meaning of their own. Sources: the IANA IPv4 and IPv6 Special-Purpose
 * Address Registries (iana.org/assignments/iana-ipv4-special-registry and
 * iana-ipv6-special-registry), and for multicast RFC 5771 and RFC 4291; as of 2025-10.
 */

/** One block. */
export interface SpecialBlock {
  readonly prefix: string;
  readonly name: string;
  /** Where it is defined. */
  readonly source: string;
  /** Whether routers pass packets with such an address on, beyond an administrative domain. */
  readonly global: boolean;
}

export const SPECIAL_V4: readonly SpecialBlock[] = [
  { prefix: '0.0.0.0/8', name: 'this network', source: 'RFC 791', global: false },
  { prefix: '0.0.0.0/32', name: 'unspecified, default route', source: 'RFC 1122', global: false },
  { prefix: '10.0.0.0/8', name: 'private', source: 'RFC 1918', global: false },
  { prefix: '100.64.0.0/10', name: 'shared address space', source: 'RFC 6598', global: false },
  { prefix: '127.0.0.0/8', name: 'loopback', source: 'RFC 1122', global: false },
  { prefix: '169.254.0.0/16', name: 'link-local (APIPA)', source: 'RFC 3927', global: false },
  { prefix: '172.16.0.0/12', name: 'private', source: 'RFC 1918', global: false },
  { prefix: '192.0.0.0/24', name: 'IETF protocol assignments', source: 'RFC 6890', global: false },
  { prefix: '192.0.0.0/29', name: 'IPv4 service continuity', source: 'RFC 7335', global: false },
  { prefix: '192.0.0.8/32', name: 'dummy address', source: 'RFC 7600', global: false },
  {
    prefix: '192.0.0.9/32',
    name: 'port control protocol anycast',
    source: 'RFC 7723',
    global: true,
  },
  { prefix: '192.0.0.10/32', name: 'TURN anycast', source: 'RFC 8155', global: true },
  { prefix: '192.0.0.170/32', name: 'NAT64/DNS64 discovery', source: 'RFC 7050', global: false },
  { prefix: '192.0.0.171/32', name: 'NAT64/DNS64 discovery', source: 'RFC 7050', global: false },
  { prefix: '192.0.2.0/24', name: 'documentation (TEST-NET-1)', source: 'RFC 5737', global: false },
  { prefix: '192.31.196.0/24', name: 'AS112', source: 'RFC 7535', global: true },
  { prefix: '192.52.193.0/24', name: 'AMT', source: 'RFC 7450', global: true },
  {
    prefix: '192.88.99.0/24',
    name: '6to4 relay anycast, deprecated',
    source: 'RFC 7526',
    global: false,
  },
  { prefix: '192.168.0.0/16', name: 'private', source: 'RFC 1918', global: false },
  { prefix: '192.175.48.0/24', name: 'direct delegation AS112', source: 'RFC 7534', global: true },
  { prefix: '198.18.0.0/15', name: 'benchmarking', source: 'RFC 2544', global: false },
  {
    prefix: '198.51.100.0/24',
    name: 'documentation (TEST-NET-2)',
    source: 'RFC 5737',
    global: false,
  },
  {
    prefix: '203.0.113.0/24',
    name: 'documentation (TEST-NET-3)',
    source: 'RFC 5737',
    global: false,
  },
  { prefix: '224.0.0.0/4', name: 'multicast', source: 'RFC 5771', global: true },
  {
    prefix: '224.0.0.0/24',
    name: 'multicast, local network control',
    source: 'RFC 5771',
    global: false,
  },
  { prefix: '224.0.0.1/32', name: 'all hosts on this subnet', source: 'RFC 1112', global: false },
  { prefix: '224.0.0.2/32', name: 'all routers on this subnet', source: 'RFC 5771', global: false },
  {
    prefix: '239.0.0.0/8',
    name: 'multicast, administratively scoped',
    source: 'RFC 2365',
    global: false,
  },
  { prefix: '240.0.0.0/4', name: 'reserved', source: 'RFC 1112', global: false },
  { prefix: '255.255.255.255/32', name: 'limited broadcast', source: 'RFC 919', global: false },
];

export const SPECIAL_V6: readonly SpecialBlock[] = [
  { prefix: '::/128', name: 'unspecified', source: 'RFC 4291', global: false },
  { prefix: '::1/128', name: 'loopback', source: 'RFC 4291', global: false },
  { prefix: '::ffff:0.0.0.0/96', name: 'IPv4-mapped', source: 'RFC 4291', global: false },
  { prefix: '64:ff9b::/96', name: 'NAT64', source: 'RFC 6052', global: true },
  { prefix: '64:ff9b:1::/48', name: 'NAT64, local use', source: 'RFC 8215', global: false },
  { prefix: '100::/64', name: 'discard-only', source: 'RFC 6666', global: false },
  { prefix: '100:0:0:1::/64', name: 'dummy prefix', source: 'RFC 9780', global: false },
  { prefix: '2001::/23', name: 'IETF protocol assignments', source: 'RFC 2928', global: false },
  { prefix: '2001::/32', name: 'Teredo', source: 'RFC 4380', global: false },
  {
    prefix: '2001:1::1/128',
    name: 'port control protocol anycast',
    source: 'RFC 7723',
    global: true,
  },
  { prefix: '2001:1::2/128', name: 'TURN anycast', source: 'RFC 8155', global: true },
  { prefix: '2001:2::/48', name: 'benchmarking', source: 'RFC 5180', global: false },
  { prefix: '2001:3::/32', name: 'AMT', source: 'RFC 7450', global: true },
  { prefix: '2001:4:112::/48', name: 'AS112', source: 'RFC 7535', global: true },
  { prefix: '2001:20::/28', name: 'ORCHIDv2', source: 'RFC 7343', global: true },
  { prefix: '2001:30::/28', name: 'drone remote identification', source: 'RFC 9374', global: true },
  { prefix: '2001:db8::/32', name: 'documentation', source: 'RFC 3849', global: false },
  { prefix: '2002::/16', name: '6to4', source: 'RFC 3056', global: false },
  {
    prefix: '2620:4f:8000::/48',
    name: 'direct delegation AS112',
    source: 'RFC 7534',
    global: true,
  },
  { prefix: '3fff::/20', name: 'documentation', source: 'RFC 9637', global: false },
  { prefix: '5f00::/16', name: 'segment routing identifiers', source: 'RFC 9602', global: false },
  { prefix: 'fc00::/7', name: 'unique local', source: 'RFC 4193', global: false },
  { prefix: 'fe80::/10', name: 'link-local', source: 'RFC 4291', global: false },
  { prefix: 'ff00::/8', name: 'multicast', source: 'RFC 4291', global: true },
  { prefix: 'ff02::/16', name: 'multicast, link-local scope', source: 'RFC 4291', global: false },
  { prefix: 'ff02::1/128', name: 'all nodes on this link', source: 'RFC 4291', global: false },
  { prefix: 'ff02::2/128', name: 'all routers on this link', source: 'RFC 4291', global: false },
];
