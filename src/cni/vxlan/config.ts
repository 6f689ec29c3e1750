import type { Addr } from '../../ipaddr/addr.ts';
import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import { Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import type { MasqueradeBackend } from '../masquerade/backend.ts';
import { parseMasquerade } from '../masquerade/masquerade.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import type { Call } from '../protocol/plugin.ts';
import { readLeaseFile } from './lease-file.ts';
import type { Peer } from './overlay/peer.ts';

const ID_DEFAULT = 1;
const ID_MAX = 0xff_ffff; // 24 bits, RFC 7348 section 5
/** Linux's habit and flannel's; IANA's is 4789. */
const PORT_DEFAULT = 8472;
const PORT_MAX = 0xffff;
const IFNAME_BYTES_MAX = 15; // IFNAMSIZ - 1
/** The largest clusters have 5000 nodes, each with a subnet of both families. */
const PEERS_MAX = 20_000;

/** The vxlan plugin's own fields; the rest is the bridge plugin's. */
export interface VxlanConfig {
  /** The network's number (VNI). */
  readonly id: number;
  /** UDP port of the tunnels. */
  readonly port: number;
  /** The node's address on the underlay. */
  readonly local: Addr | undefined;
  /** The name of the underlay's link. */
  readonly master: string | undefined;
  /** Of the overlay and its pods, in octets; by default what the underlay leaves. */
  readonly mtu: number | undefined;
  /** The subnets of this node's pods; none where the peers have to say them. */
  readonly subnets: readonly Prefix[];
  /** The networks that hold the subnets of all nodes; none where nobody said. */
  readonly network: readonly Prefix[];
  /** The node is the pods' gateway, and then their default route leads there; both unless said. */
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  /** What hides pods behind the node outside `network`; undefined when nothing does. */
  readonly masquerade: MasqueradeBackend | undefined;
}

/** Reads the configuration. Throws CniError. */
export function parseVxlanConfig({ config: { fields } }: Call): VxlanConfig {
  const master = fields.string('master') || undefined;
  if (master !== undefined && Buffer.byteLength(master) > IFNAME_BYTES_MAX) {
    throw fields.wrong('master', `the name of a link, at most ${IFNAME_BYTES_MAX} bytes`, master);
  }
  const mtu = fields.integer('mtu');
  if (mtu !== undefined && mtu < 0) throw fields.wrong('mtu', 'a size in bytes', mtu);
  const network = prefixes(fields, 'network');
  const isGateway = booleanField(fields, 'isGateway', true);
  return {
    id: numberField(fields, 'id', ID_DEFAULT, ID_MAX),
    port: numberField(fields, 'port', PORT_DEFAULT, PORT_MAX),
    local: fields.addr('local'),
    master,
    mtu: mtu || undefined,
    subnets: parseSubnets(fields),
    network,
    isGateway,
    // Without a default route a pod would have no way to the pods of other nodes.
    isDefaultGateway: booleanField(fields, 'isDefaultGateway', isGateway),
    masquerade: parseMasquerade(fields),
  };
}

/** Reads the peers, from the configuration or from the file it names. Throws CniError. */
export function readPeers({ config: { fields } }: Call, { network }: VxlanConfig): Peer[] {
  const leaseFile = fields.string('leaseFile') || undefined;
  if (leaseFile !== undefined && fields.list('peers').length > 0) {
    throw fields.wrong('leaseFile', 'either this or peers', leaseFile);
  }
  if (leaseFile !== undefined && !leaseFile.startsWith('/')) {
    throw fields.wrong('leaseFile', 'an absolute path', leaseFile);
  }
  const peers = parsePeers(leaseFile === undefined ? fields : readLeaseFile(leaseFile));
  const outside = peers.find(({ subnet }) => isOutside(network, subnet, false));
  if (outside === undefined) return peers;
  throw notWithin(fields, network, `subnet ${outside.subnet} of peer ${outside.endpoint}`);
}

function parsePeers(fields: Fields): Peer[] {
  const { length } = fields.list('peers');
  if (length > PEERS_MAX) throw fields.wrong('peers', `at most ${PEERS_MAX} peers`, length);
  return fields.objects('peers').map((item) => {
    const subnet = item.prefix('subnet');
    if (subnet === undefined) throw item.wrong('subnet', 'an IP prefix', item.value('subnet'));
    checkHostBits(item, 'subnet', subnet);
    const endpoint = item.addr('endpoint');
    if (endpoint === undefined || endpoint.zone !== '') {
      throw item.wrong('endpoint', 'an IP address', item.value('endpoint'));
    }
    return { subnet, endpoint, mac: parsePeerMac(item) };
  });
}

function parsePeerMac(item: Fields): Mac | undefined {
  const text = item.string('mac') || undefined;
  if (text === undefined) return undefined;
  const mac = tryParseMac(text);
  if (mac === undefined || mac.isMulticast || mac.key === 0) {
    throw item.wrong('mac', 'a MAC address of one device', text);
  }
  return mac;
}

/** This node's subnets, where the configuration says them or IPAM gives addresses of them. */
function parseSubnets(fields: Fields): Prefix[] {
  const said = prefixes(fields, 'subnets');
  if (said.length > 0) return said;
  const ipam = fields.object('ipam');
  const given = [
    ...rangesOf(fields.object('runtimeConfig'), 'ipRanges'),
    ...(ipam?.value('subnet') === undefined ? [] : [ipam]),
    ...rangesOf(ipam, 'ranges'),
  ].flatMap((range) => range.prefix('subnet')?.masked() ?? []);
  return [...new Map(given.map((subnet) => [subnet.key, subnet])).values()];
}

/**
 * Checks that this node has subnets, within the networks. A runtime says the ranges of a pod, so GC and
 * STATUS may know of none. Throws CniError.
 */
export function checkSubnets(
  { config: { fields }, environment: { verb } }: Call,
  { network, masquerade }: VxlanConfig,
  subnets: readonly Prefix[],
): void {
  if (subnets.length === 0 && (verb === 'ADD' || verb === 'CHECK')) {
    const expected = 'the subnets of this node, unless ranges of ipam or peers have them';
    throw fields.wrong('subnets', expected, fields.value('subnets'));
  }
  const outside = subnets.find((subnet) => isOutside(network, subnet, masquerade !== undefined));
  if (outside !== undefined) throw notWithin(fields, network, `subnet ${outside} of this node`);
}

/** The ranges of a list of sets of them, as host-local reads it. */
function rangesOf(fields: Fields | undefined, name: string): Fields[] {
  return (fields?.list(name) ?? []).flatMap((set, index) =>
    Array.isArray(set) ? (fields?.nested(`${name}[${index}]`, set) ?? []) : [],
  );
}

function prefixes(fields: Fields, name: string): Prefix[] {
  return fields.strings(name).map((text, index) => {
    const place = `${name}[${index}]`;
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) throw fields.wrong(place, 'an IP prefix such as 10.1.0.0/16', text);
    checkHostBits(fields, place, prefix);
    return prefix;
  });
}

