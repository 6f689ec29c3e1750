import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { useNetns } from '../netns-fixture.ts';
import { CNI_BIN } from './plugin-fixture.ts';

/*
 * A container runtime that knows nothing of podwire: Debian's containerd with runc and its own
 * libcni, in namespaces of its own, with our executables in /opt/cni/bin and a conflist of ours.
 */

const node = useNetns('containerd');
const outside = useNetns('containerd-out');
const HOST_PORT = 8080;
const NODE_ADDRESS = '192.0.2.1';
const OUTSIDE_ADDRESS = '192.0.2.2';
const BUSYBOX = '/bin/busybox';

type Pod = 'web' | 'client';
const PODS: readonly Pod[] = ['web', 'client'];

let directory: string;
/** Ends containerd, and with it all that is in its process namespace. */
let stop: () => Promise<void>;
/** The arguments of nsenter(1) that bring a command where containerd is. */
let enter: readonly string[];

const inside = (...path: string[]): string => join(directory, ...path);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-containerd-'));
  node.exec('ip', 'link', 'set', 'lo', 'up');
  node.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'up1', 'netns', outside.name);
  for (const [side, link, address] of [
    [node, 'up0', NODE_ADDRESS],
    [outside, 'up1', OUTSIDE_ADDRESS],
  ] as const) {
    side.exec('ip', 'addr', 'add', `${address}/24`, 'dev', link);
    side.exec('ip', 'link', 'set', link, 'up');
  }
  for (const pod of PODS) {
    makeRootfs(pod);
    writeConflist(pod);
  }
  await startContainerd();
});
afterEach(async () => {
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A root file system of busybox alone, whose web server says the name of the pod. */
function makeRootfs(pod: Pod): void {
  const rootfs = inside(pod, 'rootfs');
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'www']) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  cpSync(BUSYBOX, join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'httpd', 'sleep']) {
    symlinkSync('busybox', join(rootfs, 'bin', applet));
  }
  writeFileSync(join(rootfs, 'www/index.html'), pod);
}

/** The same network for both; `ctr` asks for no ports, so the configuration of one of them does. */
function writeConflist(pod: Pod): void {
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    hairpinMode: true,
    ipMasq: true,
    ipam: {
      type: 'host-local',
      dataDir: inside('networks'),
      ranges: [[{ subnet: '10.88.0.0/24' }], [{ subnet: 'fd00:88::/64' }]],
    },
  };
  const portMappings = [{ hostPort: HOST_PORT, containerPort: 80, protocol: 'tcp' }];
  const portmap = { type: 'portmap', runtimeConfig: { portMappings } };
  mkdirSync(inside(pod, 'net.d'));
  writeFileSync(
    inside(pod, 'net.d/10-podwire.conflist'),
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'podwire',
      plugins: pod === 'web' ? [bridge, portmap] : [bridge],
    }),
  );
}

/** What would otherwise be the machine's is covered: nothing of it is seen, nothing changed. */
const SETUP = `
set -e
cover() {
  mkdir -p "$DIRECTORY/cover$1/upper" "$DIRECTORY/cover$1/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$DIRECTORY/cover$1/upper,workdir=$DIRECTORY/cover$1/work" "$1"
}
mkdir "$DIRECTORY/cover"
mount -t tmpfs tmpfs "$DIRECTORY/cover"
cover /etc; cover /opt; cover /var/lib
mount -t tmpfs tmpfs /run
mkdir -p /etc/cni/net.d /opt/cni/bin
mount --bind "$PLUGINS" /opt/cni/bin
exec containerd -c "$DIRECTORY/config.toml"
`;

