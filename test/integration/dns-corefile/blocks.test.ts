import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../dns/ask.ts';
import { DNS_ADDRESS, Station } from './station.ts';

/*
 * Server blocks of every kind in one agent: zones, ports and addresses of their own, fast ones that
 * threads answer and slow ones that plugins see first; and the cases of CoreDNS's own tests that need
 * more than the table. Each is asked over UDP and over TCP.
 */

const NAMES = join(import.meta.dirname, '../dns/fixtures/names.yaml');
const SLOW_PORT = 5353;
const BOUND_PORT = 5354;
const Z = 'testns.svc.cluster.local';
const SVC1 = `svc1.${Z}`;

const COREFILE = `
cluster.local 10.in-addr.arpa {
  errors
  kubernetes {
    ttl 30
    fallthrough svc.cluster.local
  }
  forward . 127.0.0.1
  cache
  reload 2s 0s
  prometheus :9153
}
static.cluster.local {
  hosts {
    192.0.2.50 web.static.cluster.local
  }
}
example.com interwebs.test {
  errors
  cache
  forward slow.example.com 127.0.0.1:5300
  forward . 127.0.0.1 127.0.0.1:5399
}
busy.test {
  forward . 127.0.0.1:5300 {
    max_concurrent 1
  }
}
cluster.local:${SLOW_PORT} 192.0.2.0/24:${SLOW_PORT} {
  rewrite stop name exact old.${Z} ${SVC1}
  template IN A ${Z} {
    match ^templated[.]
    answer "{{ .Name }} 60 IN A 192.0.2.61"
    fallthrough
  }
  acl {
    block type TXT net ${DNS_ADDRESS}/32
  }
  hosts {
    192.0.2.60 pinned.${Z}
    192.0.2.62 *.wild.${Z}
    192.0.2.63 both.${Z} other.${Z}
    2001:db8::60 six.${Z}
    fallthrough
  }
  kubernetes cluster.local
  autopath @kubernetes
  log . {
    class denial
  }
}
bound.test:${BOUND_PORT} {
  bind 127.0.0.7
  hosts {
    192.0.2.70 a.bound.test
  }
}
bound.test:${BOUND_PORT} {
  bind 127.0.0.8
  hosts {
    192.0.2.71 a.bound.test
  }
}
`;

let station: Station;

beforeAll(async () => {
  station = await Station.open('dnsb');
  await station.upstream({
    'www.example.com. A': { records: ['www.example.com. 300 A 192.0.2.7'] },
    'mail.example.com. MX': { records: ['mail.example.com. 3601 MX 10 mx.example.com.'] },
    'long.example.com. A': { tc: true, records: ['long.example.com. 60 A 192.0.2.9'] },
    'broken.example.com. A': { rcode: 'SERVFAIL' },
    'ext.interwebs.test. A': { tc: true, records: ['ext.interwebs.test. 60 A 192.0.2.8'] },
    'f.b.svc.cluster.local. A': { records: ['f.b.svc.cluster.local. 60 A 192.0.2.80'] },
    'f.cluster.local. A': { records: ['f.cluster.local. 60 A 192.0.2.81'] },
  });
  await station.upstream(
    {
      'a.slow.example.com. A': { delayMs: 300, records: ['a.slow.example.com. 60 A 192.0.2.10'] },
      'a.busy.test. A': { delayMs: 1500, records: ['a.busy.test. 60 A 192.0.2.11'] },
    },
    5300,
  );
  await station.start({ corefile: COREFILE, manifests: [NAMES] });
});
afterAll(() => station[Symbol.asyncDispose]());

/** Answers without TTLs. */
const data = ({ answers }: Answer) => answers.map((each) => each.replace(/ \d+ /, ' '));

