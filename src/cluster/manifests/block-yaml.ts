/*
 * YAML as tools and people write Kubernetes objects: mappings and lists in block style, one scalar a line.
 * That is a small part of the language, which can be read ten times as fast as all of it. Whatever has
 * anything else in it, or could be meant otherwise, is not read here at all; see `parse.ts`.
 */

/** Mappings and lists within each other; Kubernetes' types are not half as deep. */
const DEPTH_MAX = 64;
/** Strings that occur again, such as names of nodes, are held once; so many of them are looked for. */
const INTERNED_MAX = 1 << 12;
/** The longest string that V8 copies out of another; longer ones hold on to all of it. */
const COPIED_MAX = 12;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const DASH = 0x2d;
const HASH = 0x23;
const COLON = 0x3a;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const BACKSLASH = 0x5c;
const PRINTABLE_MAX = 0x7e;

/** Words that some version of YAML or some reader takes for something else than a string. */
const WORD = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const INTEGER = /^(?:0|[1-9]\d{0,14})$/;
/** What begins with a digit and is a string for every reader: addresses and prefixes. */
const ADDRESS = /^(?:\d+\.\d+\.\d+\.\d+|[\da-f:.]*::[\da-f:.]*|[\da-f:.]+\/\d+)$/;

/** It is something else than what is read here: for a parser of all YAML, be it right or wrong. */
export class OtherYaml extends Error {}

/**
 * The documents of a text, empty ones left out, each read when it is asked for: who has done with one
 * before the next needs no memory for all of them. Throws OtherYaml.
 */
export function blockYamlDocuments(bytes: Buffer): Iterable<unknown> {
  return new Reader(bytes).documents();
}

