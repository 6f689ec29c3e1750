import { Addr } from '../addr.ts';

/** How an IPv4 address stands in an IPv6 address. */
export type Embedding = 'mapped' | 'compatible' | 'nat64' | '6to4' | 'teredo' | 'isatap';

/** An IPv4 address found in an IPv6 address. */
export interface Embedded {
  readonly embedding: Embedding;
  readonly addr: Addr;
  /** Teredo only: the server, and the port of the client, whose address is `addr`. */
  readonly teredo?: { readonly server: Addr; readonly port: number };
}

const ISATAP = 0x00005efe;
const ISATAP_UNIQUE = 0x02005efe; // with the universal/local bit: the IPv4 address is unique
const TEREDO = 0x20010000;

/**
 * The IPv4 address inside an IPv6 address: ::ffff:a.b.c.d and ::a.b.c.d (RFC 4291 2.5.5), 64:ff9b::/96
 * (RFC 6052), 2002::/16 (RFC 3056), 2001::/32 (RFC 4380 4) and ISATAP's interface identifiers (RFC 5214
 * 6.1). Undefined for any other address.
 */
export function embeddedV4({ family, w0, w1, w2, w3 }: Addr): Embedded | undefined {
  if (family === 4) return undefined;
  if (w0 === 0 && w1 === 0) {
    if (w2 === 0xffff) return { embedding: 'mapped', addr: Addr.v4(w3) };
    // :: and ::1 are addresses of their own.
    if (w2 === 0 && w3 >>> 0 > 1) return { embedding: 'compatible', addr: Addr.v4(w3) };
    return undefined;
  }
  if (w0 === 0x0064ff9b && w1 === 0 && w2 === 0) return { embedding: 'nat64', addr: Addr.v4(w3) };
  if (w0 >>> 16 === 0x2002) {
    return { embedding: '6to4', addr: Addr.v4((w0 << 16) | (w1 >>> 16)) };
  }
  if (w0 === TEREDO) {
    // Address and port of the client are inverted, for some NATs rewrite what looks like theirs.
    const teredo = { server: Addr.v4(w1), port: ~w2 & 0xffff };
    return { embedding: 'teredo', addr: Addr.v4(~w3), teredo };
  }
  const isMulticast = w0 >>> 24 === 0xff;
  if (!isMulticast && (w2 === ISATAP || w2 === ISATAP_UNIQUE)) {
    return { embedding: 'isatap', addr: Addr.v4(w3) };
  }
  return undefined;
}
