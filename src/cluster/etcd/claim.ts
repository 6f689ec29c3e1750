import { EtcdError } from './call.ts';
import type { EtcdClient } from './client.ts';
import { COMPARE_CREATE, COMPARE_VALUE, TXN } from './messages.ts';

/** A key may come and go while it is claimed. */
const ATTEMPTS_MAX = 4;

/** Who has a key: we, or somebody whose value it has. */
export interface Claim {
  readonly isOurs: boolean;
  readonly value: string;
}

/**
 * Claims a key, for as long as a lease is kept: makes it where it is not there, and takes it over where it has
 * our value already, from before a restart. What another has stays theirs. Rejects as EtcdClient.call; a call
 * whose answer was lost may be made again.
 */
export async function claimKey(
  client: EtcdClient,
  key: string,
  value: string,
  lease: bigint,
  signal: AbortSignal,
): Promise<Claim> {
  const at = { key: Buffer.from(key) };
  const put = { ...at, value: Buffer.from(value), lease };
  const absent = { ...at, target: COMPARE_CREATE, createRevision: 0n };
  const ours = { ...at, target: COMPARE_VALUE, value: put.value };
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const compare = attempt % 2 === 0 ? absent : ours;
    const request = { compare: [compare], success: [{ put }], failure: [{ range: at }] };
    const { succeeded, responses } = await client.call(TXN, request, signal);
    if (succeeded) return { isOurs: true, value };
    const [kv] = responses[0]?.range?.kvs ?? [];
    const held = kv === undefined ? undefined : Buffer.from(kv.value).toString();
    if (held !== undefined && held !== value) return { isOurs: false, value: held };
  }
  throw new EtcdError(`${client.origin}: ${key} comes and goes`);
}
