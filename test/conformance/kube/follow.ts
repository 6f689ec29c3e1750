import { vi } from 'vitest';
import type { Access } from '../../../src/cluster/kube/access.ts';
import { KubeSource, type KubeSourceOptions } from '../../../src/cluster/kube/source.ts';
import { Store } from '../../../src/cluster/store.ts';

/** A source with the store it fills, and all it told. */
export interface Followed extends Disposable {
  readonly source: KubeSource;
  readonly store: Store;
  /** The Services of each change, in order. */
  readonly changes: string[][];
  readonly errors: string[];
  /** Resolves when the store has exactly these Services. */
  hasServices(...names: string[]): Promise<void>;
  /** Resolves when the source hears every change. */
  isCurrent(): Promise<void>;
  /** Resolves with the first message that matches. */
  hasFailed(message: RegExp): Promise<void>;
}

const PATIENCE = { timeout: 40_000, interval: 20 };

/** Starts to follow an API server. */
export function follow(
  access: Access,
  limits: KubeSourceOptions['limits'] = {},
  wanted: Partial<KubeSourceOptions> = {},
): Followed {
  const store = new Store();
  const changes: string[][] = [];
  const errors: string[] = [];
  store.subscribe((_, services) => changes.push([...services]));
  const source = new KubeSource(
    store.part(),
    {
      access,
      userAgent: 'podwire/test',
      nodeName: 'node-1',
      pods: 'none',
      nodes: 'own',
      imports: false,
      limits,
      ...wanted,
    },
    {
      onSynced: () => {},
      onError: (message) => errors.push(message),
      onRecovered: () => errors.push('recovered'),
    },
  );
  source.start();
  return {
    source,
    store,
    changes,
    errors,
    hasServices: async (...names) =>
      vi.waitFor(() => {
        const missing = JSON.stringify([...store.services.keys()].sort());
        if (missing !== JSON.stringify(names.map((name) => `default/${name}`).sort())) {
          throw new Error(`the store has ${missing}; ${errors.at(-1)}`);
        }
      }, PATIENCE),
    isCurrent: async () =>
      vi.waitFor(() => {
        if (!source.status.isCurrent) throw new Error(`not current: ${errors.at(-1)}`);
      }, PATIENCE),
    hasFailed: async (message) =>
      vi.waitFor(() => {
        const found = errors.some((each) => message.test(each));
        if (!found) throw new Error(`no such message: ${JSON.stringify(errors)}`);
      }, PATIENCE),
    [Symbol.dispose]: () => source.close(),
  };
}
