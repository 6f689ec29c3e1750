import { basename, dirname } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { runAsPlugin } from './cni/executable.ts';

/*
 * Where every process of podwire begins. The name it was called by decides: the name of a CNI plugin
 * makes it that plugin, anything else the command line. Plugins load nothing else, for they are
 * started for each pod; the command line is loaded when it is wanted.
 */
if (!runAsPlugin(basename(process.argv0))) {
  if (isSea()) {
    const { createRequire } = process.getBuiltinModule('node:module');
    const { compileFunction } = process.getBuiltinModule('node:vm');
    const source = getAsset('cli.cjs', 'utf8');
    const module = { exports: {} };
    // Packages in the bundle look at where they are, as CommonJS modules may.
    const names = ['require', 'module', 'exports', '__filename', '__dirname'];
    const load = compileFunction(source, names, { filename: 'podwire-cli.cjs' });
    const file = process.execPath;
    load(createRequire(file), module, module.exports, file, dirname(file));
  } else {
    // scripts/build.ts leaves this import out of the bundle, where the asset above takes its place.
    void import('./cli/main.ts');
  }
}
