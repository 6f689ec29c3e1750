const NFNL_SUBSYS_CTNETLINK = 1; // linux/netfilter/nfnetlink.h

/** enum cntl_msg_types (linux/netfilter/nfnetlink_conntrack.h), those podwire sends or gets. */
const IPCTNL_MSG_CT = { NEW: 0, GET: 1, DELETE: 2, GET_STATS_CPU: 4, GET_STATS: 5 } as const;

/** The name of a message of connection tracking. */
export type MessageName = keyof typeof IPCTNL_MSG_CT;

/** The netlink message type of a message of connection tracking. */
export function messageType(name: MessageName): number {
  return (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT[name];
}
