import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/*
 * Compiles scripts ahead, all of their functions: `code-cache.ts <path>...` makes `<path>.cache` of
 * `<path>.cjs`. V8 takes the result only under the flags it was made under, so this runs under those
 * of the executable.
 */

for (const path of process.argv.slice(2)) {
  const source = readFileSync(`${path}.cjs`, 'utf8');
  setFlagsFromString('--no-lazy');
  const script = new Script(source, { filename: path });
  setFlagsFromString('--lazy');
  const cachedData = script.createCachedData();
  writeFileSync(`${path}.cache`, cachedData);
  const { cachedDataRejected } = new Script(source, { cachedData });
  if (cachedDataRejected !== false) throw new Error(`${path}: V8 refuses what it compiled`);
}
