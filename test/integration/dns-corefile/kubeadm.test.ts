import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Station } from './station.ts';

/* kubeadm's own Corefile, letter by letter, on port 53 of a namespace with a real agent in it. */

const root = join(import.meta.dirname, '../../..');
const COREFILE = readFileSync(join(root, 'examples/kubeadm/Corefile'), 'utf8');
const SVC1 = 'svc1.testns.svc.cluster.local';

let station: Station;

beforeAll(async () => {
  station = await Station.open('dnsk');
  await station.upstream({
    'www.example.com. A': { records: ['www.example.com. 300 A 192.0.2.7'] },
    'ext.interwebs.test. A': { records: ['ext.interwebs.test. 60 A 192.0.2.8'] },
    '9.2.0.192.in-addr.arpa. PTR': { records: ['9.2.0.192.in-addr.arpa. 60 PTR host.example.'] },
  });
  await station.start({
    corefile: COREFILE,
    manifests: [join(root, 'test/integration/dns/fixtures/names.yaml')],
    hangsUp: true,
  });
});
afterAll(() => station[Symbol.asyncDispose]());

/** What a metric has, the sum over all its series whose labels contain the text. */
async function metric(name: string, labels = ''): Promise<number> {
  const { text } = await station.get('http://127.0.0.1:9153/metrics');
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe.each(['udp', 'tcp'] as const)("kubeadm's Corefile over %s", (transport) => {
  it('answers for the cluster, from the table', async () => {
    const answer = await station.ask(transport, { name: SVC1 });
    expect(answer).toMatchObject({
      rcode: 'NOERROR',
      aa: true,
      answers: [`${SVC1} 30 A 10.0.0.1`],
    });
    const denial = await station.ask(transport, { name: 'none.testns.svc.cluster.local' });
    expect(denial).toMatchObject({ rcode: 'NXDOMAIN', aa: true, answers: [] });
    expect(denial.authority).toHaveLength(1);
    const pod = '10-240-0-1.podns.pod.cluster.local';
    expect((await station.ask(transport, { name: pod })).answers).toEqual([
      `${pod} 30 A 10.240.0.1`,
    ]);
    const asked = await station.asked();
    expect(asked.filter((each) => each.includes('cluster.local'))).toEqual([]);
  });

  it('forwards the rest, and keeps it for at most 30 s', async () => {
    const name = 'www.example.com';
    const answer = await station.ask(transport, { name });
    expect(answer.answers[0]).toMatch(/^www\.example\.com ([12]\d|30) A 192\.0\.2\.7$/);
    expect(answer).toMatchObject({ rcode: 'NOERROR', aa: false });
    await station.ask(transport, { name: 'WWW.example.COM' });
    const asked = await station.asked();
    expect(asked.filter((each) => each === 'www.example.com. A')).toHaveLength(1);
    expect((await station.ask(transport, { name: 'nobody.example.com' })).rcode).toBe('NXDOMAIN');
  });

  it('follows an ExternalName through the upstream', async () => {
    const name = 'external.testns.svc.cluster.local';
    expect((await station.ask(transport, { name })).answers).toEqual([
      `${name} 30 CNAME ext.interwebs.test`,
      expect.stringMatching(/^ext\.interwebs\.test \d+ A 192\.0\.2\.8$/),
    ]);
  });

  it('leaves addresses nobody of the cluster has to the upstream', async () => {
    const ptr = { name: '9.2.0.192.in-addr.arpa', type: 'PTR' };
    expect((await station.ask(transport, ptr)).answers).toEqual([
      expect.stringMatching(/ PTR host\.example$/),
    ]);
    const own = { name: '100.0.96.10.in-addr.arpa', type: 'PTR' };
    expect((await station.ask(transport, own)).answers[0]).toContain(
      'svc-1-a.testns.svc.cluster.local',
    );
  });
});

describe("kubeadm's Corefile", () => {
  it('was looked at again after a SIGHUP that came too early', async () => {
    await station.logged('looking whether the configuration or the Corefile has changed');
  });

  it('answers health, ready and metrics where it says', async () => {
    expect(await station.get('http://127.0.0.1:8080/health')).toEqual({ status: 200, text: 'OK' });
    expect(await station.get('http://127.0.0.1:8181/ready')).toEqual({ status: 200, text: 'OK' });
    const { text } = await station.get('http://127.0.0.1:9153/metrics');
    expect(text).toContain(
      'coredns_plugin_enabled{server="dns://:53",zone=".",view="",name="forward"} 1',
    );
  });

  it('counts each query once, by who answered it', async () => {
    const labels = 'server="dns://:53",zone=".",view=""';
    const requests = () => metric('coredns_dns_requests_total', labels);
    const responses = (plugin: string) =>
      metric('coredns_dns_responses_total', `plugin="${plugin}"`);
    const before = [
      await requests(),
      await responses('kubernetes'),
      await responses('cache'),
      await responses('forward'),
    ];
    await station.ask('udp', { name: SVC1 });
    await station.ask('tcp', { name: SVC1 });
    await station.ask('udp', { name: 'counted.example.com' });
    await station.ask('udp', { name: 'counted.example.com' });
    await station.ask('tcp', { name: 'counted.example.com' });
    const after = [
      await requests(),
      await responses('kubernetes'),
      await responses('cache'),
      await responses('forward'),
    ];
    expect(after.map((each, index) => each - (before[index] ?? 0))).toEqual([5, 2, 2, 1]);
  });

  it('answers the cluster’s names on the threads alone', async () => {
    const handed = await metric('podwire_dns_handed_over_total');
    for (const type of ['A', 'AAAA', 'SRV', 'TXT']) await station.ask('udp', { name: SVC1, type });
    await station.ask('udp', { name: 'none.testns.svc.cluster.local' });
    expect(await metric('podwire_dns_handed_over_total')).toBe(handed);
  });

  it('explains a name: the rule, the upstream, and whether it is cached', async () => {
    const explain = async (name: string, type = 'A') => {
      const query = new URLSearchParams({ name, type });
      const { text } = await station.get(`http://127.0.0.1:10249/explain/name?${query}`);
      return JSON.parse(text);
    };
    const upstream = `127.0.0.1:53 of /etc/resolv.conf (forward . at ${station.corefile}:13:5)`;
    await station.ask('udp', { name: 'www.example.com' });
    expect(await explain('www.example.com')).toMatchObject({
      block: `. port 53, ${station.corefile}:1:1`,
      before: [],
      isForwarded: true,
      upstream,
      now: [
        expect.stringMatching(/^cache: has NOERROR with 1 records, good for \d+ s more$/),
        'forward: 127.0.0.1:53 is up',
      ],
    });
    expect((await explain('fresh.example.com')).now[0]).toBe('cache: has no answer');
    const asked = await station.asked();
    expect(asked).not.toContain('fresh.example.com. A');
    expect(await explain(SVC1)).toMatchObject({
      rcode: 'NOERROR',
      answers: ['A 10.0.0.1'],
      isForwarded: false,
      objects: ['Service testns/svc1 (ClusterIP: 10.0.0.1)', expect.stringContaining('svc1')],
    });
    expect(await explain('external.testns.svc.cluster.local')).toMatchObject({
      isForwarded: false,
      upstream: `${upstream}, for the addresses of where it leads`,
    });
    expect((await explain('9.2.0.192.in-addr.arpa', 'PTR')).upstream).toBe(
      `${upstream}, for the zone falls through`,
    );
    const wrong = await station.get('http://127.0.0.1:10249/explain/name?name=a..b');
    expect(wrong).toEqual({ status: 400, text: 'domain name "a..b": empty label\n' });
  });

  it('is taken over again on SIGHUP; a wrong file changes nothing', async () => {
    const failed = () => metric('coredns_reload_failed_total');
    expect(await failed()).toBe(0);
    for (const [wrong, problem] of [
      [COREFILE.replace('loadbalance', 'loadbalanse'), '22:5: server block .: no directive'],
      [COREFILE.replace('ttl 30', 'ttl soon'), '10:12: expected a whole number'],
      [COREFILE.slice(0, -3), '1:6: a \\"{\\" that is not closed'],
      [COREFILE.replace('prometheus :9153', 'prometheus :10256'), 'EADDRINUSE'],
    ] as const) {
      const from = station.log.length;
      station.write(wrong);
      station.kill('SIGHUP');
      expect(await station.logged('Corefile refused', from)).toContain(problem);
      for (const transport of ['udp', 'tcp'] as const) {
        const own = await station.ask(transport, { name: SVC1 });
        expect(own.answers).toEqual([`${SVC1} 30 A 10.0.0.1`]);
        const other = await station.ask(transport, { name: 'www.example.com' });
        expect(other.rcode).toBe('NOERROR');
      }
      for (const url of ['8080/health', '8181/ready', '9153/metrics']) {
        expect((await station.get(`http://127.0.0.1:${url}`)).status).toBe(200);
      }
    }
    expect(await failed()).toBe(4);
    const from = station.log.length;
    station.write(COREFILE.replace('ttl 30', 'ttl 7').replace(':8080', ':8081'));
    station.kill('SIGHUP');
    await station.logged('Corefile taken over', from);
    for (const transport of ['udp', 'tcp'] as const) {
      const own = await station.ask(transport, { name: SVC1 });
      expect(own.answers).toEqual([`${SVC1} 7 A 10.0.0.1`]);
    }
  });

  it('loses no query while another file is taken over', async () => {
    const from = station.log.length;
    let isOver = false;
    const asking = (['udp', 'tcp'] as const).map(async (transport) => {
      const seen = new Set<string>();
      while (!isOver) {
        const { answers } = await station.ask(transport, { name: SVC1 });
        for (const each of answers) seen.add(each);
      }
      return [...seen];
    });
    station.write(COREFILE.replace('ttl 30', 'ttl 8'));
    station.kill('SIGHUP');
    await station.logged('Corefile taken over', from);
    expect((await station.ask('udp', { name: SVC1 })).answers).toEqual([`${SVC1} 8 A 10.0.0.1`]);
    isOver = true;
    for (const seen of await Promise.all(asking)) {
      expect(seen).toEqual([`${SVC1} 7 A 10.0.0.1`, `${SVC1} 8 A 10.0.0.1`]);
    }
  });

  it('serves on for the five seconds of lameduck after SIGTERM, then ends well', async () => {
    const stopped = station.stop();
    await station.logged('DNS serves on for a while');
    expect((await station.ask('udp', { name: SVC1 })).rcode).toBe('NOERROR');
    expect((await station.ask('tcp', { name: SVC1 })).rcode).toBe('NOERROR');
    expect(await stopped).toBe(0);
  });
});
