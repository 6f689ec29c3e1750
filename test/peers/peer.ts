import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where `make peers` leaves the programs: one folder for each module. */
export const PEER_CACHE = join(import.meta.dirname, '../../.cache/peers');

/** The oldest Go that builds them. */
export const GO_MIN = '1.26';

/** The version of the Go on PATH, such as `go1.26.8`; undefined without one that is new enough. */
export function goVersion(): string | undefined {
  // GOTOOLCHAIN=local: what is on this machine counts, not what Go would download.
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], {
    cwd: '/',
    encoding: 'utf8',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  });
  const match = /^go(\d+)\.(\d+)/.exec(stdout ?? '');
  if (status !== 0 || match === null) return undefined;
  const [major, minor] = GO_MIN.split('.').map(Number);
  const found = [Number(match[1]), Number(match[2])] as const;
  const enough = found[0] > (major ?? 0) || (found[0] === major && found[1] >= (minor ?? 0));
  return enough ? stdout.trim() : undefined;
}

/** The path of a program built from a peer's module. */
export function peerProgram(module: string, name: string): string {
  return join(PEER_CACHE, module, name);
}

/** Why the programs of a module can't be run here; undefined when they can. */
export function peerMissing(module: string): string | undefined {
  if (existsSync(join(PEER_CACHE, module, '.stamp'))) return undefined;
  const cause = goVersion() === undefined ? `no Go ${GO_MIN} or newer on PATH` : 'run make peers';
  return `${module} is not built: ${cause}`;
}
