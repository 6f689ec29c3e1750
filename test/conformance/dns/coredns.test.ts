import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METRICS } from '../../../src/dns/plugin/metrics.ts';
import { Station } from '../../integration/dns-corefile/station.ts';
import { peerMissing } from '../../peers/peer.ts';
import { needPeer } from '../need-peer.ts';
import { type Compared, DIFFERENCES, Theirs } from './differences.ts';
import { objects } from './objects.ts';
import { type Question, questions } from './questions.ts';
import { TheirSide } from './their-side.ts';

/*
 * The real CoreDNS beside the agent: it reads objects from a real kube-apiserver, we read the same from
 * manifests; both run kubeadm's Corefile and forward to the same upstream. Every name is asked for every
 * type; a difference that is not in `differences.ts` fails.
 */

const UPSTREAM = '10.200.0.1';
const THEIRS = '10.200.0.2';
/** What the API server tells of itself: none of CoreDNS's addresses, or it were behind that Service. */
const ELSEWHERE = '192.0.2.99';
const COREFILE = readFileSync(
  join(import.meta.dirname, '../../../examples/kubeadm/Corefile'),
  'utf8',
);
/** What CoreDNS counts and we do not: its build, its API client, a plugin we have not. */
const UNCOUNTED: readonly string[] = [
  'coredns_build_info',
  'coredns_kubernetes_rest_client_rate_limiter_duration_seconds',
  'coredns_kubernetes_rest_client_request_duration_seconds',
  'coredns_kubernetes_rest_client_requests_total',
  'coredns_local_localhost_requests_total',
];
/** Of what fails so many are shown. */
const SHOWN_MAX = 25;
const isMissing = ['coredns', 'kubernetes'].some((each) => peerMissing(each) !== undefined);

