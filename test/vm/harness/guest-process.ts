import { EventEmitter } from 'node:events';
import type { FromGuest, ToGuest } from './protocol.ts';

/** A program in the guest. */
export class GuestProcess extends EventEmitter<{
  message: [data: unknown];
  output: [stream: 'stdout' | 'stderr', bytes: Uint8Array];
  /** It ended; `error` says why where that was not its own doing. */
  exit: [code: number | null, signal: NodeJS.Signals | null, error: string | undefined];
}> {
  readonly #send: (message: ToGuest) => void;
  readonly #id: number;
  #ended = false;

  constructor(id: number, send: (message: ToGuest) => void) {
    super();
    this.#id = id;
    this.#send = send;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** A message for a program started with `ipc`. */
  message(data: unknown): void {
    this.#send({ type: 'message', id: this.#id, data });
  }

  /** Bytes for its standard input; none ends it. */
  input(bytes?: Uint8Array): void {
    this.#send({ type: 'input', id: this.#id, ...(bytes === undefined ? {} : { bytes }) });
  }

  kill(signal: NodeJS.Signals): void {
    this.#send({ type: 'kill', id: this.#id, signal });
  }

  /** What the guest says about it. */
  hear(message: Exclude<FromGuest, { type: 'ready' }>): void {
    switch (message.type) {
      case 'message':
        this.emit('message', message.data);
        break;
      case 'output':
        this.emit('output', message.stream, message.bytes);
        break;
      case 'exit':
        this.#ended = true;
        this.emit('exit', message.code, message.signal, message.error);
        break;
    }
  }
}
