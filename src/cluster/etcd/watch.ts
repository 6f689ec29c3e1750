import { EtcdError } from './call.ts';
import type { EtcdClient } from './client.ts';
import { rangeEndOf } from './keys.ts';
import { EVENT_DELETE, WATCH } from './messages.ts';

/** What happened to a key: it has this value now, or is gone. */
export interface KeyChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** What a watch tells. */
export interface WatchEvents {
  /** etcd was heard, whatever it said. */
  onHeard(): void;
  /** From now on every change is told. */
  onWatching(): void;
  /** What happened, in order, and the revision up to which that is all. */
  onChanges(changes: readonly KeyChange[], revision: bigint): void;
}

/** How a watch tells that nobody is there. */
export interface WatchLimits {
  /** How often etcd is asked to say something. */
  readonly progressMs: number;
  /** A watch that is silent for so long is dead. */
  readonly silenceMs: number;
}

/** What was to be told is compacted: all has to be read again. */
export class CompactedError extends EtcdError {}

/**
 * Tells what happens below a prefix after a revision, and in it, until the watch ends. Throws CompactedError, or as
 * EtcdClient.call; the signal's reason when it is aborted.
 */
export async function watch(
  client: EtcdClient,
  prefix: string,
  after: bigint,
  events: WatchEvents,
  limits: WatchLimits,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal.reason);
  signal.addEventListener('abort', onAbort);
  using timers = new DisposableStack();
  timers.defer(() => signal.removeEventListener('abort', onAbort));
  try {
    using conversation = await client.open(WATCH, ended.signal);
    conversation.send({
      create: {
        key: Buffer.from(prefix),
        rangeEnd: rangeEndOf(prefix),
        // And not after it: of a watch that begins in the future etcd 3.6 does not tell its progress. What is
        // told twice changes nothing.
        startRevision: after,
        progressNotify: true,
        fragment: true,
      },
    });
    const asking = setInterval(() => conversation.send({ progress: {} }), limits.progressMs);
    timers.defer(() => clearInterval(asking));
    const silence = setTimeout(() => {
      const seconds = limits.silenceMs / 1000;
      ended.abort(new EtcdError(`${client.origin}: nothing heard for ${seconds} s`));
    }, limits.silenceMs);
    timers.defer(() => clearTimeout(silence));
    let changes: KeyChange[] = [];
    let revision = after;
    for await (const response of conversation.responses()) {
      silence.refresh();
      events.onHeard();
      if (response.canceled) throw canceled(client.origin, response);
      if (response.created) events.onWatching();
      for (const { type, kv } of response.events) {
        if (kv === undefined) continue;
        const value = type === EVENT_DELETE ? undefined : kv.value;
        changes.push({ key: Buffer.from(kv.key).toString(), value });
        if (kv.modRevision > revision) revision = kv.modRevision;
      }
      // What is told in parts is one change.
      if (response.fragment) continue;
      // Progress of the watch itself comes in its place among the events. What answers our asking (of no
      // watch, -1) may overtake them in servers before 3.5.8, so its revision tells nothing.
      const isProgress = !response.created && response.watchId >= 0n && changes.length === 0;
      const told = response.header?.revision ?? 0n;
      if (isProgress && told > revision) revision = told;
      if (changes.length > 0 || isProgress) events.onChanges(changes, revision);
      changes = [];
    }
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error;
  }
}

function canceled(
  origin: string,
  response: { readonly compactRevision: bigint; readonly cancelReason: string },
): EtcdError {
  const { compactRevision, cancelReason } = response;
  if (compactRevision > 0n) {
    return new CompactedError(`${origin}: compacted up to revision ${compactRevision}`);
  }
  return new EtcdError(`${origin}: the watch was refused: ${cancelReason || 'no reason given'}`);
}
