import { Resolver } from 'node:dns/promises';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * Asks from inside the node's namespace until it gets an answer, for `agent.ts`: for the address of a name,
 * and for health when a port is given. Prints when that was, as JSON.
 */

/** When an answer came (Date.now); undefined for what was not asked. */
export interface Answered {
  readonly nameMs: number;
  readonly healthMs: number | undefined;
}

const TIMEOUT_MS = 180_000;
const PAUSE_MS = 5;

const [name = '', port] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 200, tries: 1 });
resolver.setServers(['127.0.0.1:53']);

async function hasName(): Promise<boolean> {
  return resolver.resolve4(name).then(
    (addresses) => addresses.length > 0,
    () => false,
  );
}

async function isHealthy(): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const asked = request({ host: '127.0.0.1', port: Number(port), path: '/healthz' }, (answer) => {
    answer.resume();
    resolve(answer.statusCode === 200);
  });
  asked.on('error', () => resolve(false));
  asked.end();
  return promise;
}

async function when(holds: () => Promise<boolean>): Promise<number> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`no answer for ${name} in ${TIMEOUT_MS} ms`);
    await pause(PAUSE_MS);
  }
  return Date.now();
}

const [nameMs, healthMs] = await Promise.all([
  when(hasName),
  port === undefined ? undefined : when(isHealthy),
]);
process.stdout.write(`${JSON.stringify({ nameMs, healthMs } satisfies Answered)}\n`);