async function startContainerd(): Promise<void> {
  writeFileSync(
    inside('config.toml'),
    `version = 2
root = "${inside('root')}"
state = "${inside('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${inside('containerd.sock')}"
`,
  );
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = node.netns.run(() =>
    spawn('unshare', [...namespaces, 'sh', '-c', SETUP], {
      env: { PATH: process.env.PATH, DIRECTORY: directory, PLUGINS: CNI_BIN },
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
  const ended = once(child, 'close');
  stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const log: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    log.push(line);
    if (line.includes('successfully booted')) {
      child.stderr.resume();
      const task = `/proc/${child.pid}/task/${child.pid}/children`;
      const first = execFileSync('cat', [task], { encoding: 'utf8' }).trim();
      enter = ['-t', first, '-m', '-p', '--'];
      return;
    }
  }
  throw new Error(`containerd ended: ${log.join('\n')}`);
}

const ctrCommand = (...args: string[]): string[] => [
  'ctr',
  '-a',
  inside('containerd.sock'),
  ...args,
];

function ctr(...args: string[]): string {
  return node.exec('nsenter', ...enter, ...ctrCommand(...args)).trim();
}

/** What a program of the pod prints. */
const inPod = (pod: Pod, ...args: string[]): string =>
  ctr('task', 'exec', '--exec-id', `exec-${pod}`, pod, '/bin/busybox', ...args);

/** Runs a container until it is killed; gives what takes it away and waits until ctr has ended. */
async function runPod(pod: Pod): Promise<() => Promise<void>> {
  const configuration = inside(pod, 'net.d');
  const command = 'export PATH=/bin; httpd -p 80 -h /www && echo ready && exec sleep 2147483647';
  const rootfs = inside(pod, 'rootfs');
  const run = ctrCommand('run', '--rm', '--cni', '--rootfs', rootfs, pod, '/bin/sh', '-c', command);
  const script = `mount --bind "${configuration}" /etc/cni/net.d && exec "$@"`;
  const unshare = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
  const child = node.netns.run(() =>
    spawn('nsenter', [...enter, ...unshare, ...run], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const ended = once(child, 'close');
  const [said] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer | number];
  expect(`${said}`).toBe('ready\n');
  return async () => {
    ctr('task', 'kill', '-s', 'SIGKILL', pod);
    expect(await ended).toEqual([137, null]);
  };
}

const FETCH = ['wget', '-q', '-Y', 'off', '-O', '-'];
const url = (host: string, port = HOST_PORT): string => `http://${host}:${port}/`;
const fetchFrom = (side: typeof node, address: string): string =>
  side.exec(BUSYBOX, ...FETCH, url(address));

/** Links and rules of pods that the node has. */
function traces(): string[] {
  const links = (JSON.parse(node.exec('ip', '-j', 'link')) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .filter((name) => name.startsWith('veth'));
  const rules = node
    .exec('nft', 'list', 'ruleset')
    .split('\n')
    .filter((line) => /10\.88\.0\.[2-9]|fd00:88::[2-9]|8080/.test(line));
  return [...links, ...rules.map((line) => line.trim())];
}

it('containerd runs pods whose traffic flows, and takes them away without a trace', async () => {
  const removeWeb = await runPod('web');
  const removeClient = await runPod('client');
  expect(inPod('web', 'ip', '-o', 'addr', 'show', 'eth0')).toMatch(
    /inet 10\.88\.0\.2\/24 [\s\S]*inet6 fd00:88::2\/64/,
  );
  // Pod to pod, and to one outside who knows no way to pods.
  expect(inPod('client', ...FETCH, url('10.88.0.2', 80))).toBe('web');
  expect(inPod('client', ...FETCH, url('[fd00:88::2]', 80))).toBe('web');
  expect(inPod('client', 'ping', '-c1', '-W5', OUTSIDE_ADDRESS)).toContain('1 packets received');
  // The port of the host: from outside, from the host, by 127.0.0.1, from another pod, from itself.
  expect(fetchFrom(outside, NODE_ADDRESS)).toBe('web');
  expect(fetchFrom(node, NODE_ADDRESS)).toBe('web');
  expect(fetchFrom(node, '127.0.0.1')).toBe('web');
  expect(inPod('client', ...FETCH, url(NODE_ADDRESS))).toBe('web');
  expect(inPod('web', ...FETCH, url(NODE_ADDRESS))).toBe('web');
  expect(traces()).not.toEqual([]);
  const reservations = (): string[] => readdirSync(inside('networks/podwire')).sort();
  expect(reservations()).toEqual(expect.arrayContaining(['10.88.0.2', 'fd00:88::3']));
  await removeWeb();
  // Those of the other pod are still there.
  expect(traces().join('\n')).not.toMatch(/10\.88\.0\.2|8080/);
  expect(inPod('client', 'ping', '-c1', '-W5', OUTSIDE_ADDRESS)).toContain('1 packets received');
  await removeClient();
  expect(traces()).toEqual([]);
  expect(reservations()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
  expect(existsSync('/etc/cni/net.d/10-podwire.conflist')).toBe(false);
});
