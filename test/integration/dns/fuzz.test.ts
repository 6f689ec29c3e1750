import { expect, it } from 'vitest';
import { corpus, mutate, Random, Subject } from '../../fuzz/dns-messages.ts';

/** `make fuzz-dns` does a million. */
const MESSAGES = 50_000;

it('answers any octets, and never wrongly', () => {
  const random = new Random(20_261_125);
  const seeds = corpus();
  const subject = new Subject();
  for (let index = 0; index < MESSAGES; index += 1) {
    const message = mutate(random, seeds);
    const problem = subject.problemWith(message, (index & 1) === 1);
    if (problem !== undefined) expect.fail(`${problem}: ${message.toHex()}`);
  }
  for (const message of seeds) expect(subject.problemWith(message, false)).toBeUndefined();
});
