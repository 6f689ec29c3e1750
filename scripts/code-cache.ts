import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/*
 * Compiles a script ahead, all of its functions: `code-cache.ts <script> <cache>`. V8 takes the result
 * only under the flags it was made under, so this runs under those of the executable.
 */

const [script = '', cache = ''] = process.argv.slice(2);
const source = readFileSync(script, 'utf8');
setFlagsFromString('--no-lazy');
const compiled = new Script(source, { filename: script });
setFlagsFromString('--lazy');
writeFileSync(cache, compiled.createCachedData());
const { cachedDataRejected } = new Script(source, { cachedData: readFileSync(cache) });
if (cachedDataRejected !== false) throw new Error(`${script}: V8 refuses what it compiled`);