function checkHostBits(fields: Fields, name: string, prefix: Prefix): void {
  if (prefix.equals(prefix.masked())) return;
  const expected = `a prefix without host bits such as ${prefix.masked()}`;
  throw fields.wrong(name, expected, `${prefix}`);
}

/** Whether no network holds the subnet, where networks of its family are said or have to be. */
function isOutside(network: readonly Prefix[], subnet: Prefix, required: boolean): boolean {
  const same = network.filter(({ addr }) => addr.family === subnet.addr.family);
  return (required || same.length > 0) && !same.some((each) => each.covers(subnet));
}

function notWithin(fields: Fields, network: readonly Prefix[], what: string): CniError {
  const expected = `the networks of all nodes, with ${what}`;
  if (network.length > 0) return fields.wrong('network', expected, network.map(String));
  return fields.wrong('network', `${expected}, which ipMasq leaves alone`, undefined);
}

function numberField(fields: Fields, name: string, byDefault: number, max: number): number {
  const value = fields.integer(name) ?? byDefault;
  if (value < 1 || value > max) throw fields.wrong(name, `a number from 1 to ${max}`, value);
  return value;
}

function booleanField(fields: Fields, name: string, byDefault: boolean): boolean {
  return fields.value(name) === undefined ? byDefault : fields.boolean(name);
}

/** The network that holds an address, with the address: what a masquerade rule leaves alone. */
export function withinNetwork({ network }: VxlanConfig, { addr, bits }: Prefix): Prefix {
  const holder = network.find((each) => each.contains(addr));
  return Prefix.of(addr, holder?.bits ?? bits);
}

/** An error of the configuration that only the node shows to be one. */
export function misconfigured(text: string): CniError {
  return new CniError(CNI_CODE.invalidConfig, text);
}
