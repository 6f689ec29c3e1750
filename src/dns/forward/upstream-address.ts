import type { Addr } from '../../ipaddr/addr.ts';

/** Where queries are forwarded to. */
export interface UpstreamAddress {
  readonly addr: Addr;
  readonly port: number;
  /** `tls` is DNS over TLS (RFC 7858). */
  readonly transport: 'dns' | 'tls';
  /** The name the certificate must be for; the address itself when empty. */
  readonly serverName: string;
}

export const DNS_PORT = 53;
export const TLS_PORT = 853;

/** `10.0.0.10:53`, `[fd00::10]:53`: how metrics and logs call an upstream. */
export function formatUpstream({ addr, port }: UpstreamAddress): string {
  return addr.family === 4 ? `${addr}:${port}` : `[${addr}]:${port}`;
}
