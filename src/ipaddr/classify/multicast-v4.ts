import { parseRange } from '../range.ts';
import { summarize } from '../summarize.ts';
import { type AddressBlock, type MulticastScope, plainBlock } from './block.ts';

const row = (prefix: string, name: string, source: string, scope: MulticastScope): AddressBlock =>
  plainBlock(prefix, name, source, 'multicast', scope);

/** A block of the registry that is no prefix, as the prefixes it consists of. */
const rows = (range: string, name: string, source: string, scope: MulticastScope): AddressBlock[] =>
  Array.from(summarize(parseRange(range)), (prefix) => row(`${prefix}`, name, source, scope));

/**
 * The blocks of the IANA IPv4 Multicast Address Space Registry (RFC 5771), and the groups one meets.
 * RFC 2365 8 says what the scopes are: link-local below 224.0.1.0, global up to 239.0.0.0, and what an
 * administrator makes of it from there.
 * Source: https://www.iana.org/assignments/multicast-addresses, as of 2026-07.
 */
export const MULTICAST_V4: readonly AddressBlock[] = [
  row('224.0.0.0/4', 'Multicast', 'RFC 5771', 'unassigned'),
  row('224.0.0.0/24', 'Local Network Control Block', 'RFC 5771 4', 'link-local'),
  row('224.0.1.0/24', 'Internetwork Control Block', 'RFC 5771 5', 'global'),
  ...rows('224.0.2.0-224.0.255.255', 'AD-HOC Block I', 'RFC 5771 6', 'global'),
  row('224.1.0.0/16', 'Reserved', 'RFC 5771', 'unassigned'),
  row('224.2.0.0/16', 'SDP/SAP Block', 'RFC 5771 7', 'global'),
  ...rows('224.3.0.0-224.4.255.255', 'AD-HOC Block II', 'RFC 5771 6', 'global'),
  ...rows('224.5.0.0-224.251.255.255', 'Reserved', 'RFC 5771', 'unassigned'),
  row('224.252.0.0/14', 'DIS Transient Groups', 'RFC 2365', 'global'),
  ...rows('225.0.0.0-231.255.255.255', 'Reserved', 'RFC 5771', 'unassigned'),
  row('232.0.0.0/8', 'Source-Specific Multicast Block', 'RFC 5771 8', 'global'),
  ...rows('233.0.0.0-233.251.255.255', 'GLOP Block', 'RFC 3180', 'global'),
  row('233.252.0.0/14', 'AD-HOC Block III', 'RFC 5771 9.3', 'global'),
  plainBlock('233.252.0.0/24', 'MCAST-TEST-NET', 'RFC 6676', 'documentation', 'global'),
  row('234.0.0.0/8', 'Unicast-Prefix-based IPv4 Multicast Addresses', 'RFC 6034', 'global'),
  ...rows('235.0.0.0-238.255.255.255', 'Reserved', 'RFC 5771', 'unassigned'),
  row('239.0.0.0/8', 'Administratively Scoped Block', 'RFC 2365', 'admin-local'),
  row('239.192.0.0/14', 'Organization-Local Scope', 'RFC 2365 6.2', 'organization-local'),
  row('239.255.0.0/16', 'Local Scope', 'RFC 2365 6.1', 'realm-local'),
  row('224.0.0.1/32', 'All Systems on this Subnet', 'RFC 1112', 'link-local'),
  row('224.0.0.2/32', 'All Routers on this Subnet', 'RFC 5771', 'link-local'),
  row('224.0.0.4/32', 'DVMRP Routers', 'RFC 1075', 'link-local'),
  row('224.0.0.5/32', 'OSPF Routers', 'RFC 2328', 'link-local'),
  row('224.0.0.6/32', 'OSPF Designated Routers', 'RFC 2328', 'link-local'),
  row('224.0.0.9/32', 'RIPv2 Routers', 'RFC 1723', 'link-local'),
  row('224.0.0.10/32', 'EIGRP Routers', 'RFC 7868', 'link-local'),
  row('224.0.0.12/32', 'DHCP Server / Relay Agent', 'RFC 5771', 'link-local'),
  row('224.0.0.13/32', 'All PIM Routers', 'RFC 7761', 'link-local'),
  row('224.0.0.18/32', 'VRRP', 'RFC 9568', 'link-local'),
  row('224.0.0.22/32', 'IGMP', 'RFC 3376', 'link-local'),
  row('224.0.0.106/32', 'All Snoopers', 'RFC 4286', 'link-local'),
  row('224.0.0.107/32', 'PTP peer delay', 'IEEE 1588', 'link-local'),
  row('224.0.0.111/32', 'Babel', 'RFC 8966', 'link-local'),
  row('224.0.0.251/32', 'mDNS', 'RFC 6762', 'link-local'),
  row('224.0.0.252/32', 'LLMNR', 'RFC 4795', 'link-local'),
  row('224.0.1.1/32', 'NTP', 'RFC 5905', 'global'),
  row('224.0.1.129/32', 'PTP', 'IEEE 1588', 'global'),
  row('224.0.1.187/32', 'All CoAP Nodes', 'RFC 7252', 'global'),
  row('239.255.255.250/32', 'SSDP', 'UPnP', 'realm-local'),
];
