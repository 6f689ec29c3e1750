import { FLANNEL, type Node } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';

const FAMILIES = [4, 6] as const;

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
}

/** What is wrong with a node. */
export interface Problem {
  readonly node: string;
  readonly text: string;
}

/**
 * What a Node object says of itself: in flannel's annotations first, which flannel's own daemon may have
 * written, else in its addresses. What can't be read is left out and told to `report`. Pure.
 */
export function memberOf(node: Node, id: number, report: (problem: Problem) => void): Member {
  const { name, annotations } = node.metadata;
  const problem = (text: string): undefined => {
    report({ node: name, text });
  };
  const subnets = node.podCIDRs.flatMap((text) => {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) problem(`podCIDR "${text}" is not a prefix`);
    return prefix === undefined ? [] : [prefix.masked()];
  });
  const endpoint = (family: 4 | 6): Addr | undefined => {
    const said = annotations[FLANNEL[family].endpoint];
    if (said === undefined) return internalAddr(node, family);
    const addr = tryParseAddr(said);
    if (addr?.family === family) return addr;
    return problem(`${FLANNEL[family].endpoint} "${said}" is not an IPv${family} address`);
  };
  const mac = (family: 4 | 6): Mac | undefined => {
    const said = annotations[FLANNEL[family].data];
    // Other backends have other data.
    if (said === undefined || annotations[FLANNEL.type] !== 'vxlan') return undefined;
    const data = vxlanData(said);
    const found = data === undefined ? undefined : tryParseMac(data.VtepMAC);
    if (data !== undefined && data.VNI !== undefined && data.VNI !== id) {
      return problem(`its VNI is ${JSON.stringify(data.VNI)}, expected ${id}`);
    }
    return found ?? problem(`${FLANNEL[family].data} has no VtepMAC: ${said.slice(0, 100)}`);
  };
  return {
    name,
    subnets,
    endpoints: Object.fromEntries(FAMILIES.map((family) => [family, endpoint(family)])),
    macs: Object.fromEntries(FAMILIES.map((family) => [family, mac(family)])),
  };
}

/** The address the node itself is to use, whatever it said before: somebody may know better. */
export function ownEndpoints(node: Node): ByFamily<Addr> {
  return Object.fromEntries(
    FAMILIES.map((family) => {
      const said = node.metadata.annotations[FLANNEL[family].overwrite];
      const addr = said === undefined ? undefined : tryParseAddr(said);
      return [family, addr?.family === family ? addr : internalAddr(node, family)];
    }),
  );
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
