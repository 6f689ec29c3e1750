import { openSocket } from './fd.ts';
import { check, libc } from './libc.ts';
import { AF_UNIX, unixAddress } from './unix-address.ts';

const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;

/**
 * Tells the service manager how we are, such as `READY=1` or `STOPPING=1` (sd_notify(3)): one
 * assignment each. Gives false when nobody asked to be told, which is when NOTIFY_SOCKET is not set.
 * Throws SysError or UnixPathError.
 */
export function sdNotify(...assignments: readonly string[]): boolean {
  const path = process.env.NOTIFY_SOCKET;
  if (path === undefined || path === '') return false;
  const address = unixAddress(path);
  const message = new TextEncoder().encode(assignments.join('\n'));
  using socket = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'notify socket');
  const sent = libc.sendto(
    socket.number,
    message,
    BigInt(message.length),
    MSG_NOSIGNAL,
    address,
    address.length,
  );
  check('sendto', sent, path);
  return true;
}
