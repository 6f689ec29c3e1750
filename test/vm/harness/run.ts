import { once } from 'node:events';
import { Vm } from './vm.ts';

/* `test/vm/run`: boots the guest and runs one command there; without one, a shell on its console. */

const [file, ...args] = process.argv.slice(2);
using vm = await Vm.boot({ terminal: file === undefined });
const env = { TERM: process.env.TERM ?? 'dumb', PATH: process.env.PATH ?? '' };
const started = vm.start({
  file: file ?? 'bash',
  args,
  cwd: process.cwd(),
  env,
  stdio: file === undefined ? 'console' : 'pipe',
});
started.on('output', (stream, bytes) => process[stream].write(bytes));
if (file !== undefined) {
  process.stdin.on('data', (bytes: Uint8Array) => started.input(bytes));
  process.stdin.on('end', () => started.input());
}
const [code, signal, error] = (await once(started, 'exit')) as [
  number | null,
  string | null,
  string?,
];
if (error !== undefined) process.stderr.write(`test/vm/run: ${error}\n`);
process.exitCode = code ?? (signal === null ? 127 : 128);
process.stdin.destroy();
