import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Netns } from '../../../src/sys/netns.ts';

/*
 * Servers and clients by Python's sockets, in whatever namespace: what reaches a pod, and from where.
 */

/** Answers every connection and datagram with the pod's name and the address it came from. */
const SERVER = `
import socket, sys, threading
name, kind, family, port = sys.argv[1:5]
af = socket.AF_INET6 if family == '6' else socket.AF_INET
s = socket.socket(af, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if family == '6': s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(('::' if family == '6' else '0.0.0.0', int(port)))
if kind == 'tcp': s.listen()
print('ready', flush=True)
while True:
    if kind == 'udp':
        _, peer = s.recvfrom(64)
        s.sendto(f'{name} {peer[0]}'.encode(), peer)
    else:
        c, peer = s.accept()
        c.sendall(f'{name} {peer[0]}'.encode())
        c.close()
`;

const CLIENT = `
import socket, sys
kind, host, port, source = sys.argv[1:5]
af = socket.AF_INET6 if ':' in host else socket.AF_INET
s = socket.socket(af, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.settimeout(2)
s.bind(('::' if af == socket.AF_INET6 else '0.0.0.0', int(source)))
try:
    s.connect((host, int(port)))
    if kind == 'udp': s.send(b'?')
    print(s.recv(256).decode() or 'closed')
except OSError as error:
    print('no answer:', 'timeout' if isinstance(error, TimeoutError) else error.strerror)
`;

/** One server, until the end of the block. */
export interface EchoServer extends AsyncDisposable {
  readonly pid: number | undefined;
}

/** Starts a server in `netns` and waits until it listens. */
export async function startEcho(
  netns: Netns,
  name: string,
  kind: 'tcp' | 'udp',
  family: 4 | 6,
  port: number,
): Promise<EchoServer> {
  const child = netns.run(() =>
    spawn('python3', ['-c', SERVER, name, kind, `${family}`, `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

/** What a client in `netns` hears: `<name> <its address as the server sees it>`, or why nothing. */
export function ask(
  netns: Netns,
  kind: 'tcp' | 'udp',
  host: string,
  port: number,
  sourcePort = 0,
): string {
  return netns
    .run(() =>
      execFileSync('python3', ['-c', CLIENT, kind, host, `${port}`, `${sourcePort}`], {
        encoding: 'utf8',
      }),
    )
    .trim();
}
