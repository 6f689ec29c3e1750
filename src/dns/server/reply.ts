import { CLASS_IN, EDE, HEADER_BYTES, OPTION, TYPE } from '../wire/constants.ts';
import { putU16, putU32 } from '../wire/octets.ts';

const OPT_BYTES = 11;
const OPTION_HEADER_BYTES = 4;
const EDE_BYTES = OPTION_HEADER_BYTES + 2;
const KEEPALIVE_BYTES = OPTION_HEADER_BYTES + 2;
const NO_OPTION = new Uint8Array();

export const FLAG_AA = 0x04;
export const FLAG_TC = 0x02;
const QR = 0x80;
const RA = 0x80;
/** Opcode and RD of the query are those of the answer (RFC 1035 section 4.1.1). */
const KEPT_BITS_2 = 0x79;
/** Of the second octet of flags CD alone is (RFC 4035 section 3.2.2). */
const KEPT_BITS_3 = 0x10;

/** An answer as it is written: header and question, records, and at last flags, counts and OPT. */
export class Reply {
  bytes: Uint8Array = NO_OPTION;
  /** Where the next record goes. */
  at = 0;
  answers = 0;
  authority = 0;
  additional = 0;
  hasEdns = false;
  isDnssecOk = false;
  /** Info code of an extended error, or EDE.NONE. */
  ede: number = EDE.NONE;
  recursionAvailable = false;
  /** The payload this server takes over UDP. */
  sizeBytes = 0;
  /** The data of the COOKIE option; empty for none. */
  cookie: Uint8Array = NO_OPTION;
  nsid: Uint8Array = NO_OPTION;
  /** In units of 100 ms (RFC 7828 section 3.1); -1 for none. */
  keepalive = -1;
  #limit = 0;

  /** Begins an answer in `bytes` of at most `limit` octets with the query's header and question. */
  begin(bytes: Uint8Array, request: Uint8Array, questionEnd: number, limit: number): void {
    this.bytes = bytes;
    for (let at = 0; at < questionEnd; at += 1) bytes[at] = request[at] ?? 0;
    this.at = questionEnd;
    this.answers = 0;
    this.authority = 0;
    this.additional = 0;
    this.ede = EDE.NONE;
    this.cookie = NO_OPTION;
    this.nsid = NO_OPTION;
    this.keepalive = -1;
    this.#limit = Math.min(limit, bytes.length);
  }

  /** How many octets of records still fit. */
  get room(): number {
    return this.#limit - this.at - (this.hasEdns ? this.#optBytes() : 0);
  }

  /** Writes what stands before a record's data; the caller has looked for room, and writes the data. */
  record(owner: number, type: number, ttlSeconds: number, dataBytes: number): void {
    const { bytes, at } = this;
    // A pointer to where the owner's name is already (RFC 1035 section 4.1.4).
    putU16(bytes, at, 0xc000 | owner);
    putU16(bytes, at + 2, type);
    putU16(bytes, at + 4, CLASS_IN);
    putU32(bytes, at + 6, ttlSeconds);
    putU16(bytes, at + 10, dataBytes);
    this.at = at + 12;
  }

  /** Writes octets `from[start..start + length]`. */
  copy(from: Uint8Array, start: number, length: number): void {
    const { bytes, at } = this;
    for (let index = 0; index < length; index += 1) bytes[at + index] = from[start + index] ?? 0;
    this.at = at + length;
  }

  /** Writes flags, counts and the OPT record; gives the length of the answer. */
  finish(rcode: number, flags: number): number {
    const { bytes } = this;
    bytes[2] = QR | flags | ((bytes[2] ?? 0) & KEPT_BITS_2);
    bytes[3] = (this.recursionAvailable ? RA : 0) | ((bytes[3] ?? 0) & KEPT_BITS_3) | (rcode & 0xf);
    putU16(bytes, 6, this.answers);
    putU16(bytes, 8, this.authority);
    putU16(bytes, 10, this.additional + (this.hasEdns ? 1 : 0));
    if (this.hasEdns) this.#writeOpt(rcode);
    return this.at;
  }

  /** An answer of the header alone, where there is no question to repeat. */
  finishBare(rcode: number): number {
    const { bytes } = this;
    this.at = HEADER_BYTES;
    this.hasEdns = false;
    this.answers = 0;
    this.authority = 0;
    this.additional = 0;
    putU16(bytes, 4, 0);
    return this.finish(rcode, 0);
  }

  #optBytes(): number {
    const option = (data: Uint8Array) =>
      data.length === 0 ? 0 : OPTION_HEADER_BYTES + data.length;
    const keepalive = this.keepalive < 0 ? 0 : KEEPALIVE_BYTES;
    // There may be an extended error yet.
    return OPT_BYTES + option(this.cookie) + option(this.nsid) + keepalive + EDE_BYTES;
  }

  #writeOpt(rcode: number): void {
    const { bytes } = this;
    const start = this.at;
    bytes[start] = 0;
    putU16(bytes, start + 1, TYPE.OPT);
    putU16(bytes, start + 3, this.sizeBytes);
    bytes[start + 5] = rcode >> 4;
    bytes[start + 6] = 0;
    bytes[start + 7] = this.isDnssecOk ? 0x80 : 0;
    bytes[start + 8] = 0;
    this.at = start + OPT_BYTES;
    this.#writeOption(OPTION.NSID, this.nsid);
    this.#writeOption(OPTION.COOKIE, this.cookie);
    if (this.keepalive >= 0) this.#writeNumber(OPTION.KEEPALIVE, this.keepalive);
    if (this.ede !== EDE.NONE) this.#writeNumber(OPTION.EDE, this.ede);
    putU16(bytes, start + 9, this.at - start - OPT_BYTES);
  }

  #writeOption(code: number, data: Uint8Array): void {
    if (data.length === 0) return;
    putU16(this.bytes, this.at, code);
    putU16(this.bytes, this.at + 2, data.length);
    this.at += OPTION_HEADER_BYTES;
    this.copy(data, 0, data.length);
  }

  #writeNumber(code: number, value: number): void {
    putU16(this.bytes, this.at, code);
    putU16(this.bytes, this.at + 2, 2);
    putU16(this.bytes, this.at + 4, value);
    this.at += OPTION_HEADER_BYTES + 2;
  }
}
