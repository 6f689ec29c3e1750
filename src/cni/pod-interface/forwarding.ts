import type { Addr } from '../../ipaddr/addr.ts';
import { writeSysctl } from '../../sys/sysctl.ts';

/** Lets the node forward packets of the families of the addresses. */
export function enableForwarding(addrs: readonly Addr[]): void {
  const families = new Set(addrs.map(({ family }) => family));
  if (families.has(4)) writeSysctl('net/ipv4/ip_forward', '1');
  if (families.has(6)) writeSysctl('net/ipv6/conf/all/forwarding', '1');
}
