import { HEADER_BYTES, TYPE } from '../wire/constants.ts';
import { MessageError, parseLabels, readName } from './name.ts';
import { rdataLayout } from './rdata-layout.ts';

/** What is asked (RFC 1035 section 4.1.2). The name is absolute, in the asker's case. */
export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** One record (RFC 1035 section 4.1.3); names in its data are uncompressed. */
export interface ResourceRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** In seconds. */
  readonly ttl: number;
  readonly rdata: Uint8Array;
}

/** One option of EDNS (RFC 6891 section 6.1.2). */
export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

/** The OPT record (RFC 6891); its part of the response code is in the message's. */
export interface Edns {
  readonly sizeBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly options: readonly EdnsOption[];
}

/** The flags of the header, by their names in the RFCs (1035 section 4.1.1, 4035 section 3). */
export interface Flags {
  readonly qr: boolean;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
}

/** A DNS message as a value, with one question. The additional section is without the OPT record. */
export interface Message extends Flags {
  readonly id: number;
  readonly opcode: number;
  /** All 12 bits of it. */
  readonly rcode: number;
  readonly question: Question;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  readonly edns: Edns | undefined;
}

/** The bits of the header's second word. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;

/** DNSSEC OK, in the flags of an OPT record (RFC 3225 section 3). */
export const EDNS_DO = 0x8000;

/** A record is no shorter: a root name and the fixed fields. */
const RECORD_BYTES_MIN = 11;

/**
 * Reads a whole message. Work is bounded by its length: every record takes bytes, and pointers lead
 * back. Throws MessageError for what is not a message of one question.
 */
export function parseMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_BYTES) throw new MessageError(`only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [questions, ...counts] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  if (questions !== 1) throw new MessageError(`${questions} questions, expected 1`);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total * RECORD_BYTES_MIN > bytes.length) {
    throw new MessageError(`${total} records in ${bytes.length} bytes`);
  }
  const { name, next } = readName(bytes, HEADER_BYTES);
  if (next + 4 > bytes.length) throw new MessageError('the question ends after the message');
  const question = { name, type: view.getUint16(next), class: view.getUint16(next + 2) };

  let at = next + 4;
  let edns: Edns | undefined;
  let extendedRcode = 0;
  const sections = counts.map((count) => {
    const records: ResourceRecord[] = [];
    for (let index = 0; index < count; index += 1) {
      const { record, end } = readRecord(bytes, view, at);
      at = end;
      if (record.type === TYPE.OPT) {
        if (edns !== undefined) throw new MessageError('two OPT records');
        edns = readEdns(record);
        extendedRcode = record.ttl >>> 24;
      } else {
        records.push(record);
      }
    }
    return records;
  });
  const [answers = [], authorities = [], additionals = []] = sections;
  const flags = view.getUint16(2);
  const has = (bit: number): boolean => (flags & bit) !== 0;
  return {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 0xf,
    rcode: (extendedRcode << 4) | (flags & 0xf),
    qr: has(FLAG.QR),
    aa: has(FLAG.AA),
    tc: has(FLAG.TC),
    rd: has(FLAG.RD),
    ra: has(FLAG.RA),
    ad: has(FLAG.AD),
    cd: has(FLAG.CD),
    question,
    answers,
    authorities,
    additionals,
    edns,
  };
}

function readRecord(
  bytes: Uint8Array,
  view: DataView,
  start: number,
): { readonly record: ResourceRecord; readonly end: number } {
  const { name, next } = readName(bytes, start);
  if (next + 10 > bytes.length) throw new MessageError('a record ends after the message');
  const type = view.getUint16(next);
  const data = next + 10;
  const end = data + view.getUint16(next + 8);
  if (end > bytes.length) throw new MessageError('the data of a record ends after the message');
  const ttl = view.getUint32(next + 4);
  const record = {
    name,
    type,
    class: view.getUint16(next + 2),
    // RFC 2181 section 8: the first bit set is a TTL of 0. An OPT record has other things there.
    ttl: type !== TYPE.OPT && ttl > 0x7fff_ffff ? 0 : ttl,
    rdata: readRdata(bytes, type, data, end),
  };
  return { record, end };
}

/** The data of a record without pointers. */
function readRdata(bytes: Uint8Array, type: number, start: number, end: number): Uint8Array {
  const layout = rdataLayout(type);
  if (layout.length === 0 || start === end) return bytes.slice(start, end);
  const parts: Uint8Array[] = [];
  let at = start;
  for (const part of layout) {
    if (part === 'name') {
      const { name, next } = readName(bytes, at);
      parts.push(nameBytes(name));
      at = next;
    } else {
      const size = part === 'string' ? 1 + (bytes[at] ?? 0) : part;
      parts.push(bytes.subarray(at, at + size));
      at += size;
    }
    if (at > end) throw new MessageError(`the data of a record of type ${type} is too short`);
  }
  parts.push(bytes.subarray(at, end));
  return joined(parts);
}

/** A name in wire form, uncompressed, in its own case. Throws MessageError. */
export function nameBytes(name: string): Uint8Array {
  return joined([
    ...parseLabels(name).flatMap((label) => [Uint8Array.of(label.length), label]),
    Uint8Array.of(0),
  ]);
}

/** The parts one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function readEdns(record: ResourceRecord): Edns {
  if (record.name !== '.') throw new MessageError('an OPT record that is not at the root');
  const { rdata } = record;
  const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
  const options: EdnsOption[] = [];
  for (let at = 0; at < rdata.length; ) {
    if (at + 4 > rdata.length) throw new MessageError('an EDNS option is cut off');
    const end = at + 4 + view.getUint16(at + 2);
    if (end > rdata.length) throw new MessageError('an EDNS option is cut off');
    options.push({ code: view.getUint16(at), data: rdata.slice(at + 4, end) });
    at = end;
  }
  return {
    sizeBytes: record.class,
    version: (record.ttl >>> 16) & 0xff,
    dnssecOk: (record.ttl & EDNS_DO) !== 0,
    options,
  };
}
