/** An event is one object, and etcd takes none above 1.5 MiB. */
const LINE_BYTES_MAX = 8 << 20;
const NEWLINE = 10;

/** Cuts a stream into lines. */
export class LineSplitter {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** The lines that `chunk` completes, without their ends. Throws RangeError for one that is too long. */
  *push(chunk: Uint8Array): Generator<string, undefined> {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      const part = chunk.subarray(from, end === -1 ? undefined : end);
      this.#length += part.length;
      if (this.#length > LINE_BYTES_MAX) {
        throw new RangeError(`a line of more than ${LINE_BYTES_MAX} bytes`);
      }
      if (part.length > 0) this.#parts.push(part);
      if (end === -1) return;
      const line = textOf(this.#parts);
      this.#parts = [];
      this.#length = 0;
      if (line !== '') yield line;
      from = end + 1;
    }
  }
}

function textOf(parts: readonly Uint8Array[]): string {
  const [only] = parts;
  const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