describe.each(['udp', 'tcp'] as const)('server blocks over %s', (transport) => {
  const ask = (name: string, type = 'A', port = 53) => station.ask(transport, { name, type }, port);

  it.each([
    ['the cluster', SVC1, 'A', ['10.0.0.1'], true],
    ['addresses backwards', '1.0.0.10.in-addr.arpa', 'PTR', undefined, true],
    ['a zone below the cluster’s', 'web.static.cluster.local', 'A', ['192.0.2.50'], true],
    ['what is forwarded', 'www.example.com', 'A', ['192.0.2.7'], false],
    ['an answer that is truncated by UDP', 'long.example.com', 'A', ['192.0.2.9'], false],
    ['a name that falls through', 'f.b.svc.cluster.local', 'A', ['192.0.2.80'], false],
  ] as const)('answer %s', async (_, name, type, expected, aa) => {
    const answer = await ask(name, type);
    expect(answer).toMatchObject({ rcode: 'NOERROR', aa, tc: false });
    if (expected !== undefined) {
      expect(data(answer)).toEqual(expected.map((each) => `${name} ${type} ${each}`));
    }
  });

  it.each([
    ['a name that may not fall through', 'f.cluster.local', 'NXDOMAIN'],
    ['the zone below, which has no cluster in it', `svc1.static.cluster.local`, 'SERVFAIL'],
    ['a zone nobody has', 'other.org', 'REFUSED'],
    ['addresses of nobody’s zone', '1.1.168.192.in-addr.arpa', 'REFUSED'],
    ['another port’s zone', 'a.bound.test', 'REFUSED'],
    ['an upstream that fails', 'broken.example.com', 'SERVFAIL'],
  ])('refuse or deny %s', async (_, name, rcode) => {
    expect((await ask(name)).rcode).toBe(rcode);
  });

  it('follow names out of the cluster: CNAME, then what the other block forwards (K29, K30)', async () => {
    expect(data(await ask(`external.${Z}`))).toEqual([
      `external.${Z} CNAME ext.interwebs.test`,
      'ext.interwebs.test A 192.0.2.8',
    ]);
    expect(data(await ask(`external-to-service.${Z}`))).toEqual([
      `external-to-service.${Z} CNAME ${SVC1}`,
      `${SVC1} A 10.0.0.1`,
    ]);
  });

  it('let other plugins act on names of the cluster before kubernetes, where there are some', async () => {
    const slow = (name: string, type = 'A') => ask(name, type, SLOW_PORT);
    expect(data(await slow(SVC1))).toEqual([`${SVC1} A 10.0.0.1`]);
    expect(data(await slow(`old.${Z}`))).toEqual([`old.${Z} A 10.0.0.1`]);
    expect(data(await slow(`templated.${Z}`))).toEqual([`templated.${Z} A 192.0.2.61`]);
    expect(await slow(SVC1, 'TXT')).toMatchObject({ rcode: 'REFUSED', answers: [] });
    // The block on port 53 has none of them.
    expect((await ask(`old.${Z}`)).rcode).toBe('NXDOMAIN');
    expect((await ask(SVC1, 'TXT')).rcode).toBe('NOERROR');
  });

  it('have hosts: addresses, backwards, one-label wildcards, other types (K75)', async () => {
    const slow = (name: string, type = 'A') => ask(name, type, SLOW_PORT);
    expect(data(await slow(`pinned.${Z}`))).toEqual([`pinned.${Z} A 192.0.2.60`]);
    expect(data(await slow(`x.wild.${Z}`))).toEqual([`x.wild.${Z} A 192.0.2.62`]);
    expect((await slow(`x.y.wild.${Z}`)).rcode).toBe('NXDOMAIN');
    expect(data(await slow(`six.${Z}`, 'AAAA'))).toEqual([`six.${Z} AAAA 2001:db8::60`]);
    expect(data(await slow('63.2.0.192.in-addr.arpa', 'PTR')).toSorted()).toEqual([
      `63.2.0.192.in-addr.arpa PTR both.${Z}`,
      `63.2.0.192.in-addr.arpa PTR other.${Z}`,
    ]);
    for (const [name, type] of [
      [`six.${Z}`, 'A'],
      [`pinned.${Z}`, 'MX'],
    ] as const) {
      expect(await slow(name, type)).toMatchObject({ rcode: 'NOERROR', answers: [] });
    }
  });

  it('stand on the addresses bind says, each with its own', async () => {
    const at = (address: string) =>
      station.ask(transport, { name: 'a.bound.test' }, BOUND_PORT, address);
    expect(data(await at('127.0.0.7'))).toEqual(['a.bound.test A 192.0.2.70']);
    expect(data(await at('127.0.0.8'))).toEqual(['a.bound.test A 192.0.2.71']);
  });

  it('keep what upstreams say no longer than an hour, whatever the letters (K76)', async () => {
    const [first] = (await ask('mail.example.com', 'MX')).answers;
    const seconds = Number(first?.split(' ')[1]);
    expect(seconds).toBeGreaterThan(3500);
    expect(seconds).toBeLessThanOrEqual(3600);
    await ask('MAIL.Example.com', 'MX');
    const asked = await station.asked();
    expect(asked.filter((each) => each === 'mail.example.com. MX')).toHaveLength(1);
  });

  it('tell nothing of themselves (K86)', async () => {
    const version = { name: 'version.bind', type: 'TXT', classNumber: 3 };
    expect((await station.ask(transport, version)).rcode).toBe('REFUSED');
  });

  it('refuse what is over max_concurrent (K83)', async () => {
    const first = ask('a.busy.test');
    const late = AbortSignal.timeout(5000);
    while (!(await station.asked(5300)).includes('a.busy.test. A')) late.throwIfAborted();
    expect((await ask('b.busy.test')).rcode).toBe('REFUSED');
    expect((await first).rcode).toBe('NOERROR');
    await station.upstream({ 'a.busy.test. A': { delayMs: 1500 } }, 5300);
  });
});

