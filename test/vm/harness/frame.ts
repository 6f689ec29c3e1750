import { deserialize, serialize } from 'node:v8';

/** A frame holds one message between host and guest; the largest is a module's source. */
export const FRAME_BYTES_MAX = 64 << 20;
const HEADER_BYTES = 4;

/** A message as its length, little endian, and its structured clone. */
export function encodeFrame(message: unknown): Uint8Array {
  const body = serialize(message);
  if (body.length > FRAME_BYTES_MAX) {
    throw new RangeError(`a message of ${body.length} bytes, at most ${FRAME_BYTES_MAX} expected`);
  }
  const frame = Buffer.alloc(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Takes a stream as it arrives and gives the messages that have arrived whole. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  push(chunk: Uint8Array): unknown[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: unknown[] = [];
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#bytes < HEADER_BYTES + length) break;
      const whole = this.#joined();
      messages.push(deserialize(whole.subarray(HEADER_BYTES, HEADER_BYTES + length)));
      this.#chunks = [whole.subarray(HEADER_BYTES + length)];
      this.#bytes -= HEADER_BYTES + length;
    }
    return messages;
  }

  #nextLength(): number | undefined {
    if (this.#bytes < HEADER_BYTES) return undefined;
    const first = this.#chunks[0];
    const head = first !== undefined && first.length >= HEADER_BYTES ? first : this.#joined();
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
    if (length > FRAME_BYTES_MAX) {
      throw new RangeError(`a frame of ${length} bytes, at most ${FRAME_BYTES_MAX} expected`);
    }
    return length;
  }

  #joined(): Uint8Array {
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }
}
