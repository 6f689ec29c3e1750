const NFNL_SUBSYS_NFTABLES = 10; // linux/netfilter/nfnetlink.h

/** enum nf_tables_msg_types, those podwire sends. */
const NFT_MSG = {
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
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
} as const;

/** The netlink message type of an nf_tables message. */
export function messageType(name: keyof typeof NFT_MSG): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG[name];
}

/** The resource id of an nf_tables batch. */
export const BATCH_RESOURCE = NFNL_SUBSYS_NFTABLES;
/** NFNL_MSG_BATCH_BEGIN. */
export const BATCH_BEGIN = 0x10;
/** NFNL_MSG_BATCH_END. */
export const BATCH_END = 0x11;
