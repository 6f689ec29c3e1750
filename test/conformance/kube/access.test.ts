import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inClusterAccess } from '../../../src/cluster/kube/in-cluster.ts';
import { kubeconfigAccess } from '../../../src/cluster/kube/kubeconfig.ts';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { makeAuthority, makeCertificate } from './certificates.ts';
import { ControlPlane, TOKENS } from './control-plane.ts';
import { follow } from './follow.ts';

const RBAC = join(import.meta.dirname, '../../../deploy/rbac.yaml');
const PODWIRE = 'system:serviceaccount:kube-system:podwire';
const OWN = 'kubernetes';

describe('access to an API server', () => {
  needPeer('kubernetes');
  const isMissing = peerMissing('kubernetes') !== undefined;
  let plane: ControlPlane;

  beforeAll(async () => {
    if (isMissing) return;
    plane = await ControlPlane.start({ etcd: 'debian' });
    plane.kubectl('', 'apply', '-f', RBAC);
  });
  afterAll(async () => {
    if (!isMissing) await plane[Symbol.asyncDispose]();
  });

  const write = (name: string, text: string): string => {
    const file = join(plane.directory, name);
    writeFileSync(file, text);
    return file;
  };

  it('has a client certificate', async () => {
    const pair = makeCertificate(plane.directory, 'client', plane.authority, `/CN=${PODWIRE}`);
    const user = { 'client-certificate': pair.cert, 'client-key': pair.key };
    using followed = follow(kubeconfigAccess(plane.kubeconfig('certificate', user)));
    await followed.hasServices(OWN);
    await followed.isCurrent();
    expect(followed.messages).toEqual([]);
  });

  it('has a token from a program', async () => {
    const status = { token: TOKENS.podwire };
    const answer = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status,
    };
    chmodSync(write('login', `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`), 0o700);
    const exec = { apiVersion: answer.apiVersion, command: './login', interactiveMode: 'Never' };
    using followed = follow(kubeconfigAccess(plane.kubeconfig('exec', { exec })));
    await followed.hasServices(OWN);
    expect(followed.messages).toEqual([]);
  });

  it("has a pod's token, and takes the next one when that is no longer good", async () => {
    const token = () =>
      plane.kubectl('', 'create', 'token', 'podwire', '--namespace=kube-system').trim();
    const account = join(plane.directory, 'account');
    mkdirSync(account);
    writeFileSync(join(account, 'token'), token());
    const { cert } = plane.authority;
    plane.copy(cert, join(account, 'ca.crt'));
    const env = {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(plane.port),
    };
    using followed = follow(inClusterAccess(env, account));
    await followed.hasServices(OWN);
    await followed.isCurrent();
    expect(followed.messages).toEqual([]);
    await plane.stopServer();
    // Tokens that were signed before are worth nothing now.
    plane.makeAccountsKey();
    await plane.startServer();
    await followed.hasFailed(/: 401: Unauthorized/);
    await followed.hasServices(OWN);
    writeFileSync(join(account, 'token'), token());
    await followed.isCurrent();
    await expect.poll(() => followed.messages.at(-1)).toBe('recovered');
  });

  it('says that the certificate of the server is not trusted, and by what', async () => {
    const other = makeAuthority(plane.directory, 'other-ca');
    const cluster = { 'certificate-authority': other.cert };
    using untrusted = follow(
      kubeconfigAccess(plane.kubeconfig('untrusted', { token: TOKENS.podwire }, cluster)),
    );
    await untrusted.hasFailed(
      /127.0.0.1:\d+: the server's certificate is not trusted: .+ \([A-Z_]+\)/,
    );
    using misnamed = follow(
      kubeconfigAccess(
        plane.kubeconfig(
          'misnamed',
          { token: TOKENS.podwire },
          { 'tls-server-name': 'other.test' },
        ),
      ),
    );
    await misnamed.hasFailed(/is not trusted: .*other.test.* \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
    expect([untrusted.store.size, misnamed.store.size]).toEqual([0, 0]);
    expect(untrusted.source.status).toMatchObject({ isSynced: false, isCurrent: false });
  });

  it('says what it may not read, and works without what it can do without', async () => {
    const token = { token: 'token-of-nobody' };
    plane.writeTokens({ [token.token]: 'nobody,3', [TOKENS.admin]: 'admin,1,"system:masters"' });
    await plane.stopServer();
    await plane.startServer();
    using followed = follow(kubeconfigAccess(plane.kubeconfig('nobody', token)));
    await followed.hasFailed(
      /\/api\/v1\/services: 403: .*User "nobody" cannot (list|watch) resource "services"/,
    );
    expect(followed.source.isSynced).toBe(false);
    const rule = (resources: string) => ['--verb=list,watch', `--resource=${resources}`];
    const least = 'services,namespaces,endpointslices.discovery.k8s.io';
    plane.kubectl('', 'create', 'clusterrole', 'least', ...rule(least));
    const binding = ['clusterrolebinding', 'least', '--clusterrole=least', '--user=nobody'];
    plane.kubectl('', 'create', ...binding);
    await followed.hasServices(OWN);
    const { resources } = followed.source.status;
    const absent = resources.filter(({ state }) => state === 'absent').map(({ path }) => path);
    expect(absent).toEqual(['/api/v1/nodes', '/apis/networking.k8s.io/v1/servicecidrs']);
    expect(resources.find(({ path }) => path === '/api/v1/nodes')?.error).toMatch(/forbidden/);
  });

  it('follows a server whose certificate is another one, and one whose authority is', async () => {
    plane.copy(plane.authority.cert, join(plane.directory, 'current-ca.crt'));
    const cluster = { 'certificate-authority': 'current-ca.crt' };
    using followed = follow(
      kubeconfigAccess(plane.kubeconfig('renewed', { token: TOKENS.podwire }, cluster)),
    );
    await followed.hasServices(OWN);
    await plane.stopServer();
    plane.makeServerCertificate(plane.authority);
    await plane.startServer();
    plane.kubectl('', 'create', 'service', 'clusterip', 'renewed', '--tcp=80');
    await followed.hasServices(OWN, 'renewed');
    expect(followed.messages.filter((each) => each.includes('not trusted'))).toEqual([]);
    plane.kubectl('', 'delete', 'service', 'renewed');
    await followed.hasServices(OWN);
    await plane.stopServer();
    const next = makeAuthority(plane.directory, 'next-ca');
    plane.makeServerCertificate(next);
    await plane.startServer();
    await followed.hasFailed(/is not trusted/);
    await followed.hasServices(OWN);
    plane.copy(next.cert, join(plane.directory, 'current-ca.crt'));
    await followed.isCurrent();
  });
});
