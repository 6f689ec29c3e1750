/** Where the growable buffer starts; most messages fit without growing. */
const INITIAL_BYTES = 512;
const ASCII_MAX = 0x7f;
const textEncoder = new TextEncoder();
/** No single message or batch may be larger; a bug ends here, not in an out-of-memory kill. */
const SIZE_BYTES_MAX = 256 << 20;

/**
 * A growable buffer in host byte order, which is what netlink uses unless an attribute says
 * otherwise. Views of `bytes()` are valid until the next write.
 */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.#bytes = new Uint8Array(new ArrayBuffer(initialBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How many octets are written. */
  get length(): number {
    return this.#length;
  }

  /** What is written so far. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes it empty, to be used again; views of `bytes()` are no longer valid. */
  clear(): void {
    this.#bytes.fill(0, 0, this.#length);
    this.#length = 0;
  }

  /** Appends `count` zero octets and gives the offset of the first. */
  skip(count: number): number {
    const at = this.#length;
    this.#grow(count);
    this.#length += count;
    return at;
  }

  /** Appends zero octets up to the next multiple of 4, the alignment of netlink (NLMSG_ALIGNTO). */
  align(): void {
    this.skip(-this.#length & 3);
  }

  u8(value: number): void {
    const at = this.skip(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number, littleEndian = true): void {
    const at = this.skip(2);
    this.#view.setUint16(at, value, littleEndian);
  }

  u32(value: number, littleEndian = true): void {
    const at = this.skip(4);
    this.#view.setUint32(at, value, littleEndian);
  }

  u64(value: bigint, littleEndian = true): void {
    const at = this.skip(8);
    this.#view.setBigUint64(at, value, littleEndian);
  }

  /** A number of `width` octets. */
  uint(width: 1 | 2 | 4, value: number): void {
    if (width === 1) this.u8(value);
    else if (width === 2) this.u16(value);
    else this.u32(value);
  }

  raw(value: Uint8Array): void {
    const at = this.skip(value.length);
    this.#bytes.set(value, at);
  }

  /** Appends text in UTF-8, without a NUL. */
  text(value: string): void {
    const at = this.skip(value.length);
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > ASCII_MAX) {
        // Names of links and tables are ASCII; whatever is not is encoded whole.
        this.#bytes.fill(0, at, at + index);
        this.#length = at;
        this.raw(textEncoder.encode(value));
        return;
      }
      this.#bytes[at + index] = code;
    }
  }

  /** Overwrites the 16 bits at `at`, such as an attribute's length once it is known. */
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  /** Overwrites the 32 bits at `at`. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #grow(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (needed > SIZE_BYTES_MAX)
      throw new RangeError(`netlink message over ${SIZE_BYTES_MAX} bytes`);
    const larger = new Uint8Array(new ArrayBuffer(Math.max(needed, this.#bytes.length * 2)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
