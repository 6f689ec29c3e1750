import type { Addr } from '../../ipaddr/addr.ts';
import { readSysctl, writeSysctl } from '../../sys/sysctl.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

/** Lets the node forward packets of the families of the addresses. */
export function enableForwarding(addrs: readonly Addr[]): void {
  for (const sysctl of sysctlsOf(addrs)) writeSysctl(sysctl, '1');
}

/** Throws CniError where the node does not forward what it has to. */
export function checkForwarding(addrs: readonly Addr[]): void {
  for (const sysctl of sysctlsOf(addrs)) {
    if (readSysctl(sysctl) !== '0') continue;
    throw new CniError(CNI_CODE.internal, `expected ${sysctl} to be 1, got 0`);
  }
}

function sysctlsOf(addrs: readonly Addr[]): Set<string> {
  return new Set(
    addrs.map(({ family }) =>
      family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding',
    ),
  );
}
