import { vi } from 'vitest';
import type { ServerEvents, ServerSource } from '../../../src/cluster/server-source.ts';
import { Store, type StorePart } from '../../../src/cluster/store.ts';

/** A source with the store it fills, and all it told. */
export interface Followed<Source extends ServerSource> extends Disposable {
  readonly source: Source;
  readonly store: Store;
  /** The Services of each change, in order. */
  readonly changes: string[][];
  /** What is wrong, `recovered` once nothing is, and `synced` where that is wanted. */
  readonly messages: string[];
  /** Resolves when the store has exactly these Services. */
  hasServices(...names: string[]): Promise<void>;
  /** Resolves when the source hears every change. */
  isCurrent(): Promise<void>;
  /** Resolves with the first message that matches. */
  hasFailed(message: RegExp): Promise<void>;
}

/** How long things may take, and whether it is told that all is known. */
interface FollowOptions {
  readonly timeout: number;
  readonly interval: number;
  readonly tellsSynced: boolean;
}

/** Starts a source. */
export function followSource<Source extends ServerSource>(
  open: (part: StorePart, events: ServerEvents) => Source,
  { tellsSynced, ...patience }: FollowOptions,
): Followed<Source> {
  const store = new Store();
  const changes: string[][] = [];
  const messages: string[] = [];
  store.subscribe((_, services) => changes.push([...services]));
  const source = open(store.part(), {
    onSynced: () => {
      if (tellsSynced) messages.push('synced');
    },
    onError: (message) => messages.push(message),
    onRecovered: () => messages.push('recovered'),
  });
  source.start();
  return {
    source,
    store,
    changes,
    messages,
    hasServices: async (...names) =>
      vi.waitFor(() => {
        const there = JSON.stringify([...store.services.keys()].sort());
        if (there !== JSON.stringify(names.map((name) => `default/${name}`).sort())) {
          throw new Error(`the store has ${there}; ${messages.at(-1)}`);
        }
      }, patience),
    isCurrent: async () =>
      vi.waitFor(() => {
        if (!source.status.isCurrent) throw new Error(`not current: ${messages.at(-1)}`);
      }, patience),
    hasFailed: async (message) =>
      vi.waitFor(() => {
        const found = messages.some((each) => message.test(each));
        if (!found) throw new Error(`no such message: ${JSON.stringify(messages)}`);
      }, patience),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}
