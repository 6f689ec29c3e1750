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
 * itself (a single executable application), and as assets that are loaded when they are wanted the
 * plugins, compiled ahead, the command line and the DNS worker.
 */

const root = join(import.meta.dirname, '..');
const build = join(root, 'build');
const dist = join(root, 'dist');

const ENTRY = 'entry.cjs';
/** What src/entry.ts runs, as scripts of one function. */
const WRAPPED = ['plugins.cjs', 'cli.cjs'];

/** Plugins are a quarter of a megabyte; the command line with its packages would be five times that. */
const PLUGINS_BYTES_MAX = 350_000;

/** What the executable's Node is told: what was compiled ahead holds under the same alone. */
const EXEC_ARGV = [
  '--no-warnings',
  // Reading a large cluster's objects makes garbage; what is set aside for it is never given back.
  '--max-semi-space-size=2',
  // A plugin makes so much in its short life that collecting would begin with less.
  '--min-semi-space-size=2',
];

const WRAPPER = {
  banner: '(function (require, module, exports, __filename, __dirname) {',
  footer: '\n})',
};

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
    ...(WRAPPED.includes(file) ? WRAPPER : {}),
    // Without comments and space; names stay, for whoever reads a stack trace.
    minify: { compress: false, mangle: false },
  });
  await result.close();
}

rmSync(build, { recursive: true, force: true });
mkdirSync(build, { recursive: true });
const bundles = {
  'plugins.cjs': 'src/cni/executable.ts',
  'cli.cjs': 'src/cli/main.ts',
  'dns-worker.cjs': 'src/dns/udp-worker.ts',
};
await Promise.all([
  bundle('src/entry.ts', ENTRY, [
    join(root, bundles['plugins.cjs']),
    join(root, bundles['cli.cjs']),
  ]),
  ...Object.entries(bundles).map(([file, input]) => bundle(input, file, [])),
]);
const pluginsBytes = statSync(join(build, 'plugins.cjs')).size;
if (pluginsBytes > PLUGINS_BYTES_MAX) {
  throw new Error(`plugins.cjs has ${pluginsBytes} bytes; what is in it that no plugin needs?`);
}
execFileSync(process.execPath, [
  ...EXEC_ARGV,
  join(root, 'scripts/code-cache.ts'),
  join(build, 'plugins.cjs'),
  join(build, 'plugins.cache'),
]);
const assets = [...Object.keys(bundles), 'plugins.cache'];

const config = join(build, 'sea.json');
writeFileSync(
  config,
  JSON.stringify({
    main: join(build, ENTRY),
    output: join(build, 'podwire'),
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv: EXEC_ARGV,
    execArgvExtension: 'none',
    assets: Object.fromEntries(assets.map((file) => [file, join(build, file)])),
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
