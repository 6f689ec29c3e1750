import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const PODWIRE = join(ROOT, 'dist/podwire');
const EXAMPLE = join(ROOT, 'examples/agent/agent.yaml');
const HEAD = 'apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n';

let directory = '';
let file = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-config-cli-'));
  file = join(directory, 'agent.yaml');
});
afterAll(() => rmSync(directory, { recursive: true }));

function config(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const env = { ...process.env, ...environment };
  const options = { encoding: 'utf8', env } as const;
  const { status, stdout: out, stderr: err } = spawnSync(PODWIRE, ['config', ...args], options);
  return { status, out, err };
}

describe('podwire config', () => {
  it('prints what holds and who said it, as a file that is taken', () => {
    writeFileSync(file, `${HEAD}dns:\n  port: 1053\n  ttlSeconds: 7\n`);
    const args = [
      'print',
      '--config',
      file,
      '--sources',
      '--dns-node-local',
      '10.0.0.1',
      'fd00::1',
    ];
    const { status, out, err } = config(args, { PODWIRE_DNS_TTL: '8', PODWIRE_LOG_LEVL: 'warn' });
    expect(status, err).toBe(0);
    expect(err).toBe(
      'podwire: PODWIRE_LOG_LEVL: nobody reads it; did you mean PODWIRE_LOG_LEVEL?\n',
    );
    const lines = out.split('\n').map((line) => line.trim());
    expect(lines).toContain(`port: 1053  # ${file}:4:3`);
    expect(lines).toContain('ttlSeconds: 8  # PODWIRE_DNS_TTL');
    expect(lines).toContain('nodeLocal: ["10.0.0.1", "fd00::1"]  # --dns-node-local');
    expect(lines).toContain('clusterDomain: cluster.local  # default');
    writeFileSync(file, out);
    expect(config(['check', file])).toEqual({
      status: 0,
      out: `${file}: all of it can be taken\n`,
      err: '',
    });
  });

  it('says of a file all that is wrong, and of one that can not be read why', () => {
    writeFileSync(file, `${HEAD}dns: {prot: 1}\nlog:\n  level: loud\n`);
    const { status, out } = config(['check', file]);
    expect(status).toBe(1);
    expect(out.split('\n').slice(0, 3)).toEqual([
      `${file}: 2 faults, so nothing of it would be taken:`,
      `${file}:3:7: dns.prot: there is no such field; did you mean "port"?`,
      `${file}:5:3: log.level: expected one of "trace", "debug", "info", "warn", "error", "fatal", got "loud"`,
    ]);
    const json = JSON.parse(config(['check', file, '-o', 'json']).out) as { faults: unknown };
    expect(json.faults).toMatchObject([{ field: 'dns.prot' }, { field: 'log.level' }]);
    const missing = config(['check', join(directory, 'missing')]);
    expect(missing.status).toBe(2);
    expect(missing.err).toContain('ENOENT');
    const wrong = config(['print', '--config', file]);
    expect(wrong.status).toBe(2);
    expect(wrong.err).toContain(`${file}:5:3: log.level: expected one of`);
    expect(wrong.out).toBe('');
  });

  it('takes the examples, and has the schema that is in docs/', () => {
    for (const example of [EXAMPLE, join(ROOT, 'examples/kube-proxy/config.yaml')]) {
      expect(config(['check', example])).toMatchObject({ status: 0 });
    }
    const schema = readFileSync(join(ROOT, 'docs/configuration.schema.json'), 'utf8');
    expect(JSON.parse(config(['schema']).out)).toEqual(JSON.parse(schema));
  });
});
