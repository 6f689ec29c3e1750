import type { Addr } from './addr.ts';
import { fault, scanAddr } from './scan.ts';

/** What a text was meant to be. */
export type Syntax = 'IP address' | 'IP prefix' | 'IP range' | 'MAC address';

/** How much of a text the message of an error shows. */
const INPUT_LENGTH_MAX = 128;
/** And from where it stops being what it should be. */
const GOT_LENGTH_MAX = 16;

/** A text that is not an address, prefix or range, and where it stops being one. */
export class AddrSyntaxError extends Error {
  readonly code = 'ERR_ADDR_SYNTAX';
  readonly input: string;
  /** Index into `input` of the first character that does not fit. */
  readonly position: number;
  readonly expected: string;

  constructor(input: string, position: number, expected: string, syntax: Syntax = 'IP address') {
    const got = position < input.length ? quote(input.slice(position), GOT_LENGTH_MAX) : 'the end';
    const shown = quote(input, INPUT_LENGTH_MAX);
    super(`invalid ${syntax} ${shown}: at ${position}: expected ${expected}, got ${got}`);
    this.name = 'AddrSyntaxError';
    this.input = input;
    this.position = position;
    this.expected = expected;
  }
}

/** The text between quotes, cut short, and safe to print wherever it comes from. */
function quote(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
  // JSON leaves DEL and the second set of control characters as they are.
  return JSON.stringify(cut).replace(/[\x7f-\x9f]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const LENIENT = { zeros: true } as const;

/**
 * Reads an IPv4 address in dotted decimal or an IPv6 address (RFC 4291 section 2.2) with an
 * optional zone. Strict: no leading zeros in IPv4, no short forms, nothing before or after.
 * Throws AddrSyntaxError.
 */
export function parseAddr(text: string): Addr {
  const addr = scanAddr(text);
  if (addr === undefined) throw new AddrSyntaxError(text, fault.position, fault.expected);
  return addr;
}

/** As parseAddr, but gives undefined for what is not an address. */
export function tryParseAddr(text: string): Addr | undefined {
  return scanAddr(text);
}

/**
 * As tryParseAddr, but octets may have leading zeros, which are read as decimal: 010.0.0.1 is
 * 10.0.0.1. For addresses in Kubernetes objects alone, where old clusters hold such texts and
 * kube-proxy reads them this way (netutils.ParseIPSloppy); anywhere else the same text may be meant
 * as octal. All else is as strict, IPv6 groups included.
 */
export function tryParseAddrLenient(text: string): Addr | undefined {
  return scanAddr(text, LENIENT);
}
