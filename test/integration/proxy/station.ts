import dgram from 'node:dgram';
import net from 'node:net';
import { createInterface } from 'node:readline';
import type { Reply } from '../../conformance/proxy/network.ts';

/*
 * A program that stands for everybody in one network namespace: it answers on all addresses it is told,
 * with whom it reached and whom it sees, and connects where it is told. Commands come as lines of JSON
 * on stdin, and each is answered by a line of JSON on stdout.
 */

interface Listen {
  readonly id: number;
  readonly command: 'listen';
  readonly name: string;
  readonly address: string;
  readonly ports: readonly number[];
}

interface Connect {
  readonly id: number;
  readonly command: 'connect';
  readonly protocol: 'TCP' | 'UDP';
  readonly from: string | undefined;
  readonly fromPort?: number;
  readonly to: string;
  readonly port: number;
  readonly timeoutMs: number;
}

async function listen({ name, address, ports }: Listen): Promise<string> {
  const answer = (seen: string | undefined): string => JSON.stringify({ name, seen });
  await Promise.all(
    ports.flatMap((port) => [
      new Promise<void>((resolve, reject) => {
        const server = net.createServer((socket) => {
          socket.on('error', () => socket.destroy());
          socket.end(answer(socket.remoteAddress));
        });
        server.once('error', reject);
        server.listen({ host: address, port }, () => resolve());
      }),
      new Promise<void>((resolve, reject) => {
        const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
        socket.on('message', (_, sender) =>
          socket.send(answer(sender.address), sender.port, sender.address),
        );
        socket.once('error', reject);
        socket.bind({ address, port }, () => resolve());
      }),
    ]),
  );
  return 'listening';
}

function connectTcp({ from, to, port, timeoutMs }: Connect): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = net.connect({
      host: to,
      port,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    let text = '';
    const timer = setTimeout(() => finish({ error: 'timeout' }), timeoutMs);
    const finish = (reply: Reply): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    socket.on('data', (data) => {
      text += String(data);
    });
    socket.on('end', () => finish(JSON.parse(text) as Reply));
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? 'error' }));
  });
}

function connectUdp({ from, fromPort, to, port, timeoutMs }: Connect): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(net.isIPv6(to) ? 'udp6' : 'udp4');
    const timer = setTimeout(() => finish({ error: 'timeout' }), timeoutMs);
    const finish = (reply: Reply): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    socket.on('message', (data) => finish(JSON.parse(String(data)) as Reply));
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? 'error' }));
    socket.bind({ ...(from === undefined ? {} : { address: from }), port: fromPort ?? 0 }, () => {
      // Connected, so that an ICMP error comes back as one.
      socket.connect(port, to, () => socket.send('?'));
    });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Listen | Connect;
  const work =
    command.command === 'listen'
      ? listen(command)
      : command.protocol === 'TCP'
        ? connectTcp(command)
        : connectUdp(command);
  void work.then(
    (result) => process.stdout.write(`${JSON.stringify({ id: command.id, result })}\n`),
    (error: unknown) =>
      process.stdout.write(`${JSON.stringify({ id: command.id, failure: String(error) })}\n`),
  );
}
