import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Store } from '../store.ts';
import { anonymousAccess } from './kubeconfig.ts';
import { KubeSource } from './source.ts';

/*
 * A server of ours, for what an API server does not do: give objects that can't be read. All else is
 * tried with a real one, in test/conformance/kube.
 */

const good = (name: string) => ({ metadata: { name, namespace: 'default' }, spec: {} });
const bad = (name: string) => ({ ...good(name), spec: { clusterIP: 'nonsense' } });

let services: unknown[];
/** What a streamed list begins with; undefined where the server has none. */
let streamed: readonly object[] | undefined;
let watch: ServerResponse | undefined;
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://any');
  const isServices = url.pathname.endsWith('/services');
  if (url.searchParams.has('sendInitialEvents') && streamed !== undefined) {
    const end = { 'k8s.io/initial-events-end': 'true' };
    const metadata = { resourceVersion: '7', annotations: end };
    const events = [...(isServices ? streamed : []), { type: 'BOOKMARK', object: { metadata } }];
    response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    if (isServices) watch = response;
  } else if (url.searchParams.has('sendInitialEvents')) {
    response.writeHead(422).end(JSON.stringify({ message: 'no streams' }));
  } else if (url.searchParams.has('watch')) {
    response.writeHead(200).flushHeaders();
    if (isServices) watch = response;
  } else {
    const items = isServices ? services : [];
    response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items }));
  }
});

beforeEach(async () => {
  watch = undefined;
  streamed = undefined;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function open(store: Store) {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port');
  const messages: string[] = [];
  const source = new KubeSource(
    store.part(),
    {
      access: anonymousAccess(`http://127.0.0.1:${address.port}`),
      userAgent: 'test',
      nodeName: 'node-1',
      pods: 'none',
      nodes: 'own',
      imports: false,
    },
    {
      onSynced: () => messages.push('synced'),
      onError: (message) => messages.push(message),
      onRecovered: () => messages.push('recovered'),
    },
  );
  source.start();
  const tell = (type: string, object: object) =>
    watch?.write(`${JSON.stringify({ type, object })}\n`);
  return { source, messages, tell, [Symbol.dispose]: () => source.close() };
}

describe('an object that can not be read', () => {
  it('is reported once, and is as it was until it can be', async () => {
    services = [good('a'), bad('b')];
    const store = new Store();
    using opened = open(store);
    const { messages, tell, source } = opened;
    await vi.waitFor(() => expect(source.status.isCurrent).toBe(true));
    expect([...store.services.keys()]).toEqual(['default/a']);
    const problem =
      'Service/default/b: spec.clusterIP: expected an IP address or "None", got "nonsense"';
    expect(messages).toEqual([problem, 'synced']);
    tell('MODIFIED', bad('a'));
    tell('MODIFIED', { ...good('b'), spec: { clusterIP: '10.0.0.1' } });
    await vi.waitFor(() => expect(store.services.size).toBe(2));
    expect(store.services.get('default/a')?.clusterIPs).toEqual([]);
    expect(source.status.lastError).toContain('Service/default/a: spec.clusterIP');
    tell('DELETED', bad('a'));
    await vi.waitFor(() => expect([...store.services.keys()]).toEqual(['default/b']));
    expect(messages.at(-1)).toBe('recovered');
  });

  it('stays what it was when all is listed again', async () => {
    services = [good('a')];
    const store = new Store();
    using opened = open(store);
    await vi.waitFor(() => expect(opened.source.status.isCurrent).toBe(true));
    services = [bad('a'), good('c')];
    opened.tell('ERROR', { metadata: {}, code: 410, message: 'too old' });
    await vi.waitFor(() => expect([...store.services.keys()]).toEqual(['default/a', 'default/c']));
  });

  it('is forgotten when it goes while all is streamed', async () => {
    streamed = [
      { type: 'ADDED', object: bad('a') },
      { type: 'ADDED', object: good('b') },
      { type: 'DELETED', object: bad('a') },
    ];
    const store = new Store();
    using opened = open(store);
    await vi.waitFor(() => expect(opened.source.status.isCurrent).toBe(true), 10_000);
    expect([...store.services.keys()]).toEqual(['default/b']);
    expect(opened.messages).toContain('recovered');
    expect(opened.source.status.resources.flatMap(({ error }) => error ?? [])).toEqual([]);
  });
});

describe('a large list', () => {
  it('with something in it that is no object is refused, and asked for again', async () => {
    const annotations = { note: 'nobody reads this'.repeat(100) };
    const all = Array.from({ length: 1_000 }, (_, index) => ({
      metadata: { ...good(`s-${index}`).metadata, annotations },
      spec: {},
    }));
    services = [...all, {}];
    const store = new Store();
    using opened = open(store);
    const refused = expect.stringContaining('a list gave something that is not an object');
    await vi.waitFor(() => expect(opened.messages).toContainEqual(refused), 10_000);
    services = all;
    await vi.waitFor(() => expect(store.services.size).toBe(1_000), 10_000);
  });

  it('is decoded by another thread, and put into the store in parts', async () => {
    const annotations = { note: 'nobody reads this'.repeat(60) };
    services = Array.from({ length: 2_000 }, (_, index) => ({
      ...good(`s-${index}`),
      metadata: { name: `s-${index}`, namespace: 'default', annotations },
    }));
    services.push(bad('bad'));
    const store = new Store();
    const seen: boolean[] = [];
    using opened = open(store);
    store.subscribe(() => seen.push(opened.source.isSynced));
    await vi.waitFor(() => expect(opened.source.status.isCurrent).toBe(true), 10_000);
    expect(store.services.size).toBe(2_000);
    expect(store.services.get('default/s-1999')?.metadata.annotations).toEqual({});
    expect(seen.length).toBeGreaterThanOrEqual(20);
    expect(opened.messages[0]).toContain('Service/default/bad: spec.clusterIP');
    expect(opened.messages.at(-1)).toBe('synced');
    opened.tell('DELETED', good('s-7'));
    await vi.waitFor(() => expect(store.services.size).toBe(1_999));
  });
});
