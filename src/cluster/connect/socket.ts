import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { PodwireError } from '../../errors.ts';
import type { TlsMaterial } from './credential.ts';

/** There is no connection, or there is none any more. */
export class ConnectError extends PodwireError {
  constructor(problem: string, options?: ErrorOptions) {
    super('ERR_CONNECT', problem, options);
  }
}

/** What a socket is opened with. */
export interface SocketOptions {
  /** The port is the protocol's own where the URL names none. */
  readonly server: URL;
  /** Asked for https alone. */
  readonly tls: () => Promise<TlsMaterial>;
  /** What may be spoken over TLS, the best first (RFC 7301). */
  readonly alpn: readonly string[];
  readonly timeoutMs: number;
}

/** Connects to a server. Rejects with ConnectError, or AccessError for credentials that can't be used. */
export async function openSocket(options: SocketOptions): Promise<Socket> {
  const { server, timeoutMs } = options;
  // An IPv6 address in a URL has brackets.
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const isTls = server.protocol === 'https:';
  const port = Number(server.port || (isTls ? 443 : 80));
  const socket = isTls
    ? tlsConnect({
        host,
        port,
        ALPNProtocols: [...options.alpn],
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(await options.tls()),
      })
    : netConnect({ host, port });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(isTls ? 'secureConnect' : 'connect', resolve);
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('closed by the server')));
  const timer = setTimeout(() => {
    socket.destroy(new Error(`no connection within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw connectError(server, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Says which side of TLS is at fault; OpenSSL's own words name neither. */
function connectError(server: URL, error: unknown): ConnectError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const untrusted =
    /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      code,
    );
  const what = untrusted
    ? `the server's certificate is not trusted: ${message} (${code})`
    : message || code;
  return new ConnectError(`${server.origin}: ${what}`, { cause: error });
}
