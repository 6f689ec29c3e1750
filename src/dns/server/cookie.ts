import { putU32, u32 } from '../wire/octets.ts';
import { SipHash } from '../wire/siphash.ts';

const CLIENT_COOKIE_BYTES = 8;
const SERVER_COOKIE_BYTES = 16;
/** What a COOKIE option of an answer holds. */
export const COOKIE_BYTES = CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES;
/** Server cookies older than this, or from further in the future, are made anew (RFC 9018 4.3). */
const AGE_SECONDS_MAX = 3600;
const RENEW_AGE_SECONDS = 1800;
const FUTURE_SECONDS_MAX = 300;
const VERSION = 1;

/**
 * Server cookies as all implementations make them (RFC 9018), so that servers behind one address that
 * share a secret take each other's.
 */
export class Cookies {
  readonly #hash: SipHash;
  readonly #input = new Uint8Array(32);
  readonly #expected = new Uint8Array(8);

  /** `secret` has 16 octets. */
  constructor(secret: Uint8Array) {
    this.#hash = new SipHash(secret);
  }

  /**
   * Writes the cookie for an answer to `out[at..at + 24]`: the client's, and the server's, which is the
   * one that came when it is still good. `client` is the address, 4 or 16 octets.
   */
  write(
    request: Uint8Array,
    cookieAt: number,
    cookieBytes: number,
    client: Uint8Array,
    nowSeconds: number,
    out: Uint8Array,
    at: number,
  ): void {
    const isGood = this.isGood(request, cookieAt, cookieBytes, client, nowSeconds);
    const server = cookieAt + CLIENT_COOKIE_BYTES;
    const time = isGood ? u32(request, server + 4) : nowSeconds;
    const isRecent = isGood && nowSeconds - time < RENEW_AGE_SECONDS;
    for (let index = 0; index < CLIENT_COOKIE_BYTES; index += 1) {
      out[at + index] = request[cookieAt + index] ?? 0;
    }
    this.#make(request, cookieAt, isRecent ? time : nowSeconds, client);
    for (let index = 0; index < 8; index += 1) {
      out[at + 8 + index] = this.#input[8 + index] ?? 0;
      out[at + 16 + index] = this.#expected[index] ?? 0;
    }
  }

  /** Whether a cookie with a server's part is one of ours, for this client, and not too old. */
  isGood(
    request: Uint8Array,
    cookieAt: number,
    cookieBytes: number,
    client: Uint8Array,
    nowSeconds: number,
  ): boolean {
    if (cookieBytes !== COOKIE_BYTES) return false;
    const server = cookieAt + CLIENT_COOKIE_BYTES;
    if (request[server] !== VERSION) return false;
    const time = u32(request, server + 4);
    const age = nowSeconds - time;
    if (age > AGE_SECONDS_MAX || age < -FUTURE_SECONDS_MAX) return false;
    this.#make(request, cookieAt, time, client);
    let difference = 0;
    for (let index = 0; index < 8; index += 1) {
      difference |= (request[server + 8 + index] ?? 0) ^ (this.#expected[index] ?? 0);
    }
    return difference === 0;
  }

  /** Client cookie, version, reserved, time, client address: hashed into `#expected`. */
  #make(request: Uint8Array, cookieAt: number, time: number, client: Uint8Array): void {
    const input = this.#input;
    for (let index = 0; index < CLIENT_COOKIE_BYTES; index += 1) {
      input[index] = request[cookieAt + index] ?? 0;
    }
    putU32(input, 8, VERSION << 24);
    putU32(input, 12, time);
    input.set(client, 16);
    this.#hash.hash(input, 16 + client.length, this.#expected, 0);
  }
}
