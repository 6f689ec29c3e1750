import {
  LEAF_ADDRESS_BYTES,
  LEAF_HEADER_BYTES,
  LEAF_NAMES,
  LEAF_SERVICES,
  SOA_TTL_SECONDS_MAX,
  TXT_TTL_SECONDS,
} from '../table/format.ts';
import type { Rrset, Table } from '../table/table.ts';
import { TYPE } from '../wire/constants.ts';
import { encodeName } from '../wire/name.ts';
import { putU16, putU32, u16 } from '../wire/octets.ts';
import type { Reply } from './reply.ts';

/*
 * Records from a table into a reply: as many as there is room for, which is what each function gives.
 * Owners are pointers to names that stand in the reply already, so they keep the asker's letters.
 */

const RECORD_BYTES = 12;
const SRV_FIXED_BYTES = 6;
const SRV_PRIORITY = 0;
/** Targets further on have no addresses added; those who want them ask. */
const GLUE_TARGETS_MAX = 128;
/** Beyond this offset nothing can be pointed at (RFC 1035 section 4.1.4). */
const POINTER_MAX = 0x3fff;
/* SOA times in seconds, as CoreDNS has them. */
const REFRESH = 7200;
const RETRY = 1800;
const EXPIRE = 86_400;

const MNAME = encodeName('ns.dns').subarray(0, -1);
const RNAME = encodeName('hostmaster').subarray(0, -1);
const POINTER_BYTES = 2;
const SOA_BYTES = MNAME.length + RNAME.length + 2 * POINTER_BYTES + 20;

/** A or AAAA records, beginning with number `first`, to spread load (`loadbalance`). */
export function writeAddresses(
  reply: Reply,
  table: Table,
  rrset: Rrset,
  owner: number,
  first: number,
): number {
  const octets = rrset.kind === TYPE.A ? 4 : 16;
  const { count, kind, start } = rrset;
  const fitting = Math.min(count, Math.floor(reply.room / (RECORD_BYTES + octets)));
  const { ttlSeconds, bytes } = table;
  for (let index = 0; index < fitting; index += 1) {
    const at = first + index;
    reply.record(owner, kind, ttlSeconds, octets);
    reply.copy(bytes, start + (at < count ? at : at - count) * octets, octets);
  }
  return fitting;
}

/**
 * SRV records (RFC 2782), whose targets are not compressed: the labels of the host, the name of the
 * Service as the table has it, and the zone in the letters of the question, from the reply at
 * `zoneAt`.
 */
