import type { Socket } from 'node:net';
import type { QueryContext } from './fallback.ts';
import type { TcpLimits } from './tcp-limits.ts';

/** What the answers to one message are: several for a transfer, none to hang up. */
export type TcpAnswer = readonly Uint8Array[] | undefined;

/** Answers a message that came over TCP; at once where it can. */
export type TcpHandler = (
  request: Uint8Array,
  context: QueryContext,
) => TcpAnswer | Promise<TcpAnswer>;

const LENGTH_BYTES = 2;
const MESSAGE_BYTES_MAX = 65_535;
/** Who takes less of an answer until the write deadline is cut off. */
const TAKEN_BYTES_MIN = 64 << 10;

/** One connection: messages in, each after its length; answers out in the order they are ready. */
export class TcpConnection {
  readonly #socket: Socket;
  readonly #context: QueryContext;
  readonly #handler: TcpHandler;
  readonly #limits: TcpLimits;
  #pending: Buffer = Buffer.alloc(0);
  #inFlight = 0;
  #isEnding = false;
  #deadline: NodeJS.Timeout | undefined;
  #deadlineMs = 0;
  #takenBytes = 0;

  constructor(socket: Socket, context: QueryContext, handler: TcpHandler, limits: TcpLimits) {
    this.#socket = socket;
    this.#context = context;
    this.#handler = handler;
    this.#limits = limits;
    socket.on('data', (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      this.#read();
    });
    // The client has said all it will; what it asked is answered (RFC 7766 section 6.2.3).
    socket.on('end', () => this.finish());
    socket.on('drain', () => this.#read());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => clearTimeout(this.#deadline));
    this.#setDeadline();
  }

  /** Reads no more; closes once all that was asked is answered. */
  finish(): void {
    this.#isEnding = true;
    this.#settle();
  }

  /** Answers the whole messages that came, unless there is enough to do already. */
  #read(): void {
    const { inFlightMax } = this.#limits;
    while (this.#pending.length >= LENGTH_BYTES && !this.#socket.destroyed) {
      if (this.#inFlight >= inFlightMax || this.#socket.writableNeedDrain) break;
      const length = this.#pending.readUInt16BE(0);
      if (length === 0) {
        this.#socket.destroy();
        return;
      }
      if (this.#pending.length < LENGTH_BYTES + length) break;
      const request = this.#pending.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
      this.#pending = this.#pending.subarray(LENGTH_BYTES + length);
      this.#answer(request);
    }
    this.#settle();
  }

  #answer(request: Uint8Array): void {
    const answer = this.#handler(request, this.#context);
    if (!(answer instanceof Promise)) {
      this.#write(answer);
      return;
    }
    this.#inFlight += 1;
    void answer
      .catch(() => undefined)
      .then((messages) => {
        this.#inFlight -= 1;
        this.#write(messages);
        this.#read();
      });
  }

  /** A message without an answer was no query: who sends such is not to be talked to. */
  #write(messages: TcpAnswer): void {
    if (this.#socket.destroyed) return;
    if (messages === undefined) {
      this.#socket.destroy();
      return;
    }
    for (const message of messages) {
      const framed = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
      framed.writeUInt16BE(message.length, 0);
      framed.set(message, LENGTH_BYTES);
      this.#socket.write(framed);
    }
  }

  /** Looks what is to be waited for now, and whether to go on reading, or to end. */
  #settle(): void {
    if (this.#socket.destroyed) return;
    const isBusy = this.#inFlight >= this.#limits.inFlightMax || this.#socket.writableNeedDrain;
    const isFull = this.#pending.length > LENGTH_BYTES + MESSAGE_BYTES_MAX;
    if (isBusy || isFull) this.#socket.pause();
    else this.#socket.resume();
    if (this.#isEnding && this.#inFlight === 0 && !this.#socket.writableEnded && !this.#hasWhole) {
      this.#socket.destroySoon();
    }
    this.#setDeadline();
  }

  get #hasWhole(): boolean {
    if (this.#pending.length < LENGTH_BYTES) return false;
    return this.#pending.length >= LENGTH_BYTES + this.#pending.readUInt16BE(0);
  }

  /**
   * The one thing that is late first: answers not taken, a message begun, or silence. It is not put
   * off by more of the same, so nobody can hold a connection by an octet now and then.
   */
  #setDeadline(): void {
    const { idleTimeoutMs, messageTimeoutMs, writeTimeoutMs } = this.#limits;
    const isWriting = this.#socket.writableLength > 0 || this.#socket.writableEnded;
    const isReading = this.#pending.length > 0;
    if (this.#inFlight > 0 && !isWriting) {
      clearTimeout(this.#deadline);
      this.#deadlineMs = 0;
      return;
    }
    const wanted = isWriting ? writeTimeoutMs : isReading ? messageTimeoutMs : idleTimeoutMs;
    const isSame = this.#deadlineMs === wanted && (isWriting || isReading);
    if (isSame) return;
    clearTimeout(this.#deadline);
    this.#deadlineMs = wanted;
    this.#takenBytes = this.#taken;
    this.#deadline = setTimeout(() => this.#late(), wanted);
  }

  /** Octets of answers that the client's side has taken. */
  get #taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  /** A long transfer may take long, as long as it goes on. */
  #late(): void {
    const isMoving = this.#taken - this.#takenBytes >= TAKEN_BYTES_MIN;
    this.#deadlineMs = 0;
    if (this.#socket.writableLength > 0 && isMoving) this.#setDeadline();
    else this.#socket.destroy();
  }
}
