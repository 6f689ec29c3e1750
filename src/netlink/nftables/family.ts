/** The packet families tables belong to, by nft(8)'s names: their numbers (linux/netfilter.h). */
export const NFPROTO = {
  inet: 1,
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
} as const;

/** A packet family by nft(8)'s name; `inet` sees both IPv4 and IPv6. */
export type Family = keyof typeof NFPROTO;

/** Which table. Every verb that changes or lists what is in a table takes this. */
export interface TableRef {
  readonly family: Family;
  readonly name: string;
}

const FAMILIES: ReadonlyMap<number, Family> = new Map(
  Object.entries(NFPROTO).map(([name, number]) => [number, name as Family]),
);

/** The family with the kernel's number `nfproto`; undefined for one this table does not have. */
export function familyOf(nfproto: number): Family | undefined {
  return FAMILIES.get(nfproto);
}
