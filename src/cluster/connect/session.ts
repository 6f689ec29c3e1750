import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { keepAsking } from './pings.ts';

/** What may be on the way to us, for one stream and for all. */
const STREAM_WINDOW_BYTES = 256 << 10;
const SESSION_WINDOW_BYTES = 1 << 20;

/** An HTTP/2 session on a socket, which pings tell to be alive. */
export class Http2Session implements Disposable {
  /** The server, for people. */
  readonly origin: string;
  readonly session: ClientHttp2Session;
  #isDraining = false;

  constructor({ origin }: URL, socket: Socket, pingIntervalMs: number) {
    const session = connect(origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    this.origin = origin;
    this.session = session;
    session.once('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
    // Streams are told; the session has nothing to add.
    session.on('error', () => {});
    // The server wants new requests elsewhere; what runs may end here.
    session.on('goaway', () => {
      this.#isDraining = true;
    });
    keepAsking(session, origin, pingIntervalMs);
  }

  /** Whether it takes another request. */
  get isUsable(): boolean {
    return !this.#isDraining && !this.session.closed && !this.session.destroyed;
  }

  /** Takes no more requests, and ends when those there are have. */
  retire(): void {
    this.session.close();
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}
