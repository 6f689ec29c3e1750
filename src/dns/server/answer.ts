import { emptyRrset, type Rrset, type Table } from '../table/table.ts';
import {
  CLASS_ANY,
  CLASS_IN,
  HEADER_BYTES,
  LABEL_BYTES_MAX,
  NAME_BYTES_MAX,
  RCODE,
  TYPE,
} from '../wire/constants.ts';

/** The largest UDP answer, which passes every path unfragmented (DNS flag day 2020). */
export const UDP_BYTES_MAX = 1232;
/** What a client without EDNS takes (RFC 1035 section 2.3.4). */
const PLAIN_UDP_BYTES_MAX = 512;
/** What a length of two bytes can say. */
export const TCP_BYTES_MAX = 65_535;
const OPT_BYTES = 11;
/** A query has one question and seldom more than an OPT; more records than this are not read. */
const EXTRA_RECORDS_MAX = 16;

const QR = 0x80;
const AA = 0x04;
const TC = 0x02;
const RD = 0x01;

/**
 * Answers queries from a table, for UDP and TCP alike, without allocating. One object serves one
 * thread; `rcode` is that of the last answer.
 */
export class Answerer {
  rcode = 0;
  readonly #name = new Uint8Array(NAME_BYTES_MAX);
  readonly #rrset: Rrset = emptyRrset();
  /** Where each label of the question's name begins. */
  readonly #labels = new Uint8Array(128);
  #labelCount = 0;
  #turn = 0;
  #edns = { present: false, sizeBytes: 0, version: 0 };

