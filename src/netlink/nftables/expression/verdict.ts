import type { Expression } from './expression.ts';
import { NFT_REG_VERDICT } from './register.ts';

/** What happens to a packet: a code, and the chain of a jump or goto. */
export interface Verdict {
  readonly code: number;
  readonly chain?: string | undefined;
}

/* enum nft_verdicts and NF_DROP, NF_ACCEPT (linux/netfilter.h), as the 32 bits they are sent in. */
export const ACCEPT: Verdict = { code: 1 };
export const DROP: Verdict = { code: 0 };
export const CONTINUE: Verdict = { code: 0xffffffff };
export const RETURN: Verdict = { code: 0xfffffffb };
const NFT_JUMP = 0xfffffffd;
const NFT_GOTO = 0xfffffffc;

/** The verdict to go on in a chain and come back at its end. */
export function jumpTo(chain: string): Verdict {
  return { code: NFT_JUMP, chain };
}

/** The verdict to go on in a chain and not come back. */
export function goTo(chain: string): Verdict {
  return { code: NFT_GOTO, chain };
}

/** Ends the rule with a verdict. */
export function verdict(value: Verdict): Expression {
  return {
    name: 'immediate',
    data: { immediate: { register: NFT_REG_VERDICT, data: { verdict: value } } },
  };
}

const NFT_REJECT_ICMP_UNREACH = 0;
const NFT_REJECT_TCP_RST = 1;
const NFT_REJECT_ICMPX_UNREACH = 2;

/** The codes of an ICMP error that fits the packet's family (enum nft_reject_inet_code). */
const ICMPX_CODE = {
  'no-route': 0,
  'port-unreachable': 1,
  'host-unreachable': 2,
  'admin-prohibited': 3,
} as const;

/** Answers with an ICMP "destination unreachable" of this code (RFC 792, RFC 4443). */
export function rejectIcmp(code: number): Expression {
  return { name: 'reject', data: { reject: { type: NFT_REJECT_ICMP_UNREACH, code } } };
}

/** Answers with the ICMP error of the packet's own family, for tables of `inet` and `bridge`. */
export function rejectIcmpx(code: keyof typeof ICMPX_CODE): Expression {
  const reject = { type: NFT_REJECT_ICMPX_UNREACH, code: ICMPX_CODE[code] };
  return { name: 'reject', data: { reject } };
}

/** Answers with a TCP reset; the packet must be known to be TCP. */
export function rejectTcpReset(): Expression {
  return { name: 'reject', data: { reject: { type: NFT_REJECT_TCP_RST } } };
}

const ICMP_PORT_UNREACH = 3;
const ICMPV6_PORT_UNREACH = 4;

/** Answers with "port unreachable", so that a client fails at once. */
export function rejectPort(family: 'ip' | 'ip6'): Expression {
  return rejectIcmp(family === 'ip' ? ICMP_PORT_UNREACH : ICMPV6_PORT_UNREACH);
}
