import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { ask, eventually, RunningAgent } from './agent-fixture.ts';

const fixture = useNetns('reload');
const CLUSTER_IP = '10.96.0.20';
const DNS_PORT = 5300;

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-reload-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Writes a file as an editor saves it. */
function save(name: string, text: string): void {
  const file = join(directory, name);
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}

const configure = (body: string) =>
  save('agent.yaml', `apiVersion: podwire/v1alpha1\nkind: AgentConfiguration\n${body}`);

/** A Service of this node, as JSON, which is YAML. */
function manifests(name: string, address: string): string {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      type: 'NodePort',
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ port: 80, nodePort: name === 'web' ? 30_080 : 30_081 }],
    },
  };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.1.1.1'], conditions: { ready: true } }],
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, slice] });
}

const corefile = (...zones: string[]) =>
  zones
    .map(
      (zone) =>
        `    ${zone}:${DNS_PORT} {\n      template IN A {\n        answer "{{ .Name }} 60 IN A 192.0.2.7"\n      }\n    }\n`,
    )
    .join('');

/**
 * A server, and somebody who asks it through the Service, and DNS by name, one question after the other and
 * each once: what is lost is found out after the time-out, however busy the machine is.
 */
const TRAFFIC = `
  const { createServer, request } = require('node:http');
  const { Resolver } = require('node:dns').promises;
  const count = { requests: 0, queries: 0, failures: [] };
  const fetch = () => new Promise((resolve, reject) => {
    const asked = request({ host: '${CLUSTER_IP}', agent: false, timeout: 10000 }, (response) => {
      response.resume().on('end', resolve);
    });
    asked.on('error', reject).on('timeout', () => asked.destroy(new Error('timeout'))).end();
  });
  const resolver = new Resolver({ timeout: 10000, tries: 1 });
  resolver.setServers(['127.0.0.1:${DNS_PORT}']);
  let isOver = false;
  const repeat = async (name, act) => {
    while (!isOver) {
      try { await act(); count[name] += 1; } catch (error) { count.failures.push(name + ' ' + error); }
      if (count.failures.length > 5) break;
    }
  };
  createServer((_, response) => response.end('ok')).listen(8080, '10.1.1.1', async () => {
    process.stdin.on('end', () => { isOver = true; }).resume();
    await Promise.all([repeat('requests', fetch), repeat('queries', () => resolver.resolve4('x.a.test'))]);
    console.log(JSON.stringify(count));
    process.exit();
  });
`;

interface Count {
  readonly requests: number;
  readonly queries: number;
  readonly failures: readonly string[];
}

/** Asks until it is told to stop. */
class Traffic implements Disposable {
  readonly #child: ChildProcess;
  readonly #count: Promise<Count>;

  constructor() {
    const args = ['netns', 'exec', fixture.name, process.execPath, '-e', TRAFFIC];
    this.#child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no pipe');
    const lines = createInterface({ input: stdout });
    this.#count = once(lines, 'line').then(([line]) => JSON.parse(String(line)) as Count);
  }

