import { TLSSocket } from 'node:tls';
import { Http2Session } from '../connect/session.ts';
import { ConnectError, openSocket } from '../connect/socket.ts';
import type { EtcdAccess } from './access.ts';

/** A member that is away is passed over for the next one after so long. */
const CONNECT_TIMEOUT_MS = 5_000;
/** etcd ends a connection that asks more often than every 5 s (`--grpc-keepalive-min-time`). */
const PING_INTERVAL_MS = 10_000;
/** etcd itself gives up sooner. */
const ANSWER_TIMEOUT_MS = 30_000;

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

/** Connects to one member. Rejects with ConnectError or AccessError. */
export async function connectMember(
  access: EtcdAccess,
  server: URL,
  limits: EtcdLimits,
): Promise<Http2Session> {
  const { connectTimeoutMs: timeoutMs, pingIntervalMs } = limits;
  const socket = await openSocket({ server, tls: () => access.tls(), alpn: ['h2'], timeoutMs });
  if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
    socket.destroy();
    throw new ConnectError(`${server.origin}: the server does not speak HTTP/2`);
  }
  return new Http2Session(server, socket, pingIntervalMs);
}
