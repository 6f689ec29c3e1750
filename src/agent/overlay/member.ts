import { FLANNEL, type Node } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';

const FAMILIES = [4, 6] as const;
/** Characters of what is wrong that are shown. */
const SHOWN_MAX = 100;

/** By family of the underlay. */
export type ByFamily<T> = { readonly [family in 4 | 6]?: T | undefined };

/** A node as the overlay sees it. */
export interface Member {
  readonly name: string;
  /** Of its pods. */
  readonly subnets: readonly Prefix[];
  /** Its addresses on the underlay. */
  readonly endpoints: ByFamily<Addr>;
  /** The MAC addresses it says its devices have. */
  readonly macs: ByFamily<Mac>;
  /** The families over which it can't be reached, for what it says of itself is wrong. */
  readonly refused: ReadonlySet<4 | 6>;
}

/** What is wrong with a node. */
export interface Problem {
  readonly node: string;
  readonly text: string;
}

type Report = (problem: Problem) => unknown;

/**
 * What the Node object of another node says of it: in flannel's annotations first, which flannel's own
 * daemon may have written, else in its addresses. What can't be read is left out and told to `report`. Pure.
 */
export function memberOf(node: Node, id: number, report: Report): Member {
  const { name, annotations } = node.metadata;
  const refused = new Set<4 | 6>();
  const endpoint = (family: 4 | 6): Addr | undefined => {
    const said = annotations[FLANNEL[family].endpoint];
    if (said === undefined) return internalAddr(node, family);
    const addr = tryParseAddr(said);
    if (addr?.family === family) return addr;
    refused.add(family);
    const shown = said.slice(0, SHOWN_MAX);
    const text = `${FLANNEL[family].endpoint} "${shown}" is not an IPv${family} address`;
    report({ node: name, text });
    return undefined;
  };
  const mac = (family: 4 | 6): Mac | undefined => {
    const found = macOf(node, family, id);
    if (typeof found !== 'string') return found;
    refused.add(family);
    report({ node: name, text: found });
    return undefined;
  };
  const endpoints = byFamily(endpoint);
  const macs = byFamily(mac);
  return { name, subnets: subnetsOf(node, report), endpoints, macs, refused };
}

/**
 * The same of this node. Its addresses are those it is to use, whatever it said before, for somebody may know
 * better; its MAC address is the one it said, as long as that was for this network. Pure.
 */
export function ownMemberOf(node: Node, id: number, report: Report): Member {
  const endpoint = (family: 4 | 6): Addr | undefined => {
    const said = node.metadata.annotations[FLANNEL[family].overwrite];
    const addr = said === undefined ? undefined : tryParseAddr(said);
    return addr?.family === family ? addr : internalAddr(node, family);
  };
  const mac = (family: 4 | 6): Mac | undefined => {
    const found = macOf(node, family, id);
    return typeof found === 'string' ? undefined : found;
  };
  return {
    name: node.metadata.name,
    subnets: subnetsOf(node, report),
    endpoints: byFamily(endpoint),
    macs: byFamily(mac),
    refused: new Set(),
  };
}

function byFamily<T>(of: (family: 4 | 6) => T | undefined): ByFamily<T> {
  return Object.fromEntries(FAMILIES.map((family) => [family, of(family)]));
}

function subnetsOf({ metadata, podCIDRs }: Node, report: Report): Prefix[] {
  return podCIDRs.flatMap((text) => {
    const prefix = tryParsePrefix(text);
    if (prefix !== undefined) return [prefix.masked()];
    report({ node: metadata.name, text: `podCIDR "${text}" is not a prefix` });
    return [];
  });
}

/** The MAC address a node says its device has, undefined where it says none, or what is wrong with it. */
function macOf({ metadata }: Node, family: 4 | 6, id: number): Mac | string | undefined {
  const said = metadata.annotations[FLANNEL[family].data];
  // Other backends have other data.
  if (said === undefined || metadata.annotations[FLANNEL.type] !== 'vxlan') return undefined;
  const data = vxlanData(said);
  if (data?.VNI !== undefined && data.VNI !== id) {
    return `its VNI is ${JSON.stringify(data.VNI).slice(0, SHOWN_MAX)}, expected ${id}`;
  }
  const found = data === undefined ? undefined : tryParseMac(data.VtepMAC);
  return found ?? `${FLANNEL[family].data} has no VtepMAC: ${said.slice(0, SHOWN_MAX)}`;
}

function internalAddr({ addresses }: Node, family: 4 | 6): Addr | undefined {
  return addresses
    .filter(({ type }) => type === 'InternalIP')
    .map(({ address }) => tryParseAddr(address))
    .find((addr) => addr?.family === family);
}

/** `{"VNI":1,"VtepMAC":"..."}`, or undefined where it is something else. */
function vxlanData(text: string): { VNI?: unknown; VtepMAC: string } | undefined {
  try {
    const data = JSON.parse(text) as { VNI?: unknown; VtepMAC?: unknown } | null;
    if (typeof data?.VtepMAC !== 'string') return undefined;
    return { VNI: data.VNI, VtepMAC: data.VtepMAC };
  } catch {
    return undefined;
  }
}
