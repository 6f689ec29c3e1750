import { execFileSync } from 'node:child_process';

/**
 * The files of modules in an order in which they can be loaded, each once, out of what
 * `modprobe --show-depends` prints for one after another: `insmod <file> <parameters>`, or `builtin`
 * for what needs no file.
 */
export function loadOrder(outputs: readonly string[]): string[] {
  const files = outputs
    .flatMap((output) => output.split('\n'))
    .flatMap((line) => /^insmod (.+?\.ko(?:\.\w+)?)(?: |$)/.exec(line)?.[1] ?? []);
  return [...new Set(files)];
}

/** The files of the named modules and of all they need, below `root`/lib/modules/`release`. */
export function moduleFiles(root: string, release: string, names: readonly string[]): string[] {
  return loadOrder(
    names.map((name) =>
      execFileSync('modprobe', ['-d', root, '-S', release, '--show-depends', name], {
        encoding: 'utf8',
      }),
    ),
  );
}
