import { HEADER_BYTES, OPTION, RCODE, TYPE } from '../wire/constants.ts';
import { u16, u32 } from '../wire/octets.ts';
import { skipName, WireName } from '../wire/wire-name.ts';

/** A query has one question and seldom more than an OPT; more records than this are not read. */
const EXTRA_RECORDS_MAX = 16;
const EDNS_OPTIONS_MAX = 64;
const OPCODE_QUERY = 0;
const QR = 0x80;

const CLIENT_COOKIE_BYTES = 8;
const COOKIE_BYTES_MIN = 16;
const COOKIE_BYTES_MAX = 40;

/** The message is to be left without an answer. */
export const NO_REPLY = -1;

/**
 * A query, read in place. Its fields hold until the next `read`; nothing is allocated, and the time is
 * bounded by the length of the message.
 */
export class Request {
  readonly name = new WireName();
  type = 0;
  classNumber = 0;
  /** The offset after the question; that of the header's end when there is none. */
  questionEnd = HEADER_BYTES;
  hasQuestion = false;
  hasEdns = false;
  /** What the client takes over UDP (RFC 6891 section 6.2.3). */
  sizeBytes = 0;
  ednsVersion = 0;
  isDnssecOk = false;
  wantsNsid = false;
  wantsKeepalive = false;
  /** Where the COOKIE option's data is, and its length; 0 without one. */
  cookieAt = 0;
  cookieBytes = 0;
  /** Of IXFR: the serial number the client has, -1 without one (RFC 1995 section 3). */
  serial = -1;

  /** Reads `bytes[0..length]`. Gives NOERROR, the code of an answer without more, or NO_REPLY. */
  read(bytes: Uint8Array, length: number): number {
    this.#clear();
    // An answer to what may be an answer itself would go on forever.
    if (length < HEADER_BYTES || ((bytes[2] ?? 0) & QR) !== 0) return NO_REPLY;
    if ((((bytes[2] ?? 0) >> 3) & 0xf) !== OPCODE_QUERY) return RCODE.NOTIMP;
    const questions = u16(bytes, 4);
    if (questions > 1) return RCODE.FORMERR;
    if (questions === 1) {
      const end = this.name.read(bytes, HEADER_BYTES, length);
      if (end < 0 || end + 4 > length) return RCODE.FORMERR;
      this.type = u16(bytes, end);
      this.classNumber = u16(bytes, end + 2);
      this.questionEnd = end + 4;
      this.hasQuestion = true;
    }
    if (!this.#readRecords(bytes, length)) {
      this.hasEdns = false;
      return RCODE.FORMERR;
    }
    // No question is a question for a cookie (RFC 7873 section 5.4), or a mistake (RFC 9619).
    return questions === 1 || this.cookieBytes > 0 ? RCODE.NOERROR : RCODE.FORMERR;
  }

  #clear(): void {
    this.questionEnd = HEADER_BYTES;
    this.hasQuestion = false;
    this.hasEdns = false;
    this.sizeBytes = 0;
    this.ednsVersion = 0;
    this.isDnssecOk = false;
    this.wantsNsid = false;
    this.wantsKeepalive = false;
    this.cookieBytes = 0;
    this.serial = -1;
  }

  #readRecords(bytes: Uint8Array, length: number): boolean {
    const before = u16(bytes, 6) + u16(bytes, 8);
    const records = before + u16(bytes, 10);
    if (records > EXTRA_RECORDS_MAX) return false;
    let at = this.questionEnd;
    for (let index = 0; index < records; index += 1) {
      const owner = at;
      at = skipName(bytes, at, length);
      if (at < 0 || at + 10 > length) return false;
      const end = at + 10 + u16(bytes, at + 8);
      if (end > length) return false;
      const type = u16(bytes, at);
      if (type === TYPE.OPT) {
        // OPT belongs into the additional section, once, and is nobody's.
        if (this.hasEdns || bytes[owner] !== 0 || index < before) return false;
        if (!this.#readEdns(bytes, at, end)) return false;
      } else if (type === TYPE.SOA && this.type === TYPE.IXFR) {
        this.#readSerial(bytes, at + 10, end);
      }
      at = end;
    }
    return true;
  }

  /** Reads the OPT record whose type is at `at`. */
  #readEdns(bytes: Uint8Array, at: number, end: number): boolean {
    this.hasEdns = true;
    this.sizeBytes = u16(bytes, at + 2);
    this.ednsVersion = bytes[at + 5] ?? 0;
    this.isDnssecOk = ((bytes[at + 6] ?? 0) & 0x80) !== 0;
    let option = at + 10;
    for (let count = 0; option < end; count += 1) {
      if (option + 4 > end || count === EDNS_OPTIONS_MAX) return false;
      const code = u16(bytes, option);
      const size = u16(bytes, option + 2);
      const data = option + 4;
      if (data + size > end) return false;
      if (code === OPTION.NSID) this.wantsNsid = true;
      else if (code === OPTION.KEEPALIVE) this.wantsKeepalive = true;
      else if (code === OPTION.COOKIE && this.cookieBytes === 0) {
        // RFC 7873 section 5.2.2.
        const isWhole = size >= COOKIE_BYTES_MIN && size <= COOKIE_BYTES_MAX;
        if (size !== CLIENT_COOKIE_BYTES && !isWhole) return false;
        this.cookieAt = data;
        this.cookieBytes = size;
      }
      option = data + size;
    }
    return true;
  }

  #readSerial(bytes: Uint8Array, start: number, end: number): void {
    const rname = skipName(bytes, start, end);
    const numbers = rname < 0 ? -1 : skipName(bytes, rname, end);
    if (numbers >= 0 && numbers + 20 <= end) this.serial = u32(bytes, numbers);
  }
}
