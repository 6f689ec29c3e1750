import { type Fd, openSocket, setOption } from './fd.ts';
import { check, libc } from './libc.ts';

export const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_FREEBIND = 78;

/** struct sockaddr_in6, the larger of the two. */
export const NAME_BYTES = 28;

/** A socket that is bound and not yet used. */
export interface BoundSocket {
  readonly fd: Fd;
  readonly port: number;
}

/**
 * Opens a socket on an address of 4 or 16 octets, 16 zero octets taking both families, and a port, 0
 * letting the kernel choose. Others may share the port (SO_REUSEPORT), so that a successor can take it
 * over, and the address need not be there yet (IP_FREEBIND, ip(7)). Throws SysError, such as
 * EADDRINUSE.
 */
export function openBoundSocket(
  type: 'udp' | 'tcp',
  address: Uint8Array,
  port: number,
): BoundSocket {
  const family = address.length === 4 ? AF_INET : AF_INET6;
  const detail = `${type.toUpperCase()} port ${port}`;
  using stack = new DisposableStack();
  const fd = stack.use(openSocket(family, type === 'udp' ? SOCK_DGRAM : SOCK_STREAM, 0, detail));
  setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  // Connections of a predecessor that wait to be forgotten do not keep the port.
  if (type === 'tcp') setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family === AF_INET) {
    setOption(fd, IPPROTO_IP, IP_FREEBIND, 1);
  } else {
    setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    setOption(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
  }
  const name = socketName(family, address, port);
  check('bind', libc.bind(fd.number, name, name.length), detail);
  const bound = boundPort(fd);
  stack.move();
  return { fd, port: bound };
}

/** struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)). */
function socketName(family: number, address: Uint8Array, port: number): Uint8Array {
  const name = new Uint8Array(family === AF_INET ? 16 : NAME_BYTES);
  const view = new DataView(name.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port, false);
  name.set(address, family === AF_INET ? 4 : 8);
  return name;
}

function boundPort(fd: Fd): number {
  const name = new Uint8Array(NAME_BYTES);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, NAME_BYTES, true);
  check('getsockname', libc.getsockname(fd.number, name, length), 'socket');
  return new DataView(name.buffer).getUint16(2, false);
}
