import { cpSync, rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { etcdAccess } from '../../../src/cluster/etcd/access.ts';
import { readObject } from '../../../src/cluster/etcd/entry.ts';
import { EtcdKeys } from '../../../src/cluster/etcd/keys.ts';
import { EtcdObjects } from '../../../src/cluster/etcd/objects.ts';
import { Gate } from '../../conformance/kube/gate.ts';
import { EtcdServer } from './etcd-server.ts';
import { follow, keyOf, PREFIX, service } from './follow.ts';

/** The way through a gate, without TLS. */
const plain = ({ port }: Gate): string => `http://127.0.0.1:${port}`;
/** A connection that is silent is soon taken for dead. */
const IMPATIENT = { pingIntervalMs: 100, connectTimeoutMs: 500, answerTimeoutMs: 500 };

/** What is tried with every etcd; `program` gives its path, or undefined where it is not there. */
export function describeSource(program: () => string | undefined): void {
  let etcd: EtcdServer;
  beforeAll(async () => {
    const path = program();
    if (path !== undefined) etcd = await EtcdServer.start({ program: path });
  });
  afterAll(async () => {
    if (program() !== undefined) await etcd[Symbol.asyncDispose]();
  });
  afterEach(() => {
    if (program() !== undefined) etcd.etcdctl('del', '--prefix', '/');
  });

  const put = (name: string, clusterIP?: string) =>
    etcd.etcdctl('put', keyOf(name), service(name, clusterIP));
  const remove = (name: string) => etcd.etcdctl('del', keyOf(name));
  const open = (limits = {}) => follow({ endpoints: [etcd.url] }, limits);

  it('follows what etcdctl does, and what is elsewhere is none of it', async () => {
    put('early');
    etcd.etcdctl('put', `${PREFIX}/v1.5`, 'other');
    etcd.etcdctl('put', '/podwires/v1/services/default/other', 'other');
    using followed = open();
    await followed.hasServices('early');
    await followed.isCurrent();
    put('web');
    await followed.hasServices('early', 'web');
    put('web', '10.96.0.7');
    await expect
      .poll(() => followed.store.services.get('default/web')?.clusterIPs)
      .toEqual(['10.96.0.7']);
    remove('early');
    await followed.hasServices('web');
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1', annotations: { a: 'b' } },
    };
    etcd.etcdctl('put', `${PREFIX}/v1/nodes/n1`, JSON.stringify(node));
    await expect
      .poll(() => followed.store.nodes.get('n1')?.metadata.annotations)
      .toEqual({ a: 'b' });
    expect(followed.messages).toEqual(['synced']);
  });

  it('reads all there is in pages, at one revision, as one change', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(name);
    using followed = open({ pageObjects: 2 });
    await followed.hasServices('a', 'b', 'c', 'd', 'e');
    expect(followed.changes).toHaveLength(1);
  });

  it('is not given what was saved once it puts what there is', async () => {
    const names = Array.from({ length: 150 }, (_, index) => `s-${1_000 + index}`);
    using objects = new EtcdObjects(etcdAccess({ endpoints: [etcd.url] }), PREFIX, 'podwire/test');
    await objects.put(
      names.map((name) => {
        const raw: unknown = JSON.parse(service(name));
        return { raw, object: readObject(new EtcdKeys(PREFIX), keyOf(name), raw) };
      }),
    );
    using followed = open();
    const asked: { isSynced: boolean; isWanted: boolean }[] = [];
    followed.store.subscribe(() => {
      const { isSynced } = followed.source.status;
      asked.push({ isSynced, isWanted: followed.source.restore([], 0) });
    });
    await followed.hasServices(...names);
    await followed.isCurrent();
    // Of two parts the first is seen before all are there.
    expect(asked[0]).toEqual({ isSynced: false, isWanted: false });
    expect(asked.filter(({ isWanted }) => isWanted)).toEqual([]);
  });

  it('names a broken object by its key and field, keeps its last good state, and goes on', async () => {
    put('a');
    etcd.etcdctl('put', keyOf('b'), '{"apiVersion": "v1",');
    using followed = open();
    await followed.hasServices('a');
    await followed.hasFailed(/^\/podwire\/v1\/services\/default\/b: document: not JSON: /);
    etcd.etcdctl('put', keyOf('a'), service('a', 'nonsense'));
    put('c');
    await followed.hasServices('a', 'c');
    expect(followed.store.services.get('default/a')?.clusterIPs).toEqual(['10.96.0.1']);
    etcd.etcdctl('put', keyOf('c'), service('other'));
    etcd.etcdctl('put', `${PREFIX}/v1/things/x`, service('x'));
    remove('b');
    await followed.hasFailed(
      /default\/a: spec.clusterIP: expected an IP address or "None", got "nonsense"/,
    );
    remove('a');
    await followed.hasFailed(
      /default\/c: metadata: it is Service\/default\/other, which belongs at \/podwire\/v1\/services\/default\/other/,
    );
    put('c');
    etcd.etcdctl('del', `${PREFIX}/v1/things/x`);
    await followed.hasServices('c');
    await expect.poll(() => followed.messages.at(-1)).toBe('recovered');
  });

  it('keeps what it knows while etcd is gone, and then applies the difference alone', async () => {
    put('a');
    put('b');
    using followed = open();
    await followed.hasServices('a', 'b');
    await followed.isCurrent();
    const before = followed.changes.length;
    await etcd.stop();
    await followed.hasFailed(/ECONNREFUSED/);
    expect(followed.source.status).toMatchObject({ isSynced: true, isCurrent: false });
    await followed.hasServices('a', 'b');
    await etcd.start();
    put('c');
    remove('a');
    await followed.hasServices('b', 'c');
    await followed.isCurrent();
    expect(new Set(followed.changes.slice(before).flat())).toEqual(
      new Set(['default/a', 'default/c']),
    );
    await expect.poll(() => followed.messages.at(-1)).toBe('recovered');
  });

  it('reads all again when what came meanwhile was compacted, and forgets nothing', async () => {
    put('a');
    put('b');
    using gate = await Gate.open(etcd.port);
    using followed = follow({ endpoints: [plain(gate)] });
    await followed.hasServices('a', 'b');
    await followed.isCurrent();
    gate.shut();
    await followed.hasFailed(/./);
    const before = followed.changes.length;
    put('c');
    remove('a');
    etcd.compact();
    gate.reopen();
    await followed.hasServices('b', 'c');
    await followed.isCurrent();
    expect(new Set(followed.changes.slice(before).flat())).toEqual(
      new Set(['default/a', 'default/c']),
    );
    expect(followed.messages.filter((each) => each.includes('compacted'))).toEqual([]);
  });

  it('follows an etcd whose data went back in time', async () => {
    put('a');
    using followed = open();
    await followed.hasServices('a');
    await etcd.stop();
    cpSync(etcd.file('data'), etcd.file('copy'), { recursive: true });
    await etcd.start();
    remove('a');
    for (let index = 0; index < 5; index += 1) put(`late-${index}`);
    await expect.poll(() => followed.store.services.size, { timeout: 20_000 }).toBe(5);
    await etcd.stop();
    rmSync(etcd.file('data'), { recursive: true });
    cpSync(etcd.file('copy'), etcd.file('data'), { recursive: true });
    await etcd.start();
    await followed.hasServices('a');
    put('b');
    await followed.hasServices('a', 'b');
  });

  it('takes a connection that is silent for dead', async () => {
    put('a');
    using followed = open(IMPATIENT);
    await followed.hasServices('a');
    await followed.isCurrent();
    etcd.process.kill('SIGSTOP');
    await followed.hasFailed(/the connection is dead, no answer to a ping/);
    await followed.hasServices('a');
    etcd.process.kill('SIGCONT');
    put('b');
    await followed.hasServices('a', 'b');
    await followed.isCurrent();
  });

  it('takes a watch that says nothing for dead, and one that answers for alive', async () => {
    put('a');
    using silent = open({ progressMs: 10_000, silenceMs: 300 });
    using asking = open({ progressMs: 50, silenceMs: 300 });
    await asking.isCurrent();
    await silent.hasFailed(/nothing heard for 0.3 s/);
    put('b');
    for (const each of [silent, asking]) await each.hasServices('a', 'b');
    expect(asking.messages).toEqual(['synced']);
  });

  it('converges over a way that cuts answers anywhere, and one that blocks', async () => {
    for (const name of ['a', 'b', 'c']) put(name);
    using gate = await Gate.open(etcd.port);
    const through = () => follow({ endpoints: [plain(gate)] }, IMPATIENT);
    // In the settings, the head of the list, the list, its end, and in the watch.
    for (const bytes of [10, 60, 200, 500, 600, 700, 720]) {
      gate.cutAfter(bytes);
      using cut = through();
      await cut.hasServices('a', 'b', 'c');
      await cut.isCurrent();
    }
    expect(gate.cuts).toBeGreaterThanOrEqual(5);
    using followed = through();
    await followed.isCurrent();
    gate.block();
    await followed.hasFailed(/the connection is dead/);
    put('d');
    gate.reopen();
    await followed.hasServices('a', 'b', 'c', 'd');
    await followed.isCurrent();
  });

  it('passes over members that are away', async () => {
    put('a');
    using gate = await Gate.open(etcd.port);
    using other = await Gate.open(etcd.port);
    const endpoints = ['http://127.0.0.1:1', plain(gate), plain(other)];
    using followed = follow({ endpoints }, IMPATIENT);
    await followed.hasServices('a');
    gate.shut();
    put('b');
    await followed.hasServices('a', 'b');
    gate.reopen();
    other.block();
    put('c');
    await followed.hasServices('a', 'b', 'c');
    await followed.isCurrent();
  });

  it('says so when a server is something else', async () => {
    using followed = follow({ endpoints: [etcd.url.replace('http', 'https')] });
    await followed.hasFailed(/^https:\/\/127.0.0.1:\d+: /);
    expect(followed.source.status).toMatchObject({ isSynced: false, isCurrent: false });
  });
}
