import { libc } from './libc.ts';

const SHA512_BYTES = 64;

/**
 * SHA-512 of a text, in hexadecimal digits. It is OpenSSL's function, as in `node:crypto`, without
 * the modules of that: loading them takes a plugin longer than the rest of its work.
 */
export function sha512(text: string): string {
  const bytes = Buffer.from(text);
  const digest = new Uint8Array(SHA512_BYTES);
  libc.SHA512(bytes, BigInt(bytes.length), digest);
  return Buffer.from(digest.buffer).toString('hex');
}
