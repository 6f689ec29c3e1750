import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decodeObject } from '../../../src/cluster/decode.ts';
import { etcdAccess } from '../../../src/cluster/etcd/access.ts';
import { EtcdObjects } from '../../../src/cluster/etcd/objects.ts';
import { parseWholeObjects } from '../../../src/cluster/manifests/parse.ts';
import type { Service } from '../../../src/cluster/objects.ts';
import { EtcdServer } from './etcd-server.ts';
import { follow, keyOf, PREFIX, service } from './follow.ts';

const ROOT = join(import.meta.dirname, '../../..');
const WEB = join(ROOT, 'examples/lab/web.yaml');

let etcd: EtcdServer;
beforeAll(async () => {
  etcd = await EtcdServer.start();
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});
afterEach(() => {
  etcd.etcdctl('del', '--prefix', '/');
});

function podwire(args: readonly string[], input = '', endpoints = etcd.url) {
  const all = [...args, '--etcd-endpoints', endpoints];
  const { stdout, stderr, status } = spawnSync(join(ROOT, 'dist/podwire'), all, {
    input,
    encoding: 'utf8',
  });
  return { stdout, stderr, status };
}
const ok = (stdout: string) => ({ stdout, stderr: '', status: 0 });

describe('podwire put, get and delete', () => {
  it('puts an example, prints it, and deletes it', async () => {
    using followed = follow({ endpoints: [etcd.url] });
    const all = parseWholeObjects(WEB, readFileSync(WEB));
    const names = all.map(({ object }) => `${object.kind.toLowerCase()}/${object.metadata.name}`);
    const lines = (word: string) => ok(names.map((name) => `${name} ${word}\n`).join(''));
    expect(podwire(['put', '-f', WEB])).toEqual(lines('created'));
    await expect.poll(() => followed.store.size).toBe(all.length);
    // A Service and its endpoints came as one.
    expect(followed.changes.at(-1)).toContain('default/web');
    expect(followed.store.slicesOf('default', 'web').length).toBeGreaterThan(0);
    expect(podwire(['put', '-f', WEB])).toEqual(lines('unchanged'));
    expect(podwire(['get', 'svc']).stdout).toMatch(
      /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\)\nweb +ClusterIP +10\.96\.0\.20,fd00:96::20 +<none> +80\/TCP\n$/,
    );
    const yaml = podwire(['get', 'Service', 'web', '-o', 'yaml']).stdout;
    expect(podwire(['put', '-f', '-'], yaml.replace('port: 80\n', 'port: 81\n'))).toEqual(
      ok('service/web configured\n'),
    );
    const json = JSON.parse(podwire(['get', 'services', '-A', '-o', 'json']).stdout) as {
      items: { spec: { ports: { port: number }[] } }[];
    };
    expect(json.items.map(({ spec }) => spec.ports[0]?.port)).toEqual([81]);
    expect(podwire(['delete', '-f', WEB])).toEqual(lines('deleted'));
    await expect.poll(() => followed.store.size).toBe(0);
    expect(podwire(['get', 'endpointslices'])).toEqual(ok('no objects\n'));
  });

  it('refuses a manifest whole, by file, line and field, and puts nothing', () => {
    const good = service('good');
    const bad = service('bad', '10.0.0.256');
    const cases: [string, string][] = [
      [
        `${good}\n---\n${bad}\n`,
        'stdin:3: spec.clusterIP: expected an IP address or "None", got "10.0.0.256"',
      ],
      [`${good}\n---\n${good}\n`, 'stdin:3: metadata.name: Service/default/good is there already'],
      [
        `${good}\n---\napiVersion: v1\nkind: ConfigMap\n`,
        'stdin:4: kind: expected a kind that podwire reads, got v1 ConfigMap',
      ],
      ['', 'stdin: expected objects, there are none'],
      ['a: [', 'stdin:1: not YAML: '],
    ];
    for (const [manifest, message] of cases) {
      const { status, stderr, stdout } = podwire(['put', '-f', '-'], manifest);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`podwire: ${message}`);
    }
    expect(etcd.etcdctl('get', '--prefix', '/')).toBe('');
  });

  it('says what is not there, what is broken and what is meant otherwise', () => {
    etcd.etcdctl('put', keyOf('broken'), '{}');
    expect(podwire(['get', 'svc', 'nothing'])).toMatchObject({
      status: 1,
      stderr: 'podwire: service/nothing: not found\n',
    });
    const listed = podwire(['get', 'svc']);
    expect(listed).toMatchObject({ status: 1, stdout: 'no objects\n' });
    expect(listed.stderr).toMatch(
      /^podwire: \/podwire\/v1\/services\/default\/broken: apiVersion: /,
    );
    expect(podwire(['delete', 'svc', 'broken', 'nothing'])).toEqual({
      status: 1,
      stdout: 'service/broken deleted\n',
      stderr: 'podwire: service/nothing: not found\n',
    });
    expect(podwire(['delete', 'svc', 'nothing', '--ignore-not-found'])).toEqual(ok(''));
    expect(podwire(['get', 'things']).stderr).toContain('kind: expected one of services, ');
    expect(podwire(['get', 'nodes', '-n', 'x']).stderr).toContain('a Node has no namespace');
    expect(podwire(['delete']).stderr).toContain('expected either a kind and names, or --filename');
    expect(podwire(['put', '-f', '-', '-n', 'other'], service('web')).stderr).toContain(
      '--namespace: expected "default", which service/web names, got "other"',
    );
  });

  it('says which etcd did not answer', () => {
    const { status, stderr } = podwire(['get', 'svc'], '', 'http://127.0.0.1:1');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^podwire: http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
  });
});

describe('10,000 Services', () => {
  /** Octets in use once nothing is left that could be given back. */
  const used = (): number => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    collect();
    return process.memoryUsage().heapUsed;
  };

  it('are put, followed and let go of, and what they took is given back', async () => {
    const access = etcdAccess({ endpoints: [etcd.url] });
    using objects = new EtcdObjects(access, PREFIX, 'podwire/test');
    const many = (port: number) =>
      Array.from({ length: 10_000 }, (_, index) => {
        const address = `10.97.${index >> 8}.${index & 255}`;
        const raw = JSON.parse(
          service(`s-${index}`, address).replace(':80}', `:${port}}`),
        ) as object;
        return { raw, object: decodeObject(raw) as Service };
      });
    using followed = follow({ endpoints: [etcd.url] });
    await followed.isCurrent();
    const { store } = followed;
    const after: number[] = [];
    for (const port of [8080, 8081]) {
      const outcomes = await objects.put(many(port));
      expect(new Set(outcomes)).toEqual(new Set(['created']));
      await expect.poll(() => store.services.size, { timeout: 30_000 }).toBe(10_000);
      expect(store.services.get('default/s-9999')?.ports[0]?.port).toBe(port);
      {
        using late = follow({ endpoints: [etcd.url] });
        await late.isCurrent();
        expect(late.store.services.size).toBe(10_000);
      }
      etcd.etcdctl('del', '--prefix', '/');
      await expect.poll(() => store.services.size, { timeout: 30_000 }).toBe(0);
      followed.changes.length = 0;
      after.push(used());
    }
    const [first = 0, last = 0] = after;
    // One round takes more than ten times as much.
    expect(last - first).toBeLessThan(2 << 20);
    expect(followed.messages).toEqual(['synced']);
  });
});
