import { basename, dirname } from 'node:path';
import { getAsset, getRawAsset, isSea } from 'node:sea';
import { Script } from 'node:vm';

/*
 * Where every process of podwire begins. The name it was called by decides: the name of a CNI plugin
 * makes it that plugin, anything else the command line. Plugins are started for each pod, so what
 * they load has no line of the command line, and is compiled ahead.
 */

type Plugins = typeof import('./cni/executable.ts');

const name = basename(process.argv0);

if (!isSea()) void runSources();
// Who is called by another name may be either, and asks the plugins first.
else if (name === 'podwire' || !(runBundle('plugins', true) as Plugins).runAsPlugin(name)) {
  runBundle('cli', false);
}

/** Without the build; scripts/build.ts leaves these imports out of the bundle. */
async function runSources(): Promise<void> {
  const { runAsPlugin } = await import('./cni/executable.ts');
  if (!runAsPlugin(name)) await import('./cli/main.ts');
}

/** Runs a CommonJS bundle that the executable carries, and gives its exports. */
function runBundle(bundle: string, isCompiled: boolean): unknown {
  // What V8 made of the source at build time; it compiles again what it can't use.
  const cachedData = isCompiled ? new Uint8Array(getRawAsset(`${bundle}.cache`)) : undefined;
  const source = getAsset(`${bundle}.cjs`, 'utf8');
  const script = new Script(source, { filename: `podwire-${bundle}.cjs`, cachedData });
  const { createRequire } = process.getBuiltinModule('node:module');
  const module = { exports: {} };
  const file = process.execPath;
  // Packages in the bundle look at where they are, as CommonJS modules may.
  const run = script.runInThisContext() as (...names: unknown[]) => void;
  run(createRequire(file), module, module.exports, file, dirname(file));
  return module.exports;
}
