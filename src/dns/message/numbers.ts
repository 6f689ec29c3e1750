import { RCODE } from '../wire/constants.ts';

/** Types by name (IANA's registry); those not here are written TYPE65280 (RFC 3597 section 5). */
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  WKS: 11,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
};
const TYPE_NAMES = new Map(Object.entries(TYPES).map(([name, number]) => [number, name]));

/** Classes by name. */
const CLASSES: Readonly<Record<string, number>> = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 };
const CLASS_NAMES = new Map(Object.entries(CLASSES).map(([name, number]) => [number, name]));

/** Response codes that others give and we hand on (IANA's registry). */
const RCODES: Readonly<Record<string, number>> = {
  ...RCODE,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADCOOKIE: 23,
};

const numbered = (prefix: string, text: string): number | undefined => {
  const digits = text.startsWith(prefix) ? text.slice(prefix.length) : '';
  return /^[0-9]{1,5}$/.test(digits) && Number(digits) < 65_536 ? Number(digits) : undefined;
};

/** The number of a type's name, in any case; undefined for what is none. */
export function typeNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  return TYPES[upper] ?? numbered('TYPE', upper);
}

export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** The number of a class's name, in any case; undefined for what is none. */
export function classNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  return CLASSES[upper] ?? numbered('CLASS', upper);
}

export function className(value: number): string {
  return CLASS_NAMES.get(value) ?? `CLASS${value}`;
}

/** The number of a response code's name, in any case; undefined for what is none. */
export function rcodeNumber(name: string): number | undefined {
  return RCODES[name.toUpperCase()];
}

/** The options of EDNS we know (IANA's registry). */
export const EDNS_OPTION = {
  NSID: 3,
  CLIENT_SUBNET: 8,
  COOKIE: 10,
  EXTENDED_ERROR: 15,
} as const;
