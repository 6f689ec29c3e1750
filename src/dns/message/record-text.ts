import { parseAddr } from '../../ipaddr/parse-addr.ts';
import { joined, nameBytes, type ResourceRecord } from './message.ts';
import { MessageError } from './name.ts';
import { classNumber, typeNumber } from './numbers.ts';

/** A record in text is no longer than one in wire form would be. */
const TEXT_LENGTH_MAX = 16_384;
const CHARACTER_STRING_BYTES_MAX = 255;
/** RFC 1035 leaves a missing TTL to the zone; without one it is an hour. */
const DEFAULT_TTL_SECONDS = 3600;

/** One field of a record's data in text form (RFC 1035 section 5.1). */
type Field = 'name' | 'u8' | 'u16' | 'u32' | 'string' | 'strings' | 'ipv4' | 'ipv6' | 'text';

const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  A: ['ipv4'],
  AAAA: ['ipv6'],
  CNAME: ['name'],
  DNAME: ['name'],
  NS: ['name'],
  PTR: ['name'],
  MX: ['u16', 'name'],
  SOA: ['name', 'name', 'u32', 'u32', 'u32', 'u32', 'u32'],
  SRV: ['u16', 'u16', 'u16', 'name'],
  TXT: ['strings'],
  SPF: ['strings'],
  HINFO: ['string', 'string'],
  CAA: ['u8', 'string', 'text'],
  NAPTR: ['u16', 'u16', 'string', 'string', 'string', 'name'],
};

/**
 * Reads one record as a zone file has it: `name [ttl] [class] type data`, names without a final dot
 * being absolute as well. Of other types than A, AAAA, CAA, CNAME, DNAME, HINFO, MX, NAPTR, NS, PTR,
 * SOA, SPF, SRV and TXT the data has RFC 3597's form `\# length hex`. Throws MessageError.
 */
export function parseRecord(text: string): ResourceRecord {
  if (text.length > TEXT_LENGTH_MAX)
    throw new MessageError(`a record over ${TEXT_LENGTH_MAX} characters`);
  const words = splitWords(text);
  const fail = (problem: string): never => {
    throw new MessageError(`record "${text}": ${problem}`);
  };
  const name = words.shift()?.text ?? fail('expected a name');
  let ttl: number | undefined;
  let recordClass: number | undefined;
  // TTL and class may stand in either order (RFC 1035 section 5.1).
  for (let turn = 0; turn < 2; turn += 1) {
    const word = words[0]?.text ?? '';
    if (ttl === undefined && /^[0-9]{1,10}$/.test(word)) ttl = Number(words.shift()?.text);
    else if (recordClass === undefined && typeNumber(word) === undefined) {
      recordClass = classNumber(word);
      if (recordClass !== undefined) words.shift();
    }
  }
  const typeText = words.shift()?.text ?? fail('expected a type');
  const type = typeNumber(typeText) ?? fail(`expected a type, got "${typeText}"`);
  if (ttl !== undefined && ttl > 0x7fff_ffff) fail(`expected a TTL below 2^31, got ${ttl}`);
  return {
    name: name.endsWith('.') ? name : `${name}.`,
    type,
    class: recordClass ?? 1,
    ttl: ttl ?? DEFAULT_TTL_SECONDS,
    rdata: encodeData(typeText.toUpperCase(), words, fail),
  };
}

interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
}

function splitWords(text: string): Word[] {
  const words: Word[] = [];
  // Parentheses only join lines in a zone file; here all is one line.
  for (const match of text.matchAll(/"((?:[^"\\]|\\.)*)"|((?:[^\s"()\\]|\\.)+)|[()]|"/g)) {
    const [whole, quoted, bare] = match;
    if (quoted !== undefined) words.push({ text: quoted, isQuoted: true });
    else if (bare !== undefined) words.push({ text: bare, isQuoted: false });
    else if (whole === '"') throw new MessageError(`record "${text}": a quote that is not closed`);
  }
  return words;
}

function encodeData(
  type: string,
  words: readonly Word[],
  fail: (problem: string) => never,
): Uint8Array {
  if (words[0]?.text === '\\#') return opaqueData(words, fail);
  const fields = FIELDS[type] ?? fail(`data of type ${type} must begin with "\\#"`);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const field of fields) {
    const taken = field === 'strings' ? words.slice(at) : words.slice(at, at + 1);
    if (taken.length === 0) fail(`expected ${fields.length} fields of data, got ${words.length}`);
    for (const word of taken) parts.push(encodeField(field, word.text, fail));
    at += taken.length;
  }
  if (at < words.length) fail(`expected the end, got "${words[at]?.text}"`);
  return joined(parts);
}

function encodeField(field: Field, text: string, fail: (problem: string) => never): Uint8Array {
  switch (field) {
    case 'name':
      return nameBytes(text);
    case 'ipv4':
    case 'ipv6': {
      const addr = parseAddr(text);
      if (addr.family !== (field === 'ipv4' ? 4 : 6)) fail(`expected ${field}, got "${text}"`);
      return addr.toBytes();
    }
    case 'u8':
    case 'u16':
    case 'u32': {
      const bytes = Number(field.slice(1)) / 8;
      const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value < 256 ** bytes)) fail(`expected a number of ${bytes * 8} bits, got "${text}"`);
      const data = new DataView(new ArrayBuffer(4));
      data.setUint32(0, value);
      return new Uint8Array(data.buffer, 4 - bytes);
    }
    case 'text':
      return octets(text);
    case 'string':
    case 'strings': {
      const data = octets(text);
      if (data.length > CHARACTER_STRING_BYTES_MAX) {
        fail(`a string over ${CHARACTER_STRING_BYTES_MAX} bytes`);
      }
      return joined([Uint8Array.of(data.length), data]);
    }
    default:
      return field satisfies never;
  }
}

/** The octets of a character string; `\DDD` and `\X` are one each. */
function octets(text: string): Uint8Array {
  const parts = Array.from(text.matchAll(/\\([0-9]{3})|\\(.)|[^\\]+/gs), ([whole, digits, char]) =>
    digits === undefined
      ? new TextEncoder().encode(char ?? whole)
      : Uint8Array.of(Number(digits) & 0xff),
  );
  return joined(parts);
}

function opaqueData(words: readonly Word[], fail: (problem: string) => never): Uint8Array {
  const hex = words
    .slice(2)
    .map(({ text }) => text)
    .join('');
  if (!/^([0-9a-fA-F]{2})*$/.test(hex)) fail(`expected hexadecimal data, got "${hex}"`);
  if (Number(words[1]?.text) !== hex.length / 2) {
    fail(`expected ${words[1]?.text} bytes of data, got ${hex.length / 2}`);
  }
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
