/*
 * The parts of an ELF file that the dynamic loader reads, as far as libatomic.ts changes them:
 * 64-bit, little-endian (System V ABI, chapters 4 and 5; glibc's elf.h).
 */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PF_X = 1;
const DT_NULL = 0;

export const DT_NEEDED = 1;
export const DT_PLTRELSZ = 2;
export const DT_STRTAB = 5;
export const DT_SYMTAB = 6;
export const DT_JMPREL = 23;
export const DT_VERSYM = 0x6ffffff0;
export const DT_VERNEED = 0x6ffffffe;
export const DT_VERNEEDNUM = 0x6fffffff;

const EHDR = { machine: 18, phoff: 32, phentsize: 54, phnum: 56 } as const;
const DYN_BYTES = 16;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly fileBytes: number;
  readonly align: number;
  /** Where its program header is. */
  readonly header: number;
}

/** An entry of the dynamic section: its tag, its value, and where the entry is in the file. */
interface DynamicEntry {
  readonly tag: number;
  readonly value: number;
  readonly at: number;
}

/** An executable in memory; changes are made in place. */
export class Elf {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #segments: Segment[] = [];

  /** Throws when it isn't a 64-bit little-endian ELF file. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Magic, then ELFCLASS64 and ELFDATA2LSB.
    if (this.view.getUint32(0) !== 0x7f454c46 || this.u16(4) !== 0x0102) {
      throw new Error('not a 64-bit little-endian ELF file');
    }
    const start = this.u64(EHDR.phoff);
    for (let index = 0; index < this.u16(EHDR.phnum); index += 1) {
      const header = start + index * this.u16(EHDR.phentsize);
      this.#segments.push({
        type: this.u32(header),
        flags: this.u32(header + 4),
        offset: this.u64(header + 8),
        vaddr: this.u64(header + 16),
        fileBytes: this.u64(header + 32),
        align: this.u64(header + 48),
        header,
      });
    }
  }

  /** EM_X86_64 is 62, EM_AARCH64 is 183. */
  get machine(): number {
    return this.u16(EHDR.machine);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  setU64(at: number, value: number): void {
    this.view.setBigUint64(at, BigInt(value), true);
  }

  /** Where in the file the byte at an address is. */
  offsetOf(vaddr: number): number {
    const segment = this.#segments.find(
      (each) => each.type === PT_LOAD && vaddr >= each.vaddr && vaddr < each.vaddr + each.fileBytes,
    );
    if (segment === undefined) throw new Error(`no part of the file is at ${vaddr.toString(16)}`);
    return vaddr - segment.vaddr + segment.offset;
  }

  /** The entries of the dynamic section, without the one that ends it. */
  dynamic(): DynamicEntry[] {
    const segment = this.#segments.find(({ type }) => type === PT_DYNAMIC);
    if (segment === undefined) throw new Error('no dynamic section');
    const entries: DynamicEntry[] = [];
    for (let at = segment.offset; this.u64(at) !== DT_NULL; at += DYN_BYTES) {
      entries.push({ tag: this.u64(at), value: this.u64(at + 8), at });
    }
    return entries;
  }

  /** The one entry with the tag. */
  entry(tag: number): DynamicEntry {
    const found = this.dynamic().find((each) => each.tag === tag);
    if (found === undefined) throw new Error(`no entry ${tag} in the dynamic section`);
    return found;
  }

  /** Takes an entry out; those after it move up. */
  removeEntry({ at }: DynamicEntry): void {
    const last = this.dynamic().at(-1);
    if (last === undefined) return;
    // The ending entry moves as well.
    this.bytes.copyWithin(at, at + DYN_BYTES, last.at + 2 * DYN_BYTES);
  }

  /** A string of the dynamic string table. */
  string(offset: number): string {
    const start = this.offsetOf(this.entry(DT_STRTAB).value) + offset;
    const end = this.bytes.indexOf(0, start);
    return new TextDecoder().decode(this.bytes.subarray(start, end));
  }

  /**
   * Puts code behind that of the executable segment, in the rest of its last page, and gives its
   * address. Throws when it does not fit or something is there.
   */
  appendCode(code: Uint8Array): number {
    const segment = this.#segments.find(
      ({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0,
    );
    if (segment === undefined) throw new Error('no executable segment');
    const { offset, vaddr, fileBytes, align, header } = segment;
    const start = Math.ceil((offset + fileBytes) / 16) * 16;
    const pageEnd = Math.ceil((offset + fileBytes) / align) * align;
    const room = this.bytes.subarray(offset + fileBytes, start + code.length);
    if (start + code.length > pageEnd || room.some((byte) => byte !== 0)) {
      throw new Error('no room behind the code');
    }
    this.bytes.set(code, start);
    const length = start + code.length - offset;
    this.setU64(header + 32, length);
    this.setU64(header + 40, length);
    return vaddr + start - offset;
  }
}
