import type { Attributes, AttributeTable } from '../../attribute.ts';
import { flagSet, mac, named } from '../../layout.ts';

const macaddrData = {
  macaddr: { id: 4, type: { repeated: mac } },
} as const satisfies AttributeTable;

/** IFLA_MACVLAN_*. */
export const macvlanAttributes = {
  mode: { id: 1, type: named(4, { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 }) },
  flags: { id: 2, type: flagSet(2, { nopromisc: 1, nodst: 2 }) },
  /** Write only, in mode `source`: what is done with `macaddr` or `macaddrData`. */
  macaddrMode: { id: 3, type: named(4, { add: 0, del: 1, flush: 2, set: 3 }) },
  macaddr: { id: 4, type: mac },
  /** In mode `source`: the addresses it takes frames from. */
  macaddrData: { id: 5, type: { nested: macaddrData } },
  macaddrCount: { id: 6, type: 'u32' },
  /** How many broadcasts wait at most; the lower link has the longest any of its macvlans asks for. */
  bcQueueLength: { id: 7, type: 'u32' },
  bcQueueLengthUsed: { id: 8, type: 'u32' },
} as const satisfies AttributeTable;

/** A link with an address of its own on top of another link; macvtap too. */
export type Macvlan = Attributes<typeof macvlanAttributes>;
