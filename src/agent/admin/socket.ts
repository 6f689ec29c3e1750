import { lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { PodwireError } from '../../errors.ts';
import { type FileLock, LockTimeoutError, lockFile } from '../../sys/flock.ts';
import { peerCredentials } from '../../sys/peer-credentials.ts';
import { unixAddress } from '../../sys/unix-address.ts';
import { listenAt, type Place } from '../http.ts';

const DIRECTORY_MODE = 0o700;
/** What a mode has when others than the owner may put files in a directory. */
const OTHERS_WRITE = 0o022;
/** With this the socket is made for its owner alone (0600), without a moment before. */
const UMASK = 0o177;

/** A place at which the admin socket can't be made. */
export class AdminSocketError extends PodwireError {
  constructor(path: string, problem: string) {
    super('ERR_ADMIN_SOCKET', `admin socket ${path}: ${problem}`);
  }
}

/**
 * A Unix socket that is for root alone, or for who runs the agent: by its mode, by that of its
 * directory, and by who is at the other end. What a dead agent left is replaced; one that is alive keeps
 * its own, for it holds the lock beside it. Throws AdminSocketError, UnixPathError and what node:fs
 * throws.
 */
export function adminPlace(path: string): Place {
  let lock: FileLock | undefined;
  return {
    async listen(server) {
      unixAddress(path);
      prepareDirectory(path);
      // Tried again after a failure of listen, for which the lock is kept.
      lock ??= takeLock(path);
      removeStale(path);
      server.off('connection', refuseOthers).on('connection', refuseOthers);
      await listenMasked(server, path);
    },
    release() {
      lock?.release();
      lock = undefined;
    },
  };
}

/** The socket of a server that closes is removed by Node; its lock file stays, as lock files do. */
function takeLock(path: string): FileLock {
  try {
    return lockFile(`${path}.lock`, { timeoutMs: 0 });
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
    throw new AdminSocketError(path, 'expected no other agent that runs and has it');
  }
}

function prepareDirectory(path: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
  const { uid, mode } = statSync(directory);
  const isOurs = uid === 0 || uid === process.geteuid?.();
  if (isOurs && (mode & OTHERS_WRITE) === 0) return;
  const octal = (mode & 0o7777).toString(8);
  throw new AdminSocketError(
    path,
    `expected a directory of root's that only root may write to, got owner ${uid} and mode ${octal}`,
  );
}

function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new AdminSocketError(path, 'expected a socket or nothing there');
  rmSync(path);
}

async function listenMasked(server: Server, path: string): Promise<void> {
  const before = process.umask(UMASK);
  let listening: Promise<void>;
  try {
    // Binds before it returns.
    listening = listenAt(server, { path });
  } finally {
    process.umask(before);
  }
  await listening;
}

/** Ends a connection of anybody but root and who the agent runs as. */
function refuseOthers(socket: Socket): void {
  if (!isAllowed(socket)) socket.destroy();
}

function isAllowed(socket: Socket): boolean {
  // Node has no other way to tell.
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  if (handle === null || handle.fd < 0) return false;
  try {
    const { uid } = peerCredentials(handle.fd);
    return uid === 0 || uid === process.geteuid?.();
  } catch {
    // It has gone already.
    return false;
  }
}
