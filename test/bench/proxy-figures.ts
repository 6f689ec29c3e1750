import { generationGet, NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import type { ProcessCost } from './process-cost.ts';
import {
  clusterIPOf,
  ENDPOINT_PORT,
  endpointAddress,
  SERVICE_PORT,
  type Size,
} from './proxy-objects.ts';
import type { Room } from './proxy-room.ts';

/* What `make bench-proxy` measures of one candidate, and how the kernel's rules are watched for it. */

/** What one candidate came to at one size. Times in ms, connections in us, memory in MB. */
export interface Figures extends ProcessCost {
  readonly committedMs: number;
  /** Ours alone: of that, from objects in the store. */
  readonly loadMs?: number;
  readonly serviceMs: readonly number[];
  readonly endpointMs: readonly number[];
  /** Ours alone: from a file in its place to the kernel. */
  readonly fileMs?: readonly number[];
  readonly connectUs: readonly number[];
  readonly directUs: readonly number[];
}

/** What the executable for nodes has inside (scripts/build.ts). */
export const EXECUTABLE_ARGS = ['--no-warnings', '--max-semi-space-size=2'];
/** After so long a process has given back what its start took, if it ever does. */
export const REST_MS = 10_000;
export const COMMIT_TIMEOUT_MS = 120_000;
const POLL_MS = 1;
/** Some backends commit in several transactions: what is quiet for so long is done. */
const QUIET_MS = 300;

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
export const now = (): number => performance.timeOrigin + performance.now();

/** Does something, and gives when the rules' next change was seen, which others may follow. */
export async function generationAfter(room: Room, act: () => void): Promise<number> {
  using connection = NftablesConnection.open(room.netns);
  const before = generationGet(connection);
  act();
  const deadline = now() + COMMIT_TIMEOUT_MS;
  while (generationGet(connection) === before) {
    if (now() > deadline) throw new Error(`no change of the rules in ${COMMIT_TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
  return now();
}

/** When the last of the next changes that come together was seen, once what `isDone` asks for is there. */
export async function settled(
  room: Room,
  isDone: (connection: NftablesConnection) => boolean = () => true,
): Promise<number> {
  using connection = NftablesConnection.open(room.netns);
  const deadline = now() + COMMIT_TIMEOUT_MS;
  let generation = generationGet(connection);
  let changedAt = now();
  let checked = true;
  for (;;) {
    const current = generationGet(connection);
    if (current !== generation) {
      generation = current;
      changedAt = now();
      checked = false;
    } else if (!checked && now() - changedAt > QUIET_MS) {
      checked = true;
      if (isDone(connection)) return changedAt;
    }
    if (now() > deadline) throw new Error(`not committed in ${COMMIT_TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
}

/** So many different addresses, at every size: the client's kernel keeps something of each. */
const DESTINATIONS = 1_000;
const STEP = 7919; // a prime, so that all Services are met

/**
 * Connections through the rules and past them, in turn. That none fails shows that the rules are there.
 */
export function connects(
  room: Room,
  { services, endpoints }: Size,
  rounds: number,
): Pick<Figures, 'connectUs' | 'directUs'> {
  const targets = Array.from({ length: DESTINATIONS }, (_, at) => {
    const service = (at * STEP) % services;
    return [
      `${clusterIPOf(service)} ${SERVICE_PORT}`,
      `${endpointAddress(service * endpoints)} ${ENDPOINT_PORT}`,
    ];
  }).flat();
  const times = room.connectTo(targets, rounds * 2);
  const every = (first: number) => times.filter((_, index) => index % 2 === first);
  return { connectUs: every(0), directUs: every(1) };
}

/** The value of which half, or all but one of a hundred, are at most as large. */
export function at(
  share: 'p50' | 'p99',
  values: readonly number[] | undefined,
): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.floor((share === 'p50' ? 0.5 : 0.99) * sorted.length);
  return sorted[Math.min(sorted.length - 1, index)];
}
