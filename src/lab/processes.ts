import { readdirSync, readlinkSync } from 'node:fs';

const KILL_TIMEOUT_MS = 5_000;
const POLL_MS = 10;

/** The processes that are in the network namespace with the inode, whoever started them. */
export function processesIn(inode: bigint): number[] {
  const wanted = `net:[${inode}]`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === wanted;
      } catch {
        return false;
      }
    });
}

/** Ends every process in the namespace: asks first, then insists. Resolves when none is left. */
export async function endProcessesIn(inode: bigint): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadline = performance.now() + KILL_TIMEOUT_MS;
    for (const pid of processesIn(inode)) kill(pid, signal);
    while (processesIn(inode).length > 0 && performance.now() < deadline) await pause(POLL_MS);
    if (processesIn(inode).length === 0) return;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Resolves after `ms`. */
export async function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  await promise;
}
