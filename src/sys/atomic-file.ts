import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Puts `data` at `path` so that a reader, or a crash at any moment, sees either the whole old
 * content or the whole new one: a temporary file in the same directory, fsync, rename, fsync of
 * the directory. The temporary name begins with a dot, which every reader of such directories
 * skips.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): void {
  const directory = dirname(path);
  // The process and the moment make the name unique; 'wx' turns a surprise into an error.
  const suffix = `${process.pid}.${process.hrtime.bigint()}`;
  const temporary = join(directory, `.${basename(path)}.${suffix}.tmp`);
  try {
    const fd = openSync(temporary, 'wx', mode);
    try {
      writeFileSync(fd, data);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(directory);
}

/** fsync(2) of a directory: makes the creation, renaming or removal of its entries durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
