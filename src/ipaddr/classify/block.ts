import { type Prefix, parsePrefix } from '../prefix.ts';

/** What kind of address a block holds, in one word. */
export type Kind =
  | 'unspecified'
  | 'this-network'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'link-local'
  | 'site-local'
  | 'unique-local'
  | 'documentation'
  | 'benchmarking'
  | 'protocol'
  | 'anycast'
  | 'translation'
  | 'tunnel'
  | 'identifier'
  | 'discard'
  | 'multicast'
  | 'broadcast'
  | 'reserved'
  | 'global';

/** A block of addresses with a meaning. */
export interface AddressBlock {
  readonly prefix: Prefix;
  readonly name: string;
  /** Where it is defined, such as `RFC 1918`. */
  readonly source: string;
  readonly kind: Kind;
  /** What IANA's special-purpose registry says of it; undefined for a block of another registry. */
  readonly special: SpecialPurpose | undefined;
  /** How far multicast to it reaches; undefined for unicast, and where the block does not say. */
  readonly scope: MulticastScope | undefined;
}

/** The columns of IANA's special-purpose registries (RFC 6890 2.2.1); undefined is "N/A". */
export interface SpecialPurpose {
  /** Year and month of the allocation. */
  readonly allocated: string;
  /** Year and month it ended, where it did. */
  readonly terminated: string | undefined;
  /** Whether it may be the source of a datagram that leaves a host. */
  readonly source: boolean | undefined;
  /** Whether it may be the destination. */
  readonly destination: boolean | undefined;
  /** Whether a router may pass such a datagram on between interfaces. */
  readonly forwardable: boolean | undefined;
  /** Whether it may be passed on beyond an administrative domain. */
  readonly globallyReachable: boolean | undefined;
  /** Whether implementations of IP have to treat it in a way of their own. */
  readonly reservedByProtocol: boolean | undefined;
}

/** How far multicast reaches (RFC 4291 2.7, RFC 7346; RFC 2365 for IPv4). */
export type MulticastScope =
  | 'interface-local'
  | 'link-local'
  | 'realm-local'
  | 'admin-local'
  | 'site-local'
  | 'organization-local'
  | 'global'
  | 'reserved'
  | 'unassigned';

/**
 * A row of a special-purpose registry. `attributes` has a letter for each of source, destination,
 * forwardable, globally reachable and reserved by protocol: T, F, or - for N/A. `dates` is the month
 * of the allocation, and that of the termination after a slash.
 */
export function specialBlock(
  prefix: string,
  name: string,
  source: string,
  dates: string,
  attributes: string,
  kind: Kind,
): AddressBlock {
  const [allocated = '', terminated] = dates.split('/');
  const column = (index: number): boolean | undefined =>
    attributes[index] === '-' ? undefined : attributes[index] === 'T';
  const special = {
    allocated,
    terminated,
    source: column(0),
    destination: column(1),
    forwardable: column(2),
    globallyReachable: column(3),
    reservedByProtocol: column(4),
  };
  return { prefix: parsePrefix(prefix), name, source, kind, special, scope: undefined };
}

/** A block of another registry. */
export function plainBlock(
  prefix: string,
  name: string,
  source: string,
  kind: Kind,
  scope?: MulticastScope,
): AddressBlock {
  return { prefix: parsePrefix(prefix), name, source, kind, special: undefined, scope };
}