describe('beside CoreDNS v1.15.0', () => {
  needPeer('coredns');
  needPeer('kubernetes');
  let ours: Station;
  let theirs: Station;
  let side: TheirSide;
  let asked: readonly Question[];

  beforeAll(async () => {
    if (isMissing) return;
    ours = await Station.open('dnsc-o', [UPSTREAM]);
    theirs = await Station.open('dnsc-t', [UPSTREAM]);
    const ip = (...args: string[]) => execFileSync('ip', args);
    ip(
      '-n',
      ours.netns,
      'link',
      'add',
      'v0',
      'type',
      'veth',
      'peer',
      'name',
      'v0',
      'netns',
      theirs.netns,
    );
    for (const [{ netns }, address] of [
      [ours, UPSTREAM],
      [theirs, THEIRS],
    ] as const) {
      ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'v0');
      ip('-n', netns, 'link', 'set', 'v0', 'up');
    }
    await ours.upstream(
      {
        'www.example.com. A': { records: ['www.example.com. 300 A 192.0.2.7'] },
        'nodata.example.com. TXT': { records: ['nodata.example.com. 300 TXT "here"'] },
        ...Object.fromEntries(
          Array.from({ length: 10 }, (_, index) => [
            `host-${index}.example.com. A`,
            { records: [`host-${index}.example.com. 300 A 192.0.2.${100 + index}`] },
          ]),
        ),
      },
      53,
      UPSTREAM,
    );
    side = await TheirSide.start(theirs, ELSEWHERE);
    const all = side.load(objects());
    const corefile = COREFILE.replace(
      'pods insecure',
      `kubeconfig ${side.kubeconfig}\n       pods insecure`,
    );
    side.startCoreDns(corefile);
    const manifests = join(ours.directory, 'objects.yaml');
    writeFileSync(manifests, all.map((each) => JSON.stringify(each)).join('\n---\n'));
    await ours.start({ corefile, manifests: [manifests] });
    await isReady(theirs);
    asked = questions(all);
  });
  afterAll(async () => {
    await side?.[Symbol.asyncDispose]();
    await ours?.[Symbol.asyncDispose]();
    await theirs?.[Symbol.asyncDispose]();
  });

  it('answers tens of thousands of questions alike, but for what is listed', async () => {
    expect(asked.length).toBeGreaterThan(20_000);
    const [own, other] = await Promise.all([answersOf(ours, asked), answersOf(theirs, asked)]);
    const all = new Theirs(asked, other);
    const seen = new Map(DIFFERENCES.map(({ why }) => [why, 0]));
    const faults: string[] = [];
    let same = 0;
    asked.forEach((question, index) => {
      const [a, b] = [own[index], other[index]];
      if (a === undefined || b === undefined) throw new Error('an answer is missing');
      if (JSON.stringify(a) === JSON.stringify(b)) {
        same += 1;
        return;
      }
      const listed = DIFFERENCES.find(({ is }) => is(question, a, b, all));
      if (listed !== undefined) seen.set(listed.why, (seen.get(listed.why) ?? 0) + 1);
      else
        faults.push(`${question.name} ${question.type}\n  ours   ${show(a)}\n  theirs ${show(b)}`);
    });
    process.stdout.write(`${asked.length} questions, ${same} answers alike\n`);
    for (const [why, count] of seen) process.stdout.write(`  ${count}: ${why}\n`);
    expect(`${faults.length} not listed\n${faults.slice(0, SHOWN_MAX).join('\n')}`).toBe(
      '0 not listed\n',
    );
    expect([...seen].filter(([, count]) => count === 0)).toEqual([]);
  });

  it('counts under the same names and labels', async () => {
    const [own, other] = await Promise.all([metricsOf(ours), metricsOf(theirs)]);
    const defined = new Map<string, string>([
      ...own,
      ...Object.entries(METRICS).map(
        ([name, { labels }]) => [name, [...labels].sort().join(' ')] as const,
      ),
    ]);
    const differing = [...other].filter(([name, labels]) => defined.get(name) !== labels);
    expect(differing.map(([name]) => name).toSorted()).toEqual(UNCOUNTED);
    // What dashboards ask for first has been counted by both.
    for (const name of ['dns_requests_total', 'dns_responses_total', 'cache_hits_total']) {
      expect(own.get(`coredns_${name}`)).toBe(other.get(`coredns_${name}`));
    }
  });
});

/** The labels of each of CoreDNS's metrics there is a series of. */
async function metricsOf(station: Station): Promise<ReadonlyMap<string, string>> {
  const { text } = await station.get('http://127.0.0.1:9153/metrics');
  const lines = text.matchAll(/^(coredns_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$/gm);
  return new Map(
    [...lines].map(([, name = '', labels = '']) => {
      const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label ?? '');
      return [
        name,
        names
          .filter((each) => each !== 'le')
          .sort()
          .join(' '),
      ];
    }),
  );
}

async function isReady(station: Station): Promise<void> {
  const late = AbortSignal.timeout(60_000);
  for (;;) {
    late.throwIfAborted();
    try {
      if ((await station.get('http://127.0.0.1:8181/ready')).status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function answersOf(
  station: Station,
  asked: readonly Question[],
): Promise<readonly Compared[]> {
  const answers = await station.askAll(asked);
  return answers.map(({ rcode, aa, answers: records, authority }) => ({
    rcode,
    aa,
    answers: records.map(comparable).toSorted(),
    authority: authority.map(comparable).toSorted(),
  }));
}

/** TTLs of the cluster are what they are; those of upstreams count down in caches. */
function comparable(record: string): string {
  const [name = '', ttl = '', ...rest] = record.split(' ');
  const isOurs = /cluster\.local$|arpa$/i.test(name);
  return [name, isOurs ? ttl : '-', ...rest].join(' ');
}

function show({ rcode, aa, answers, authority }: Compared): string {
  return `${rcode}${aa ? ' aa' : ''} [${answers.join('; ')}] [${authority.join('; ')}]`;
}
