import type { Addr } from '../../ipaddr/addr.ts';
import { TYPE } from './constants.ts';
import { encodeName } from './name.ts';

/** One record's type and data; the owner is where it is kept. */
export interface Rdata {
  readonly type: number;
  readonly bytes: Uint8Array;
  /** In seconds; the zone's own where it is absent. */
  readonly ttl?: number;
  /** A name whose addresses help the asker: they go into the additional section. */
  readonly target?: string;
}

export function addressRdata(addr: Addr): Rdata {
  return { type: addr.family === 4 ? TYPE.A : TYPE.AAAA, bytes: addr.toBytes() };
}

export function cnameRdata(target: string): Rdata {
  return { type: TYPE.CNAME, bytes: encodeName(target) };
}

export function ptrRdata(target: string): Rdata {
  return { type: TYPE.PTR, bytes: encodeName(target) };
}

export function nsRdata(target: string): Rdata {
  return { type: TYPE.NS, bytes: encodeName(target), target };
}

/** RFC 2782. The target is never compressed. */
export function srvRdata(priority: number, weight: number, port: number, target: string): Rdata {
  const head = new DataView(new ArrayBuffer(6));
  head.setUint16(0, priority);
  head.setUint16(2, weight);
  head.setUint16(4, port);
  const bytes = Uint8Array.of(...new Uint8Array(head.buffer), ...encodeName(target));
  return { type: TYPE.SRV, bytes, target };
}

export function txtRdata(text: string, ttl: number): Rdata {
  const octets = new TextEncoder().encode(text);
  return { type: TYPE.TXT, bytes: Uint8Array.of(octets.length, ...octets), ttl };
}

/** RFC 1035 section 3.3.13; times in seconds. */
export function soaRdata(soa: {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly minimum: number;
}): Rdata {
  const REFRESH = 7200;
  const RETRY = 1800;
  const EXPIRE = 86400;
  const numbers = new DataView(new ArrayBuffer(20));
  [soa.serial, REFRESH, RETRY, EXPIRE, soa.minimum].forEach((value, index) => {
    numbers.setUint32(index * 4, value);
  });
  return {
    type: TYPE.SOA,
    bytes: Uint8Array.of(
      ...encodeName(soa.mname),
      ...encodeName(soa.rname),
      ...new Uint8Array(numbers.buffer),
    ),
  };
}
