import { PodwireError } from '../../errors.ts';
import { backNames } from '../table/address-tree.ts';
import {
  BUCKET_REMOVED,
  BUCKETS_HEADER_BYTES,
  HEADER,
  KIND_SERVICE_ADDRESSES,
  LEAF_ADDRESS_BYTES,
  LEAF_HEADER_BYTES,
  LEAF_SERVICES,
  NODE_CHILDREN,
  SOA_TTL_SECONDS_MAX,
  TXT_TTL_SECONDS,
  VIEW_CLUSTER,
  VIEW_CLUSTERSET,
} from '../table/format.ts';
import { emptyRrset, type Table, type TableZone } from '../table/table.ts';
import { CLASS_IN, HEADER_BYTES, TYPE } from '../wire/constants.ts';
import { encodeName, formatName } from '../wire/name.ts';
import { putU16, putU32 } from '../wire/octets.ts';

/** Messages of a transfer are filled up to this, so that a reader's buffer need not be the largest. */
const MESSAGE_BYTES_MAX = 60_000;
/** A zone that is larger can't be transferred: it is held in memory while it is sent. */
const TRANSFER_BYTES_MAX = 256 << 20;
const QUESTION_POINTER = 0xc00c;
const POINTER_BYTES = 2;
const RECORD_FIXED_BYTES = 10;
const REFRESH_RETRY_EXPIRE = [7200, 1800, 86_400];
const QR_AA = 0x84;

/** The zone is too large to be transferred. */
export class TransferError extends PodwireError {
  constructor(zone: string) {
    super('ERR_DNS_TRANSFER', `zone ${zone}: a transfer of more than ${TRANSFER_BYTES_MAX} bytes`);
  }
}

/** Whether a secondary with `serial` has what the table has, or newer (RFC 1982). */
export function isCurrent(table: Table, serial: number): boolean {
  return serial >= 0 && ((table.serial - serial) | 0) <= 0;
}

/**
 * All of a zone as the messages of an AXFR answer (RFC 5936), or an IXFR answer that is one (RFC 1995
 * section 4): SOA, everything else, SOA. With `soaOnly` a single SOA, for who has it all already.
 * `request` is the query, whose header and question are repeated. It is one state of the table,
 * which can't change meanwhile: this does not wait. Throws TransferError.
 */
export function transferZone(
  table: Table,
  zone: TableZone,
  request: Uint8Array,
  questionEnd: number,
  soaOnly: boolean,
): Uint8Array[] {
  const messages = new TransferMessages(request.subarray(0, questionEnd), zone);
  const none = new Uint8Array();
  const soaTtl = Math.min(table.ttlSeconds, SOA_TTL_SECONDS_MAX);
  const soa = soaData(table, zone);
  messages.add(none, TYPE.SOA, soaTtl, soa);
  if (soaOnly) return messages.finish();
  for (const record of recordsOf(table, zone)) {
    messages.add(record.owner, record.type, record.ttlSeconds, record.data);
  }
  messages.add(none, TYPE.SOA, soaTtl, soa);
  return messages.finish();
}

/** A record with its owner relative to the zone, without the root. */
interface ZoneRecord {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly data: Uint8Array;
}

function* recordsOf(table: Table, zone: TableZone): Generator<ZoneRecord> {
  yield* nameServers(table, zone);
  if (zone.kind === 'reverse4') yield* backwards(table, zone, HEADER.TREE4);
  else if (zone.kind === 'reverse6') yield* backwards(table, zone, HEADER.TREE6);
  else yield* forwards(table, zone);
}

function* nameServers(table: Table, zone: TableZone): Generator<ZoneRecord> {
  const { apex, bytes, ttlSeconds } = table;
  const isForward = zone.kind === 'cluster' || zone.kind === 'clusterset';
  const home = isForward ? zone.name : table.source.home;
  let at = apex + 8;
  for (let left = apex === 0 ? 0 : (bytes[apex + 4] ?? 0); left > 0; left -= 1) {
    const size = bytes[at] ?? 0;
    const data = concat(bytes.subarray(at + 1, at + 1 + size), home);
    yield { owner: new Uint8Array(), type: TYPE.NS, ttlSeconds, data };
    at += 1 + size;
  }
}

function* forwards(table: Table, zone: TableZone): Generator<ZoneRecord> {
  const view = zone.kind === 'cluster' ? VIEW_CLUSTER : VIEW_CLUSTERSET;
  const { words } = table;
  const buckets = words[HEADER.BUCKETS] ?? 0;
  const mask = words[(buckets >>> 2) + 1] ?? 0;
  const first = (buckets + BUCKETS_HEADER_BYTES) >>> 2;
  for (let bucket = 0; bucket <= mask; bucket += 1) {
    const entry = words[first + bucket] ?? 0;
    if (entry > BUCKET_REMOVED && table.viewOf(entry) === view) {
      yield* entryRecords(table, zone, entry, view);
    }
  }
}

