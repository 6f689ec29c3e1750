import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Netns } from '../../../src/sys/netns.ts';

const PODWIRE = join(import.meta.dirname, '../../../dist/podwire');
const ROOT = join(import.meta.dirname, '../../..');
const NODE = 'podwire-lab-node1';
const WEB_FILE = '/run/podwire-lab/manifests/web.yaml';

const run = (...args: string[]) => spawnSync(PODWIRE, args, { cwd: ROOT, encoding: 'utf8' });
const inNode = (file: string, ...args: string[]): string =>
  execFileSync('ip', ['netns', 'exec', NODE, file, ...args], { encoding: 'utf8', stdio: 'pipe' });
const inPod = (...args: string[]): string =>
  spawnSync('ip', ['netns', 'exec', 'podwire-lab-web-1', PODWIRE, 'lab', 'probe', ...args], {
    encoding: 'utf8',
  }).stdout.trim();
/** What the host has that the lab must not touch. */
const hostState = (): string =>
  ['link', 'addr', 'route', 'rule']
    .map((what) => execFileSync('ip', ['-o', what], { encoding: 'utf8' }))
    .join('\n')
    .concat(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }))
    // Counters of time left change by themselves.
    .replace(/valid_lft \S+|preferred_lft \S+/g, '');
const agentPid = (): number => {
  const status = JSON.parse(run('lab', 'status', '-o', 'json').stdout) as {
    processes: string[];
  }[];
  const line = status.flatMap((each) => each.processes).find((text) => text.includes(' agent '));
  return Number(line?.split(' ')[0]);
};
const get = (path: string, port = 10_256): string =>
  inNode(PODWIRE, 'lab', 'probe', 'http', `http://127.0.0.1:${port}${path}`, '1').trim();

let before: string;
const hadNetnsDirectory = existsSync('/run/netns');
beforeAll(() => {
  before = hostState();
});
afterAll(() => {
  run('lab', 'down');
});

describe('the lab', () => {
  it('comes up twice in a row, and all its checks hold', () => {
    for (let round = 0; round < 2; round += 1) {
      const { status, stdout, stderr } = run('lab', 'up', '-o', 'json');
      const results = JSON.parse(stdout) as { name: string; held: boolean; seen: string }[];
      expect(results.filter(({ held }) => !held)).toEqual([]);
      expect(results).toHaveLength(11);
      expect(stderr).toContain('What to try next');
      expect(status).toBe(0);
    }
    expect(hostState()).toBe(before);
  });

  it('has a healthy agent with metrics by the usual names', () => {
    expect(JSON.parse(get('/healthz'))).toMatchObject({ nodeEligible: true, healthy: true });
    expect(JSON.parse(get('/livez'))).toMatchObject({ healthy: true });
    expect(get('/readyz')).toBe('ok');
    expect(get('/proxyMode', 10_249)).toBe('nftables');
    const metrics = get('/metrics', 10_249);
    expect(metrics).toContain('kubeproxy_sync_proxy_rules_duration_seconds_count');
    expect(metrics).toMatch(
      /coredns_dns_responses_total\{server="dns:\/\/:53",zone="\.",view="",rcode="NOERROR",plugin="kubernetes"\} [1-9]/,
    );
  });

  it('says which line of a broken manifest is wrong, and keeps the last good state', async () => {
    const good = readFileSync(WEB_FILE, 'utf8');
    const log = (): string => readFileSync('/run/podwire-lab/agent.log', 'utf8');
    writeFileSync(WEB_FILE, good.replace('port: 80\n', 'port: eighty\n'));
    await vi.waitFor(
      () => expect(log()).toContain('web.yaml:10: spec.ports[0].port: expected a port number'),
      { timeout: 5000 },
    );
    expect(inPod('http', 'http://10.96.0.20/', '20')).toBe('web-1 web-2');
    writeFileSync(WEB_FILE, good);
    await vi.waitFor(() => expect(log()).toContain('manifests are well again'), { timeout: 5000 });
  });

  it('loses no traffic and writes no rule twice over a kill -9 of the agent', async () => {
    // A table's first lines say who owns it, which comes and goes with the agent.
    const rules = (): string =>
      inNode('nft', '-a', 'list', 'ruleset').replace(/ progname .*$|^\tflags .*\n/gm, '');
    const priorRules = rules();
    const pid = agentPid();
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), { timeout: 5000 });
    expect(inPod('http', 'http://10.96.0.20/', '50')).toBe('web-1 web-2');
    using node = Netns.open(`/run/netns/${NODE}`);
    const args = ['agent', '--manifests', '/run/podwire-lab/manifests'];
    const restarted = node.run(() => spawn(PODWIRE, args, { stdio: ['ignore', 'ignore', 'pipe'] }));
    onTestFinished(() => void restarted.kill('SIGKILL'));
    let log = '';
    restarted.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const closed = once(restarted, 'close');
    await vi.waitFor(() => expect(log).toContain('"msg":"ready"'), { timeout: 5000 });
    expect(log).not.toContain('rules changed');
    expect(rules()).toBe(priorRules);
    expect(inPod('dns', '10.96.0.10', 'web.default.svc.cluster.local', 'A', 'udp')).toBe(
      '10.96.0.20',
    );
    restarted.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(log).toContain('"msg":"stopped"');
    expect(rules()).toBe(priorRules);
    expect(inPod('http', 'http://10.96.0.20/', '50')).toBe('web-1 web-2');
  });

  it('is cleaned of our rules, and only of ours, once the agent has stopped', () => {
    expect(agentPid()).toBeNaN();
    inNode('nft', 'add', 'table', 'ip', 'theirs');
    expect(inNode(PODWIRE, 'cleanup')).toBe('removed table ip podwire, table ip6 podwire\n');
    expect(inNode('nft', 'list', 'tables').trim()).toBe('table ip theirs');
    expect(inNode(PODWIRE, 'cleanup')).toBe('nothing to remove\n');
  });

  it('leaves nothing when it goes down', () => {
    expect(run('lab', 'down')).toMatchObject({ status: 0, stdout: '' });
    expect(existsSync('/run/podwire-lab')).toBe(false);
    const left = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    expect(left.filter((name) => name.startsWith('podwire-lab'))).toEqual([]);
    expect(existsSync('/run/netns')).toBe(hadNetnsDirectory);
    expect(hostState()).toBe(before);
    expect(run('lab', 'status').status).toBe(1);
    expect(run('lab', 'down').status).toBe(0);
  });
});

