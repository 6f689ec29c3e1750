import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseCorefile } from '../corefile/parse.ts';
import { configure } from './configure.ts';
import { CorefileWatcher } from './watcher.ts';

const PARSE = { environment: {}, defaultPort: 53 };
const RELOADS = '. {\n  errors\n  reload 2s 0s\n}\n';
const nothing = (): void => {};
const STAYS = '. {\n  errors\n}\n';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('looks no more for what no longer reloads, though it was looking when that was taken over', async () => {
  const applied = Promise.withResolvers<void>();
  const watcher = new CorefileWatcher(configure(parseCorefile('Corefile', RELOADS, PARSE)), {
    source: { path: 'Corefile', text: RELOADS },
    parse: PARSE,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    metrics: { count: nothing, set: nothing, clear: nothing, observe: nothing },
    apply: () => applied.promise,
  });
  expect(vi.getTimerCount()).toBe(1);
  const followed = watcher.follow({ path: 'Corefile', text: STAYS });
  await vi.advanceTimersByTimeAsync(2_000);
  applied.resolve();
  await followed;
  expect(await watcher.check()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
  watcher.close();
});
