import type { Attributes, AttributeTable } from '../../attribute.ts';
import { bool, named } from '../../layout.ts';

/** IFLA_TUN_*. Read only: tun and tap devices are made through /dev/net/tun. */
export const tunAttributes = {
  /** User and group that may open it; absent: root alone. */
  owner: { id: 1, type: 'u32' },
  group: { id: 2, type: 'u32' },
  type: { id: 3, type: named(1, { tun: 1, tap: 2 }) },
  /** Whether frames start with struct tun_pi. */
  pi: { id: 4, type: bool },
  vnetHdr: { id: 5, type: bool },
  /** Whether it stays when nobody has it open. */
  persist: { id: 6, type: bool },
  multiQueue: { id: 7, type: bool },
  numQueues: { id: 8, type: 'u32' },
  numDisabledQueues: { id: 9, type: 'u32' },
} as const satisfies AttributeTable;

/** A tun or tap device. */
export type Tun = Attributes<typeof tunAttributes>;
