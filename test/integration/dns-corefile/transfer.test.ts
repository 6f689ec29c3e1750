import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DNS_ADDRESS, Station } from './station.ts';

/* Zone transfers from an agent that runs a Corefile, for those it was told of and nobody else. */

const COREFILE = `
cluster.local {
  kubernetes
  reload 2s 0s
}
plugins.test {
  hosts {
    192.0.2.1 web.plugins.test
  }
}
`;
const PERMITTED = '127.0.0.53';
const REFUSED = '127.0.0.54';
let station: Station;

beforeAll(async () => {
  station = await Station.open('dnstr');
  await station.start({
    corefile: COREFILE,
    manifests: [join(import.meta.dirname, '../dns/fixtures/names.yaml')],
    args: ['--dns-transfer-to', `${PERMITTED}/32`, '--dns-transfer-to', '192.0.2.9'],
  });
});
afterAll(() => station[Symbol.asyncDispose]());

/** What dig(1) says of a transfer asked for from an address. */
function transfer(
  zone: string,
  from: string,
): { readonly records: string[]; readonly text: string } {
  const options = ['-b', from, '+noall', '+answer', '+comments', '+tries=1', '+time=5'];
  const dig = ['dig', `@${DNS_ADDRESS}`, ...options, zone, 'AXFR'];
  const { stdout } = spawnSync('ip', ['netns', 'exec', station.netns, ...dig], {
    encoding: 'utf8',
  });
  const records = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
  return { records, text: stdout };
}

describe('a transfer', () => {
  it('gives the whole zone to whom the flag names', () => {
    const { records } = transfer('cluster.local', PERMITTED);
    expect(records[0]).toMatch(/^cluster\.local\.\s.*\sSOA\s/);
    expect(records.at(-1)).toBe(records[0]);
    const svc1 = /^svc1\.testns\.svc\.cluster\.local\.\s.*\sA\s+10\.0\.0\.1$/;
    expect(records.filter((line) => svc1.test(line))).toHaveLength(1);
  });

  it('is refused to all others', () => {
    const { records, text } = transfer('cluster.local', REFUSED);
    expect(records).toEqual([]);
    expect(text).toMatch(/Transfer failed/);
  });

  it('is there of the cluster only, not of what plugins answer', () => {
    expect(transfer('plugins.test', PERMITTED).records).toEqual([]);
  });

  it('takes addresses and networks, and says what else it was given', () => {
    const entry = join(import.meta.dirname, '../../../src/entry.ts');
    const args = [entry, 'agent', '--manifests', station.directory, '--dns-transfer-to', 'foo/8'];
    const { status, stderr } = spawnSync(process.execPath, ['--no-warnings', ...args], {
      encoding: 'utf8',
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain('--dns-transfer-to: invalid IP prefix "foo/8"');
  });
});
