import type { Attributes, AttributeTable } from '../../attribute.ts';

/** IFLA_VRF_*. */
export const vrfAttributes = { table: { id: 1, type: 'u32' } } as const satisfies AttributeTable;

/** IFLA_VRF_PORT_*: what a link of a VRF says, the same table. */
export const vrfPortAttributes = vrfAttributes;

/** A routing domain: packets of its links are routed by `table`. */
export type Vrf = Attributes<typeof vrfAttributes>;
