import { createNamedNetns, deleteNamedNetns, Netns } from '../../src/sys/netns.ts';
import { record, replay } from './netlink-replay.ts';
import { Random } from './random.ts';

/*
 * `make fuzz-netlink`: a million wrong answers of the kernel. ROUNDS and SEED in the environment say how
 * many and which; a failure prints both, and the same seed finds it again.
 */

const rounds = Number(process.env.ROUNDS ?? 1_000_000);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 32);
const path = `/run/netns/podwire-fuzz-${process.pid}`;
const tally = new Map<string, { result: number; error: number }>();

createNamedNetns(path);
try {
  using netns = Netns.open(path);
  const recordings = record(netns);
  const random = new Random(seed);
  for (let round = 0; round < rounds; round += 1) {
    const recording = random.of(recordings);
    const counts = tally.get(recording.name) ?? { result: 0, error: 0 };
    tally.set(recording.name, counts);
    try {
      counts[replay(random, recording)] += 1;
    } catch (error) {
      process.stderr.write(`${recording.name}: round ${round} of SEED=${seed}\n`);
      throw error;
    }
  }
} finally {
  deleteNamedNetns(path);
}
for (const [name, { result, error }] of tally) {
  process.stdout.write(`${name.padEnd(26)} ${result} results, ${error} errors\n`);
}
process.stdout.write(
  `fuzz-netlink: ${rounds} answers, SEED=${seed}, nothing but results and errors\n`,
);
