import { PodwireError } from '../../errors.ts';

/*
 * A message in a stream of gRPC: whether it is compressed, its length in four octets, and itself
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).
 */

const HEAD_BYTES = 5;
/** A page of a list is the largest that comes; see `PAGE_OBJECTS` for what is done about larger ones. */
const MESSAGE_BYTES_MAX = 64 << 20;

/** A message that is more than is read. */
export class MessageTooLargeError extends PodwireError {
  constructor(bytes: number) {
    super(
      'ERR_ETCD_TOO_LARGE',
      `a message of ${bytes} bytes, at most ${MESSAGE_BYTES_MAX} are read`,
    );
  }
}

/** A message with what stands before it. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Cuts a stream into messages. */
export class FrameSplitter {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** How long the frame is that is coming; as long as its head is not here, that. */
  #wanted = HEAD_BYTES;
  #hasHead = false;

  /** The messages that `chunk` completes. Throws PodwireError for what is none, or too long. */
  *push(chunk: Uint8Array): Generator<Uint8Array, undefined> {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#wanted) {
      const all = this.#parts.length === 1 ? (this.#parts[0] ?? chunk) : Buffer.concat(this.#parts);
      const part = all.subarray(0, this.#wanted);
      this.#parts = [all.subarray(this.#wanted)];
      this.#bytes -= this.#wanted;
      this.#hasHead = !this.#hasHead;
      if (this.#hasHead) {
        this.#wanted = lengthOf(part);
      } else {
        this.#wanted = HEAD_BYTES;
        yield part;
      }
    }
  }
}

function lengthOf(head: Uint8Array): number {
  if (head[0] !== 0)
    throw new PodwireError('ERR_ETCD', 'a compressed message, which was not asked for');
  const bytes = Buffer.from(head).readUInt32BE(1);
  if (bytes > MESSAGE_BYTES_MAX) throw new MessageTooLargeError(bytes);
  return bytes;
}
