import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Makes the directory of a saved state where there is none, and removes what processes that were killed
 * left of their saves. Throws the error of the file system.
 */
export function prepareDirectory(path: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const prefix = `.${basename(path)}.`;
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(prefix)) continue;
    const [, pid] = /^(\d+)\.\d+\.tmp$/.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined) continue;
    // Of ourselves there is none yet: in a container every agent may have the same number.
    const isInUse = pid !== String(process.pid) && existsSync(`/proc/${pid}`);
    if (!isInUse) rmSync(join(directory, name), { force: true });
  }
}
