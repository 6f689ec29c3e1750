const NFNL_SUBSYS_IPSET = 6; // linux/netfilter/nfnetlink.h

/** enum ipset_cmd (linux/netfilter/ipset/ip_set.h), those podwire sends. */
const IPSET_CMD = {
  PROTOCOL: 1,
  CREATE: 2,
  DESTROY: 3,
  FLUSH: 4,
  RENAME: 5,
  SWAP: 6,
  LIST: 7,
  ADD: 9,
  DEL: 10,
  TEST: 11,
  TYPE: 13,
} as const;

/** The name of a command of ipset. */
export type CommandName = keyof typeof IPSET_CMD;

/** The netlink message type of a command of ipset. */
export function messageType(name: CommandName): number {
  return (NFNL_SUBSYS_IPSET << 8) | IPSET_CMD[name];
}
