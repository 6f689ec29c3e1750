import { type ClientHttp2Session, connect } from 'node:http2';
import { TLSSocket } from 'node:tls';
import { keepAsking } from '../connect/pings.ts';
import { ConnectError, openSocket } from '../connect/socket.ts';
import type { EtcdAccess } from './access.ts';

/** A member that is away is passed over for the next one after so long. */
const CONNECT_TIMEOUT_MS = 5_000;
/** etcd ends a connection that asks more often than every 5 s (`--grpc-keepalive-min-time`). */
const PING_INTERVAL_MS = 10_000;
/** etcd itself gives up sooner. */
const ANSWER_TIMEOUT_MS = 30_000;
/** What may be on the way to us, for one stream and for all. */
const STREAM_WINDOW_BYTES = 256 << 10;
const SESSION_WINDOW_BYTES = 1 << 20;

/** How connections behave; tests have less time. */
export interface EtcdLimits {
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly answerTimeoutMs: number;
}

export const ETCD_LIMITS: EtcdLimits = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  pingIntervalMs: PING_INTERVAL_MS,
  answerTimeoutMs: ANSWER_TIMEOUT_MS,
};

/** A connection to one member of etcd. */
export class Member implements Disposable {
  readonly origin: string;
  readonly session: ClientHttp2Session;
  #isDraining = false;

  private constructor(origin: string, session: ClientHttp2Session) {
    this.origin = origin;
    this.session = session;
    // Calls are told; the session has nothing to add.
    session.on('error', () => {});
    // The member wants new calls elsewhere; what runs may end here.
    session.on('goaway', () => {
      this.#isDraining = true;
    });
  }

  /** Connects. Rejects with ConnectError or AccessError. */
  static async connect(access: EtcdAccess, server: URL, limits: EtcdLimits): Promise<Member> {
    const { connectTimeoutMs: timeoutMs, pingIntervalMs } = limits;
    const socket = await openSocket({ server, tls: () => access.tls(), alpn: ['h2'], timeoutMs });
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      socket.destroy();
      throw new ConnectError(`${server.origin}: the server does not speak HTTP/2`);
    }
    const session = connect(server.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    session.once('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
    keepAsking(session, server.origin, pingIntervalMs);
    return new Member(server.origin, session);
  }

  /** Whether it takes another call. */
  get isUsable(): boolean {
    return !this.#isDraining && !this.session.closed && !this.session.destroyed;
  }

  /** Takes no more calls, and ends when those there are have. */
  retire(): void {
    this.#isDraining = true;
    this.session.close();
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}
