import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { CNI_CODE, CniError } from '../protocol/error.ts';

/**
 * Throws CniError of code 50 when a network's directory could not be written now. Nothing is made or
 * locked: runtimes ask every few seconds.
 */
export function checkWritable(directory: string): void {
  // ADD makes what is missing.
  let nearest = directory;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  const why = refusal(nearest);
  if (why === undefined) return;
  const details = nearest === directory ? '' : `dataDir: expected a directory that can be made`;
  const text = `data directory "${directory}" can't be written: ${why}`;
  throw new CniError(CNI_CODE.notAvailable, text, details);
}

function refusal(directory: string): string | undefined {
  try {
    if (!statSync(directory).isDirectory()) return `"${directory}" is not a directory`;
    accessSync(directory, constants.W_OK | constants.X_OK);
    const { bfree, files, ffree } = statfsSync(directory);
    if (bfree === 0) return 'no space left on the file system';
    // File systems that make inodes as they go count none.
    if (files > 0 && ffree === 0) return 'no inodes left on the file system';
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
