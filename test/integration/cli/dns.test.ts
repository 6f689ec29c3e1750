import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objectsOf, parse, type RunningDns, startDns } from '../dns/cluster-fixture.ts';

const root = join(import.meta.dirname, '../../..');
const PODWIRE = join(root, 'dist/podwire');
const SVC1 = 'svc1.testns.svc.cluster.local';
const directory = mkdtempSync(join(tmpdir(), `podwire-cli-dns-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the executable, while servers of the test answer it. */
async function podwire(...args: string[]) {
  const { promise, resolve } = Promise.withResolvers<{
    status: number;
    out: string;
    err: string;
  }>();
  execFile(PODWIRE, ['dns', ...args], { cwd: root }, (error, out, err) => {
    resolve({ status: error === null ? 0 : Number(error.code), out, err });
  });
  return await promise;
}

function corefile(text: string): string {
  const path = join(directory, 'Corefile');
  writeFileSync(path, text);
  return path;
}

describe('podwire dns check', () => {
  it("explains kubeadm's Corefile, plugins in the order queries meet them", async () => {
    const { status, out, err } = await podwire('check', 'examples/kubeadm/Corefile');
    expect([status, err]).toEqual([0, '']);
    const names = [...out.matchAll(/^ {2}\d+:\d+ +(\w+) /gm)].map(([, name]) => name);
    expect(names.join(' ')).toBe(
      'reload ready health prometheus errors loadbalance cache kubernetes loop forward',
    );
    for (const text of [
      'examples/kubeadm/Corefile:1: . port 53\n  threads answer names of the cluster at once',
      '7:5   kubernetes   answers for Services and pods below cluster.local in-addr.arpa ip6.arpa, with a TTL of 30 s',
      'goes on serving for 5 s after the order to stop',
      'all of it can be taken',
    ]) {
      expect(out).toContain(text);
    }
  });

  it('names every fault with line and column, and what there is instead', async () => {
    const path = corefile(`example.org a.test:5353 {
  kubernetes cluster.local {
    pods maybe
  }
  dnssec
  rewrite name a.test b.test
}
b.test:5353, a.test:5353 {
  nope
}
`);
    const { status, out } = await podwire('check', path);
    expect(status).toBe(1);
    for (const text of [
      `${path}:1: example.org. port 53, a.test. port 5353\n  every query goes through the plugins: rewrite may`,
      `${path}: 4 faults, so nothing of it would be taken:`,
      `${path}:3:10: expected disabled or insecure or verified, got "maybe"`,
      `${path}:5:3: dnssec: not supported; answers of the cluster are not signed`,
      `${path}:8:1: a.test. on port 5353 has a server block already`,
      `${path}:9:3: server block b.test. a.test.: no directive "nope"`,
    ]) {
      expect(out).toContain(text);
    }
  });

  it('says who may transfer zones, and what of that is wrong', async () => {
    const block = (lines: string) =>
      `cluster.local {\n  kubernetes\n  transfer {\n${lines}\n  }\n}\n`;
    const good = await podwire(
      'check',
      corefile(block('    to * [2001:db8::1]:53\n    source ::1')),
    );
    expect(good.out).toContain('3:3  transfer    lets everybody transfer cluster.local.');
    expect(good.status).toBe(0);
    for (const [lines, problem] of [
      [
        '    to 192.0.2.1 10.0.0.0/8',
        '4:18: transfer: expected an IP address or *, got "10.0.0.0/8"',
      ],
      ['    to', '4:5: to: expected at least 1 word, got 0'],
      ['    from x', '4:5: transfer: expected to or source, got "from"'],
      ['    source x', '4:12: transfer: expected an IP address, got "x"'],
      ['    source ::1', '3:3: transfer: expected "to", and who may transfer the zones'],
    ] as const) {
      const { status, out } = await podwire('check', corefile(block(lines)));
      expect(out).toContain(problem);
      expect(status).toBe(1);
    }
  });

  it('prints the same as JSON', async () => {
    const { status, out } = await podwire('check', '-o', 'json', corefile('. {\n  wohami\n}\n'));
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      blocks: [{ line: 1, column: 1, zones: [{ zone: '.', port: 53 }], path: 'plugins' }],
      faults: [{ line: 2, column: 3, problem: expect.stringContaining('no directive "wohami"') }],
    });
    const broken = await podwire('check', '-o', 'json', corefile('. {\n'));
    expect(broken.status).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({
      blocks: [],
      faults: [{ line: 1, column: 3, problem: 'a "{" that is not closed' }],
    });
  });

  it('has status 2 for a file that is not there', async () => {
    const { status, out, err } = await podwire('check', '/nowhere/Corefile');
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain('/nowhere/Corefile: ENOENT');
  });
});

describe('podwire dns query', () => {
  let dns: RunningDns;
  let server: string;
  beforeAll(async () => {
    const many = Array.from({ length: 100 }, (_, index) => `"172.30.0.${index + 1}"`);
    dns = await startDns([
      ...objectsOf('names'),
      ...parse(`
apiVersion: v1
kind: Service
metadata: { name: many }
spec: { clusterIP: None, ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: many-1, labels: { kubernetes.io/service-name: many } }
addressType: IPv4
endpoints: [${many.map((each) => `{ addresses: [${each}] }`).join(', ')}]
`),
    ]);
    server = `@127.0.0.1:${dns.port}`;
  });
  afterAll(() => dns[Symbol.asyncDispose]());

  it.each([
    [[SVC1], '10.0.0.1\n'],
    [[`${SVC1}.`, 'a'], '10.0.0.1\n'],
    [['SRV', `_http._tcp.${SVC1}`].reverse(), `0 100 80 ${SVC1}.\n`],
    [['10.0.0.3'], 'svc-dual-stack.testns.svc.cluster.local.\n'],
    [['dns-version.cluster.local', 'TXT'], '"1.1.0"\n'],
    [['cluster.local', 'NS'], 'ns.dns.cluster.local.\n'],
    [['svc6.testns.svc.cluster.local', 'TYPE28'], '1234:abcd::1\n'],
    [['external.testns.svc.cluster.local', 'CNAME'], 'ext.interwebs.test.\n'],
  ])('%j', async (words, expected) => {
    for (const how of [[], ['--tcp']]) {
      const { status, out, err } = await podwire('query', ...how, ...words, server);
      expect([status, out, err]).toEqual([0, expected, '']);
    }
  });

  it('takes the server first, over IPv6, and TCP where an answer is truncated', async () => {
    const name = 'many.default.svc.cluster.local';
    const { out, status } = await podwire('query', `@[::1]:${dns.port}`, '--json', name);
    expect(status).toBe(0);
    const answer = JSON.parse(out);
    expect(answer).toMatchObject({
      server: `[::1]:${dns.port}`,
      transport: 'tcp',
      rcode: 'NOERROR',
      name,
      type: 'A',
      flags: ['aa', 'rd'],
      authorities: [],
      additionals: [],
    });
    expect(answer.answers).toHaveLength(100);
    expect(answer.answers[0]).toEqual({
      name: `${name}.`,
      ttl: 5,
      type: 'A',
      data: expect.stringMatching(/^172\.30\.0\.\d+$/),
    });
  });

  it('has status 1 where there is nothing, and says what the server said', async () => {
    const none = await podwire('query', 'none.testns.svc.cluster.local', server);
    expect([none.status, none.out]).toEqual([1, '']);
    expect(none.err).toContain('NXDOMAIN, says 127.0.0.1:');
    const other = await podwire('query', '--json', SVC1, 'HTTPS', server);
    expect(other.status).toBe(1);
    expect(other.err).toContain('no HTTPS records there');
    expect(JSON.parse(other.out).authorities).toMatchObject([
      { type: 'SOA', name: 'cluster.local.' },
    ]);
    expect((await podwire('query', 'example.com', server)).err).toContain('REFUSED');
  });

  it('says that nobody answers, or nobody listens', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address();
    const mute = createServer().listen(port, '127.0.0.1');
    await once(mute, 'listening');
    const ask = (...args: string[]) => podwire('query', 'a.test', `@127.0.0.1:${port}`, ...args);
    const late = await ask('--timeout-ms', '50', '--tries', '3');
    expect([late.status, late.out]).toEqual([1, '']);
    expect(late.err).toBe(`podwire: 127.0.0.1:${port}: no answer by UDP in 50 ms (3 tries)\n`);
    expect((await ask('--timeout-ms', '50', '--tcp')).err).toContain('no answer by TCP in 50 ms');
    silent.close();
    mute.close();
    expect((await ask()).err).toBe(`podwire: 127.0.0.1:${port}: nobody listens by UDP\n`);
    expect((await ask('--tcp')).err).toBe(`podwire: 127.0.0.1:${port}: nobody listens by TCP\n`);
  });

  it.each([
    [['a.test', 'NONSENSE'], 'expected a type such as A, SRV or TYPE65, got "NONSENSE"'],
    [['a.test', 'A', 'AAAA'], 'expected one type, got also "AAAA"'],
    [['@127.0.0.1'], 'expected a name'],
    [['a.test', '@dns.example'], 'expected @ and an address'],
    [['a.test', '@::1', '@::2'], 'expected one server'],
    [['a..test', '@::1'], 'empty label'],
    [['a.test', '--tries', '0'], '--tries: expected a whole number from 1 to 100, got 0'],
  ])('refuses %j', async (words, problem) => {
    const { status, err } = await podwire('query', ...words);
    expect(err).toContain(problem);
    expect(status).toBe(2);
  });
});

describe('podwire explain name', () => {
  it('knows which rule of a Corefile asks which upstream, and what comes before', async () => {
    const path = corefile(`cluster.local example.org {
  hosts {
    fallthrough
  }
  kubernetes
}
. {
  forward stub.test 192.0.2.1
  forward . 192.0.2.2 192.0.2.3:5353 {
    policy sequential
    except inner.test
  }
}
`);
    const explain = async (name: string) => {
      const args = ['explain', 'name', name, '--manifests', 'examples/lab', '--corefile', path];
      const { stdout } = await promisify(execFile)(PODWIRE, [...args, '-o', 'json'], { cwd: root });
      return JSON.parse(stdout);
    };
    expect(await explain('a.stub.test')).toMatchObject({
      isForwarded: true,
      upstream: `192.0.2.1:53 (forward stub.test. at ${path}:8:3)`,
    });
    expect(await explain('www.example.com')).toMatchObject({
      block: `. port 53, ${path}:7:1`,
      upstream: `192.0.2.2:53 192.0.2.3:5353 (forward . at ${path}:9:3, sequential)`,
      now: [],
    });
    expect(await explain('a.inner.test')).toMatchObject({ rcode: 'REFUSED', isForwarded: false });
    expect(await explain('web.default.svc.cluster.local')).toMatchObject({
      block: `cluster.local. port 53, ${path}:1:1`,
      before: [expect.stringContaining('hosts: answers A, AAAA and PTR'), expect.any(String)],
      rcode: 'NOERROR',
      answers: ['A 10.96.0.20'],
    });
  });

  it('wants either manifests or an agent', async () => {
    const run = promisify(execFile);
    await expect(run(PODWIRE, ['explain', 'name', 'a.test'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected either --manifests or --agent'),
    });
    await expect(
      run(PODWIRE, ['explain', 'name', 'a.test', '--agent', 'http://127.0.0.99:61999']),
    ).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('ECONNREFUSED') });
  });
});