export function writeSrv(
  reply: Reply,
  table: Table,
  entry: number,
  rrset: Rrset,
  owner: number,
  zoneAt: number,
  zoneBytes: number,
  first: number,
): number {
  const { bytes } = table;
  const end = rrset.start + rrset.lengthBytes;
  const weight = (bytes[rrset.start] ?? 0) | ((bytes[rrset.start + 1] ?? 0) << 8);
  const service = table.nameAt(entry) + rrset.serviceOffset;
  const serviceBytes = table.nameAt(entry) + table.nameBytesOf(entry) - service;
  const firstAt = rrset.start + 2;
  let at = firstAt;
  for (let index = 0; index < first; index += 1) at += 3 + (bytes[at + 2] ?? 0);
  let written = 0;
  for (; written < rrset.count; written += 1) {
    if (at >= end) at = firstAt;
    const hostBytes = bytes[at + 2] ?? 0;
    const dataBytes = SRV_FIXED_BYTES + hostBytes + serviceBytes + zoneBytes;
    if (reply.room < RECORD_BYTES + dataBytes) return written;
    reply.record(owner, TYPE.SRV, table.ttlSeconds, dataBytes);
    putU16(reply.bytes, reply.at, SRV_PRIORITY);
    putU16(reply.bytes, reply.at + 2, weight);
    putU16(reply.bytes, reply.at + 4, (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
    reply.at += SRV_FIXED_BYTES;
    reply.copy(bytes, at + 3, hostBytes);
    reply.copy(bytes, service, serviceBytes);
    reply.copy(reply.bytes, zoneAt, zoneBytes);
    at += 3 + hostBytes;
  }
  return written;
}

/**
 * Adds the addresses of what `count` SRV or NS records from `start` on name, each once, as long as
 * whole rrsets fit; what doesn't is left out without a word (RFC 2181 section 9).
 */
export function writeGlue(
  reply: Reply,
  table: Table,
  view: number,
  start: number,
  count: number,
  zoneBytes: number,
  rrset: Rrset,
): void {
  const targets = Math.min(count, GLUE_TARGETS_MAX);
  let at = start;
  let before = -1;
  for (let index = 0; index < targets; index += 1) {
    const dataBytes = u16(reply.bytes, at + 10);
    const fixed = u16(reply.bytes, at + 2) === TYPE.SRV ? SRV_FIXED_BYTES : 0;
    const target = at + RECORD_BYTES + fixed;
    at += RECORD_BYTES + dataBytes;
    if (target > POINTER_MAX) return;
    const relativeEnd = target + dataBytes - fixed - zoneBytes;
    const entry = table.find(view, reply.bytes, target, relativeEnd);
    // Records of one target stand side by side, one for each port.
    if (entry === 0 || entry === before || isNamedBefore(reply, start, target, relativeEnd))
      continue;
    before = entry;
    for (let kind: number = TYPE.A; kind !== 0; kind = kind === TYPE.A ? TYPE.AAAA : 0) {
      if (!table.rrset(entry, kind, rrset)) continue;
      const octets = kind === TYPE.A ? 4 : 16;
      if (reply.room < rrset.count * (RECORD_BYTES + octets)) return;
      reply.additional += writeAddresses(reply, table, rrset, target, 0);
    }
  }
}

/** Whether a record between `start` and that of `target` names the same. */
function isNamedBefore(reply: Reply, start: number, target: number, end: number): boolean {
  const { bytes } = reply;
  for (let at = start; ; ) {
    const dataBytes = u16(bytes, at + 10);
    const fixed = u16(bytes, at + 2) === TYPE.SRV ? SRV_FIXED_BYTES : 0;
    const other = at + RECORD_BYTES + fixed;
    if (other >= target) return false;
    let same = 0;
    while (target + same < end && bytes[target + same] === bytes[other + same]) same += 1;
    if (target + same === end) return true;
    at += RECORD_BYTES + dataBytes;
  }
}

/** CNAME, written out: what follows may point at its target. */
export function writeCname(reply: Reply, table: Table, rrset: Rrset, owner: number): number {
  if (reply.room < RECORD_BYTES + rrset.lengthBytes) return 0;
  reply.record(owner, TYPE.CNAME, table.ttlSeconds, rrset.lengthBytes);
  reply.copy(table.bytes, rrset.start, rrset.lengthBytes);
  return 1;
}

export function writeTxt(reply: Reply, table: Table, rrset: Rrset, owner: number): number {
  if (reply.room < RECORD_BYTES + rrset.lengthBytes) return 0;
  reply.record(owner, TYPE.TXT, TXT_TTL_SECONDS, rrset.lengthBytes);
  reply.copy(table.bytes, rrset.start, rrset.lengthBytes);
  return 1;
}

/** The SOA record of the zone whose name is in the reply at `zoneAt`. */
export function writeSoa(reply: Reply, table: Table, zoneAt: number): number {
  if (reply.room < RECORD_BYTES + SOA_BYTES) return 0;
  const ttl = table.ttlSeconds;
  reply.record(zoneAt, TYPE.SOA, Math.min(ttl, SOA_TTL_SECONDS_MAX), SOA_BYTES);
  const { bytes } = reply;
  reply.copy(MNAME, 0, MNAME.length);
  putU16(bytes, reply.at, 0xc000 | zoneAt);
  reply.at += POINTER_BYTES;
  reply.copy(RNAME, 0, RNAME.length);
  const at = reply.at + POINTER_BYTES;
  putU16(bytes, reply.at, 0xc000 | zoneAt);
  putU32(bytes, at, table.serial);
  putU32(bytes, at + 4, REFRESH);
  putU32(bytes, at + 8, RETRY);
  putU32(bytes, at + 12, EXPIRE);
  putU32(bytes, at + 16, ttl);
  reply.at = at + 20;
  return 1;
}

/**
 * NS records: the names below the zone asked for, or below `home` for a reverse zone. Gives -1 when not
 * all of them fit.
 */
export function writeNs(
  reply: Reply,
  table: Table,
  zoneAt: number,
  isForward: boolean,
  home: Uint8Array,
): number {
  const { apex, bytes } = table;
  if (apex === 0) return 0;
  const count = bytes[apex + 4] ?? 0;
  let at = apex + 8;
  for (let index = 0; index < count; index += 1) {
    const size = bytes[at] ?? 0;
    const dataBytes = size + home.length;
    if (reply.room < RECORD_BYTES + dataBytes) return -1;
    reply.record(zoneAt, TYPE.NS, table.ttlSeconds, dataBytes);
    reply.copy(bytes, at + 1, size);
    if (isForward) reply.copy(reply.bytes, zoneAt, home.length);
    else reply.copy(home, 0, home.length);
    at += 1 + size;
  }
  return count;
}

/**
 * PTR records of an address: of a Service's that Service alone, of any other all endpoints. Gives -1
 * when they don't all fit.
 */
export function writePtr(reply: Reply, table: Table, leaf: number, owner: number): number {
  const { bytes } = table;
  const { home } = table.source;
  const names = (bytes[leaf + LEAF_NAMES] ?? 0) | ((bytes[leaf + LEAF_NAMES + 1] ?? 0) << 8);
  const count = (bytes[leaf + LEAF_SERVICES] ?? 0) > 0 ? 1 : names;
  let at = leaf + LEAF_HEADER_BYTES + (bytes[leaf + LEAF_ADDRESS_BYTES] ?? 0);
  for (let index = 0; index < count; index += 1) {
    const size = bytes[at + 1] ?? 0;
    if (reply.room < RECORD_BYTES + size + home.length) return -1;
    reply.record(owner, TYPE.PTR, table.ttlSeconds, size + home.length);
    reply.copy(bytes, at + 2, size);
    reply.copy(home, 0, home.length);
    at += 2 + size;
  }
  return count;
}
