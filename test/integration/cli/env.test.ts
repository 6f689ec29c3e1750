import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeObject } from '../../../src/cluster/decode.ts';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { writeState } from '../../../src/cluster/saved-state/file.ts';

const ROOT = join(import.meta.dirname, '../../..');

function env(...args: string[]) {
  return spawnSync(join(ROOT, 'dist/podwire'), ['env', ...args], { encoding: 'utf8', cwd: ROOT });
}

it('prints the variables of a directory of manifests, for programs too', () => {
  const flags = ['--manifests', 'examples/lab'];
  const { stdout, status } = env(...flags);
  expect(status).toBe(0);
  expect(stdout).toContain('WEB_SERVICE_HOST=10.96.0.20\nWEB_SERVICE_PORT=80\n');
  expect(stdout).toContain('\nWEB_PORT=tcp://10.96.0.20:80\nWEB_PORT_80_TCP=tcp://10.96.0.20:80\n');
  const object = JSON.parse(env(...flags, '-o', 'json').stdout) as Record<string, string>;
  const lines = Object.entries(object).map(([name, value]) => `${name}=${value}\n`);
  expect(lines.join('')).toBe(stdout);
  expect(env(...flags, '--no-enable-service-links').stdout).toBe('');
  expect(env(...flags, '-n', 'other').stdout).toBe('');
});

it('takes what was saved where the server does not answer, and says so', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'podwire-env-'));
  try {
    const saved = join(directory, 'state');
    const service = decodeObject({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kubernetes' },
      spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] },
    }) as ClusterObject;
    const origin = 'etcd http://127.0.0.1:1 /podwire';
    await writeState(saved, { origin, savedMs: 0, objects: [service] });
    const { stdout, stderr, status } = env(
      '--etcd-endpoints=http://127.0.0.1:1',
      `--saved-state=${saved}`,
      '--namespace=any',
    );
    expect(status).toBe(0);
    expect(stdout).toContain('KUBERNETES_SERVICE_PORT_HTTPS=443\n');
    expect(stderr).toMatch(/ECONNREFUSED.*; this is what was saved at 1970-01-01T00:00:00.000Z\n$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
