import { Addr } from './addr.ts';
import { tryParseAddr } from './parse-addr.ts';

const V4_SUFFIX = '.in-addr.arpa.';
const V6_SUFFIX = '.ip6.arpa.';
const NIBBLES = /^([0-9a-f]\.){31}[0-9a-f]$/;

/** The name a reverse look-up asks for, with the final dot (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseName(addr: Addr): string {
  if (addr.family === 4) return addr.toString().split('.').reverse().join('.') + V4_SUFFIX;
  const hex = Array.from(addr.toBytes(), (octet) => octet.toString(16).padStart(2, '0')).join('');
  return Array.from(hex).reverse().join('.') + V6_SUFFIX;
}

/** The address a full reverse name stands for; undefined for a shorter or any other name. */
export function parseReverseName(name: string): Addr | undefined {
  const text = name.toLowerCase();
  if (text.endsWith(V4_SUFFIX)) {
    const addr = tryParseAddr(text.slice(0, -V4_SUFFIX.length).split('.').reverse().join('.'));
    return addr?.family === 4 ? addr : undefined;
  }
  if (!text.endsWith(V6_SUFFIX)) return undefined;
  const nibbles = text.slice(0, -V6_SUFFIX.length);
  if (!NIBBLES.test(nibbles)) return undefined;
  const hex = nibbles.split('.').reverse().join('');
  const word = (at: number): number => Number.parseInt(hex.slice(at, at + 8), 16);
  return Addr.v6(word(0), word(8), word(16), word(24));
}
