/**
 * Where names stand in the data of the types whose names may be compressed, or were before anyone
 * knew better (RFC 3597 section 4): a number of octets, a name, a character string. What follows the
 * last part is opaque, as is the data of every type that is not here.
 */
export type RdataPart = number | 'name' | 'string';

const LAYOUTS: ReadonlyMap<number, readonly RdataPart[]> = new Map<number, readonly RdataPart[]>([
  [2, ['name']], // NS
  [3, ['name']], // MD
  [4, ['name']], // MF
  [5, ['name']], // CNAME
  [6, ['name', 'name', 20]], // SOA
  [7, ['name']], // MB
  [8, ['name']], // MG
  [9, ['name']], // MR
  [12, ['name']], // PTR
  [14, ['name', 'name']], // MINFO
  [15, [2, 'name']], // MX
  [17, ['name', 'name']], // RP
  [18, [2, 'name']], // AFSDB
  [21, [2, 'name']], // RT
  [24, [18, 'name']], // SIG
  [26, [2, 'name', 'name']], // PX
  [30, ['name']], // NXT
  [33, [6, 'name']], // SRV
  [35, [4, 'string', 'string', 'string', 'name']], // NAPTR
  [36, [2, 'name']], // KX
  [39, ['name']], // DNAME
]);

/** The types whose names we compress when we write: those of RFC 1035 alone (RFC 3597 section 4). */
const COMPRESSED_TYPES: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15]);

/** The parts of a type's data up to its last name; empty when it has none. */
export function rdataLayout(type: number): readonly RdataPart[] {
  return LAYOUTS.get(type) ?? [];
}

/** Whether names in the data of a type may be written as pointers. */
export function isCompressible(type: number): boolean {
  return COMPRESSED_TYPES.has(type);
}
