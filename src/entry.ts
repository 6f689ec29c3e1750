import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { compileFunction } from 'node:vm';
import { runAsPlugin } from './cni/executable.ts';

/*
 * Where every process of podwire begins. The name it was called by decides: the name of a CNI plugin
 * makes it that plugin, anything else the command line. Plugins load nothing else, for they are
 * started for each pod; the command line is loaded when it is wanted.
 */
if (!runAsPlugin(basename(process.argv0))) {
  if (isSea()) {
    const source = getAsset('cli.cjs', 'utf8');
    const module = { exports: {} };
    const load = compileFunction(source, ['require', 'module', 'exports'], {
      filename: 'podwire-cli.cjs',
    });
    load(createRequire(process.execPath), module, module.exports);
  } else {
    // Spelled so that the bundler of this file leaves it alone.
    const path = './cli/main.ts';
    void import(path);
  }
}