  /**
   * Writes the answer to `request[0..length]` into `reply` and gives its length, 0 for none: what is
   * no query gets no answer. `table` is undefined while nothing is known yet: SERVFAIL.
   */
  answer(
    table: Table | undefined,
    request: Uint8Array,
    length: number,
    reply: Uint8Array,
    overTcp: boolean,
  ): number {
    if (length < HEADER_BYTES || (byte(request, 2) & QR) !== 0) return 0;
    reply.set(request.subarray(0, HEADER_BYTES));
    const opcode = (byte(request, 2) >> 3) & 0xf;
    if (opcode !== 0) return this.#bare(reply, RCODE.NOTIMP);
    if (u16(request, 4) !== 1) return this.#bare(reply, RCODE.FORMERR);
    const nameEnd = this.#readName(request, length);
    if (nameEnd < 0 || nameEnd + 4 > length) return this.#bare(reply, RCODE.FORMERR);
    const questionEnd = nameEnd + 4;
    if (!this.#readEdns(request, questionEnd, length)) return this.#bare(reply, RCODE.FORMERR);
    reply.set(request.subarray(HEADER_BYTES, questionEnd), HEADER_BYTES);

    if (this.#edns.version > 0) return this.#finish(reply, questionEnd, RCODE.BADVERS, 0);
    const type = u16(request, nameEnd);
    const classNumber = u16(request, nameEnd + 2);
    if (classNumber !== CLASS_IN && classNumber !== CLASS_ANY) {
      return this.#finish(reply, questionEnd, RCODE.REFUSED, 0);
    }
    if (table === undefined) return this.#finish(reply, questionEnd, RCODE.SERVFAIL, 0);
    return this.#lookUp(table, reply, questionEnd, type, overTcp);
  }

  #lookUp(
    table: Table,
    reply: Uint8Array,
    questionEnd: number,
    type: number,
    overTcp: boolean,
  ): number {
    const nameLength = questionEnd - 4 - HEADER_BYTES;
    const entry = table.find(this.#name, 0, nameLength);
    if (entry === 0) {
      const zone = this.#zoneOf(table, nameLength);
      if (zone < 0) return this.#finish(reply, questionEnd, RCODE.REFUSED, 0);
      return this.#negative(table, reply, questionEnd, zone, RCODE.NXDOMAIN);
    }
    const rrset = this.#rrset;
    const found = table.rrset(entry, type, rrset) || table.rrset(entry, TYPE.CNAME, rrset);
    if (!found) {
      const zone = this.#zoneOf(table, nameLength);
      return this.#negative(table, reply, questionEnd, zone, RCODE.NOERROR);
    }
    const limit = this.#limit(overTcp) - (this.#edns.present ? OPT_BYTES : 0);
    if (questionEnd + rrset.lengthBytes > limit) {
      // A part of an rrset would be taken for the whole, so none of it goes out (RFC 2181 9).
      return this.#finish(reply, questionEnd, RCODE.NOERROR, AA | TC);
    }
    this.#copyAnswers(table, reply, questionEnd);
    putU16(reply, 6, rrset.count);
    let end = questionEnd + rrset.lengthBytes;
    if (rrset.additionalCount > 0 && end + rrset.additionalLengthBytes <= limit) {
      const from = rrset.start + rrset.lengthBytes;
      reply.set(table.bytes.subarray(from, from + rrset.additionalLengthBytes), end);
      end += rrset.additionalLengthBytes;
      putU16(reply, 10, rrset.additionalCount);
      return this.#finish(reply, end, RCODE.NOERROR, AA, rrset.count, rrset.additionalCount);
    }
    return this.#finish(reply, end, RCODE.NOERROR, AA, rrset.count);
  }

  /** Records that are alike start with another one each time, to spread load (`loadbalance`). */
  #copyAnswers(table: Table, reply: Uint8Array, at: number): void {
    const { start, lengthBytes, recordBytes, count } = this.#rrset;
    if (recordBytes === 0 || count < 2) {
      reply.set(table.bytes.subarray(start, start + lengthBytes), at);
      return;
    }
    this.#turn = (this.#turn + 1) % 0x4000_0000;
    const skip = (this.#turn % count) * recordBytes;
    reply.set(table.bytes.subarray(start + skip, start + lengthBytes), at);
    reply.set(table.bytes.subarray(start, start + skip), at + lengthBytes - skip);
  }

  /** NXDOMAIN or "no such type", with the zone's SOA (RFC 2308 section 3). */
  #negative(
    table: Table,
    reply: Uint8Array,
    questionEnd: number,
    zoneLabel: number,
    rcode: number,
  ): number {
    const zoneStart = this.#labels[zoneLabel] ?? 0;
    const apex = table.find(this.#name, zoneStart, questionEnd - 4 - HEADER_BYTES);
    const rrset = this.#rrset;
    if (apex === 0 || !table.rrset(apex, TYPE.SOA, rrset)) {
      return this.#finish(reply, questionEnd, rcode, AA);
    }
    reply.set(table.bytes.subarray(rrset.start, rrset.start + rrset.lengthBytes), questionEnd);
    // The owner is the end of the question's name that is the zone's.
    putU16(reply, questionEnd, 0xc000 | (HEADER_BYTES + zoneStart));
    const end = questionEnd + rrset.lengthBytes;
    return this.#finish(reply, end, rcode, AA, 0, 0, 1);
  }

  /** The number of the label at which the zone of the name begins, or -1 outside all zones. */
  #zoneOf(table: Table, nameLength: number): number {
    for (let label = 0; label < this.#labelCount; label += 1) {
      const entry = table.find(this.#name, this.#labels[label] ?? 0, nameLength);
      if (entry !== 0 && table.isApex(entry)) return label;
    }
    return -1;
  }

  #limit(overTcp: boolean): number {
    if (overTcp) return TCP_BYTES_MAX;
    if (!this.#edns.present) return PLAIN_UDP_BYTES_MAX;
    return Math.min(UDP_BYTES_MAX, Math.max(PLAIN_UDP_BYTES_MAX, this.#edns.sizeBytes));
  }

  /** Keeps the question's name in lower case; gives where it ends, or -1 when it is none. */
  #readName(request: Uint8Array, length: number): number {
    let at = HEADER_BYTES;
    this.#labelCount = 0;
    while (at < length) {
      const size = byte(request, at);
      const offset = at - HEADER_BYTES;
      if (offset + size + 1 > NAME_BYTES_MAX || size > LABEL_BYTES_MAX) return -1;
      this.#labels[this.#labelCount] = offset;
      this.#labelCount += 1;
      this.#name[offset] = size;
      if (size === 0) return at + 1;
      if (at + 1 + size > length) return -1;
      for (let next = 1; next <= size; next += 1) {
        const octet = byte(request, at + next);
        this.#name[offset + next] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
      }
      at += size + 1;
    }
    return -1;
  }

  /** Finds the OPT record (RFC 6891); false when the rest of the message can't be read. */
  #readEdns(request: Uint8Array, start: number, length: number): boolean {
    const edns = this.#edns;
    edns.present = false;
    edns.version = 0;
    const records = u16(request, 6) + u16(request, 8) + u16(request, 10);
    if (records > EXTRA_RECORDS_MAX) return false;
    let at = start;
    for (let index = 0; index < records; index += 1) {
      const owner = at;
      at = skipName(request, at, length);
      if (at < 0 || at + 10 > length) return false;
      if (u16(request, at) === TYPE.OPT) {
        if (edns.present || byte(request, owner) !== 0) return false;
        edns.present = true;
        edns.sizeBytes = u16(request, at + 2);
        edns.version = byte(request, at + 5);
      }
      at += 10 + u16(request, at + 8);
      if (at > length) return false;
    }
    return true;
  }

  /** An answer of a header alone, where the question could not be read. */
  #bare(reply: Uint8Array, rcode: number): number {
    this.#edns.present = false;
    this.#finish(reply, HEADER_BYTES, rcode, 0);
    putU16(reply, 4, 0);
    return HEADER_BYTES;
  }

  /** Writes flags, counts and the OPT record. */
  #finish(
    reply: Uint8Array,
    end: number,
    rcode: number,
    flags: number,
    answers = 0,
    additional = 0,
    authority = 0,
  ): number {
    this.rcode = rcode;
    const { present } = this.#edns;
    reply[2] = QR | flags | (byte(reply, 2) & (0x78 | RD));
    reply[3] = rcode & 0xf;
    putU16(reply, 6, answers);
    putU16(reply, 8, authority);
    putU16(reply, 10, additional + (present ? 1 : 0));
    if (!present) return end;
    reply[end] = 0;
    putU16(reply, end + 1, TYPE.OPT);
    putU16(reply, end + 3, UDP_BYTES_MAX);
    reply[end + 5] = rcode >> 4;
    reply.fill(0, end + 6, end + OPT_BYTES);
    return end + OPT_BYTES;
  }
}

/** Where the name at `at` ends, or -1. A pointer ends it and is not followed. */
function skipName(bytes: Uint8Array, start: number, length: number): number {
  for (let at = start; at < length; ) {
    const size = byte(bytes, at);
    if (size === 0) return at + 1;
    if (size >= 0xc0) return at + 2 <= length ? at + 2 : -1;
    if (size > LABEL_BYTES_MAX) return -1;
    at += size + 1;
  }
  return -1;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function u16(bytes: Uint8Array, at: number): number {
  return (byte(bytes, at) << 8) | byte(bytes, at + 1);
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 255;
}
