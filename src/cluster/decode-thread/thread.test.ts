import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { HeardTexts } from '../kube/heard.ts';
import { hear } from '../kube/heard.ts';
import { DecodeThread } from './thread.ts';

const event = (name: string, clusterIP: string) =>
  JSON.stringify({
    type: 'ADDED',
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default', resourceVersion: '7' },
      spec: { clusterIP },
    },
  });

const input: HeardTexts = {
  of: 'events',
  resource: { kind: 'Service', apiVersion: 'v1' },
  texts: [
    event('a', '10.0.0.1'),
    event('b', 'nonsense'),
    '{"type":"ERROR","object":{"metadata":{},"code":410}}',
    '{',
  ],
};

describe('DecodeThread', () => {
  it('gives what the same work gives here, to several at once, and again after it ended', async () => {
    using thread = new DecodeThread();
    const expected = hear(input);
    expect(expected.map(({ what }) => what)).toEqual(['put', 'unreadable', 'error']);
    const both = [thread.work({ name: 'hear', input }), thread.work({ name: 'hear', input })];
    expect(await Promise.all(both)).toEqual([expected, expected]);
    thread[Symbol.dispose]();
    expect(await thread.work({ name: 'hear', input })).toEqual(expected);
  });

  it('does the work here when its thread dies', async () => {
    let spawned = 0;
    using thread = new DecodeThread(() => {
      spawned += 1;
      return new Worker('process.exit(3)', { eval: true });
    });
    const both = [thread.work({ name: 'hear', input }), thread.work({ name: 'hear', input })];
    expect(await Promise.all(both)).toEqual([hear(input), hear(input)]);
    expect(await thread.work({ name: 'hear', input })).toEqual(hear(input));
    expect(spawned).toBe(1);
  });

  it('tells who asked when the work can not be done there nor here', async () => {
    using thread = new DecodeThread();
    const wrong = { of: 'items', resource: input.resource, texts: 7 } as unknown as HeardTexts;
    await expect(thread.work({ name: 'hear', input: wrong })).rejects.toThrow(TypeError);
    expect(await thread.work({ name: 'hear', input })).toEqual(hear(input));
  });

  it('tells who waits when it ends', async () => {
    using thread = new DecodeThread();
    const waiting = thread.work({ name: 'hear', input });
    thread[Symbol.dispose]();
    await expect(waiting).rejects.toThrow('the thread that decodes objects: not wanted any more');
  });
});
