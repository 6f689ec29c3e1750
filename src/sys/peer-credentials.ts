import { check, libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12; // struct ucred

/** Who is at the other end of a Unix socket, as of its connect(2). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The other end of the connected Unix socket `fd` (SO_PEERCRED, unix(7)). Throws SysError. */
export function peerCredentials(fd: number): PeerCredentials {
  const ucred = new Uint8Array(new ArrayBuffer(UCRED_BYTES));
  const length = new Uint8Array(new ArrayBuffer(4));
  new DataView(length.buffer).setUint32(0, UCRED_BYTES, true);
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length);
  check('getsockopt', result, `${fd}, SO_PEERCRED`);
  const view = new DataView(ucred.buffer);
  return {
    pid: view.getInt32(0, true),
    uid: view.getUint32(4, true),
    gid: view.getUint32(8, true),
  };
}
