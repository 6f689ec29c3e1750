import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DNS_ADDRESS, Station } from './station.ts';

/* Zone transfers from an agent that runs a Corefile, for those it was told of and nobody else. */

const SLOW_PORT = 5353;
const PERMITTED = '127.0.0.53';
const REFUSED = '127.0.0.54';
const NAMED = '127.0.0.55';
const BARRED = '127.0.0.56';
const COREFILE = `
cluster.local {
  kubernetes
  reload 2s 0s
}
10.in-addr.arpa {
  kubernetes cluster.local 10.in-addr.arpa
  transfer {
    to *
  }
}
cluster.local:${SLOW_PORT} {
  acl {
    block type AXFR net ${BARRED}/32
  }
  kubernetes
  hosts {
    192.0.2.2 web.cluster.local
    fallthrough
  }
  transfer {
    to ${NAMED} [2001:db8::1]:5300 ${BARRED}
  }
}
plugins.test {
  hosts {
    192.0.2.1 web.plugins.test
  }
}
`;
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
  port = 53,
): { readonly records: string[]; readonly text: string } {
  const options = ['-b', from, '+noall', '+answer', '+comments', '+tries=1', '+time=5'];
  const dig = ['dig', `@${DNS_ADDRESS}`, '-p', `${port}`, ...options, zone, 'AXFR'];
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

  it('is for those whom transfer names in the block, and no other one', () => {
    const whole = transfer('cluster.local', PERMITTED).records.length;
    expect(transfer('cluster.local', NAMED).records).toEqual([]);
    expect(transfer('cluster.local', NAMED, SLOW_PORT).records).toHaveLength(whole);
    expect(transfer('cluster.local', PERMITTED, SLOW_PORT).records).toHaveLength(whole);
    expect(transfer('cluster.local', REFUSED, SLOW_PORT).text).toMatch(/Transfer failed/);
    expect(transfer('cluster.local', BARRED, SLOW_PORT).text).toMatch(/Transfer failed/);
    const backwards = transfer('10.in-addr.arpa', REFUSED).records;
    expect(backwards.filter((line) => /\sPTR\s+svc1\.testns\./.test(line))).toHaveLength(1);
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
