import { corpus, mutate, Random, Subject } from './dns-messages.ts';

/*
 * `make fuzz-dns`: a million broken messages through the answerer and the cutter of replies. None may
 * throw or give an answer that is wrong in itself, and none may cost more CPU than the limit. Arguments:
 * how many, and the seed; the same seed gives the same messages.
 */

const CPU_US_MAX = 50;
const USUAL_US = 5;
/** A message that took longer than usual is tried so often again: the least is what it costs, the rest is noise. */
const RETRIES = 30;

const [count = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
const random = new Random(seed);
const seeds = corpus();
const subject = new Subject();
const failures: string[] = [];
const fail = (problem: string, message: Uint8Array): void => {
  failures.push(`${problem}: ${message.toHex()}`);
};

function costUs(message: Uint8Array, overTcp: boolean): number {
  const start = process.hrtime.bigint();
  subject.answer(message, overTcp);
  return Number(process.hrtime.bigint() - start) / 1000;
}

let worstUs = 0;
const start = process.cpuUsage();
for (let done = 0; done < count && failures.length < 10; done += 1) {
  const message = mutate(random, seeds);
  const overTcp = (done & 1) === 1;
  try {
    const problem = subject.problemWith(message, overTcp);
    if (problem !== undefined) fail(problem, message);
    let us = costUs(message, overTcp);
    for (let again = 0; us > USUAL_US && again < RETRIES; again += 1) {
      us = Math.min(us, costUs(message, overTcp));
    }
    worstUs = Math.max(worstUs, us);
    if (us > CPU_US_MAX) fail(`${us.toFixed(1)} us`, message);
  } catch (error) {
    fail(String(error), message);
  }
}
const { user, system } = process.cpuUsage(start);
for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
process.stdout.write(
  `fuzz-dns: ${count} messages, seed ${seed}: ${failures.length} failures; the worst ${worstUs.toFixed(1)} us, at most ${CPU_US_MAX}; ${((user + system) / count).toFixed(1)} us each with making them\n`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
