import type { ClientHttp2Session } from 'node:http2';
import { ConnectError } from './socket.ts';

/** How often the server may keep silent in a row. */
const PINGS_UNANSWERED_MAX = 2;

/** Asks the server of a session whether it is there, and ends the session with ConnectError when it is not. */
export function keepAsking(session: ClientHttp2Session, origin: string, intervalMs: number): void {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (session.destroyed) return;
    // Counted, not timed: when this process was held up, an answer may be waiting to be read.
    if (unanswered >= PINGS_UNANSWERED_MAX) {
      session.destroy(new ConnectError(`${origin}: the connection is dead, no answer to a ping`));
      return;
    }
    unanswered += 1;
    session.ping((error) => {
      if (error === null) unanswered = 0;
    });
  }, intervalMs);
  session.once('close', () => clearInterval(timer));
}
