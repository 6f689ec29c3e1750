import type { Addr } from '../addr.ts';
import { type AddressBlock, type MulticastScope, plainBlock } from './block.ts';

const ASSIGNED: Readonly<Record<number, MulticastScope>> = {
  0: 'reserved',
  1: 'interface-local',
  2: 'link-local',
  3: 'realm-local',
  4: 'admin-local',
  5: 'site-local',
  8: 'organization-local',
  14: 'global',
  15: 'reserved',
};

/** The scope in a multicast address, its fourth hexadecimal digit (RFC 7346 2); undefined for others. */
export function scopeOf({ w0 }: Addr): MulticastScope | undefined {
  return w0 >>> 24 === 0xff ? (ASSIGNED[(w0 >>> 16) & 0xf] ?? 'unassigned') : undefined;
}

const DIGITS = Array.from({ length: 16 }, (_, digit) => digit.toString(16));

const row = (prefix: string, name: string, source: string): AddressBlock =>
  plainBlock(prefix, name, source, 'multicast');

/** A group that has an address in every scope, such as ff0X::fb. */
const inEveryScope = (group: string, name: string, source: string): AddressBlock[] =>
  DIGITS.map((scope) => row(`ff0${scope}::${group}/128`, name, source));

/**
 * The kinds of IPv6 multicast, and of the IANA IPv6 Multicast Address Space Registry the groups one
 * meets.
 * Source: https://www.iana.org/assignments/ipv6-multicast-addresses, as of 2026-07.
 */
export const MULTICAST_V6: readonly AddressBlock[] = [
  row('ff00::/8', 'Multicast', 'RFC 4291 2.7'),
  row('ff10::/12', 'Transient', 'RFC 4291 2.7'),
  row('ff30::/12', 'Unicast-Prefix-based', 'RFC 3306'),
  row('ff70::/12', 'Embedded Rendezvous Point', 'RFC 3956'),
  ...DIGITS.map((scope) => row(`ff3${scope}::/32`, 'Source-Specific Multicast', 'RFC 4607')),
  ...DIGITS.map((scope) =>
    plainBlock(`ff0${scope}::db8:0:0/96`, 'Documentation', 'RFC 6676', 'documentation'),
  ),
  row('ff01::1/128', 'All Nodes on this interface', 'RFC 4291'),
  row('ff01::2/128', 'All Routers on this interface', 'RFC 4291'),
  row('ff02::1/128', 'All Nodes on this link', 'RFC 4291'),
  row('ff02::2/128', 'All Routers on this link', 'RFC 4291'),
  row('ff05::2/128', 'All Routers on this site', 'RFC 4291'),
  row('ff02::4/128', 'DVMRP Routers', 'RFC 1075'),
  row('ff02::5/128', 'OSPF Routers', 'RFC 2328'),
  row('ff02::6/128', 'OSPF Designated Routers', 'RFC 2328'),
  row('ff02::9/128', 'RIPng Routers', 'RFC 2080'),
  row('ff02::a/128', 'EIGRP Routers', 'RFC 7868'),
  row('ff02::d/128', 'All PIM Routers', 'RFC 7761'),
  row('ff02::12/128', 'VRRP', 'RFC 9568'),
  row('ff02::16/128', 'All MLDv2-capable Routers', 'RFC 3810'),
  row('ff02::1a/128', 'All RPL Nodes', 'RFC 6550'),
  row('ff02::6a/128', 'All Snoopers', 'RFC 4286'),
  row('ff02::6b/128', 'PTP peer delay', 'IEEE 1588'),
  row('ff02::1:2/128', 'All DHCP Relay Agents and Servers', 'RFC 8415'),
  row('ff02::1:3/128', 'LLMNR', 'RFC 4795'),
  row('ff05::1:3/128', 'All DHCP Servers', 'RFC 8415'),
  row('ff02::1:6/128', 'Babel', 'RFC 8966'),
  row('ff02::1:ff00:0/104', 'Solicited-Node Address', 'RFC 4291 2.7.1'),
  ...inEveryScope('c', 'SSDP', 'UPnP'),
  ...inEveryScope('fb', 'mDNS', 'RFC 6762'),
  ...inEveryScope('fd', 'All CoAP Nodes', 'RFC 7252'),
  ...inEveryScope('101', 'NTP', 'RFC 5905'),
  ...inEveryScope('181', 'PTP', 'IEEE 1588'),
];
