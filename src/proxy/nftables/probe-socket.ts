import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Packet } from '../model/trace.ts';

/** What is neither answered nor refused in this time was dropped. */
const PROBE_TIMEOUT_MS = 500;

/**
 * Sends the first packet of a connection from this node, and tells how that went. Rejects with the error
 * of bind(2).
 */
export function sendProbe({ protocol, source, destination, port }: Packet): Promise<string> {
  return (protocol === 'UDP' ? probeUdp : probeTcp)(source, destination, port);
}

function probeTcp(source: Addr, destination: Addr, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: `${destination}`, port, localAddress: `${source}` });
  const timer = setTimeout(() => end(`no answer in ${PROBE_TIMEOUT_MS} ms`), PROBE_TIMEOUT_MS);
  const end = (outcome: string): void => {
    clearTimeout(timer);
    // A reset of one that is still connecting would wait for it.
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
    resolve(outcome);
  };
  socket.once('connect', () => end('connected'));
  socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  return promise;
}

function probeUdp(source: Addr, destination: Addr, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = createSocket(destination.family === 6 ? 'udp6' : 'udp4');
  const end = (outcome: string): void => {
    socket.close();
    resolve(outcome);
  };
  socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  socket.bind({ address: `${source}` }, () => {
    socket.send(Buffer.alloc(0), port, `${destination}`, (error) => {
      if (error === null) end('sent');
      else end((error as NodeJS.ErrnoException).code ?? error.message);
    });
  });
  return promise;
}
