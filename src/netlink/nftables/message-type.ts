/** NFNL_SUBSYS_NFTABLES (linux/netfilter/nfnetlink.h). */
export const NFNL_SUBSYS_NFTABLES = 10;

/** enum nf_tables_msg_types. */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
  TRACE: 17,
  NEWOBJ: 18,
  GETOBJ: 19,
  DELOBJ: 20,
  GETOBJ_RESET: 21,
  GETRULE_RESET: 25,
  GETSETELEM_RESET: 33,
} as const;

/** The name of an nf_tables message. */
export type MessageName = keyof typeof NFT_MSG;

/** The netlink message type of an nf_tables message. */
export function messageType(name: MessageName): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG[name];
}

/** The resource id of an nf_tables batch. */
export const BATCH_RESOURCE = NFNL_SUBSYS_NFTABLES;
/** NFNL_MSG_BATCH_BEGIN. */
export const BATCH_BEGIN = 0x10;
/** NFNL_MSG_BATCH_END. */
export const BATCH_END = 0x11;
