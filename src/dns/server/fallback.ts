import type { Addr } from '../../ipaddr/addr.ts';

/** Where a query came from, and to which of the server's addresses. */
export interface QueryContext {
  readonly client: Addr;
  readonly clientPort: number;
  readonly local: Addr;
  readonly transport: 'udp' | 'tcp';
}

/**
 * Answers on the main thread what the compiled table can't or must not answer: a name outside its
 * zones, a name that isn't there in a zone that falls through, an ExternalName that leads outside, or
 * every query to a zone whose route has no table. `request` is the caller's to keep, and was found to be a query the
 * server can read. Gives the reply, or undefined for none; the server cuts what is too long for the
 * client by whole rrsets. A rejection is SERVFAIL.
 */
export type Fallback = (
  request: Uint8Array,
  context: QueryContext,
) => Promise<Uint8Array | undefined>;

/**
 * Answers kept in shared memory, which a UDP thread looks at before it hands a query to the main
 * thread. One object serves one thread, and neither waits nor allocates.
 */
export interface SharedAnswers {
  /**
   * Writes the answer to `request[0..length]`, with its id, flags and question, into `reply` and gives
   * its length; 0 when there is none, or none of at most `limitBytes`.
   */
  answer(request: Uint8Array, length: number, reply: Uint8Array, limitBytes: number): number;
}

/** Makes a thread's view of the shared answers from the memory the main thread handed over. */
export type OpenSharedAnswers = (memory: SharedArrayBuffer) => SharedAnswers;
