import { createSocket } from 'node:dgram';
import type { Message } from '../message/message.ts';
import { ForwardError } from './error.ts';
import { encodeQuery, readReply } from './query.ts';
import { formatUpstream, type UpstreamAddress } from './upstream-address.ts';

/** All queries of the process that wait for a datagram; each has a socket. */
const SOCKETS_MAX = 4096;
/** Datagrams that are no answer; somebody guesses, and more tries are not given. */
const STRAY_DATAGRAMS_MAX = 100;

let open = 0;

/**
 * Asks by UDP, from a socket of its own: its port is one the kernel picks at random and its id is
 * random, so an answer made up by others has to hit both. The socket is connected, so only the
 * upstream's datagrams reach it, and an unreachable port is an error at once. Rejects with
 * ForwardError.
 */
export async function askUdp(
  upstream: UpstreamAddress,
  query: Message,
  timeoutMs: number,
  source: string | undefined,
): Promise<Message> {
  const to = formatUpstream(upstream);
  if (open >= SOCKETS_MAX) {
    throw new ForwardError('overload', `${to}: ${SOCKETS_MAX} queries wait for an answer already`);
  }
  const { id, wire } = encodeQuery(query);
  const { family } = upstream.addr;
  const host = upstream.addr.toString();
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    // The address is an address already.
    lookup: (_name, _options, callback) => callback(null, host, family),
  });
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  open += 1;
  const timer = setTimeout(() => {
    reject(new ForwardError('timeout', `${to}: no answer by UDP in ${Math.round(timeoutMs)} ms`));
  }, timeoutMs);
  let strays = 0;
  const failed = (cause: Error): void =>
    reject(new ForwardError('network', `${to}: ${cause.message}`, { cause }));
  socket.on('error', failed);
  socket.on('message', (bytes) => {
    const reply = readReply(bytes, id, query);
    if (reply !== undefined) resolve(reply);
    else if (++strays > STRAY_DATAGRAMS_MAX) {
      reject(new ForwardError('protocol', `${to}: ${strays} datagrams that are no answer`));
    }
  });
  try {
    if (source !== undefined) socket.bind({ address: source, port: 0, exclusive: true });
    socket.connect(upstream.port, host, () => {
      socket.send(wire, (error) => {
        if (error !== null) failed(error);
      });
    });
    return await promise;
  } finally {
    clearTimeout(timer);
    open -= 1;
    socket.close();
  }
}
