import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { Elf } from './elf.ts';
import { dropLibatomic } from './libatomic.ts';

/*
 * `make build`: dist/podwire and dist/cni/<type>, one file on disk under all names. It holds Node
 * itself (a single executable application), and as assets that are loaded when they are wanted the
 * command line, the workers and the plugins, each with what it needs and compiled ahead.
 */

const root = join(import.meta.dirname, '..');
const build = join(root, 'build');
const dist = join(root, 'dist');

/** The main script of the executable. */
const ENTRY = 'entry';
const COMMAND_LINE = 'cli/main';
/** What runs in threads of their own, and not by src/entry.ts. */
const WORKERS = ['dns/udp-worker', 'cluster/decode-worker'];
const PLUGINS = 'cni/main';
/** The names of the plugins' executables. */
const types = readdirSync(join(root, 'src', PLUGINS))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length));
const plugins = types.map((type) => `${PLUGINS}/${type}`);

/** Plugins are a fifth of a megabyte; the command line with its packages would be five times that. */
const PLUGIN_BYTES_MAX = 300_000;

/** What the executable's Node is told: what was compiled ahead holds under the same alone. */
const EXEC_ARGV = [
  '--no-warnings',
  // Reading a large cluster's objects makes garbage; what is set aside for it is never given back.
  '--max-semi-space-size=2',
  // A plugin makes so much in its short life that collecting would begin with less.
  '--min-semi-space-size=2',
];

/** CommonJS as a script of one function, for `runBundle` of src/entry.ts. */
const WRAPPER = {
  banner: '(function (require, module, exports, __filename, __dirname) {',
  footer: '\n})',
};

/** Bundles the module `name` of src with all it imports into one file. */
async function bundle(name: string): Promise<void> {
  const result = await rolldown({
    input: join(root, `src/${name}.ts`),
    platform: 'node',
    logLevel: 'silent',
    // The other bundles take the place of what it imports where there is no executable.
    external: name === ENTRY ? [join(root, `src/${COMMAND_LINE}.ts`)] : [],
  });
  await result.write({
    file: join(build, `${name}.cjs`),
    format: 'cjs',
    codeSplitting: false,
    ...([ENTRY, ...WORKERS].includes(name) ? {} : WRAPPER),
    // Without comments and space; names stay, for whoever reads a stack trace.
    minify: { compress: false, mangle: false },
  });
  await result.close();
}

rmSync(build, { recursive: true, force: true });
mkdirSync(build, { recursive: true });
await Promise.all([ENTRY, COMMAND_LINE, ...WORKERS, ...plugins].map(bundle));
for (const plugin of plugins) {
  const { size } = statSync(join(build, `${plugin}.cjs`));
  if (size > PLUGIN_BYTES_MAX) {
    throw new Error(`${plugin}.cjs has ${size} bytes; what is in it that no plugin needs?`);
  }
}
execFileSync(process.execPath, [
  ...EXEC_ARGV,
  join(root, 'scripts/code-cache.ts'),
  ...plugins.map((plugin) => join(build, plugin)),
]);
const assets = [COMMAND_LINE, ...WORKERS, ...plugins].map((name) => `${name}.cjs`);
assets.push(...plugins.map((plugin) => `${plugin}.cache`));

const config = join(build, 'sea.json');
writeFileSync(
  config,
  JSON.stringify({
    main: join(build, `${ENTRY}.cjs`),
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
for (const type of types) {
  const temporary = join(dist, 'cni', `.${type}`);
  rmSync(temporary, { force: true });
  linkSync(join(dist, 'podwire'), temporary);
  renameSync(temporary, join(dist, 'cni', type));
}
rmSync(build, { recursive: true, force: true });
process.stdout.write(`dist/podwire, dist/cni/{${types.join(',')}}\n`);