class Reader {
  readonly #bytes: Buffer;
  /** The same, by offsets in octets: what is beyond ASCII is refused where it is met. */
  readonly #text: string;
  /** Keys and values met last, by their hashes. */
  readonly #keys: (string | undefined)[] = Array.from({ length: INTERNED_MAX });
  readonly #values: (string | undefined)[] = Array.from({ length: INTERNED_MAX });
  /** Where the reader is: at the first character of a line's content, or of what follows a dash. */
  #at = 0;
  /** The column of it; -1 at the end of a document, and of the text. */
  #indent = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#text = bytes.toString('latin1');
  }

  *documents(): Generator<unknown, void> {
    this.#seekContent();
    while (this.#at < this.#bytes.length) {
      if (this.#isSeparator()) {
        this.#at += 3;
        this.#endLine();
        this.#toContent();
        continue;
      }
      const document = this.#node();
      if (this.#at < this.#bytes.length && !this.#isSeparator()) throw new OtherYaml();
      yield document;
    }
  }

  #isSeparator(): boolean {
    return this.#indent <= 0 && this.#text.startsWith('---', this.#at);
  }

  /** A mapping or a list, which the line at hand begins. */
  #node(): unknown {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new OtherYaml();
    const node = this.#isItem() ? this.#list(this.#indent) : this.#mapping(this.#indent);
    this.#depth -= 1;
    return node;
  }

  #isItem(): boolean {
    return this.#code(0) === DASH && this.#code(1) === SPACE;
  }

  #mapping(indent: number): Record<string, unknown> {
    const mapping: Record<string, unknown> = {};
    while (this.#indent === indent && !this.#isItem()) {
      const end = this.#keyEnd();
      if (end === undefined) throw new OtherYaml();
      const key = this.#key(end);
      // What is there twice is for the other parser to complain of.
      if (Object.hasOwn(mapping, key)) throw new OtherYaml();
      this.#at = end + 1;
      mapping[key] = this.#value(indent);
      if (this.#indent > indent) throw new OtherYaml();
    }
    return mapping;
  }

  /** What stands behind a key of a mapping at `indent`: on its line, or below it. */
  #value(indent: number): unknown {
    this.#skipSpaces();
    if (!this.#atLineEnd()) return this.#scalar();
    this.#toContent();
    if (this.#indent > indent || (this.#indent === indent && this.#isItem())) return this.#node();
    return null;
  }

  #list(indent: number): unknown[] {
    const list: unknown[] = [];
    while (this.#indent === indent && this.#isItem()) {
      this.#at += 1;
      this.#indent += 1;
      while (this.#code(0) === SPACE) {
        this.#at += 1;
        this.#indent += 1;
      }
      if (this.#atLineEnd() || this.#isItem()) throw new OtherYaml();
      list.push(this.#keyEnd() === undefined ? this.#scalar() : this.#node());
      if (this.#indent > indent) throw new OtherYaml();
    }
    return list;
  }

  /** Where the key ends that begins here; undefined when there is none. */
  #keyEnd(): number | undefined {
    let at = this.#at;
    if (!isLetter(this.#bytes[at] ?? 0)) return undefined;
    while (isKeyCharacter(this.#bytes[at] ?? 0)) at += 1;
    const after = this.#bytes[at + 1] ?? NEWLINE;
    if (this.#bytes[at] !== COLON || (after !== SPACE && after !== NEWLINE)) return undefined;
    return at;
  }

  /** A scalar that ends on its line; goes to the content after it. */
  #scalar(): unknown {
    const first = this.#code(0);
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) return this.#quoted(first);
    const start = this.#at;
    const pair = this.#text.slice(start, start + 2);
    if (pair === '{}' || pair === '[]') {
      this.#at += 2;
      this.#endLine();
      this.#toContent();
      return pair === '{}' ? {} : [];
    }
    const isDigit = first >= 0x30 && first <= 0x39;
    if (!isDigit && !isLetter(first) && first !== 0x2f && first !== 0x5f) throw new OtherYaml();
    let end = start;
    let last = start;
    for (; ; end += 1) {
      const code = this.#bytes[end] ?? NEWLINE;
      if (code === NEWLINE) break;
      if (code < SPACE || code > PRINTABLE_MAX) throw new OtherYaml();
      if (code === SPACE) {
        if (this.#bytes[end + 1] === HASH) throw new OtherYaml();
        continue;
      }
      const after = this.#bytes[end + 1] ?? NEWLINE;
      if (code === COLON && (after === SPACE || after === NEWLINE)) throw new OtherYaml();
      last = end;
    }
    this.#at = end;
    const text = this.#intern(start, last + 1);
    this.#toContent();
    return isDigit ? resolveDigits(text) : resolveWord(text);
  }

  #quoted(quote: number): string {
    const start = this.#at + 1;
    let end = start;
    for (; this.#bytes[end] !== quote; end += 1) {
      const code = this.#bytes[end] ?? NEWLINE;
      if (code < SPACE || code > PRINTABLE_MAX || code === BACKSLASH) throw new OtherYaml();
    }
    this.#at = end + 1;
    const text = this.#intern(start, end);
    this.#endLine();
    this.#toContent();
    return text;
  }

  /** The key that ends at `end`; one that is known was looked at already. */
  #key(end: number): string {
    const at = this.#hash(this.#at, end);
    const known = this.#keys[at];
    if (known !== undefined && this.#stands(known, this.#at, end)) return known;
    const key = this.#copy(this.#at, end);
    if (key === '__proto__' || WORD.test(key)) throw new OtherYaml();
    this.#keys[at] = key;
    return key;
  }

  #intern(start: number, end: number): string {
    const at = this.#hash(start, end);
    const known = this.#values[at];
    if (known !== undefined && this.#stands(known, start, end)) return known;
    const text = this.#copy(start, end);
    this.#values[at] = text;
    return text;
  }

  /** A number below INTERNED_MAX for what is from `start` to `end` (FNV-1a). */
  #hash(start: number, end: number): number {
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at += 1) {
      hash = Math.imul(hash ^ (this.#bytes[at] ?? 0), 0x01000193);
    }
    return (hash ^ (hash >>> 16)) & (INTERNED_MAX - 1);
  }

  #stands(text: string, start: number, end: number): boolean {
    return text.length === end - start && this.#text.startsWith(text, start);
  }

  /** A string of its own: one cut out of the text would hold the whole text in memory. */
  #copy(start: number, end: number): string {
    return end - start <= COPIED_MAX
      ? this.#text.slice(start, end)
      : this.#bytes.toString('latin1', start, end);
  }

  /** Nothing more may stand on the line. */
  #endLine(): void {
    this.#skipSpaces();
    if (!this.#atLineEnd()) throw new OtherYaml();
  }

  /** From the end of a line to the next one that says something. */
  #toContent(): void {
    if (!this.#atLineEnd()) throw new OtherYaml();
    this.#at += 1;
    this.#seekContent();
  }

  /** From the beginning of a line to the first that says something, which may be this one. */
  #seekContent(): void {
    for (; this.#at < this.#bytes.length; this.#at += 1) {
      const start = this.#at;
      this.#skipSpaces();
      const code = this.#code(0);
      if (code === HASH) this.#skipComment();
      else if (!this.#atLineEnd()) {
        // A separator ends whatever is open.
        this.#indent = this.#at - start;
        if (this.#indent === 0 && this.#text.startsWith('---', this.#at)) this.#indent = -1;
        return;
      }
    }
    this.#indent = -1;
  }

  #skipComment(): void {
    for (; !this.#atLineEnd(); this.#at += 1) {
      const code = this.#code(0);
      if (code < SPACE || code > PRINTABLE_MAX) throw new OtherYaml();
    }
  }

  #skipSpaces(): void {
    while (this.#code(0) === SPACE) this.#at += 1;
  }

  #atLineEnd(): boolean {
    return this.#at >= this.#bytes.length || this.#bytes[this.#at] === NEWLINE;
  }

  #code(offset: number): number {
    return this.#bytes[this.#at + offset] ?? 0;
  }
}

function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** A-Z, a-z, 0-9, "-", ".", "/" and "_": names of fields, labels and annotations. */
function isKeyCharacter(code: number): boolean {
  return isLetter(code) || (code >= 0x2d && code <= 0x39) || code === 0x5f;
}

function resolveWord(text: string): unknown {
  switch (text) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
    default:
      if (text.length <= 5 && WORD.test(text)) throw new OtherYaml();
      return text;
  }
}

function resolveDigits(text: string): unknown {
  if (INTEGER.test(text)) return Number(text);
  if (ADDRESS.test(text)) return text;
  throw new OtherYaml();
}