function* entryRecords(
  table: Table,
  zone: TableZone,
  entry: number,
  view: number,
): Generator<ZoneRecord> {
  const { bytes, ttlSeconds } = table;
  const start = table.nameAt(entry);
  const owner = bytes.slice(start, start + table.nameBytesOf(entry));
  const rrset = emptyRrset();
  for (const kind of [TYPE.A, TYPE.AAAA]) {
    if (!table.rrset(entry, kind, rrset)) {
      if (!table.rrset(entry, KIND_SERVICE_ADDRESSES, rrset)) continue;
      const service = table.find(view, owner, rrset.serviceOffset, owner.length);
      if (service === 0 || !table.rrset(service, kind, rrset)) continue;
    }
    const octets = kind === TYPE.A ? 4 : 16;
    for (let index = 0; index < rrset.count; index += 1) {
      const at = rrset.start + index * octets;
      yield { owner, type: kind, ttlSeconds, data: bytes.slice(at, at + octets) };
    }
  }
  if (table.rrset(entry, TYPE.SRV, rrset)) {
    const service = concat(owner.subarray(rrset.serviceOffset), zone.name);
    let at = rrset.start + 2;
    for (let index = 0; index < rrset.count; index += 1) {
      const size = bytes[at + 2] ?? 0;
      const fixed = Uint8Array.of(0, 0, bytes[rrset.start + 1] ?? 0, bytes[rrset.start] ?? 0);
      const port = Uint8Array.of(bytes[at + 1] ?? 0, bytes[at] ?? 0);
      const data = concat(fixed, port, bytes.subarray(at + 3, at + 3 + size), service);
      yield { owner, type: TYPE.SRV, ttlSeconds, data };
      at += 3 + size;
    }
  }
  for (const [type, ttl] of [
    [TYPE.CNAME, ttlSeconds],
    [TYPE.TXT, TXT_TTL_SECONDS],
  ] as const) {
    if (!table.rrset(entry, type, rrset)) continue;
    const data = bytes.slice(rrset.start, rrset.start + rrset.lengthBytes);
    yield { owner, type, ttlSeconds: ttl, data };
  }
}

/** The PTR records of the addresses whose names are in the zone. */
function* backwards(table: Table, zone: TableZone, rootWord: number): Generator<ZoneRecord> {
  const { words, bytes, ttlSeconds } = table;
  const waiting = [words[rootWord] ?? 0];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if ((at & 1) !== 0) {
      const children = ((at & ~1) + NODE_CHILDREN) >>> 2;
      waiting.push(words[children + 1] ?? 0, words[children] ?? 0);
      continue;
    }
    if (at === 0) continue;
    const start = at + LEAF_HEADER_BYTES;
    const address = bytes.slice(start, start + (bytes[at + LEAF_ADDRESS_BYTES] ?? 0));
    const owner = relativeReverse(address, zone);
    if (owner === undefined) continue;
    const names = backNames(bytes, at);
    const shown = (bytes[at + LEAF_SERVICES] ?? 0) > 0 ? names.slice(0, 1) : names;
    for (const name of shown) {
      const target = bytes.subarray(name.start, name.start + name.lengthBytes);
      yield { owner, type: TYPE.PTR, ttlSeconds, data: concat(target, table.source.home) };
    }
  }
}

/** The reverse name without the zone's part, or undefined outside the zone. */
function relativeReverse(address: Uint8Array, zone: TableZone): Uint8Array | undefined {
  const digits =
    address.length === 4
      ? Array.from(address, String)
      : Array.from(address, (octet) => [(octet >>> 4).toString(16), (octet & 15).toString(16)]);
  const suffix = address.length === 4 ? 'in-addr.arpa' : 'ip6.arpa';
  const name = encodeName([...digits.flat().reverse(), suffix].join('.'));
  const start = name.length - zone.name.length;
  if (start < 0 || !name.subarray(start).every((octet, at) => octet === zone.name[at])) {
    return undefined;
  }
  return name.subarray(0, start);
}

function soaData(table: Table, zone: TableZone): Uint8Array {
  const numbers = new Uint8Array(20);
  [table.serial, ...REFRESH_RETRY_EXPIRE, table.ttlSeconds].forEach((value, index) => {
    putU32(numbers, index * 4, value);
  });
  const under = (label: string) => concat(encodeName(label).subarray(0, -1), zone.name);
  return concat(under('ns.dns'), under('hostmaster'), numbers);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Records packed into messages, each with the question, to whose name the owners point. */
class TransferMessages {
  readonly #question: Uint8Array;
  readonly #zone: TableZone;
  readonly #finished: Uint8Array[] = [];
  #bytes = new Uint8Array(MESSAGE_BYTES_MAX + 1024);
  #at: number;
  #count = 0;
  #total = 0;

  constructor(question: Uint8Array, zone: TableZone) {
    this.#question = question;
    this.#zone = zone;
    this.#at = this.#begin();
  }

  add(owner: Uint8Array, type: number, ttlSeconds: number, data: Uint8Array): void {
    const size = owner.length + POINTER_BYTES + RECORD_FIXED_BYTES + data.length;
    if (this.#at + size > MESSAGE_BYTES_MAX) {
      this.#flush();
      this.#at = this.#begin();
    }
    const bytes = this.#bytes;
    bytes.set(owner, this.#at);
    let at = this.#at + owner.length;
    putU16(bytes, at, QUESTION_POINTER);
    at += POINTER_BYTES;
    putU16(bytes, at, type);
    putU16(bytes, at + 2, CLASS_IN);
    putU32(bytes, at + 4, ttlSeconds);
    putU16(bytes, at + 8, data.length);
    bytes.set(data, at + RECORD_FIXED_BYTES);
    this.#at = at + RECORD_FIXED_BYTES + data.length;
    this.#count += 1;
  }

  finish(): Uint8Array[] {
    this.#flush();
    return this.#finished;
  }

  #begin(): number {
    this.#bytes.set(this.#question);
    this.#bytes[2] = QR_AA;
    this.#bytes[3] = 0;
    putU16(this.#bytes, 4, 1);
    this.#bytes.fill(0, 6, HEADER_BYTES);
    this.#count = 0;
    return this.#question.length;
  }

  #flush(): void {
    putU16(this.#bytes, 6, this.#count);
    this.#total += this.#at;
    if (this.#total > TRANSFER_BYTES_MAX) throw new TransferError(formatName(this.#zone.name));
    this.#finished.push(this.#bytes.slice(0, this.#at));
  }
}
