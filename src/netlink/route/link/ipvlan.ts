import type { Attributes, AttributeTable } from '../../attribute.ts';
import { flagSet, named } from '../../layout.ts';

/** IFLA_IPVLAN_*. */
export const ipvlanAttributes = {
  mode: { id: 1, type: named(2, { l2: 0, l3: 1, l3s: 2 }) },
  /** Without either: the links on one lower link talk to each other, `bridge` in ip-link(8). */
  flags: { id: 2, type: flagSet(2, { private: 1, vepa: 2 }) },
} as const satisfies AttributeTable;

/** A link that shares the Ethernet address of another one. */
export type Ipvlan = Attributes<typeof ipvlanAttributes>;
