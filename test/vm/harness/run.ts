import { once } from 'node:events';
import { constants } from 'node:os';
import { vmLacks } from './needs.ts';
import { Vm } from './vm.ts';

/* `test/vm/run`: boots a guest and runs one command in it; without one, a shell on its console. */

/** Of a shell, for a command that could not be started. */
const EXIT_NOT_STARTED = 127;
/** Of a shell, to which it adds the number of the signal that ended the command. */
const EXIT_SIGNAL = 128;

async function run(file: string | undefined, args: readonly string[]): Promise<number> {
  const terminal = file === undefined;
  using vm = await Vm.boot({ terminal });
  const { PATH = '', TERM = 'dumb' } = process.env;
  const command = { file: file ?? 'bash', args, cwd: process.cwd(), env: { PATH, TERM } };
  const started = vm.start({ ...command, stdio: terminal ? 'console' : 'pipe' });
  started.on('output', (stream, bytes) => process[stream].write(bytes));
  if (!terminal) {
    process.stdin.on('data', (bytes: Uint8Array) => started.input(bytes));
    process.stdin.on('end', () => started.input());
  }
  const [code, signal, error] = (await once(started, 'exit')) as [
    number | null,
    NodeJS.Signals | null,
    string | undefined,
  ];
  process.stdin.destroy();
  if (error !== undefined) process.stderr.write(`${error}\n`);
  return code ?? (signal === null ? EXIT_NOT_STARTED : EXIT_SIGNAL + constants.signals[signal]);
}

const lacks = vmLacks();
if (lacks === undefined) {
  const [file, ...args] = process.argv.slice(2);
  process.exitCode = await run(file, args);
} else {
  process.stderr.write(`test/vm/run: ${lacks}\n`);
  process.exitCode = 1;
}
