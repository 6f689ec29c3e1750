import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inClusterAccess } from './in-cluster.ts';
import { anonymousAccess, kubeconfigAccess } from './kubeconfig.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-kubeconfig-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, text: string, mode = 0o600): string {
  const file = join(directory, name);
  writeFileSync(file, text, { mode });
  return file;
}

const config = (user: string, cluster = ''): string => `apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u}
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443
${cluster}
users:
- name: u
  user:
${user}
`;

const problemOf = (text: string): string => {
  try {
    kubeconfigAccess(write('config', text));
  } catch (error) {
    return (error as Error).message.replace(`${directory}/`, '');
  }
  return 'no error';
};

describe('kubeconfigAccess', () => {
  it('reads a token, and a server that --master takes the place of', async () => {
    const file = write('config', config('    token: secret'));
    const access = kubeconfigAccess(file);
    expect(access.server.href).toBe('https://10.0.0.1:6443/');
    expect(await access.authorization()).toBe('Bearer secret');
    expect(await access.tls()).toEqual({ rejectUnauthorized: true });
    expect(kubeconfigAccess(file, 'http://127.0.0.1:8001').server.port).toBe('8001');
  });

  it('reads files beside it anew each time, and data before files', async () => {
    write('token', 'one\n');
    write('ca.crt', 'authority');
    const user = `    tokenFile: token
    client-certificate-data: ${Buffer.from('certificate').toString('base64')}
    client-certificate: not-there
    client-key: ./client.key`;
    const ca = '    certificate-authority: ca.crt\n    tls-server-name: kubernetes';
    const access = kubeconfigAccess(write('config', config(user, ca)));
    write('client.key', 'key');
    expect(await access.authorization()).toBe('Bearer one');
    write('token', 'two');
    expect(await access.authorization()).toBe('Bearer two');
    expect(await access.tls()).toEqual({
      rejectUnauthorized: true,
      ca: Buffer.from('authority'),
      cert: Buffer.from('certificate'),
      key: Buffer.from('key'),
      servername: 'kubernetes',
    });
    rmSync(join(directory, 'token'));
    await expect(access.authorization()).rejects.toThrow(/^token: expected a readable file, got/);
    write('token', '');
    await expect(access.authorization()).rejects.toThrow('token: expected a token, it is empty');
    write('token', 'a\r\nInjected: header');
    await expect(access.authorization()).rejects.toThrow(/characters a header can not have/);
  });

  it.each([
    ['{', 'config:1: not YAML: unexpected end of the stream within a flow collection'],
    ['just text', 'config:1: document: expected a kubeconfig, an object, got "just text"'],
    [config('    token: 5'), 'config:15: users[0].user.token: expected a token, a string'],
    [
      config('    token: a').replace('current-context: here', 'current-context: there'),
      'config:3: current-context: expected a context that is there ("here"), got "there"',
    ],
    [
      config('    token: a').replace('user: u}', 'user: x}'),
      'config:6: contexts[0].context.user: expected a user that is there ("u"), got "x"',
    ],
    [
      config('    token: a').replace('https://10.0.0.1:6443', '10.0.0.1:6443'),
      'config:10: clusters[0].cluster.server: expected a URL such as https://10.0.0.1:6443, got "10.0.0.1:6443"',
    ],
    [
      config('    client-certificate: a'),
      'config:14: users[0].user: expected a client-certificate and a client-key together',
    ],
    [
      config('    client-key-data: "?"\n    client-certificate-data: YQ=='),
      'config:15: users[0].user.client-key-data: expected base64',
    ],
    [
      config('    auth-provider: {name: gcp}'),
      'config:15: users[0].user.auth-provider: not supported; use exec',
    ],
    [
      config('    token: a', '    proxy-url: http://proxy'),
      'config:11: clusters[0].cluster.proxy-url: not supported; the API server is reached directly, got "http://proxy"',
    ],
    [
      config('    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}'),
      'config:15: users[0].user.exec.apiVersion: expected "client.authentication.k8s.io/v1" or "client.authentication.k8s.io/v1beta1"',
    ],
  ])('says what is wrong where (%#)', (text, message) => {
    expect(problemOf(text)).toBe(message);
  });

  it('says that there is no such file', () => {
    expect(() => kubeconfigAccess('/nonexistent')).toThrow(
      'kubeconfig: expected a readable file, got "/nonexistent" (ENOENT)',
    );
  });
});