describe('server blocks', () => {
  it('answer on one connection as answers are ready, a slow upstream last (R8)', async () => {
    await station.upstream(
      {
        'b.slow.example.com. A': { delayMs: 300, records: ['b.slow.example.com. 60 A 192.0.2.12'] },
      },
      5300,
    );
    const answers = await station.pipeline([
      { name: 'b.slow.example.com', id: 1 },
      ...Array.from({ length: 19 }, (_, index) => ({ name: SVC1, id: index + 2 })),
    ]);
    expect(answers).toHaveLength(20);
    expect(answers.at(-1)).toMatchObject({ id: 1, rcode: 'NOERROR' });
    expect(new Set(answers.map(({ id }) => id)).size).toBe(20);
  });

  it('are fast where no plugin comes before kubernetes, and slow where one does', async () => {
    const handedOver = async () => {
      const { text } = await station.get('http://127.0.0.1:9153/metrics');
      return Number(/^podwire_dns_handed_over_total (\d+)$/m.exec(text)?.[1]);
    };
    const before = await handedOver();
    await station.ask('udp', { name: SVC1 });
    await station.ask('udp', { name: `nobody.${Z}`, type: 'AAAA' }, SLOW_PORT);
    expect((await handedOver()) - before).toBe(1);
  });

  it('write a line for each query of a class', async () => {
    const from = station.log.length;
    await station.ask('udp', { name: SVC1 }, SLOW_PORT);
    await station.ask('udp', { name: `nobody.${Z}` }, SLOW_PORT);
    expect(await station.logged(`A IN nobody.${Z}. udp`, from)).toContain('NXDOMAIN');
    expect(station.log.slice(from).join('\n')).not.toContain(`A IN ${SVC1}`);
  });

  it('follow the file by themselves, within the interval of reload', async () => {
    const from = station.log.length;
    station.write(COREFILE.replace('192.0.2.50', '192.0.2.51'));
    await station.logged('Corefile taken over', from);
    const answer = await station.ask('udp', { name: 'web.static.cluster.local' });
    expect(data(answer)).toEqual(['web.static.cluster.local A 192.0.2.51']);
    // A port that is wanted no more is closed, another one opened.
    station.write(COREFILE.replaceAll(`${SLOW_PORT}`, '5355').replace('192.0.2.50', '192.0.2.52'));
    await station.logged('Corefile taken over', station.log.length);
    expect(data(await station.ask('tcp', { name: SVC1 }, 5355))).toEqual([`${SVC1} A 10.0.0.1`]);
    await expect(station.ask('tcp', { name: SVC1 }, SLOW_PORT)).rejects.toThrow('ECONNREFUSED');
  });
});

describe.each(['udp', 'tcp'] as const)('autopath (K72) over %s', (transport) => {
  let own: Station;
  beforeAll(async () => {
    own = await Station.open(`dnsp-${transport}`);
    await own.upstream({
      'www.example.com. A': { records: ['www.example.com. 300 A 192.0.2.7'] },
    });
    const pod = join(own.directory, 'pod.yaml');
    writeFileSync(
      pod,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'asker', namespace: 'testns' },
        status: { phase: 'Running', podIP: DNS_ADDRESS, podIPs: [{ ip: DNS_ADDRESS }] },
      }),
    );
    await own.start({
      corefile: `. {
        autopath @kubernetes
        kubernetes cluster.local {
          pods verified
        }
        forward . 127.0.0.1
      }`,
      manifests: [NAMES, pod],
      args: ['--log-level', 'debug', '--dns-log-class', 'denial', 'error'],
    });
  });
  afterAll(() => own[Symbol.asyncDispose]());

  it('walks the search list for the pod that asks', async () => {
    const outside = `www.example.com.${Z}`;
    expect(data(await own.ask(transport, { name: outside }))).toEqual([
      `${outside} CNAME www.example.com`,
      'www.example.com A 192.0.2.7',
    ]);
    const beside = `svc1.testns.${Z}`;
    expect(data(await own.ask(transport, { name: beside }))).toEqual([
      `${beside} CNAME ${SVC1}`,
      `${SVC1} A 10.0.0.1`,
    ]);
    const asked = await own.asked();
    expect(asked.filter((each) => each.includes('cluster.local'))).toEqual([]);
  });

  it('is beside the agent’s own debug log, which has the classes it is asked for', async () => {
    const from = own.log.length;
    await own.ask(transport, { name: SVC1 });
    await own.ask(transport, { name: `svc0.${Z}`, type: 'AAAA' });
    expect(JSON.parse(await own.logged('"msg":"query"', from))).toMatchObject({
      level: 'debug',
      client: DNS_ADDRESS,
      proto: transport,
      name: `svc0.${Z}.`,
      type: 'AAAA',
      class: 'denial',
      rcode: 'NXDOMAIN',
      plugin: 'kubernetes',
    });
  });
});
