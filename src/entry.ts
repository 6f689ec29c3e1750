import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { getAsset, getAssetKeys, getRawAsset, isSea } from 'node:sea';
import { Script } from 'node:vm';

/*
 * Where every process of podwire begins. The name it was called by decides: the name of a CNI plugin
 * makes it that plugin, anything else the command line. Plugins are started for each pod, so what
 * one loads has no line of the command line nor of the other plugins, and is compiled ahead.
 */

const plugin = `cni/main/${basename(process.argv0)}`;

if (isSea()) {
  const isPlugin = getAssetKeys().includes(`${plugin}.cjs`);
  runBundle(isPlugin ? plugin : 'cli/main', isPlugin);
} else {
  const file = join(import.meta.dirname, `${plugin}.ts`);
  // scripts/build.ts leaves these imports out of the bundle, where the assets above take their place.
  void import(existsSync(file) ? file : './cli/main.ts');
}

/** Runs a CommonJS bundle that the executable carries. */
function runBundle(bundle: string, isCompiled: boolean): void {
  // What V8 made of the source at build time; it compiles again what it can't use.
  const cachedData = isCompiled ? new Uint8Array(getRawAsset(`${bundle}.cache`)) : undefined;
  const source = getAsset(`${bundle}.cjs`, 'utf8');
  const script = new Script(source, { filename: `podwire/${bundle}.cjs`, cachedData });
  const { createRequire } = process.getBuiltinModule('node:module');
  const module = { exports: {} };
  const file = process.execPath;
  // Packages in the bundle look at where they are, as CommonJS modules may.
  const run = script.runInThisContext() as (...names: unknown[]) => void;
  run(createRequire(file), module, module.exports, file, dirname(file));
}
