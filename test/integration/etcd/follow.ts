import { vi } from 'vitest';
import {
  type EtcdAccess,
  type EtcdSettings,
  etcdAccess,
} from '../../../src/cluster/etcd/access.ts';
import { EtcdSource, type EtcdSourceOptions } from '../../../src/cluster/etcd/source.ts';
import { Store } from '../../../src/cluster/store.ts';

/** A source with the store it fills, and all it told. */
export interface Followed extends Disposable {
  readonly source: EtcdSource;
  readonly store: Store;
  /** The Services of each change, in order. */
  readonly changes: string[][];
  readonly messages: string[];
  /** Resolves when the store has exactly these Services. */
  hasServices(...names: string[]): Promise<void>;
  /** Resolves when the source hears every change. */
  isCurrent(): Promise<void>;
  /** Resolves with the first message that matches. */
  hasFailed(message: RegExp): Promise<void>;
}

const PATIENCE = { timeout: 20_000, interval: 10 };

export const PREFIX = '/podwire';

/** Where a Service is in etcd. */
export const keyOf = (name: string): string => `${PREFIX}/v1/services/default/${name}`;

/** A Service as etcd has it. */
export const service = (name: string, clusterIP = '10.96.0.1', more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, ports: [{ port: 80 }] },
    ...more,
  });

/** Starts to follow etcd. */
export function follow(settings: EtcdSettings, limits: EtcdSourceOptions['limits'] = {}): Followed {
  const access: EtcdAccess = etcdAccess(settings);
  const store = new Store();
  const changes: string[][] = [];
  const messages: string[] = [];
  store.subscribe((_, services) => changes.push([...services]));
  const source = new EtcdSource(
    store.part(),
    { access, prefix: PREFIX, userAgent: 'podwire/test', limits },
    {
      onSynced: () => messages.push('synced'),
      onError: (message) => messages.push(message),
      onRecovered: () => messages.push('recovered'),
    },
  );
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
      }, PATIENCE),
    isCurrent: async () =>
      vi.waitFor(() => {
        if (!source.status.isCurrent) throw new Error(`not current: ${messages.at(-1)}`);
      }, PATIENCE),
    hasFailed: async (message) =>
      vi.waitFor(() => {
        const found = messages.some((each) => message.test(each));
        if (!found) throw new Error(`no such message: ${JSON.stringify(messages)}`);
      }, PATIENCE),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}
