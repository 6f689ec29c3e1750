import { openSocket } from './fd.ts';
import { check, cString, libc } from './libc.ts';

/* What the kernel's own tables of iptables-legacy tell without being read (linux/netfilter_ipv4/ip_tables.h). */

const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
/** Domain of the socket and level of the option. */
const FAMILY = { 4: { domain: 2, level: 0 }, 6: { domain: 10, level: 41 } } as const;
const XT_SO_GET_INFO = 64; // IPT_SO_GET_INFO and IP6T_SO_GET_INFO
const INFO_BYTES = 84; // struct ipt_getinfo
const ENTRIES_AT = 76;
const SIZE_AT = 80;

/** How large a table is. */
export interface XtablesInfo {
  readonly entries: number;
  readonly sizeBytes: number;
}

/**
 * The size of a legacy table, such as `nat`, in the thread's namespace. Asking for one that is not
 * loaded loads it. Throws SysError, ENOENT where the kernel has no such table.
 */
export function xtablesInfo(family: 4 | 6, table: string): XtablesInfo {
  const { domain, level } = FAMILY[family];
  using socket = openSocket(domain, SOCK_RAW, IPPROTO_RAW, `a raw socket for table ${table}`);
  const info = new Uint8Array(INFO_BYTES);
  info.set(cString(table));
  const length = new Uint8Array(4);
  const view = new DataView(info.buffer);
  new DataView(length.buffer).setUint32(0, INFO_BYTES, true);
  const result = libc.getsockopt(socket.number, level, XT_SO_GET_INFO, info, length);
  check('getsockopt', result, `XT_SO_GET_INFO, ${table}`);
  return { entries: view.getUint32(ENTRIES_AT, true), sizeBytes: view.getUint32(SIZE_AT, true) };
}
