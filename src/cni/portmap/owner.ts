import { sha512 } from '../../sys/digest.ts';

/** nft(8) takes no longer comment. */
const CONTAINER_BYTES_MAX = 127;
/** Together with a container, an interface and their headers it fills a rule's 256 bytes of user data. */
const NETWORK_BYTES_MAX = 100;
const DIGEST_CHARACTERS = 16;

/** Whose a rule is: one interface of one container in one network. */
export interface Owner {
  readonly network: string;
  readonly containerId: string;
  readonly ifName: string;
}

/** The owner as rules carry it: the comment, which the reference plugin goes by, and the rest. */
export interface OwnerTag {
  /** The container's id, or as much of it as fits and a digest. */
  readonly comment: string;
  /** `<network> <interface>`. */
  readonly owner: string;
}

/** What rules of an owner are marked with. */
export function tagOf({ network, containerId, ifName }: Owner): OwnerTag {
  return {
    comment: shortened(containerId, CONTAINER_BYTES_MAX),
    owner: `${networkTag(network)}${ifName}`,
  };
}

/** What the owner of every rule of a network begins with. */
export function networkTag(network: string): string {
  return `${shortened(network, NETWORK_BYTES_MAX)} `;
}

/** A rule's owner as people read it; the reference plugin writes down the container alone. */
export function describeOwner(tag: {
  readonly comment?: string | undefined;
  readonly owner?: string | undefined;
}): string {
  const container = tag.comment === undefined ? 'someone' : `container ${tag.comment}`;
  const [network, ifName] = tag.owner?.split(' ') ?? [];
  if (ifName === undefined) return container;
  return `${container} (network ${network}, interface ${ifName})`;
}

/** Names are ASCII, so characters are bytes. One that is too long ends in a digest of the whole. */
function shortened(text: string, bytesMax: number): string {
  if (text.length <= bytesMax) return text;
  return `${text.slice(0, bytesMax - DIGEST_CHARACTERS)}${sha512(text).slice(0, DIGEST_CHARACTERS)}`;
}
