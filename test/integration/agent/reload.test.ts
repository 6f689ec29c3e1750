import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('reload');
const HEAD = 'apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n';

let directory = '';
let file = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-reload-'));
  file = join(directory, 'agent.yaml');
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => fixture.exec('ip', 'link', 'set', 'lo', 'up'));

/** As an editor saves it. */
function save(body: string): void {
  writeFileSync(`${file}.tmp`, `${HEAD}${body}`);
  renameSync(`${file}.tmp`, file);
}

async function started(body: string, args: readonly string[] = []): Promise<RunningAgent> {
  save(body);
  const agent = await RunningAgent.start(fixture.name, [service], ['--config', file, ...args]);
  expect(agent.exitCode, agent.told()).toBeNull();
  return agent;
}

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    type: 'NodePort',
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20'],
    ports: [{ port: 80, nodePort: 30_080 }],
  },
};

const get = (port: number, path: string) => ask(fixture.name, `http://127.0.0.1:${port}${path}`);
const metric = (name: string, port = 10_249): string =>
  new RegExp(`^${name} (.*)$`, 'm').exec(get(port, '/metrics').body)?.[1] ?? '';
const list = (...what: string[]): string => fixture.exec('nft', 'list', ...what);
const said = (agent: RunningAgent, msg: string) => agent.log.filter((line) => line.msg === msg);

describe('the configuration of an agent that runs', () => {
  it('is taken over when the file is saved: rules, addresses, log and Corefile', async () => {
    const corefile = (name: string) =>
      `dns:\n  corefileText: |\n    ${name}:5300 {\n      template IN A {\n        answer "{{ .Name }} 60 IN A 192.0.2.7"\n      }\n    }\n`;
    await using agent = await started(`${corefile('a.test')}log: {level: warn}\n`);
    // (kept below)
    expect(agent.told()).not.toContain('never');
  });
});
