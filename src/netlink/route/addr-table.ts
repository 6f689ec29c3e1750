import type { AttributeTable } from '../attribute.ts';
import { addr } from '../layout.ts';
import { struct } from '../struct.ts';

/* What RTM_NEWADDR and its kin carry (linux/if_addr.h). */

export const RTM_NEWADDR = 20; // linux/rtnetlink.h
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

/** IFA_F_*, by our names for them. */
export const ADDR_FLAGS = {
  /** IPv4: another address of the prefix was there first. IPv6: a temporary address (RFC 8981). */
  secondary: 0x01,
  /** It skips duplicate address detection (IPv6). */
  noDad: 0x02,
  /** It may be used while duplicate address detection runs (RFC 4429). */
  optimistic: 0x04,
  /** Duplicate address detection found another holder. */
  dadFailed: 0x08,
  homeAddress: 0x10,
  /** Its preferred lifetime is over. */
  deprecated: 0x20,
  /** Not usable until duplicate address detection is through. */
  tentative: 0x40,
  /** It has no end. */
  permanent: 0x80,
  /** The kernel makes temporary addresses of its prefix (IPv6). */
  manageTempAddr: 0x100,
  /** The kernel makes no route to its prefix. */
  noPrefixRoute: 0x200,
  /** It is a multicast group the link joins. */
  autoJoin: 0x400,
  stablePrivacy: 0x800,
} as const;

/** IFA_*. */
const addrAttributes = {
  address: { id: 1, type: addr },
  local: { id: 2, type: addr },
  label: { id: 3, type: 'string' },
  broadcast: { id: 4, type: addr },
  cacheInfo: {
    id: 6,
    type: {
      struct: struct('ifa_cacheinfo', {
        preferred: 'u32',
        valid: 'u32',
        created: 'u32',
        updated: 'u32',
      }),
    },
  },
  flags: { id: 8, type: 'u32' },
  priority: { id: 9, type: 'u32' },
  protocol: { id: 11, type: 'u8' },
} as const satisfies AttributeTable;

/** struct ifaddrmsg. */
const ifaddrmsg = struct('ifaddrmsg', {
  family: 'u8',
  prefixLength: 'u8',
  flags: 'u8',
  scope: 'u8',
  index: 'u32',
});

/** An address message. */
export const addrPayload = { header: ifaddrmsg, attributes: addrAttributes } as const;
