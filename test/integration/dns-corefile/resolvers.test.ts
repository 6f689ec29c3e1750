import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DNS_ADDRESS, Station } from './station.ts';

/*
 * What programs in pods do: names are looked up by the C library, which walks the search path of
 * resolv.conf and asks for A and AAAA at once. glibc asks one server after the other and stops at the
 * first answer; musl stops at any SERVFAIL and takes an NXDOMAIN for both families.
 */

const NAMES = join(import.meta.dirname, '../dns/fixtures/names.yaml');
const LIBRARIES = { glibc: ['gcc'], musl: ['musl-gcc', '-static'] } as const;

let station: Station;

beforeAll(async () => {
  station = await Station.open(
    'dnsr',
    [DNS_ADDRESS],
    [
      'search testns.svc.cluster.local svc.cluster.local cluster.local example.com',
      'options ndots:5 timeout:2 attempts:1',
    ],
  );
  await station.upstream({
    'www.example.com. A': { records: ['www.example.com. 300 A 192.0.2.7'] },
    'www.example.com. AAAA': {},
    'ext.interwebs.test. A': { records: ['ext.interwebs.test. 60 A 192.0.2.8'] },
    'ext.interwebs.test. AAAA': { records: ['ext.interwebs.test. 60 AAAA 2001:db8::8'] },
  });
  await station.start({
    corefile: `. {
      errors
      kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
      }
      forward . 127.0.0.1
      cache
    }`,
    manifests: [NAMES],
  });
});
afterAll(() => station[Symbol.asyncDispose]());

describe.each(Object.entries(LIBRARIES))('the resolver of %s', (library, [compiler, ...flags]) => {
  let program: string;
  beforeAll(() => {
    program = join(station.directory, `look-up-${library}`);
    const source = join(import.meta.dirname, 'look-up.c');
    execFileSync(compiler, [...flags, '-o', program, source]);
  });

  /** The addresses of a name, sorted, or why there are none. */
  async function lookUp(name: string): Promise<string[]> {
    const run = promisify(execFile)('ip', ['netns', 'exec', station.netns, program, name]);
    const { stdout } = await run.catch((error: unknown) => error as { stdout: string });
    return stdout.trim().split('\n').toSorted();
  }

  it.each([
    ['svc1', ['10.0.0.1']],
    ['svc1.testns', ['10.0.0.1']],
    ['svc1.testns.svc', ['10.0.0.1']],
    ['svc1.testns.svc.cluster.local', ['10.0.0.1']],
    ['svc1.testns.svc.cluster.local.', ['10.0.0.1']],
    ['kube-dns.kube-system', ['10.96.0.10']],
    ['svc-dual-stack', ['10.0.0.3', '10::3']],
    ['svc6', ['1234:abcd::1']],
    ['hdls1', ['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5', '5678:abcd::1', '5678:abcd::2']],
    ['dup-name.hdls1', ['172.0.0.4', '172.0.0.5']],
    ['10-1-2-3.podns.pod', ['10.1.2.3']],
    ['external', ['192.0.2.8', '2001:db8::8']],
    ['external-to-service', ['10.0.0.1']],
    ['www', ['192.0.2.7']],
    ['www.example.com', ['192.0.2.7']],
    ['svc-unready', ['no such name']],
    ['svc0', ['no such name']],
    ['nobody.example.com', ['no such name']],
  ])('finds %s: %j', async (name, expected) => {
    expect(await lookUp(name)).toEqual([...expected].sort());
  });
});
