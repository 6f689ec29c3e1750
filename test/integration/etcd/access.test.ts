import { copyFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdAccess } from '../../../src/cluster/etcd/access.ts';
import { makeAuthority, makeCertificate } from '../../conformance/kube/certificates.ts';
import { EtcdServer } from './etcd-server.ts';
import { follow, keyOf, PREFIX, service } from './follow.ts';

const ROOT = ['--user', 'root:secret'] as const;

describe('access to etcd', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    // Tokens of users last a second.
    etcd = await EtcdServer.start({ tls: true, flags: ['--auth-token-ttl=1'] });
    makeCertificate(etcd.directory, 'client', etcd.authority, '/O=podwire');
    etcd.etcdctl('put', keyOf('a'), service('a'));
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  const settings = () => ({
    endpoints: [etcd.url],
    cacert: etcd.file('ca.crt'),
    cert: etcd.file('client.crt'),
    key: etcd.file('client.key'),
  });

  it('has a client certificate, and is refused without one', async () => {
    using followed = follow(settings());
    await followed.hasServices('a');
    const { endpoints, cacert } = settings();
    using nobody = follow({ endpoints, cacert });
    await nobody.hasFailed(/alert (certificate required|bad certificate)|closed|ECONNRESET/);
    expect(nobody.store.size).toBe(0);
    expect(followed.messages).toEqual(['synced']);
  });

  it('says that the certificate of the server is not trusted, and takes the right one up', async () => {
    const other = makeAuthority(etcd.directory, 'other');
    const cacert = etcd.file('current.crt');
    copyFileSync(other.cert, cacert);
    using followed = follow({ ...settings(), cacert });
    await followed.hasFailed(/the server's certificate is not trusted: .+ \([A-Z_]+\)/);
    copyFileSync(etcd.authority.cert, cacert);
    await followed.hasServices('a');
  });

  it('is a user with a password, logs in again when its token has ended, and is told what it may not', async () => {
    const asRoot = (...args: string[]) => etcd.etcdctl(...ROOT, ...args);
    const passwordFile = etcd.file('password');
    writeFileSync(passwordFile, 'wrong\n');
    const user = { ...settings(), username: 'podwire', passwordFile };
    // Where nobody is asked who they are, who says so is let in, as by etcdctl.
    using early = follow(user);
    await early.hasServices('a');
    etcd.etcdctl('user', 'add', ROOT[1]);
    etcd.etcdctl('user', 'grant-role', 'root', 'root');
    etcd.etcdctl('user', 'add', 'podwire:word');
    etcd.etcdctl('role', 'add', 'podwire');
    etcd.etcdctl('user', 'grant-role', 'podwire', 'podwire');
    etcd.etcdctl('auth', 'enable');
    using followed = follow(user);
    await followed.hasFailed(/authentication failed, invalid user ID or password/);
    writeFileSync(passwordFile, 'word\n');
    await followed.hasFailed(/etcdserver: permission denied/);
    asRoot('role', 'grant-permission', 'podwire', 'readwrite', '--prefix=true', PREFIX);
    await followed.hasServices('a');
    await followed.isCurrent();
    // Its token is nothing any more when it comes back.
    await etcd.stop();
    await etcd.start();
    asRoot('put', keyOf('b'), service('b'));
    for (const each of [followed, early]) {
      await each.hasServices('a', 'b');
      await each.isCurrent();
    }
    using anonymous = follow(settings());
    await anonymous.hasFailed(/etcdserver: (user name is empty|permission denied)/);
    etcd.etcdctl(...ROOT, 'auth', 'disable');
    await anonymous.hasServices('a', 'b');
  });
});

describe('settings of etcd', () => {
  const one = 'https://10.0.0.1:2379';
  it.each([
    [{ endpoints: ['ftp://10.0.0.1'] }, `expected URLs such as ${one}, got "ftp://10.0.0.1"`],
    [{ endpoints: ['http://10.0.0.1/path'] }, `etcd-endpoints: expected URLs such as ${one}, got`],
    [{ endpoints: [] }, 'etcd-endpoints: expected one to 32, got 0'],
    [{ endpoints: Array<string>(33).fill(one) }, 'etcd-endpoints: expected one to 32, got 33'],
    [{ endpoints: [one], cert: '/x' }, 'etcd-cert: expected etcd-key beside it'],
    [
      { endpoints: [one], passwordFile: '/x' },
      'etcd-password-file: expected etcd-username beside it',
    ],
    [
      { endpoints: [one], cacert: '/nowhere' },
      'etcd-cacert: expected a readable file, got "/nowhere" (ENOENT)',
    ],
    [
      { endpoints: ['http://a:1'], cacert: '/x' },
      'etcd-endpoints: expected https beside certificates, got "http://a:1"',
    ],
  ])('refuses (%#)', (settings, message) => {
    expect(() => etcdAccess(settings)).toThrow(message);
  });
});
