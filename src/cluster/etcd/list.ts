import { EtcdError } from './call.ts';
import type { EtcdClient } from './client.ts';
import { MessageTooLargeError } from './frames.ts';
import { rangeEndOf } from './keys.ts';
import { RANGE } from './messages.ts';

/** A prefix has no more keys than this; more is something gone wrong. */
const KEYS_MAX = 2_000_000;

/** How far etcd is: numbers of one cluster can be compared. */
export interface Position {
  readonly clusterId: bigint;
  readonly revision: bigint;
}

/** What is at a key. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Some of what is below a prefix, all of it as it was at one moment. */
export interface Page {
  readonly position: Position;
  readonly entries: readonly Entry[];
}

/**
 * Reads all that is below a prefix, page by page, as it is at the revision of the first. Throws as
 * EtcdClient.call; with OUT_OF_RANGE when that was compacted meanwhile.
 */
export async function* list(
  client: EtcdClient,
  prefix: string,
  pageObjects: number,
  signal: AbortSignal,
): AsyncGenerator<Page, undefined> {
  const rangeEnd = rangeEndOf(prefix);
  let key: Uint8Array = Buffer.from(prefix);
  let position: Position | undefined;
  let limit = pageObjects;
  for (let count = 0; count < KEYS_MAX; ) {
    const query = { key, rangeEnd, limit: BigInt(limit), revision: position?.revision ?? 0n };
    let page: Awaited<ReturnType<typeof client.call<typeof RANGE.request, typeof RANGE.response>>>;
    try {
      page = await client.call(RANGE, query, signal);
    } catch (error) {
      // Objects may be large; one alone always fits.
      if (!(error instanceof MessageTooLargeError) || limit === 1) throw error;
      limit = Math.ceil(limit / 4);
      continue;
    }
    const { kvs, more, header } = page;
    position ??= { clusterId: header?.clusterId ?? 0n, revision: header?.revision ?? 0n };
    count += kvs.length;
    yield {
      position,
      entries: kvs.map((each) => ({ key: Buffer.from(each.key).toString(), value: each.value })),
    };
    const last = kvs.at(-1);
    if (!more || last === undefined) return;
    // The first key that comes after it.
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
  throw new EtcdError(`${client.origin}: more than ${KEYS_MAX} keys below ${prefix}`);
}

/** How far etcd is now. Throws as EtcdClient.call. */
export async function positionOf(
  client: EtcdClient,
  prefix: string,
  signal: AbortSignal,
): Promise<Position> {
  const query = { key: Buffer.from(prefix), countOnly: true };
  const { header } = await client.call(RANGE, query, signal);
  return { clusterId: header?.clusterId ?? 0n, revision: header?.revision ?? 0n };
}
