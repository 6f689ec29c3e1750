import { readSysctl, writeSysctl } from '../sys/sysctl.ts';
import type { Logger } from './log.ts';

/** What Services need of the kernel: forwarding, and bridged replies that pass the translation. */
const WANTED = {
  'net/ipv4/ip_forward': 'pods can not reach Services',
  'net/ipv6/conf/all/forwarding': 'pods can not reach Services over IPv6',
  'net/bridge/bridge-nf-call-iptables': 'replies between pods of one node are not translated back',
  'net/bridge/bridge-nf-call-ip6tables':
    'IPv6 replies between pods of one node are not translated back',
} as const;

/** Sets the network sysctls the proxy needs, and warns of those the kernel does not have. */
export function setSysctls(log: Logger): void {
  for (const [name, consequence] of Object.entries(WANTED)) {
    if (readSysctl(name) === '1') continue;
    try {
      if (writeSysctl(name, '1')) continue;
      log.warn({ sysctl: name, consequence }, 'the kernel lacks a sysctl');
    } catch (error) {
      log.warn({ sysctl: name, consequence, error: String(error) }, 'a sysctl can not be set');
    }
  }
}
