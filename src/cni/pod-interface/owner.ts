import type { Link } from '../../netlink/route/link.ts';
import type { Attachment, Call } from '../protocol/plugin.ts';
import { fnv1a } from './hash.ts';

/** Another link may have the name that the hash gives; then the next one is tried. */
const NAME_ATTEMPTS_MAX = 4;
const ALIAS_BYTES_MAX = 255; // IFALIASZ - 1, linux/if.h
/** Groups that people number by hand are small. */
const GROUP_MIN = 0x4000_0000;

/** Whose a link is: a container's interface on a network. */
export interface Owner extends Attachment {
  readonly network: string;
}

/** The owner of what a call makes. */
export function ownerOf({ config, environment }: Call): Owner {
  const { containerId, ifName } = environment;
  return { network: config.name, containerId, ifName };
}

/** The link group (IFLA_GROUP) of all links on the host that belong to a network. */
export function linkGroup(network: string): number {
  return GROUP_MIN + (fnv1a(network) & (GROUP_MIN - 1));
}

/** The names a host end of the owner may have, in the order they are tried. */
export function hostEndNames({ network, containerId, ifName }: Owner): string[] {
  return Array.from({ length: NAME_ATTEMPTS_MAX }, (_, attempt) => {
    const digits = fnv1a(`${network}:${containerId}:${ifName}:${attempt}`);
    return `veth${digits.toString(16).padStart(8, '0')}`;
  });
}

/** The alias (IFLA_IFALIAS) that says whose a link is; undefined when the kernel has no room for it. */
export function ownerAlias({ network, containerId, ifName }: Owner): string | undefined {
  // None of the three can have a colon in it.
  return fitting(`podwire:${network}:${containerId}:${ifName}`);
}

/** The same for a link on the host that all containers of a network share. */
export function networkAlias(network: string): string | undefined {
  return fitting(`podwire:${network}`);
}

function fitting(alias: string): string | undefined {
  return alias.length <= ALIAS_BYTES_MAX ? alias : undefined;
}

/** Whether the link is the owner's. Its alias is certain; without one, its group and name are. */
export function isOwnedBy(link: Link, owner: Owner): boolean {
  if (link.group !== linkGroup(owner.network)) return false;
  if (link.alias !== undefined) return link.alias === ownerAlias(owner);
  return hostEndNames(owner).includes(link.name);
}
