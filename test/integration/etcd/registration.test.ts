import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdAccess } from '../../../src/cluster/etcd/access.ts';
import { type NodeFacts, NodeRegistration } from '../../../src/cluster/etcd/registration.ts';
import type { EtcdSource } from '../../../src/cluster/etcd/source.ts';
import type { Followed } from '../cluster/followed.ts';
import { EtcdServer } from './etcd-server.ts';
import { follow, PREFIX } from './follow.ts';

/** etcd makes no lease shorter than two seconds; it is kept three times as often as this. */
const TTL_SECONDS = 1;
const PATIENCE = { timeout: 20_000, interval: 20 };

describe('a node that registers itself', () => {
  let etcd: EtcdServer;
  let followed: Followed<EtcdSource>;
  beforeAll(async () => {
    etcd = await EtcdServer.start();
    followed = follow({ endpoints: [etcd.url] });
  });
  afterAll(async () => {
    followed[Symbol.dispose]();
    await etcd[Symbol.asyncDispose]();
  });

  const register = (name: string, more: Partial<NodeFacts> = {}) => {
    const messages: string[] = [];
    const facts = { name, addresses: ['192.0.2.1', 'fd00::1'], ...more };
    const access = etcdAccess({ endpoints: [etcd.url] });
    const registration = new NodeRegistration(
      { access, prefix: PREFIX, userAgent: 'podwire/test', facts, ttlSeconds: TTL_SECONDS },
      {
        onRegistered: () => messages.push('registered'),
        onError: (message) => messages.push(message),
        onRecovered: () => messages.push('recovered'),
      },
    );
    registration.start();
    return { registration, messages, [Symbol.dispose]: () => registration[Symbol.dispose]() };
  };
  const node = (name: string) => followed.store.nodes.get(name);
  const key = (name: string) => `${PREFIX}/v1/nodes/${name}`;
  const leaseOf = (name: string) => {
    const answer = etcd.etcdctl('get', key(name), '-w', 'fields');
    return /"Lease" : (\d+)/.exec(answer)?.[1] ?? '0';
  };

  it('is there with what it says of itself, and goes away after it', async () => {
    {
      using registered = register('one');
      const { registration } = registered;
      await expect
        .poll(() => node('one')?.addresses, PATIENCE)
        .toEqual([
          { type: 'InternalIP', address: '192.0.2.1' },
          { type: 'InternalIP', address: 'fd00::1' },
          { type: 'Hostname', address: 'one' },
        ]);
      await registration.update({
        podCIDRs: ['10.244.1.0/24'],
        annotations: { 'flannel.alpha.coreos.com/public-ip': '192.0.2.1' },
      });
      await expect.poll(() => node('one')?.podCIDRs, PATIENCE).toEqual(['10.244.1.0/24']);
      expect(node('one')?.metadata.annotations).toEqual({
        'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
      });
      expect(registered.messages).toEqual(['registered']);
    }
    await expect.poll(() => node('one'), PATIENCE).toBeUndefined();
  });

  it('comes back when somebody deletes it, changes it, or takes its lease away', async () => {
    using registered = register('two');
    await expect.poll(() => node('two'), PATIENCE).toBeDefined();
    etcd.etcdctl('del', key('two'));
    await expect.poll(() => registered.messages.length, PATIENCE).toBe(2);
    await expect.poll(() => node('two'), PATIENCE).toBeDefined();
    etcd.etcdctl('put', key('two'), 'nonsense');
    await expect.poll(() => registered.messages.length, PATIENCE).toBe(3);
    const before = leaseOf('two');
    expect(before).not.toBe('0');
    etcd.etcdctl('lease', 'revoke', BigInt(before).toString(16));
    await expect.poll(() => registered.messages.length, PATIENCE).toBe(4);
    expect(leaseOf('two')).not.toBe(before);
    expect(new Set(registered.messages)).toEqual(new Set(['registered']));
  });

  it('stays over a restart of etcd, and over one of its own', async () => {
    const first = register('three');
    await expect.poll(() => node('three'), PATIENCE).toBeDefined();
    let gone = 0;
    const unsubscribe = followed.store.subscribe((state, _, { nodes }) => {
      if (nodes.includes('three') && !state.nodes.has('three')) gone += 1;
    });
    await etcd.stop();
    await expect.poll(() => first.messages.at(-1), PATIENCE).toMatch(/ECONNREFUSED/);
    await etcd.start();
    await expect.poll(() => first.messages.at(-1), PATIENCE).toMatch(/recovered|registered/);
    first[Symbol.dispose]();
    using second = register('three');
    await expect.poll(() => second.messages, PATIENCE).toEqual(['registered']);
    unsubscribe();
    expect(gone).toBe(0);
  });

  it('says that another has its name, for as long as it does', async () => {
    using one = register('same', { addresses: ['192.0.2.1'] });
    await expect.poll(() => one.messages, PATIENCE).toEqual(['registered']);
    const other = register('same', { addresses: ['192.0.2.2'] });
    const said = 'the node "same" is registered by another machine, too';
    await expect.poll(() => one.messages.slice(-2), PATIENCE).toEqual(['registered', said]);
    other[Symbol.dispose]();
    await expect.poll(() => one.messages.at(-1), PATIENCE).toBe('recovered');
  });

  it('claims what nobody has, keeps it over a restart, and leaves it to the next when it goes', async () => {
    const subnet = '10.244.1.0-24';
    const first = register('first');
    const claims = await Promise.all(
      [1, 2, 3].map(() => first.registration.claim('subnets', subnet)),
    );
    expect(claims.map(({ isOurs }) => isOurs)).toEqual([true, true, true]);
    using other = register('other');
    const claim = () => other.registration.claim('subnets', subnet);
    expect(await claim()).toEqual({ isOurs: false, value: 'first' });
    // Of many who want one at once, one gets it.
    const both = [first, other].map(({ registration }) => registration.claim('subnets', 'new'));
    const won = (await Promise.all(both)).filter(({ isOurs }) => isOurs);
    expect(won).toHaveLength(1);
    first[Symbol.dispose]();
    {
      using again = register('first');
      expect(await again.registration.claim('subnets', subnet)).toMatchObject({ isOurs: true });
      expect(await claim()).toEqual({ isOurs: false, value: 'first' });
    }
    await expect.poll(claim, PATIENCE).toEqual({ isOurs: true, value: 'other' });
    // No object of the cluster: who follows it sees none of this.
    expect(followed.source.status.lastError ?? '').not.toContain('claims');
  });
});
