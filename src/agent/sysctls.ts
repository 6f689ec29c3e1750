import { readFileSync, writeFileSync } from 'node:fs';
import { ConntrackConnection, flowCount } from '../netlink/conntrack/connection.ts';
import { readSysctl, writeSysctl } from '../sys/sysctl.ts';
import type { HealthRegistry } from './health/registry.ts';
import type { ConntrackSettings } from './kube-proxy/settings.ts';
import type { Logger } from './log.ts';

/** What Services need of the kernel: forwarding, and bridged replies that pass the translation. */
const WANTED = {
  'net/ipv4/ip_forward': 'pods can not reach Services',
  'net/ipv6/conf/all/forwarding': 'pods can not reach Services over IPv6',
  'net/bridge/bridge-nf-call-iptables': 'replies between pods of one node are not translated back',
  'net/bridge/bridge-nf-call-ip6tables':
    'IPv6 replies between pods of one node are not translated back',
} as const;

/** However many cores there are; kube-proxy's limit (pkg/proxy/conntrack/sysctls.go). */
const TRACKED_MAX = 1_048_576;
const TRACKED = 'net/netfilter/nf_conntrack_max';
/** The buckets of the table; the kernel's own ratio of entries to them is at most 4. */
const BUCKETS = '/sys/module/nf_conntrack/parameters/hashsize';
const ENTRIES_PER_BUCKET = 4;

/** Who is told of what can't be set. */
interface Told {
  readonly log: Logger;
  readonly health: HealthRegistry;
}

/** Sets the network sysctls the proxy needs, and warns of those the kernel does not have. */
export function setSysctls(told: Told): void {
  for (const [name, consequence] of Object.entries(WANTED)) set(told, name, 1, consequence);
}

/**
 * Sets the limits and timeouts of connection tracking. The size of the table is only raised; a timeout
 * becomes what it is said to be. In a network namespace that is not the first, the size is the host's.
 */
export function setConntrackSysctls(told: Told, settings: ConntrackSettings, cores: number): void {
  loadTracking(told);
  raiseTracked(told, trackedMax(settings, cores));
  const { tcpEstablishedTimeoutMs, tcpCloseWaitTimeoutMs } = settings;
  const timeouts = {
    nf_conntrack_tcp_timeout_established: tcpEstablishedTimeoutMs,
    nf_conntrack_tcp_timeout_close_wait: tcpCloseWaitTimeoutMs,
    nf_conntrack_udp_timeout: settings.udpTimeoutMs,
    nf_conntrack_udp_timeout_stream: settings.udpStreamTimeoutMs,
  };
  for (const [name, timeoutMs] of Object.entries(timeouts)) {
    const seconds = Math.trunc(timeoutMs / 1000);
    if (seconds > 0) set(told, `net/netfilter/${name}`, seconds, 'the timeout stays as it is');
  }
  if (settings.tcpBeLiberal) {
    const consequence = 'segments out of window stay invalid';
    set(told, 'net/netfilter/nf_conntrack_tcp_be_liberal', 1, consequence);
  }
}

/** How many connections shall be tracked; 0: as many as now. Pure. */
export function trackedMax({ maxPerCore, min }: ConntrackSettings, cores: number): number {
  if (maxPerCore === 0) return 0;
  const scaled = maxPerCore * cores;
  return scaled > TRACKED_MAX ? TRACKED_MAX : Math.max(scaled, min);
}

/** Has the kernel load connection tracking: until something needs it, its sysctls are not there. */
function loadTracking({ log }: Told): void {
  try {
    using connection = ConntrackConnection.open();
    flowCount(connection);
  } catch (error) {
    log.warn({ error: String(error) }, 'the kernel does not tell of tracked connections');
  }
}

function raiseTracked(told: Told, wanted: number): void {
  const { log } = told;
  const current = Number(readSysctl(TRACKED));
  if (!(current < wanted)) return;
  if (!set(told, TRACKED, wanted, 'connections beyond the limit are dropped')) return;
  const buckets = Math.trunc(wanted / ENTRIES_PER_BUCKET);
  try {
    if (Number(readFileSync(BUCKETS, 'utf8')) >= buckets) return;
    writeFileSync(BUCKETS, String(buckets));
    log.info({ buckets }, 'table of connections enlarged');
  } catch (error) {
    log.warn({ buckets, error: String(error) }, 'the table of connections can not be enlarged');
  }
}

/** Sets one where it differs; whether it has the value now. */
function set({ log, health }: Told, sysctl: string, value: number, consequence: string): boolean {
  try {
    const current = readSysctl(sysctl);
    if (current === String(value)) return true;
    if (writeSysctl(sysctl, String(value))) {
      log.info({ sysctl, before: current, value }, 'sysctl set');
      return true;
    }
    log.warn({ sysctl, consequence }, 'the kernel lacks a sysctl');
  } catch (error) {
    health.reportOne('sysctl-refused', sysctl, `${consequence}: ${String(error)}`);
    log.warn({ sysctl, consequence, error: String(error) }, 'a sysctl can not be set');
  }
  return false;
}