  async stop(): Promise<Count> {
    this.#child.stdin?.end();
    return await this.#count;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

const get = (port: number, path: string) => ask(fixture.name, `http://127.0.0.1:${port}${path}`);
const metric = (name: string, port: number): string =>
  new RegExp(`^${name} (.*)$`, 'm').exec(get(port, '/metrics').body)?.[1] ?? '';
const ruleset = (): string => fixture.exec('nft', 'list', 'ruleset');
const resolved = (name: string): string =>
  fixture.exec('dig', '+short', '+tries=1', '-p', `${DNS_PORT}`, '@127.0.0.1', name).trim();
const optionsOf = (agent: RunningAgent, msg: string) =>
  agent.log.filter((line) => line.msg === msg).map(({ options }) => options);

describe('podwire agent', () => {
  it('takes another configuration over while everything is served, and refuses one that is wrong', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    fixture.exec('ip', 'addr', 'add', '10.1.1.1/32', 'dev', 'lo');
    fixture.exec('ip', 'route', 'add', '10.96.0.0/16', 'dev', 'lo');
    for (const [name, ...services] of [
      ['one', 'web'],
      ['two', 'web', 'more'],
    ] as const) {
      mkdirSync(join(directory, name));
      for (const each of services) {
        const address = each === 'web' ? CLUSTER_IP : '10.96.0.21';
        save(join(name, `${each}.yaml`), manifests(each, address));
      }
    }
    const head = 'savedState: {file: ""}\nnode: {name: n1}\n';
    const before = `${head}sources: {manifests: {directory: one}}\ndns:\n  corefileText: |\n${corefile('a.test')}log: {level: warn}\n`;
    configure(`${before}`.replace('level: warn', 'level: info'));
    await using agent = await RunningAgent.startAlone(fixture.name, [
      '--config',
      join(directory, 'agent.yaml'),
    ]);
    expect(agent.exitCode, agent.told()).toBeNull();
    expect(ruleset()).toContain('10.96.0.20');
    expect(metric('podwire_config_last_reload_successful', 10_249)).toBe('1');
    using traffic = new Traffic();

    // All that can change does, at once, when the file is saved.
    const after = `${head}sources: {manifests: {directory: two}}
proxy: {masqueradeAll: true, masqueradeBit: 9, nodePortAddresses: [10.1.1.0/24], clusterCIDRs: [10.1.0.0/16], conntrack: {udpTimeout: 77s}}
dns:
  corefileText: |
${corefile('a.test', 'b.test')}http: {healthzBindAddress: 127.0.0.1:7001, metricsBindAddress: 127.0.0.1:7002}
log: {level: debug}
`;
    configure(after);
    await eventually(() =>
      expect(optionsOf(agent, 'configuration taken over'), agent.told()).toHaveLength(1),
    );
    expect(optionsOf(agent, 'configuration taken over')[0]).toEqual([
      'sources.manifests.directory',
      'proxy.clusterCIDRs',
      'proxy.nodePortAddresses',
      'proxy.masqueradeAll',
      'proxy.masqueradeBit',
      'proxy.conntrack.udpTimeout',
      'dns.corefileText',
      'http.healthzBindAddress',
      'http.metricsBindAddress',
      'log.level',
    ]);
    expect(get(7001, '/readyz').status).toBe(200);
    expect(get(10_256, '/readyz').body).toBe('ECONNREFUSED');
    expect(get(10_249, '/metrics').body).toBe('ECONNREFUSED');
    expect(resolved('y.b.test')).toBe('192.0.2.7');
    const rules = ruleset();
    expect(rules).toContain('10.96.0.21');
    expect(rules).toContain('0x00000200');
    expect(rules).not.toContain('0x00004000');
    expect(fixture.exec('nft', 'list', 'set', 'ip', 'podwire', 'pods')).toContain('10.1.0.0/16');
    expect(fixture.exec('sysctl', '-n', 'net.netfilter.nf_conntrack_udp_timeout').trim()).toBe(
      '77',
    );

    // A wrong one changes nothing, and is told of once, with its place: below two lines of head.
    const line = after.split('\n').findIndex((each) => each.startsWith('log:')) + 3;
    configure(
      after.replace('debug', 'loud').replace('masqueradeAll: true', 'masqueradeAll: false'),
    );
    const refused = () =>
      agent.log.filter(({ msg }) => String(msg).startsWith('configuration refused'));
    await eventually(() => expect(refused(), agent.told()).toHaveLength(1));
    expect(refused()[0]?.error).toContain(
      `${join(directory, 'agent.yaml')}:${line}:7: log.level: expected one of`,
    );
    expect(metric('podwire_config_last_reload_successful', 7002)).toBe('0');
    expect(get(7002, '/metrics').body).toContain('podwire_degraded{state="config-refused"} 1');
    expect(ruleset()).toBe(rules);

    // Nor does one that can't be: all of it, or nothing.
    configure(
      after
        .replace('7001', '8080')
        .replace('127.0.0.1:8080', '10.1.1.1:8080')
        .replace('b.test', 'c.test'),
    );
    await eventually(() => expect(refused(), agent.told()).toHaveLength(2));
    expect(String(refused()[1]?.error)).toContain('EADDRINUSE');
    expect(resolved('y.b.test')).toBe('192.0.2.7');
    expect(get(7001, '/readyz').status).toBe(200);

    // What needs a restart is named, and the rest holds; SIGHUP looks at once.
    configure(`${after.replace('n1', 'n2').replace('masqueradeBit: 9', 'masqueradeBit: 10')}`);
    agent.signal('SIGHUP');
    await eventually(() =>
      expect(optionsOf(agent, 'configuration taken over'), agent.told()).toHaveLength(2),
    );
    expect(optionsOf(agent, 'these options stay as they are until the agent is restarted')).toEqual(
      [['node.name']],
    );
    expect(agent.logged('the configuration is well again')).toBe(true);
    expect(metric('podwire_config_last_reload_successful', 7002)).toBe('1');
    expect(metric('podwire_config_restart_needed', 7002)).toBe('1');
    expect(ruleset()).toContain('0x00000400');

    const { requests, queries, failures } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(10);
    expect(queries).toBeGreaterThan(10);
  });
});
