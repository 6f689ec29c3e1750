/* Numbers of the DNS message format (RFC 1035 section 4, and the IANA registries). */

/** Bytes of the fixed header. */
export const HEADER_BYTES = 12;

/** Resource record types. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  HTTPS: 65,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const CLASS_IN = 1;
export const CLASS_CH = 3;
export const CLASS_ANY = 255;

/** Response codes; those above 15 need EDNS for their upper bits (RFC 6891 section 6.1.3). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** The name of a response code, as CoreDNS labels its metrics. */
export function rcodeName(rcode: number): string {
  return Object.entries(RCODE).find(([, value]) => value === rcode)?.[0] ?? `RCODE${rcode}`;
}

/** The name of a type, such as `AAAA`; `TYPE65280` for one without (RFC 3597 section 5). */
export function typeName(type: number): string {
  return Object.entries(TYPE).find(([, value]) => value === type)?.[0] ?? `TYPE${type}`;
}

/** EDNS options (IANA "DNS EDNS0 Option Codes"). */
export const OPTION = { NSID: 3, COOKIE: 10, KEEPALIVE: 11, EDE: 15 } as const;

/** Info codes of extended errors (RFC 8914 section 4). */
export const EDE = {
  NONE: -1,
  STALE_ANSWER: 3,
  NOT_READY: 14,
  PROHIBITED: 18,
  STALE_NXDOMAIN_ANSWER: 19,
  NOT_AUTHORITATIVE: 20,
} as const;

/** The most labels and bytes a name may have (RFC 1035 section 2.3.4). */
export const NAME_BYTES_MAX = 255;
export const LABEL_BYTES_MAX = 63;