describe('the command line', () => {
  it.each([
    [[], 2, 'expected a command'],
    [['nothing'], 2, 'Unknown argument: nothing'],
    [['ip', 'classify'], 2, 'expected addresses, as arguments or on stdin'],
    [
      ['agent', '--manifests', 'x', '--dns-port', '70000'],
      2,
      '--dns-port: expected a whole number from 0 to 65535',
    ],
    [
      ['agent', '--manifests', '/nonexistent'],
      1,
      'manifests: expected a readable directory, got "/nonexistent" (ENOENT)',
    ],
    [['agent', '--manifests', ''], 2, '--manifests: expected a directory, got ""'],
    [['cni', 'add', 'none', '/run/netns/none'], 1, 'no net configuration with name "none"'],
    [
      ['cni', 'add', 'none', '/run/netns/none', '--capabilities', '[1]'],
      2,
      '--capabilities: expected a JSON object, got [1]',
    ],
  ])('answers %j with status %i', (args, status, message) => {
    const answer = run(...args);
    expect(answer.status).toBe(status);
    expect(answer.stdout).toBe('');
    expect(answer.stderr).toContain(message);
    // One line on what is wrong, and one on where to find help; never a stack.
    const lines = answer.stderr.split('\n').filter((line) => !/^\{|^$/.test(line));
    expect(lines.length).toBeLessThanOrEqual(2);
  });

  it('says what addresses are', () => {
    expect(run('ip', 'classify', '10.1.2.3', '224.0.0.1').stdout).toBe(
      [
        'ADDRESS    FAMILY  CLASS  GLOBAL  WHAT IT IS',
        '10.1.2.3   IPv4    A /8   no      Private-Use (RFC 1918)',
        '224.0.0.1  IPv4    D      no      All Systems on this Subnet (RFC 1112), Local Network Control Block (RFC 5771 4), Multicast (RFC 5771)',
        '',
      ].join('\n'),
    );
    const [json] = JSON.parse(run('ip', 'classify', '::1', '-o', 'json').stdout) as object[];
    expect(json).toMatchObject({ address: '::1', family: 6, isGlobal: false });
  });

  it('tells its version and helps', () => {
    expect(run('version').stdout).toMatch(/^podwire \d+\.\d+\.\d+, node 26\./);
    const { stdout, status } = run('--help');
    expect(status).toBe(0);
    for (const command of ['agent', 'cleanup', 'lab', 'cni', 'ip', 'version']) {
      expect(stdout).toContain(`podwire ${command}`);
    }
  });

  it('needs no library that comes with compilers only', () => {
    const [library = ''] = globSync('/{usr/,}lib/*/libatomic.so.1');
    expect(library).not.toBe('');
    // The library is there for Node itself; hidden behind an empty file it can't be loaded.
    const script = 'mount --bind /dev/null "$1" && exec "$2" version';
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, 'sh', library, PODWIRE],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout).toContain('podwire');
  });

  it('needs no Node on the machine, and writes no warning', () => {
    const { stdout, stderr } = spawnSync(PODWIRE, ['version'], {
      encoding: 'utf8',
      env: { PATH: '/nowhere' },
    });
    expect(stdout).toContain('podwire');
    expect(stderr).toBe('');
  });
});
