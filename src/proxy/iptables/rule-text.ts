import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import type { LocalDetector } from '../model/settings.ts';

/*
 * Rules are written as iptables-save(8) prints them, so that what the kernel has is compared with what
 * it shall have as text. Its order: -s -d -i -p, matches as they were given, the target.
 */

/** `-s 10.0.0.0/8`; nothing for a prefix that holds everything, which it does not print. */
export function matchSource(prefix: Prefix): string {
  return prefix.bits === 0 ? '' : `-s ${prefix} `;
}

export function matchSourceAddr(addr: Addr): string {
  return `-s ${addr}/${addr.bits} `;
}

/** `-d 10.96.0.1/32 ` */
export function matchDestination(addr: Addr): string {
  return `-d ${addr}/${addr.bits} `;
}

/** `-p tcp `, before the matches, and `-m tcp --dport 80 `, among them. */
export function protocolName(protocol: Protocol): string {
  return protocol.toLowerCase();
}

/** Names of Services have characters that it quotes, and none that it escapes; others would be rules. */
export function comment(text: string): string {
  return `-m comment --comment "${text.replaceAll(/[^ !#-&(-[\]-~]/g, '_')}" `;
}

/** What tells pods of this node from others, as it stands before `-p`; undefined where nothing does. */
export function matchLocal(
  detector: LocalDetector,
  family: 4 | 6,
): { readonly source: string; readonly link: string } | undefined {
  switch (detector.kind) {
    case 'none':
      return undefined;
    case 'prefixes': {
      const prefix = detector.prefixes.find(({ addr }) => addr.family === family);
      return prefix && { source: `-s ${prefix} `, link: '' };
    }
    case 'bridge':
      return { source: '', link: `-i ${detector.name} ` };
    case 'interface-prefix':
      return { source: '', link: `-i ${detector.prefix}+ ` };
  }
}

const PROBABILITY_SCALE = 0x8000_0000; // libxt_statistic.c
const PROBABILITY_DIGITS = 11;

/** 1/n as the kernel keeps it, in 31 bits. */
export function probability(count: number): string {
  const kept = Math.round(PROBABILITY_SCALE / count) / PROBABILITY_SCALE;
  return `-m statistic --mode random --probability ${kept.toFixed(PROBABILITY_DIGITS)} `;
}

const RECENT_MASK = {
  4: '255.255.255.255',
  6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
} as const;

/** Clients that used an endpoint, kept in the kernel by the name of its chain. */
export function recent(family: 4 | 6, list: string, options: string): string {
  return `-m recent ${options} --name ${list} --mask ${RECENT_MASK[family]} --rsource `;
}

/**
 * `-j REJECT` with the error of kube-proxy's, ICMP that the port is unreachable; but over IPv6 the kernel
 * of a pod passes over one that comes while connect(2) still sends, and waits a second, so TCP gets a reset.
 */
export function reject(family: 4 | 6, protocol: string): string {
  if (family === 4) return '-j REJECT --reject-with icmp-port-unreachable';
  return `-j REJECT --reject-with ${protocol === 'tcp' ? 'tcp-reset' : 'icmp6-port-unreachable'}`;
}