describe('anonymousAccess', () => {
  it('takes a URL', () => {
    expect(anonymousAccess('http://127.0.0.1:8001').server.port).toBe('8001');
    expect(() => anonymousAccess('127.0.0.1')).toThrow(
      'master: expected a URL such as https://10.0.0.1:6443, got "127.0.0.1"',
    );
  });
});

describe('inClusterAccess', () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };

  it('reads what kubelet leaves in a pod, each time', async () => {
    write('token', 'one');
    write('ca.crt', 'authority');
    const access = inClusterAccess(env, directory);
    expect(access.server.hostname).toBe('[fd00::1]');
    expect(await access.tls()).toEqual({ ca: Buffer.from('authority') });
    expect(await access.authorization()).toBe('Bearer one');
    write('token', 'two');
    expect(await access.authorization()).toBe('Bearer two');
  });

  it('says what is missing', () => {
    expect(() => inClusterAccess({}, directory)).toThrow(
      'in-cluster: expected KUBERNETES_SERVICE_HOST and _PORT in the environment, got "" and ""',
    );
    expect(() => inClusterAccess(env, directory)).toThrow(/in-cluster token: expected a readable/);
  });
});

/** A program that counts its runs in a file and gives `status`. */
function program(status: object): string {
  const answer = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
  return write(
    'login',
    `#!/bin/sh\necho "$1 $REGION $KUBERNETES_EXEC_INFO" >> ${directory}/runs\necho '${JSON.stringify(answer)}'\n`,
    0o700,
  );
}

const exec = (more = ''): string => `    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [--quiet]
      env: [{name: REGION, value: north}]
${more}`;

describe('exec', () => {
  const open = (more = '') => kubeconfigAccess(write('config', config(exec(more))));

  it('runs the program with its arguments, and again after it expired or was refused', async () => {
    program({ token: 'one', expirationTimestamp: '2999-01-01T00:00:00Z' });
    const access = open('      provideClusterInfo: true');
    const both = await Promise.all([access.authorization(), access.authorization()]);
    expect(both).toEqual(['Bearer one', 'Bearer one']);
    program({ token: 'two', expirationTimestamp: '2001-01-01T00:00:00Z' });
    expect(await access.authorization()).toBe('Bearer one');
    access.refused();
    expect(await access.authorization()).toBe('Bearer two');
    program({ token: 'three' });
    expect(await access.authorization()).toBe('Bearer three');
    const runs = readFileSync(join(directory, 'runs'), 'utf8').trim().split('\n');
    expect(runs).toHaveLength(3);
    const [flag, region, info = ''] = runs[0]?.split(/ (.*?) /) ?? [];
    expect([flag, region]).toEqual(['--quiet', 'north']);
    expect(JSON.parse(info)).toEqual({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: 'https://10.0.0.1:6443' } },
    });
  });

  it('takes a certificate', async () => {
    program({ clientCertificateData: 'certificate', clientKeyData: 'key' });
    const access = open();
    expect(await access.tls()).toMatchObject({ cert: 'certificate', key: 'key' });
    expect(await access.authorization()).toBeUndefined();
  });

  it.each([
    ['echo no >&2; exit 3', 'exec: PROGRAM: it ended with 3: no'],
    ['echo nothing', 'exec: PROGRAM: its output is not JSON'],
    ['echo "{}"', 'exec: PROGRAM: apiVersion: expected an ExecCredential'],
    ['exec sleep 60 <&0 >&- 2>&- & kill -9 $$', 'exec: PROGRAM: it ended with a signal'],
  ])('says what is wrong: %s', async (script, message) => {
    const file = write('login', `#!/bin/sh\n${script}\n`, 0o700);
    await expect(open().authorization()).rejects.toThrow(message.replace('PROGRAM', file));
  });

  it('does not show what the program said when it is wrong', async () => {
    program({ token: 5, clientKeyData: 'secret' });
    const failure = open().authorization();
    await expect(failure).rejects.toThrow(/status.token: expected a string$/);
  });

  it('gives the hint for a program that is not there', async () => {
    const access = open('      installHint: ask the operator');
    await expect(access.authorization()).rejects.toThrow(
      /there is no such program. ask the operator/,
    );
  });
});
