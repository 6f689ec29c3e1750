import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import { type LabOptions, MANIFESTS, spawnIn } from './lab.ts';
import { PODS } from './layout.ts';

/** What one check came to. */
export interface CheckResult {
  readonly name: string;
  readonly held: boolean;
  /** What was seen. */
  readonly seen: string;
}

const DNS_SERVER = '10.96.0.10';
const WEB = 'web.default.svc.cluster.local';
const WEB_IP = '10.96.0.20';
const EDITED_IP = '10.96.0.21';
const EDIT_LIMIT_MS = 1_000;
/** With two backends, missing one in this many tries is one in a billion. */
const TRIES = 30;

const [WEB_1, WEB_2] = PODS;

/** Checks from inside the pods, each by a process of its own there. */
export async function runChecks(podwire: LabOptions['podwire']): Promise<CheckResult[]> {
  const http = (url: string, tries = 1) => probe(podwire, ['http', url, `${tries}`]);
  const dns = (name: string, type: string, transport = 'udp') =>
    probe(podwire, ['dns', DNS_SERVER, name, type, transport]);
  const both = `${WEB_1.name} ${WEB_2.name}`;
  const results: CheckResult[] = [];
  const check = async (name: string, asked: Promise<string>, wanted: string): Promise<void> => {
    const seen = await asked.catch((error: unknown) => String(error));
    results.push({ name, held: seen === wanted, seen });
  };
  await check('pod to pod', http('http://10.244.0.11:8080/'), WEB_2.name);
  await check('pod to pod, IPv6', http('http://[fd00:244::11]:8080/'), WEB_2.name);
  await check('pod to Service, both backends', http(`http://${WEB_IP}/`, TRIES), both);
  await check('pod to Service, IPv6', http('http://[fd00:96::20]/', TRIES), both);
  await check('name over UDP', dns(WEB, 'A'), WEB_IP);
  await check('name over TCP', dns(WEB, 'A', 'tcp'), WEB_IP);
  await check('IPv6 name', dns(WEB, 'AAAA'), 'fd00:96::20');
  await check('port by SRV', dns(`_http._tcp.${WEB}`, 'SRV'), `80 ${WEB}`);
  await check('reverse lookup', dns('20.0.96.10.in-addr.arpa', 'PTR'), WEB);
  await check(
    'headless Service',
    dns('web-headless.default.svc.cluster.local', 'A'),
    '10.244.0.10 10.244.0.11',
  );
  results.push(await checkEdit(podwire));
  return results;
}

/** Gives the Service another address and waits for name and rules to follow; puts it back after. */
async function checkEdit(podwire: LabOptions['podwire']): Promise<CheckResult> {
  const name = 'edit of a manifest, seen by both';
  const file = join(MANIFESTS, 'web.yaml');
  const before = readFileSync(file, 'utf8');
  const child = spawnIn(
    WEB_1.netns,
    podwire,
    ['lab', 'probe', 'edit', DNS_SERVER, WEB, EDITED_IP],
    'pipe',
  );
  const exited = once(child, 'exit');
  if (child.stdout !== null) await once(child.stdout, 'data');
  const start = performance.now();
  try {
    writeFileAtomic(file, before.replaceAll(WEB_IP, EDITED_IP), 0o644);
    const [status] = await exited;
    const tookMs = Math.round(performance.now() - start);
    return { name, held: status === 0 && tookMs < EDIT_LIMIT_MS, seen: `after ${tookMs} ms` };
  } finally {
    writeFileAtomic(file, before, 0o644);
    await probe(podwire, ['edit', DNS_SERVER, WEB, WEB_IP]);
  }
}

/** Runs a probe in the first pod and gives what it printed. */
async function probe(podwire: LabOptions['podwire'], args: readonly string[]): Promise<string> {
  const child = spawnIn(WEB_1.netns, podwire, ['lab', 'probe', ...args], 'pipe');
  const streams = [child.stdout, child.stderr].map(async (stream) =>
    stream === null ? '' : await text(stream),
  );
  const [out = '', problems = ''] = await Promise.all(streams);
  return out.trim() || problems.trim();
}
