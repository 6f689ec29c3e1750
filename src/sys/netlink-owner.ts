import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process that holds a socket. */
export interface SocketHolder {
  readonly pid: number;
  /** As the kernel names it (comm in proc(5)). */
  readonly name: string;
}

/**
 * The process that holds the netlink socket of `protocol` at a port, in the namespace the thread is in.
 * Undefined when there is none, or when we don't see the process, as from inside of a container.
 */
export function netlinkHolder(protocol: number, portId: number): SocketHolder | undefined {
  const inode = inodeOf(protocol, portId);
  if (inode === undefined) return undefined;
  const link = `socket:[${inode}]`;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const descriptors = readdirSync(`/proc/${pid}/fd`);
      if (!descriptors.some((fd) => targetOf(`/proc/${pid}/fd/${fd}`) === link)) continue;
      return { pid: Number(pid), name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() };
    } catch {
      // It ended meanwhile, or is not for us to look at.
    }
  }
  return undefined;
}

/** Undefined for a descriptor that was closed since it was listed. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** By the kernel's list of sockets: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode. */
function inodeOf(protocol: number, portId: number): string | undefined {
  for (const line of readFileSync('/proc/thread-self/net/netlink', 'utf8').split('\n')) {
    const [, eth, port, , , , , , , inode] = line.trim().split(/\s+/);
    // Ports that the kernel made up are printed as negative numbers by some kernels.
    if (Number(eth) === protocol && Number(port) >>> 0 === portId) return inode;
  }
  return undefined;
}
