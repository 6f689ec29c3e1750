import { CLASS_IN, HEADER_BYTES, TYPE } from '../wire/constants.ts';
import { EDNS_DO, type Edns, FLAG, type Message, type ResourceRecord } from './message.ts';
import { MessageError, parseLabels, readName } from './name.ts';
import { isCompressible, rdataLayout } from './rdata-layout.ts';

/** What a length of two bytes can say (RFC 1035 section 4.2.2). */
export const MESSAGE_BYTES_MAX = 65_535;
/** A pointer has 14 bits. */
const POINTER_MAX = 0x3fff;

/**
 * The message in wire form, in at most `limitBytes`. What doesn't fit is left out by whole rrsets from
 * the end, and TC says so unless it was additional (RFC 2181 section 9). Throws MessageError when not
 * even the question fits.
 */
export function encodeMessage(message: Message, limitBytes = MESSAGE_BYTES_MAX): Uint8Array {
  const writer = new Writer();
  const { question, edns } = message;
  writer.skip(HEADER_BYTES);
  writer.name(question.name, true);
  writer.u16(question.type);
  writer.u16(question.class);
  const opt = edns === undefined ? undefined : encodeOpt(edns, message.rcode);
  const limit = Math.min(limitBytes, MESSAGE_BYTES_MAX) - (opt?.length ?? 0);
  if (writer.length > limit)
    throw new MessageError(`a message does not fit in ${limitBytes} bytes`);

  const sections = [message.answers, message.authorities, message.additionals];
  const counts = [0, 0, 0];
  let isCut = false;
  let isFull = false;
  sections.forEach((records, section) => {
    for (const rrset of rrsets(records)) {
      if (isFull) {
        isCut ||= section < 2;
        continue;
      }
      const start = writer.length;
      for (const record of rrset) writer.record(record, limit);
      if (writer.length <= limit) {
        counts[section] = (counts[section] ?? 0) + rrset.length;
      } else {
        writer.cut(start);
        isFull = true;
        isCut ||= section < 2;
      }
    }
  });
  if (opt !== undefined) writer.bytes(opt);
  const { id, opcode, rcode } = message;
  const tc = message.tc || isCut;
  writer.header([
    id,
    flagBits({ ...message, tc }) | (opcode << 11) | (rcode & 0xf),
    1,
    counts[0] ?? 0,
    counts[1] ?? 0,
    (counts[2] ?? 0) + (opt === undefined ? 0 : 1),
  ]);
  return writer.finish();
}

function flagBits(message: Message): number {
  return (
    (message.qr ? FLAG.QR : 0) |
    (message.aa ? FLAG.AA : 0) |
    (message.tc ? FLAG.TC : 0) |
    (message.rd ? FLAG.RD : 0) |
    (message.ra ? FLAG.RA : 0) |
    (message.ad ? FLAG.AD : 0) |
    (message.cd ? FLAG.CD : 0)
  );
}

/** Records of one name, class and type that stand together. */
function* rrsets(records: readonly ResourceRecord[]): Iterable<readonly ResourceRecord[]> {
  for (let start = 0; start < records.length; ) {
    const first = records[start];
    let end = start + 1;
    while (end < records.length && isSameRrset(first, records[end])) end += 1;
    yield records.slice(start, end);
    start = end;
  }
}

function isSameRrset(a: ResourceRecord | undefined, b: ResourceRecord | undefined): boolean {
  return a?.type === b?.type && a?.class === b?.class && a?.name === b?.name;
}

function encodeOpt(edns: Edns, rcode: number): Uint8Array {
  const writer = new Writer();
  writer.bytes(Uint8Array.of(0));
  writer.u16(TYPE.OPT);
  writer.u16(edns.sizeBytes);
  writer.u32(((rcode >> 4) << 24) | (edns.version << 16) | (edns.dnssecOk ? EDNS_DO : 0));
  writer.u16(edns.options.reduce((sum, { data }) => sum + 4 + data.length, 0));
  for (const { code, data } of edns.options) {
    writer.u16(code);
    writer.u16(data.length);
    writer.bytes(data);
  }
  return writer.finish();
}

/** Grows as it is written to, and remembers where names stand, to point at them again. */
class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Names by what is left of them, in the case they were written in: the question's must not change. */
  readonly #names = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  skip(size: number): void {
    this.#reserve(size);
    this.#length += size;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value >>> 0);
    this.#length += 4;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  name(name: string, compress: boolean): void {
    const labels = parseLabels(name);
    // Labels as text of one character an octet: equal exactly for equal octets.
    const keys = labels.map((label) => `${String.fromCharCode(label.length, ...label)}`);
    for (let index = 0; index < labels.length; index += 1) {
      const rest = keys.slice(index).join('');
      const known = compress ? this.#names.get(rest) : undefined;
      if (known !== undefined) {
        this.u16(0xc000 | known);
        return;
      }
      if (this.#length <= POINTER_MAX && !this.#names.has(rest))
        this.#names.set(rest, this.#length);
      const label = labels[index] ?? new Uint8Array();
      this.bytes(Uint8Array.of(label.length));
      this.bytes(label);
    }
    this.bytes(Uint8Array.of(0));
  }

  /** Writes a record; nothing more once the message is over the limit. */
  record(record: ResourceRecord, limit: number): void {
    if (this.#length > limit) return;
    this.name(record.name, true);
    this.u16(record.type);
    this.u16(record.class);
    this.u32(record.ttl);
    const start = this.#length;
    this.u16(0);
    this.#rdata(record);
    this.#view.setUint16(start, this.#length - start - 2);
  }

  /** Takes back what was written from `length` on. */
  cut(length: number): void {
    this.#length = length;
    for (const [name, at] of this.#names) if (at >= length) this.#names.delete(name);
  }

  header(words: readonly number[]): void {
    words.forEach((word, index) => {
      this.#view.setUint16(index * 2, word);
    });
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #rdata(record: ResourceRecord): void {
    const { type, rdata } = record;
    if (!isCompressible(type) || record.class !== CLASS_IN || rdata.length === 0) {
      this.bytes(rdata);
      return;
    }
    let at = 0;
    for (const part of rdataLayout(type)) {
      if (part === 'name') {
        const { name, next } = readName(rdata, at);
        this.name(name, true);
        at = next;
      } else {
        const size = part === 'string' ? 1 + (rdata[at] ?? 0) : part;
        this.bytes(rdata.subarray(at, at + size));
        at += size;
      }
    }
    this.bytes(rdata.subarray(at));
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
