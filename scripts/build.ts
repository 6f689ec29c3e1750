import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { PLUGIN_TYPES } from '../src/cni/executable.ts';
import { Elf } from './elf.ts';
import { dropLibatomic } from './libatomic.ts';

/*
 * `make build`: dist/podwire and dist/cni/<type>, one file on disk under all names. It holds Node
 * itself (a single executable application), the plugins as its main script, and the command line
 * and the DNS worker as assets that are loaded when they are wanted.
 */

const root = join(import.meta.dirname, '..');
const build = join(root, 'build');
const dist = join(root, 'dist');

/** Plugins are a fifth of a megabyte; the command line with its packages would be five times that. */
const ENTRY_BYTES_MAX = 300_000;

async function bundle(input: string, file: string, external: string[]): Promise<void> {
  const result = await rolldown({
    input: join(root, input),
    platform: 'node',
    logLevel: 'silent',
    external,
  });
  await result.write({
    file: join(build, file),
    format: 'cjs',
    codeSplitting: false,
  });
  await result.close();
}

rmSync(build, { recursive: true, force: true });
mkdirSync(build, { recursive: true });
const assets = [
  ['src/cli/main.ts', 'cli.cjs'],
  ['src/dns/server/udp-worker.ts', 'dns-worker.cjs'],
] as const;
await Promise.all([
  // Plugins pay for every line of the entry, so the command line must not be in it.
  bundle('src/entry.ts', 'entry.cjs', [join(root, 'src/cli/main.ts')]),
  ...assets.map(([input, file]) => bundle(input, file, [])),
]);
const entryBytes = statSync(join(build, 'entry.cjs')).size;
if (entryBytes > ENTRY_BYTES_MAX) {
  throw new Error(`entry.cjs has ${entryBytes} bytes; what is in it that no plugin needs?`);
}

const config = join(build, 'sea.json');
writeFileSync(
  config,
  JSON.stringify({
    main: join(build, 'entry.cjs'),
    output: join(build, 'podwire'),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: ['--no-warnings'],
    execArgvExtension: 'none',
    assets: Object.fromEntries(assets.map(([, file]) => [file, join(build, file)])),
  }),
);
execFileSync(process.execPath, ['--no-warnings', '--build-sea', config], { stdio: 'pipe' });
const executable = readFileSync(join(build, 'podwire'));
if (dropLibatomic(new Elf(executable))) writeFileSync(join(build, 'podwire'), executable);
chmodSync(join(build, 'podwire'), 0o755);

mkdirSync(join(dist, 'cni'), { recursive: true });
// Renaming over the old file leaves processes that run it alone, where writing into it would fail.
renameSync(join(build, 'podwire'), join(dist, 'podwire'));
for (const type of PLUGIN_TYPES) {
  const temporary = join(dist, 'cni', `.${type}`);
  rmSync(temporary, { force: true });
  linkSync(join(dist, 'podwire'), temporary);
  renameSync(temporary, join(dist, 'cni', type));
}
rmSync(build, { recursive: true, force: true });
process.stdout.write(`dist/podwire, dist/cni/{${PLUGIN_TYPES.join(',')}}\n`);
